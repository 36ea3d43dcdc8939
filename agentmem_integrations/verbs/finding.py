"""Verbs that find: search, get, list, history, stats."""

from typing import Any

from ..config import MAX_K, MAX_PAGE, Using
from ..errors import ConflictError, shown
from ..faces import Call, Prepared, Read, face, twin
from ..models import Event, Hit, Memory, UserId
from ..pipeline.checks import read_choice, read_count, read_flag, read_fraction, read_name, read_text
from ..pipeline.search import Question
from .scoped import Filter, Kinds, Memories, Moment, Scoped

Hits = list[Hit]
Events = list[Event]


class Finding(Scoped):
    """Verbs that find."""

    @face
    def search(
        self,
        query: str,
        *,
        k: int = 10,
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
        explain: bool = False,
    ) -> Call[Hits]:
        """Find memories by meaning and by words.

        Args:
            query: The question.
            k: How many hits, 1 to 1,000.
            user_id: The owner whose memory is searched.
            agent_id: Only this agent's.
            session_id: Only this session's.
            using: `hybrid` (meaning and words), `vector` or `text`.
            offset: Skip as many of the best; `offset + k` is at most 1,000.
            kind: Only this kind, or these.
            filter: Condition on the metadata, see `filters`.
            at: What was valid at that time; default now.
            after: Only what occurred then or later.
            before: Only what occurred then or earlier; a bare date means its end.
            min_score: Only hits at least as good, 0 to 1.
            explain: Also give the normalised parts that were added up.

        Returns:
            Hits by falling score (0 to 1), ties in insertion order.

        Raises:
            InvalidInputError: an argument that makes no sense.
            EmbeddingError: the question could not be embedded; `using="text"` needs no embedder.
        """
        self._room.engine.check_open()
        read_choice(using, "using", ("hybrid", "vector", "text"))
        text = read_text(query, self._room.text_limit)
        k, offset = read_count(k, "k"), read_count(offset, "offset", 0)
        read_count(offset + k, "offset + k", 1, MAX_K)
        selection = self._selection(user_id, agent_id, session_id, kind=kind, filter=filter, after=after, before=before, at=at)
        question = Question(text, selection, using, k, offset, read_fraction(min_score, "min_score") or 0.0, read_flag(explain, "explain"))
        searching = self._room.searching
        if searching.queues(question):
            return Prepared(self._room.engine, lambda: searching.begin(question), lambda made: searching.search(question, made))
        return Read(self._room.engine, lambda: searching.search(question))

    asearch = twin(search)

    @face
    def get(self, id: str, *, user_id: UserId | None = None) -> Call[Memory | None]:
        """Return one memory, or None if there is none of that id for this caller.

        Raises:
            ConflictError: several owners have a memory of that id, and none was named.
        """
        selection = self._by_id(id, user_id)
        return Read(self._room.engine, lambda: _only(self._room.engine.store.find(selection, 2), id))

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

        Raises:
            NotFoundError: `after` is no id of this owner.
        """
        self._room.engine.check_open()
        selection = self._selection(user_id, agent_id, session_id, kind=kind, filter=filter)
        limit, cursor = read_count(limit, "limit", 1, MAX_PAGE), read_name(after, "after")
        return Read(self._room.engine, lambda: self._room.engine.store.find(selection, limit, cursor))

    alist = twin(list)

    @face
    def history(self, id: str, *, user_id: UserId | None = None) -> Call[Events]:
        """Return what happened to a memory, oldest first; deleted ones too; empty if there is none of that id."""
        selection = self._by_id(id, user_id)
        return Read(self._room.engine, lambda: self._room.engine.store.history(selection))

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
