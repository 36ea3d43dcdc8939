"""The evidence that a ranking weighs, for every question of a file: gathered once, weighed as often as one likes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ... import AgentMemory
from ...models import Scope
from ...pipeline.ranking.features import expand, features
from ...pipeline.ranking.weights import Ranking, mixture
from ...pipeline.search import Question
from ...ports import Selection
from .questions import TURN, Told

Floats = NDArray[np.float32]

K: Final = 10  # hits that count
FOLDS: Final = 5


@dataclass(frozen=True, slots=True)
class Case:
    """One question with its candidates.

    Attributes:
        source: See `Told`.
        kind: See `Asked`.
        fold: Which of the `FOLDS` parts it belongs to.
        weight: See `Told`.
        evidence: One row per candidate, in insertion order, one column per name in `features.NAMES`.
        answers: Which candidates answer it.
        expected: How many answers there are, found or not.
        mixture: See `weights.mixture`.
    """

    source: str
    kind: str
    fold: int
    weight: float
    evidence: Floats
    answers: NDArray[np.bool_]
    expected: int
    mixture: Floats

    def recall(self, table: Floats, k: int) -> float:
        """Return the share of the answers among the first k, ranked by a table of weights, shape (kinds of memory, columns)."""
        return self.recall_of(self.evidence @ (self.mixture @ table), k)

    def recall_of(self, scores: Floats, k: int) -> float:
        """Return the share of the answers among the first k by these scores."""
        best = np.argsort(-scores, kind="stable")[:k]
        return float(self.answers[best].sum()) / self.expected


def cases(told: Iterable[Told], embedder: str = "static") -> list[Case]:
    """Return every question with its evidence, taken from a memory in RAM as a search would."""
    found: list[Case] = []
    with AgentMemory("memory://", embedder=embedder) as memory:
        for number, one in enumerate(told):
            memory.add_batch(one.items, user_id=f"owner {number}", on_error="raise")
            turns: dict[int, str] = {}
            found += [_case(memory, f"owner {number}", one, position, turns) for position in range(len(one.asked))]
    return found


def default_for(embedder: str) -> Ranking:
    """Return the package's own weights for an embedder."""
    with AgentMemory("memory://", embedder=embedder) as memory:
        return memory._room.searching.weights()


def _case(memory: AgentMemory, user: str, told: Told, position: int, turns: dict[int, str]) -> Case:
    """Return one question with its evidence; `turns` keeps which turn each memory is."""
    asked, room = told.asked[position], memory._room  # a ranking is measured by what it is given, which no verb shows
    survey = room.searching.survey(Question(asked.text, Selection(room.namespace, Scope(room.namespace, user))))
    around = expand(survey)
    keys = survey.keys[around.rows].tolist()
    turns |= {key: str(m.metadata[TURN]) for key, m in room.engine.store.load([k for k in keys if k not in turns]).items()}
    answers = np.array([turns[key] in asked.answers for key in keys], np.bool_)
    fold = position if told.fold is None else told.fold
    evidence = features(asked.text, survey, around, datetime.now(UTC))
    return Case(told.source, asked.kind, fold % FOLDS, told.weight, evidence, answers, len(asked.answers), mixture(survey))
