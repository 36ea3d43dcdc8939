"""The search hallway: embed -> gather -> fuse -> hits."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..config import MAX_K, Using
from ..errors import EmbedderMismatchError, EmbeddingError
from ..models import Hit
from ..ports import Answer, Ask, Candidates, Embedder, QueueingEmbedder, Selection, Store, Vector
from .diversify import diverse
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
        alpha: How much meaning weighs against words in a hybrid score; None for the ranking's own way.
        mmr: How much relevance weighs against difference from the hits before; None to rank by relevance alone.
        fetch_k: From how many of the best the different ones are chosen.
    """

    text: str
    selection: Selection
    using: Using = "hybrid"
    k: int = 10
    offset: int = 0
    min_score: float = 0.0
    explain: bool = False
    alpha: float | None = None
    mmr: float | None = None
    fetch_k: int = 0

    @property
    def reach(self) -> int:
        """How many of the best are looked at."""
        return max(self.offset + self.k, self.fetch_k)


@dataclass(frozen=True, slots=True)
class Made:
    """The vector of a question.

    Attributes:
        vector: It.
        embedder: Who made it.
        given: The caller brought it, and nobody here could make it anew.
    """

    vector: Vector
    embedder: Embedder
    given: bool = False


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

    def queues(self, question: Question) -> bool:
        """Say whether the question's vector comes from a queue: then `begin`, and search when it is there."""
        embedder = self.embedder  # most are not asked for their methods: that takes a while
        return question.using != "text" and embedder is not None and not embedder.immediate and isinstance(embedder, QueueingEmbedder)

    def begin(self, question: Question) -> Future[Made]:
        """Begin to embed a question; return where its vector, or the error, will be."""
        future: Future[Made] = Future()
        future.set_running_or_notify_cancel()  # whoever is cancelled meanwhile must not cancel it: the answer still comes
        embedder, scope = self.embedder, question.selection.scope
        if not isinstance(embedder, QueueingEmbedder):  # it was changed since `queues` was asked
            future.set_result(self._made(question, embedder))
            return future

        def then(answer: Answer) -> None:
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(Made(answer, embedder))

        assert scope is not None, "a search names its scope"
        embedder.begin_query(question.text, scope, then)
        return future

    def search(self, question: Question, made: Made | None = None) -> list[Hit]:
        """Return the hits, best first; ties in insertion order.

        Args:
            question: What is wanted.
            made: The question's vector, if it was made before.
        """
        candidates = self._candidates(question, made)
        scores, parts = score(question.using, candidates)
        if question.alpha is not None:
            scores = question.alpha * np.clip(np.nan_to_num(parts["similarity"]), 0.0, 1.0) + (1 - question.alpha) * parts["text"]
        nearest = -np.nan_to_num(candidates.similarity, nan=-1.0)  # below a score of 0 the cosine still tells near from far
        best = np.lexsort((candidates.keys, nearest, -scores))
        best = best[scores[best] >= question.min_score]
        if question.mmr is not None:
            best = self._diverse(question, candidates, best, scores)
        best = best[question.offset : question.offset + question.k]
        return self._hits(candidates, best, scores, parts if question.explain else _main(parts))

    def _candidates(self, question: Question, made: Made | None) -> Candidates:
        if question.using == "text":
            return self.store.gather(self._ask(question, None))
        if made is None:
            made = self._made(question, self.embedder)
        try:
            return self.store.gather(self._ask(question, made))
        except EmbedderMismatchError:
            with self.settled():
                changed = self.embedder
            if changed is made.embedder or made.given:
                raise  # another process changed it; or the caller's own vector is the old embedder's
            return self.store.gather(self._ask(question, self._made(question, changed)))

    def _made(self, question: Question, embedder: Embedder | None) -> Made:
        if embedder is None:
            raise EmbeddingError("this collection has no embedder here: search it with using='text', or open it with one")
        return Made(embedder.embed_query(question.text, question.selection.scope), embedder)

    def _ask(self, question: Question, made: Made | None) -> Ask:
        vector, made_by = (None, None) if made is None else (made.vector, made.embedder.identity)
        words = question.text if question.using != "vector" else None
        return Ask(question.selection, vector, words, POOL if question.reach <= POOL else MAX_K, made_by=made_by)

    def _diverse(self, question: Question, candidates: Candidates, best: NDArray[np.intp], scores: Scores) -> NDArray[np.intp]:
        """Return the best that also differ from one another."""
        assert question.mmr is not None
        pool = best[: question.reach]
        keys = candidates.keys[pool].tolist()
        vectors = self.store.vectors(keys)
        relevance = np.nan_to_num(candidates.similarity[pool], nan=-1.0) if question.using == "vector" else scores[pool]
        return pool[diverse(relevance, [vectors.get(key) for key in keys], question.offset + question.k, question.mmr)]

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
