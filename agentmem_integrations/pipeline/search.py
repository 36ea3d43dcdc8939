"""The search hallway: embed -> gather -> fuse -> hits."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..config import MAX_K, Using
from ..errors import EmbedderMismatchError, EmbeddingError
from ..models import Hit
from ..ports import Ask, Candidates, Embedder, Selection, Store
from .fuse import Scores, score

POOL: Final = 300  # candidates from each list; enough that the scores of the first pages do not depend on the page


@dataclass(frozen=True, slots=True)
class Question:
    """What a caller wants to find.

    Attributes:
        text: The words.
        selection: What may be found.
        using: Which evidence counts.
        k: Hits wanted, behind `offset` others.
        offset: Hits to skip.
        min_score: Weaker hits are left out.
        explain: Give every part of the score, not just the main ones.
    """

    text: str
    selection: Selection
    using: Using = "hybrid"
    k: int = 10
    offset: int = 0
    min_score: float = 0.0
    explain: bool = False


@dataclass(slots=True)
class SearchHallway:
    """Finds memories in one collection.

    Args:
        store: Where they live.
        embedder: Makes the question's vector; None if the collection has none.
        settled: Entered to wait until a change of the embedder that is under way here is over.
    """

    store: Store
    embedder: Embedder | None
    settled: Callable[[], AbstractContextManager[None]] = nullcontext

    def search(self, question: Question) -> list[Hit]:
        """Return the hits, best first; ties in insertion order."""
        candidates = self._candidates(question)
        scores, parts = score(question.using, candidates)
        nearest = -np.nan_to_num(candidates.similarity, nan=-1.0)  # below a score of 0 the cosine still tells near from far
        best = np.lexsort((candidates.keys, nearest, -scores))
        best = best[scores[best] >= question.min_score][question.offset : question.offset + question.k]
        return self._hits(candidates, best, scores, parts if question.explain else _main(parts))

    def _candidates(self, question: Question) -> Candidates:
        embedder = self.embedder
        try:
            return self.store.gather(self._ask(question, embedder))
        except EmbedderMismatchError:
            with self.settled():
                changed = self.embedder
            if changed is embedder:
                raise  # another process changed it
            return self.store.gather(self._ask(question, changed))

    def _ask(self, question: Question, embedder: Embedder | None) -> Ask:
        vector = made_by = None
        if question.using != "text":
            if embedder is None:
                raise EmbeddingError("this collection has no embedder here: search it with using='text', or open it with one")
            vector, made_by = embedder.embed_query(question.text), embedder.identity
        words = question.text if question.using != "vector" else None
        return Ask(question.selection, vector, words, POOL if question.offset + question.k <= POOL else MAX_K, made_by=made_by)

    def _hits(self, candidates: Candidates, best: NDArray[np.intp], scores: Scores, parts: Mapping[str, Scores]) -> list[Hit]:
        keys = candidates.keys[best].tolist()
        memories = self.store.load(keys)
        return [
            Hit(
                memories[key], float(scores[row]), {name: float(values[row]) for name, values in parts.items() if not np.isnan(values[row])}
            )
            for key, row in zip(keys, best.tolist(), strict=True)
            if key in memories  # deleted since
        ]


def _main(parts: Mapping[str, Scores]) -> Mapping[str, Scores]:
    return {name: values for name, values in parts.items() if name in ("similarity", "text")}
