"""Verbs that find: search, get, list, history, stats."""

from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from ..config import MAX_BUDGET, MAX_K, MAX_PAGE, Using
from ..errors import ConflictError, InvalidInputError, TextError, shown
from ..models import Event, Hit, Memory, UserId
from ..pipeline.arguments import read_choice, read_count, read_flag, read_fraction, read_ids, read_name, read_question, read_vector
from ..pipeline.follow_up import LOOKED_BACK, follows_up, in_context, read_history
from ..pipeline.search import Made, Question
from ..ports import Selection, Vector
from ..sync_async import Call, Prepared, Read, Walk, face, twin
from .scope import Filter, Ids, Kinds, Memories, Moment, Numbers, Scoped

Hits = list[Hit]
Events = list[Event]
Vectors = dict[str, Vector]
History = Sequence[str | Mapping[str, Any]]


class Finding(Scoped):
    """Verbs that find."""

    @face
    def search(
        self,
        query: str | None = None,
        *,
        k: int = 10,
        vector: Numbers | None = None,
        user_id: UserId | None = None,
        agent_id: str | None = None,
        session_id: str | None = None,
        using: Using = "hybrid",
        offset: int = 0,
        kind: Kinds | None = None,
        filter: Filter | None = None,
        at: Moment | None = None,
        after: Moment | None = None,
        before: Moment | None = None,
        min_score: float = 0.0,
        token_budget: int | None = None,
        history: History | None = None,
        explain: bool = False,
        id: Ids | None = None,
        alpha: float | None = None,
        mmr: float | None = None,
        fetch_k: int | None = None,
        rerank: bool | None = None,
    ) -> Call[Hits]:
        """Find memories by meaning and by words.

        Args:
            query: The question. With a `vector` it may be left out (None or empty); then meaning alone counts.
            k: How many hits, 1 to 1,000.
            vector: The question's vector, where the caller has it: as many numbers as the collection's vectors, of any length but
                zero. Nothing is embedded then.
            user_id: The owner whose memory is searched.
            agent_id: Only this agent's.
            session_id: Only this session's.
            using: `hybrid` (meaning and words), `vector` or `text`.
            offset: Skip as many of the best; `offset + k` is at most 1,000.
            kind: Only this kind, or these.
            filter: Condition on the metadata, see `filters`.
            at: The instant the question is asked from: what was valid then, and what "last week" means; default now.
            after: Only what occurred then or later.
            before: Only what occurred then or earlier; a bare date means its end.
            min_score: Only hits at least as good, 0 to 1.
            token_budget: Only as many of the hits as their texts, together, take about so many tokens.
            history: The running conversation before this question, oldest message first: texts, or messages with `content`. A
                question that only makes sense after them ("and where does she work?") is asked with what it lacks.
            explain: Also give the normalised parts that were added up.
            id: Only this one, or these.
            alpha: How much meaning weighs against words in a hybrid search, from 0 (words alone) to 1 (meaning alone): the score is
                `alpha * similarity + (1 - alpha) * text`, where a negative similarity counts as 0. Default: the ranking described in
                docs/concepts.md.
            mmr: Prefer hits that differ from those before them (maximal marginal relevance): 1 is the order of relevance, 0 cares
                for difference alone. Hits keep their scores and come in the order they were chosen.
            fetch_k: From how many of the best `mmr` chooses, at most 1,000; default four times `offset + k`, and at least 20. Less
                than `offset + k` gives fewer hits than `k`.
            rerank: Have the best judged by the memory's `reranker`. Default: where there is one and the search is hybrid, without
                `alpha`. True reranks any search, False none.

        Returns:
            Hits by falling score (0 to 1), ties in insertion order.

        Raises:
            InvalidInputError: an argument that makes no sense.
            VectorError: a vector that cannot be compared with the collection's.
            EmbeddingError: the question could not be embedded; `using="text"` needs no embedder.
            RerankError: the reranker failed. Nothing is given in place of what it was to judge: `rerank=False` does without.
            ModelError: the language model failed that was to rerank, or to complete a follow-up.
        """
        self._room.engine.check_open()
        read_choice(using, "using", ("hybrid", "vector", "text"))
        text, using, made = self._asked(query, vector, using)
        said = read_history(history, self._room.text_limit)
        rewritten = bool(self._room.follow_ups == "llm" and text and said and follows_up(text))
        if text and not rewritten:
            text = in_context(text, said)
        k, offset = read_count(k, "k"), read_count(offset, "offset", 0)
        read_count(offset + k, "offset + k", 1, MAX_K)
        if alpha is not None and using != "hybrid":
            raise InvalidInputError(f"alpha weighs meaning against words, and using={using!r} counts one of them: leave one out")
        if fetch_k is not None and mmr is None:
            raise InvalidInputError("fetch_k is from how many mmr chooses: pass mmr as well")
        pool = 0 if mmr is None else min(MAX_K, max(20, 4 * (offset + k))) if fetch_k is None else read_count(fetch_k, "fetch_k")
        selection = self._selection(user_id, agent_id, session_id, kind=kind, filter=filter, after=after, before=before, at=at, id=id)
        question = Question(
            text, selection, using, k, offset, read_fraction(min_score, "min_score") or 0.0, read_flag(explain, "explain"),
            read_fraction(alpha, "alpha"), read_fraction(mmr, "mmr"), pool,
        )  # fmt: skip
        if token_budget is not None:
            question = replace(question, token_budget=read_count(token_budget, "token_budget", 1, MAX_BUDGET))
        if self._reranks(rerank, question):
            question = replace(question, rerank=True)
        searching = self._room.searching
        if rewritten:
            return Walk(self._room.engine, lambda: self._rewritten(question, said, made))
        if question.rerank:
            return Walk(self._room.engine, lambda: searching.walk(question, made))
        if made is None and searching.queues(question):
            return Prepared(self._room.engine, lambda: searching.begin(question), lambda made: searching.search(question, made))
        return Read(self._room.engine, lambda: searching.search(question, made), lookup=True)

    asearch = twin(search)

    def _reranks(self, rerank: bool | None, question: Question) -> bool:
        """Say whether the best hits of a question are to be judged."""
        reranking = self._room.searching.reranking
        if rerank is None:
            return reranking is not None and question.ranked and bool(question.text)
        if not read_flag(rerank, "rerank"):
            return False
        if reranking is None:
            raise InvalidInputError("rerank=True, and this memory has no reranker: open it with AgentMemory(..., reranker=...)")
        if not question.text:
            raise TextError("rerank=True needs the words of the question, and only its vector was given: pass both")
        return True

    def _rewritten(self, question: Question, said: Sequence[str], made: Made | None) -> Generator[Future[Any], Any, Hits]:
        """Search for what a language model makes of a follow-up."""
        scope = question.selection.scope
        assert scope is not None, "a search names its scope"
        text = yield self._room.rewritten(question.text, said[-LOOKED_BACK:], scope)
        return (yield from self._room.searching.walk(replace(question, text=text), made))

    def _asked(self, query: str | None, vector: Numbers | None, using: Using) -> tuple[str, Using, Made | None]:
        """Return the words of a question, what counts, and its vector if the caller brought it."""
        embedder = self._room.searching.embedder
        made = None
        if vector is not None:
            brought = read_vector(vector, None if embedder is None else embedder.identity.dim)
            assert embedder is not None, "read_vector refuses what has no dimension"
            made = Made(brought, embedder, given=True)
        wordless = query is None or (isinstance(query, str) and not query.strip())
        if made is not None and wordless and using != "text":
            return "", "vector", made
        if query is None:
            raise TextError("what is asked for? Pass the question, or its vector")
        return read_question(query, self._room.text_limit), using, made if using != "text" else None

    @face
    def get(self, id: str, *, user_id: UserId | None = None) -> Call[Memory | None]:
        """Return one memory, or None if there is none of that id for this caller.

        Raises:
            ConflictError: several owners have a memory of that id, and none was named.
        """
        selection = self._by_id(id, user_id)
        return Read(self._room.engine, lambda: _only(self._room.engine.store.find(selection, 2), id), lookup=True)

    aget = twin(get)

    @face
    def list(
        self,
        *,
        user_id: UserId | None = None,
        agent_id: str | None = None,
        session_id: str | None = None,
        kind: Kinds | None = None,
        filter: Filter | None = None,
        after: str | None = None,
        limit: int = 100,
        id: Ids | None = None,
    ) -> Call[Memories]:
        """Return memories in the order they were added, a page at a time.

        Args:
            user_id: The owner.
            agent_id: Only this agent's.
            session_id: Only this session's.
            kind: Only this kind, or these.
            filter: Condition on the metadata.
            after: Id of the last memory of the page before; it may have been deleted since.
            limit: Memories in a page, 1 to 10,000.
            id: Only this one, or these.

        Raises:
            NotFoundError: `after` is no id of this owner.
        """
        self._room.engine.check_open()
        selection = self._selection(user_id, agent_id, session_id, kind=kind, filter=filter, id=id)
        limit, cursor = read_count(limit, "limit", 1, MAX_PAGE), read_name(after, "after")
        return Read(self._room.engine, lambda: self._room.engine.store.find(selection, limit, cursor), lookup=True)

    alist = twin(list)

    @face
    def vectors(self, id: Ids, *, user_id: UserId | None = None) -> Call[Vectors]:
        """Return the vectors of memories by id, float32 of unit length; one that has none (yet) is left out.

        Raises:
            ConflictError: several owners have a memory of some id, and none was named.
        """
        self._room.engine.check_open()
        ids, user = read_ids(id), self._user(user_id)
        selection = Selection(self._room.namespace, None if user is None else self._scope(user, None, None), ids, any_validity=True)
        return Read(self._room.engine, lambda: self._room.engine.store.vectors_of(selection), lookup=True)

    avectors = twin(vectors)

    @face
    def history(self, id: str, *, user_id: UserId | None = None) -> Call[Events]:
        """Return what happened to a memory, oldest first; deleted ones too; empty if there is none of that id."""
        selection = self._by_id(id, user_id)
        return Read(self._room.engine, lambda: self._room.engine.store.history(selection), lookup=True)

    ahistory = twin(history)

    @face
    def stats(self, *, user_id: UserId | None = None) -> Call[dict[str, Any]]:
        """Return counts: of one owner, or of the whole collection with sizes, caches and versions."""
        self._room.engine.check_open()
        scope = None if user_id is None and self._user_id is None else self._scope(user_id, None, None)
        mind = self._room.mind

        def counted() -> dict[str, Any]:
            found = self._room.engine.store.stats(self._room.namespace, scope)
            if scope is not None:
                return found
            return found | self._room.embedding_usage() | ({} if mind is None else {"llm": mind.stats()})

        return Read(self._room.engine, counted)

    astats = twin(stats)


def _only(found: Memories, id: str) -> Memory | None:
    if len(found) > 1:
        raise ConflictError(f"id {shown(id)} is used by several owners: name the user_id")
    return found[0] if found else None
