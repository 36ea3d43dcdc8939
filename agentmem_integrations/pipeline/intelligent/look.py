"""look: which stored facts a new fact may concern.

Nobody is asked about a fact that has no neighbour, and about one that is known word for word: most facts are one or the other.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from ...errors import EmbedderMismatchError
from ...models import KINDS, SHARED, Identity, Memory, Scope
from ...ports import Ask, Candidates, Selection, Vector
from ..write_stages.embed import Writing

FACT_KINDS: Final = tuple(kind for kind in KINDS if kind != "episode")
NEIGHBOURS: Final = 5
"""Memories that one fact is compared with."""

CLOSE: Final = 0.45
"""How similar a neighbour is at least: the share of the way from unrelated sentences (0) to the same words (1).

With the bundled embedder, of 18 pairs of statements of which one changes the other (a move, a new job, a sold car) 17 are
closer than this; of 15 pairs about one person that have nothing to do with each other, 9 are not.
"""

CLOSE_CORE: Final = 0.12
"""The same between two `core` facts: who somebody is changes seldom, in other words ("works as a nurse", "started at a print
shop"), and a stale answer is worst there."""

# Words without which a statement still says the same. Not, no, never, and all numbers are none of them.
_FILLERS: Final = frozenset("a an the is are was were be been has have had do does did of to in on at for and that very really".split())
_words: Final = re.compile(r"[^\W_]+").findall

# Sentences that have nothing to do with each other: their similarities are what "unrelated" means to an embedder
_UNRELATED: Final = (
    "The train to the airport leaves at nine.", "She bakes bread on Sundays.", "Interest rates rose by half a point.",
    "He broke his arm while skiing.", "The printer is out of toner.", "Photosynthesis turns light into sugar.",
    "Our cat sleeps on the radiator.", "The contract ends in March.", "A violin has four strings.",
    "The river flooded the valley.", "Goals were scored in both halves.", "This novel is set in Kyoto.",
)  # fmt: skip


@dataclass(slots=True)
class NewFact:
    """A fact on its way to become a memory.

    Attributes:
        memory: What would be stored, with its id.
        vector: Of its text; None if it could not be made, or nobody makes any.
        made_by: Which embedder made it.
        known: The stored memory that says it already.
        neighbours: Stored memories that it may concern, nearest first.
    """

    memory: Memory
    vector: Vector | None
    made_by: Identity | None = None
    known: Memory | None = None
    neighbours: list[Memory] = field(default_factory=list)


class Looking:
    """Finds the neighbours of new facts.

    Args:
        writing: The way to the store, and the embedder.
    """

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._store = writing.commits.store
        self._unrelated: tuple[Identity, float] | None = None

    def look(self, scope: Scope, facts: Sequence[NewFact]) -> None:
        """Fill in who is known and who has neighbours, among an owner's facts that hold now."""
        for fact in facts:
            candidates = self._gathered(scope, fact)
            memories = self._near(fact, candidates)
            fact.known = next((m for m in memories if same_words(m.text, fact.memory.text)), None)
            fact.neighbours = [] if fact.known else memories[:NEIGHBOURS]

    def related(self, one: NewFact, other: NewFact) -> bool:
        """Say whether two new facts may concern each other."""
        if same_words(one.memory.text, other.memory.text):
            return True
        if one.vector is None or other.vector is None:
            return False
        return float(one.vector @ other.vector) >= self._threshold(one.memory, other.memory)

    def _gathered(self, scope: Scope, fact: NewFact) -> Candidates:
        try:
            return self._store.gather(self._ask(scope, fact))
        except EmbedderMismatchError:
            if fact.made_by == self._writing.identity:
                raise  # another process changed the embedder
            fact.vector = fact.made_by = None  # it was changed here meanwhile: words must do, and the new vector is owed
            return self._store.gather(self._ask(scope, fact))

    def _ask(self, scope: Scope, fact: NewFact) -> Ask:
        selection = Selection(scope.namespace, whose_facts(scope, fact.memory), kinds=FACT_KINDS)
        # By words only where vectors cannot tell: the fact has none, or some memory is still owed its own
        words = fact.memory.text if fact.vector is None or self._writing.owing else None
        return Ask(selection, fact.vector, words, 4 * NEIGHBOURS, made_by=fact.made_by)

    def _near(self, fact: NewFact, candidates: Candidates) -> list[Memory]:
        """Return the candidates that are close, nearest first; by words where there are no vectors."""
        blind = np.isnan(candidates.similarity)
        order = np.lexsort((candidates.keys, -candidates.lexical, -np.nan_to_num(candidates.similarity, nan=-1.0)))
        memories = self._store.load(candidates.keys[order].tolist())
        near: list[Memory] = []
        for row in order.tolist():
            memory = memories.get(int(candidates.keys[row]))
            if memory is not None and (
                bool(candidates.lexical[row] > 0) if blind[row] else candidates.similarity[row] >= self._threshold(fact.memory, memory)
            ):
                near.append(memory)
        return near

    def _threshold(self, one: Memory, other: Memory) -> float:
        share = CLOSE_CORE if one.kind == other.kind == "core" else CLOSE
        unrelated = self._baseline()
        return unrelated + share * (1 - unrelated)

    def _baseline(self) -> float:
        """Return the mean similarity of unrelated sentences: embedders differ by far in what a cosine of 0.5 means."""
        embedder = self._writing.embedder
        if embedder is None:
            return 0.0
        if self._unrelated is None or self._unrelated[0] != embedder.identity:
            vectors = embedder.embed_documents(_UNRELATED)
            pairs = np.triu_indices(len(_UNRELATED), 1)
            self._unrelated = embedder.identity, max(0.0, float((vectors @ vectors.T)[pairs].mean()))
        return self._unrelated[1]


def whose_facts(scope: Scope, fact: Memory) -> Scope:
    """Return among whose facts a new one is looked for: all of its owner's, whichever agent or session it was said to.

    What belongs to nobody is another thing. Sessions without a user are as many people as there are sessions: one must neither end
    what another said nor be shown to a model with it.
    """
    if scope.user_id is not SHARED:
        return Scope(scope.namespace, scope.user_id)
    return Scope(scope.namespace, SHARED, fact.agent_id, fact.session_id)


def same_words(one: str, other: str) -> bool:
    """Say whether two statements have the same words in the same order, but for case, punctuation and fillers."""
    return _bare(one) == _bare(other)


def _bare(text: str) -> list[str]:
    words = [word.casefold() for word in _words(text)]
    return [word for word in words if word not in _FILLERS] or words
