"""The search hallway: embed -> gather -> fuse -> expand -> score -> rerank -> hits.

A search by meaning or by words alone is pure: gather -> fuse -> hits, and nothing else has a say in it, but for a reranker where the
caller asks for one.
"""

import logging
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..config import MAX_K, Using
from ..errors import EmbedderMismatchError, EmbeddingError
from ..models import Hit
from ..ports import Answer, Ask, Candidates, Embedder, QueueingEmbedder, Selection, Store, Survey, Vector
from .quoted_phrases import quoted
from .ranking.diversify import diverse
from .ranking.rerank import JUDGED, Ordered, Reranking, read_judgements, reranked
from .ranking.score import fuse, rank
from .ranking.token_budget import within
from .ranking.weights import Ranking, default_ranking

log = logging.getLogger("agentmem.pipeline")

POOL: Final = 300  # candidates from each list; enough that the scores of the first pages do not depend on the page
MAIN: Final = ("similarity", "text", JUDGED)  # parts that every hit shows

T = TypeVar("T")


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
        token_budget: What the texts of the hits may take together; None: any.
        rerank: Have the best judged by the reranker.
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
    token_budget: int | None = None
    rerank: bool = False

    @property
    def ranked(self) -> bool:
        """Whether everything that is known has a say, not the asked-for evidence alone."""
        return self.using == "hybrid" and self.alpha is None

    @property
    def reach(self) -> int:
        """How many of the best are looked at."""
        return self.offset + self.k if self.mmr is None else self.fetch_k


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
        ranking: What evidence is worth; None: what the package's own table for this kind of embedder says.
        reranking: What judges the best once more; None if there is no reranker.
    """

    store: Store
    embedder: Embedder | None
    settled: Callable[[], AbstractContextManager[None]] = nullcontext
    ranking: Ranking | None = None
    reranking: Reranking | None = None

    def weights(self) -> Ranking:
        """Return what evidence is worth here: the caller's own table, or the package's for this kind of embedder."""
        embedder = self.embedder
        # What is looked up in a table of words is immediate; so are the caller's own vectors, which a model has made elsewhere
        contextual = embedder is not None and (not embedder.immediate or getattr(embedder, "given", False))
        return self.ranking or default_ranking(contextual=contextual)

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
        """Return the hits, best first; ties in insertion order. Nothing is reranked: see `walk`.

        Args:
            question: What is wanted.
            made: The question's vector, if it was made before.
        """
        return self._hits(question, self._ordered(question, made))

    def walk(self, question: Question, made: Made | None = None) -> Generator[Future[Any], Any, list[Hit]]:
        """The same step by step, reranked if the question asks for that.

        Where something takes its time, a future is given: whoever walks waits for it in his own way, and sends in what came of it.
        Nothing of the store is held meanwhile.
        """
        if made is None and self.queues(question):
            made = yield self.begin(question)
        ordered = self._ordered(question, made)
        if question.rerank and len(ordered.order):
            ordered = yield from self._reranked(question, ordered)
        return self._hits(question, ordered)

    def _ordered(self, question: Question, made: Made | None) -> Ordered:
        return self._ranked(question, made) if question.ranked else self._pure(question, made)

    def _pure(self, question: Question, made: Made | None) -> Ordered:
        """Rank by one kind of evidence, or by both as the caller weighs them."""
        candidates: Candidates = self._asked(question, made, self.store.gather)
        scores, parts = fuse(question.using, candidates)
        if question.alpha is not None:
            scores = question.alpha * np.clip(np.nan_to_num(parts["similarity"]), 0.0, 1.0) + (1 - question.alpha) * parts["text"]
        nearest = -np.nan_to_num(candidates.similarity, nan=-1.0)  # below a score of 0 the cosine still tells near from far
        best = np.lexsort((candidates.keys, nearest, -scores))
        return Ordered(candidates.keys, best, scores, candidates.similarity, parts)

    def _ranked(self, question: Question, made: Made | None) -> Ordered:
        """Rank by everything that is known."""
        survey = self.survey(question, made)
        at = question.selection.at
        ranked = rank(self.weights(), question.text, survey, at or datetime.now(UTC), now=at is None, explain=question.explain)
        return Ordered(survey.keys, ranked.order, ranked.scores, survey.similarity, ranked.parts, ranked.sources, ranked.replaced)

    def _reranked(self, question: Question, ordered: Ordered) -> Generator[Future[Any], Any, Ordered]:
        """Have the best judged."""
        reranking, scope = self.reranking, question.selection.scope
        assert reranking is not None, "only who has a reranker asks for it"
        assert scope is not None, "a search names its scope"
        rows = ordered.order[: reranking.top]
        memories = self.store.load(ordered.keys[rows].tolist())
        there = [(row, memories[key]) for row, key in zip(rows.tolist(), ordered.keys[rows].tolist(), strict=True) if key in memories]
        if not there:  # all deleted since
            return ordered
        began = time.perf_counter()
        answer = yield reranking.begin(question.text, [memory for _, memory in there], scope)
        judged = read_judgements(answer, len(there), reranking.name)
        log.debug("%s judged %d in %.1f ms", reranking.name, len(there), (time.perf_counter() - began) * 1000)
        return reranked(ordered, {row: opinion for (row, _), opinion in zip(there, judged, strict=True)}, reranking.weight)

    def survey(self, question: Question, made: Made | None = None) -> Survey:
        """Return what is known of the memories around a question: what a ranking goes by."""
        return self._asked(question, made, self.store.survey)

    def _page(self, question: Question, ordered: Ordered) -> NDArray[np.intp]:
        """Return the rows of the hits that the caller sees."""
        best = ordered.order
        best = best[ordered.scores[best] >= question.min_score]
        if question.mmr is not None:
            best = self._diverse(question, best, ordered)
        return best[question.offset : question.offset + question.k]

    def _asked(self, question: Question, made: Made | None, ask: Callable[[Ask], T]) -> T:
        if question.using == "text":
            return ask(self._ask(question, None))
        if made is None:
            made = self._made(question, self.embedder)
        try:
            return ask(self._ask(question, made))
        except EmbedderMismatchError:
            with self.settled():
                changed = self.embedder
            if changed is made.embedder or made.given:
                raise  # another process changed it; or the caller's own vector is the old embedder's
            return ask(self._ask(question, self._made(question, changed)))

    def _made(self, question: Question, embedder: Embedder | None) -> Made:
        if embedder is None:
            raise EmbeddingError("this collection has no embedder here: search it with using='text', or open it with one")
        return Made(embedder.embed_query(question.text, question.selection.scope), embedder)

    def _ask(self, question: Question, made: Made | None) -> Ask:
        vector, made_by = (None, None) if made is None else (made.vector, made.embedder.identity)
        words = question.text if question.using != "vector" else None
        if question.ranked:
            depth = MAX_K if question.reach > POOL else POOL
            return Ask(question.selection, vector, words, POOL, made_by=made_by, depth=depth, phrases=quoted(question.text))
        return Ask(question.selection, vector, words, MAX_K if question.reach > POOL else POOL, made_by=made_by)

    def _diverse(self, question: Question, best: NDArray[np.intp], ordered: Ordered) -> NDArray[np.intp]:
        """Return the best that also differ from one another."""
        assert question.mmr is not None
        pool = best[: question.reach]
        pooled = ordered.keys[pool].tolist()
        vectors = self.store.vectors(pooled)
        by_cosine = question.using == "vector" and not question.rerank
        relevance = np.nan_to_num(ordered.similarity[pool], nan=-1.0) if by_cosine else ordered.scores[pool]
        return pool[diverse(relevance, [vectors.get(key) for key in pooled], question.offset + question.k, question.mmr)]

    def _hits(self, question: Question, ordered: Ordered) -> list[Hit]:
        page, keys, scores, parts, sources = self._page(question, ordered), ordered.keys, ordered.scores, ordered.parts, ordered.sources
        names = [name for name in parts if question.explain or name in MAIN]
        rows = page.tolist()
        memories = self.store.load(keys[[*rows, *(of for row in rows for of in sources.get(row, ()))]].tolist())
        hits = [
            Hit(
                memories[key], float(scores[row]), {name: float(parts[name][row]) for name in names if not np.isnan(parts[name][row])},
                [memories[of] for of in keys[sources.get(row, [])].tolist() if of in memories],
            )
            for row, key in zip(rows, keys[page].tolist(), strict=True)
            if key in memories  # deleted since
        ]  # fmt: skip
        return hits if question.token_budget is None else within(hits, question.token_budget)
