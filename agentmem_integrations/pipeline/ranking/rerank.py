"""rerank: a model reads the best candidates together with the question, and its judgement is weighed against the ranking's.

    score = (1 - weight) · score of the ranking + weight · judgement

for the best so many. The others count as if they had been judged like the weakest of these, so they stay behind, in their order, and
no score leaves 0..1. A candidate that the model has no opinion of keeps the ranking's score.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...config import RERANK_TOP, RERANK_WEIGHT
from ...errors import RerankError
from ...models import Memory, Scope
from ...ports import Judgement
from .score import DIGITS, put_behind

Scores = NDArray[np.float64]
Places = NDArray[np.intp]

JUDGED: Final = "rerank"
RANKED: Final = "ranking"


@dataclass(frozen=True, slots=True)
class Ordered:
    """What a search may give, best first, before any of it is read. Positions are those of `keys`.

    Attributes:
        keys: The store's handles.
        order: Positions, best first.
        scores: 0 to 1, by position.
        similarity: Cosine, by position; NaN where there is none.
        parts: What the scores are made of, by name and position; NaN where a part does not apply.
        sources: Positions of the verbatim words that go with a fact, by the fact's.
        replaced: Pairs of positions: words that are out of date, and the fact that holds now, which they must stay behind.
    """

    keys: NDArray[np.int64]
    order: Places
    scores: Scores
    similarity: NDArray[np.floating[Any]]
    parts: Mapping[str, Scores]
    sources: Mapping[int, list[int]] = field(default_factory=dict)
    replaced: Places = field(default_factory=lambda: np.zeros((0, 2), np.intp))


@dataclass(frozen=True, slots=True)
class Reranking:
    """A reranker, and what its judgement is worth.

    Attributes:
        begin: Has memories judged, and returns where the judgements, or the error, will be. No reader is held meanwhile.
        name: Which reranker.
        top: How many of the best it is shown.
        weight: How much of a score its judgement makes up, 0 to 1.
    """

    begin: Callable[[str, Sequence[Memory], Scope], "Future[Sequence[Judgement]]"]
    name: str
    top: int = RERANK_TOP
    weight: float = RERANK_WEIGHT


def reranked(ordered: Ordered, judged: Mapping[int, Judgement], weight: float) -> Ordered:
    """Return the candidates in the order that follows from judgements of the best.

    Args:
        ordered: As ranked.
        judged: By position; the positions are among the best, and those of them that are gone since are left out.
        weight: How much of a score a judgement makes up.
    """
    opinions = np.full(len(ordered.keys), np.nan)
    for row, judgement in judged.items():
        opinions[row] = np.nan if judgement is None else judgement
    told = ~np.isnan(opinions)
    shown = np.isin(np.arange(len(ordered.keys)), list(judged))
    # No opinion: the ranking's own score, as if the model had said the same
    assumed = np.where(told, opinions, ordered.scores)
    assumed[~shown] = np.min(assumed[shown], initial=1.0)
    scores = np.round((1 - weight) * ordered.scores + weight * assumed, DIGITS)
    put_behind(ordered.replaced, scores)
    order = ordered.order[np.argsort(-scores[ordered.order], kind="stable")]
    return replace(ordered, order=order, scores=scores, parts={**ordered.parts, JUDGED: opinions, RANKED: ordered.scores})


def read_judgements(judged: Sequence[Judgement], count: int, name: str) -> list[float | None]:
    """Return judgements that can be weighed.

    Args:
        judged: What a reranker answered.
        count: How many memories it was shown.
        name: Which reranker.

    Raises:
        RerankError: they are not one number from 0 to 1, or None, for each memory.
    """
    if len(judged) != count:
        raise RerankError(f"the reranker {name} returned {len(judged)} numbers for {count} texts: let it return one for each, in order")
    read = []
    for judgement in judged:
        try:
            number = None if judgement is None else float(judgement)
        except (TypeError, ValueError, OverflowError):
            raise RerankError(f"the reranker {name} returned a {type(judgement).__name__} for a text: let it return a number") from None
        if number is not None and not (math.isfinite(number) and 0 <= number <= 1):
            raise RerankError(
                f"the reranker {name} returned {number:g} for a text: numbers from 0 to 1 are asked for (of a logit x, 1 / (1 + exp(-x)))"
            )
        read.append(number)
    return read
