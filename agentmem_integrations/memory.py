"""AgentMemory: the one class most users touch."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from .build import Engine, Room, open_engine, open_room
from .config import MATRIX_BUDGET, MAX_K, MAX_PAGE, TEXT_LIMIT, Durability, Mode, Settings, Twins, Using
from .errors import ConflictError, InvalidInputError, ScopeError
from .faces import Call, Change, Read, face, twin
from .filters import parse
from .models import AddResult, Event, Hit, Memory, Scope, UserId
from .pipeline.add import OnError
from .pipeline.checks import (
    read_count,
    read_expiry,
    read_fraction,
    read_ids,
    read_kind,
    read_kinds,
    read_metadata,
    read_moment,
    read_name,
    read_scope,
    read_text,
)
from .pipeline.normalize import Common, Item
from .pipeline.search import Question
from .pipeline.stages import Write
from .pipeline.writing import one
from .ports import Delete, Purge, Selection, Update

Hits = list[Hit]
Memories = list[Memory]
Events = list[Event]
Results = list[AddResult]
Moment = str | date | datetime
Filter = Mapping[str, Any]
Ids = str | Iterable[str]
Progress = bool | Callable[[int], None]


class MemoryVerbs:
    """What can be done with the memories of one collection. Every verb has an async twin with an `a` in front.

    Ids: `user_id` owns a memory, and nobody else's call ever sees it; `agent_id` and `session_id` narrow. At least one must be
    named, or `user_id=SHARED` for memory that belongs to nobody. Calls by memory id need none; with one, another owner's id
    is "not found".
    """

    def __init__(self, room: Room, user_id: UserId | None = None) -> None:
        self._room = room
        self._user_id = user_id

    # Storing

    @face
    def add(
        self,
        content: Item | Sequence[Item],
        *,
        user_id: UserId | None = None,
        agent_id: str | None = None,
        session_id: str | None = None,
        role: str | None = None,
        name: str | None = None,
        timestamp: Moment | None = None,
        metadata: Mapping[str, Any] | None = None,
        kind: str | None = None,
        importance: float | None = None,
        ttl: float | timedelta | None = None,
        expires_at: Moment | None = None,
        id: str | None = None,
        mode: Mode | None = None,
        truncate: bool = False,
    ) -> Call[AddResult]:
        """Remember something; several items of one call are stored together or not at all.

        Acknowledged means stored: when this returns, the words are in the file. Should the embedder fail, they are stored
        and found by their words, and the vector is owed by a durable job (`status == "queued"`).

        Args:
            content: A text, a message dict (`{"role": ..., "content": ...}`), a LangChain message, or a list of these. A dict
                may also have `id name timestamp session_id agent_id metadata kind importance ttl expires_at vector`, which
                win over this call's.
            user_id: The owner.
            agent_id: The agent it is stored for.
            session_id: The conversation it was said in.
            role: Who spoke: `user`, `assistant`, ...
            name: The speaker's name.
            timestamp: When it was said, ISO 8601 or datetime; naive means UTC. Default: now.
            metadata: Any JSON object; filters see its top-level keys.
            kind: One of `KINDS`; default `episode`.
            importance: 0 to 1.
            ttl: Seconds (or a timedelta) until it is forgotten.
            expires_at: The instant it is forgotten.
            id: An id of your own, unique per owner; the same id again replaces the text.
            mode: `fast` or `batch`; default the memory's own.
            truncate: Cut a text that is too long instead of refusing it.

        Returns:
            One event per item: ADD, NONE (the same utterance was known), or UPDATE (your id was known).

        Raises:
            InvalidInputError: a value that cannot be stored; nothing was.
        """
        self._check_mode(mode)
        fields = _given(
            role=role, name=name, timestamp=timestamp, metadata=metadata, kind=kind, importance=importance, ttl=ttl,
            expires_at=expires_at, id=id,
        )  # fmt: skip
        scope = self._scope(user_id, agent_id, session_id)
        return Change(self._room.writing, self._room.adding.add(content, scope, self._common(fields, scope, truncate)))

    aadd = twin(add)

    @face
    def add_batch(
        self,
        items: Iterable[Item],
        *,
        user_id: UserId | None = None,
        agent_id: str | None = None,
        session_id: str | None = None,
        role: str | None = None,
        name: str | None = None,
        timestamp: Moment | None = None,
        metadata: Mapping[str, Any] | None = None,
        kind: str | None = None,
        importance: float | None = None,
        ttl: float | timedelta | None = None,
        expires_at: Moment | None = None,
        truncate: bool = False,
        on_error: OnError = "store",
        progress: Progress = False,
    ) -> Call[Results]:
        """Remember many items: one embedding pass and one transaction per 1,000, in order.

        Args:
            items: Texts or dicts as for `add`; any iterable, a generator too.
            user_id: As for `add`, as are the other arguments not named here.
            agent_id: See `add`.
            session_id: See `add`.
            role: See `add`.
            name: See `add`.
            timestamp: See `add`.
            metadata: See `add`.
            kind: See `add`.
            importance: See `add`.
            ttl: See `add`.
            expires_at: See `add`.
            truncate: See `add`.
            on_error: `store`: a bad item is answered with its error and the rest is stored; `raise`: the first bad item
                raises and nothing is stored (then everything is one transaction).
            progress: True for a bar on stderr, or a function that is called with the number stored so far.

        Returns:
            One result per item, in order; `.error` says why an item was refused, and names its index.

        Raises:
            InvalidInputError: `on_error="raise"` and a bad item.
        """
        if on_error not in ("store", "raise"):
            raise InvalidInputError(f"on_error={on_error!r}: use 'store' or 'raise'")
        if isinstance(items, str | Mapping) or not isinstance(items, Iterable):
            raise InvalidInputError(f"add_batch takes a list or another iterable, not a {type(items).__name__}: use add for one item")
        fields = _given(
            role=role, name=name, timestamp=timestamp, metadata=metadata, kind=kind, importance=importance, ttl=ttl,
            expires_at=expires_at,
        )  # fmt: skip
        scope = self._scope(user_id, agent_id, session_id)
        common = self._common(fields, scope, truncate)

        def load() -> Results:
            with _progress(progress, items) as report:
                return self._room.adding.add_batch(items, scope, common, on_error, report)

        return Read(self._room.engine, load)

    aadd_batch = twin(add_batch)

    # Finding

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
        kind: str | Sequence[str] | None = None,
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
        if using not in ("hybrid", "vector", "text"):
            raise InvalidInputError(f"using={using!r}: use 'hybrid', 'vector' or 'text'")
        text = read_text(query, self._room.text_limit)
        k, offset = read_count(k, "k"), read_count(offset, "offset", 0)
        read_count(offset + k, "offset + k", 1, MAX_K)
        selection = self._selection(user_id, agent_id, session_id, kind=kind, filter=filter, after=after, before=before, at=at)
        question = Question(text, selection, using, k, offset, read_fraction(min_score, "min_score") or 0.0, explain)
        return Read(self._room.engine, lambda: self._room.searching.search(question))

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
        kind: str | Sequence[str] | None = None,
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
        return Read(self._room.engine, lambda: self._room.engine.store.stats(self._room.namespace, scope))

    astats = twin(stats)

    # Changing

    @face
    def update(
        self,
        id: str,
        *,
        user_id: UserId | None = None,
        text: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        kind: str | None = None,
        importance: float | None = None,
        ttl: float | timedelta | None = None,
        expires_at: Moment | None = None,
        truncate: bool = False,
    ) -> Call[Memory]:
        """Change a memory; the old text stays in its history. Only a new text is embedded again.

        Args:
            id: Which memory.
            user_id: Its owner; if given, another owner's id is not found.
            text: The new words.
            metadata: Replaces the old metadata as a whole.
            kind: One of `KINDS`.
            importance: 0 to 1.
            ttl: Seconds (or a timedelta) from now until it is forgotten.
            expires_at: The instant it is forgotten.
            truncate: Cut a text that is too long instead of refusing it.

        Returns:
            The memory as it is now.

        Raises:
            NotFoundError: there is no such memory for this caller.
            ConflictError: another memory of the owner says exactly this already.
        """
        changes: dict[str, Any] = {}
        if text is not None:
            changes["text"] = read_text(text, self._room.text_limit, truncate)
        if metadata is not None:
            changes["metadata"] = read_metadata(metadata)
        if kind is not None:
            changes["kind"] = read_kind(kind)
        if importance is not None:
            changes["importance"] = read_fraction(importance, "importance")
        if ttl is not None or expires_at is not None:
            changes["expires_at"] = read_expiry(ttl, expires_at, datetime.now(UTC))
        if not changes:
            raise InvalidInputError(f"update of {id!r} changes nothing: pass text=, metadata=, kind=, importance=, ttl= or expires_at=")
        update = Update(self._by_id(id, user_id), changes)
        return Change(self._room.writing, self._room.adding.update(update))

    aupdate = twin(update)

    @face
    def delete(
        self,
        id: Ids | None = None,
        *,
        user_id: UserId | None = None,
        agent_id: str | None = None,
        session_id: str | None = None,
        kind: str | Sequence[str] | None = None,
        filter: Filter | None = None,
        after: Moment | None = None,
        before: Moment | None = None,
    ) -> Call[int]:
        """Make memories invisible; they stay in history. Return how many.

        Args:
            id: One id or several; without, everything the other arguments select.
            user_id: The owner; needed unless ids are given.
            agent_id: Only this agent's.
            session_id: Only this session's.
            kind: Only this kind, or these.
            filter: Only where the metadata meet this.
            after: Only what occurred then or later.
            before: Only what occurred then or earlier.
        """
        return self._change(Delete(self._several(id, user_id, agent_id, session_id, kind, filter, after, before)))

    adelete = twin(delete)

    @face
    def purge(
        self,
        id: Ids | None = None,
        *,
        user_id: UserId | None = None,
        agent_id: str | None = None,
        session_id: str | None = None,
        kind: str | Sequence[str] | None = None,
        filter: Filter | None = None,
        after: Moment | None = None,
        before: Moment | None = None,
    ) -> Call[int]:
        """Erase memories for good: words, vectors, history and jobs, deleted ones too. Return how many.

        Freed bytes are zeroed and the write-ahead log is emptied. Takes the same arguments as `delete`.

        Args:
            id: See `delete`, as for all arguments.
            user_id: See `delete`.
            agent_id: See `delete`.
            session_id: See `delete`.
            kind: See `delete`.
            filter: See `delete`.
            after: See `delete`.
            before: See `delete`.
        """
        return self._change(Purge(self._several(id, user_id, agent_id, session_id, kind, filter, after, before)))

    apurge = twin(purge)

    # Shared by the verbs

    def _check_mode(self, mode: Mode | None) -> None:
        self._room.engine.check_open()
        if (mode or self._room.mode) not in ("fast", "batch"):
            raise InvalidInputError(f"mode={mode or self._room.mode!r} is not available: use 'fast' or 'batch'")

    def _user(self, user_id: UserId | None) -> UserId | None:
        if self._user_id is not None and user_id is not None and user_id != self._user_id:
            raise ScopeError(f"this view is bound to one user and cannot reach user_id={user_id!r}")
        return self._user_id if user_id is None else user_id

    def _scope(self, user_id: UserId | None, agent_id: str | None, session_id: str | None) -> Scope:
        return read_scope(self._room.namespace, self._user(user_id), agent_id, session_id, shared_by_default=self._room.twins == "keep")

    def _common(self, fields: Mapping[str, Any], scope: Scope, truncate: bool) -> Common:
        self._room.engine.check_open()
        return Common(fields, scope.user_id, datetime.now(UTC), self._room.text_limit, truncate, self._room.dim)

    def _selection(
        self,
        user_id: UserId | None,
        agent_id: str | None,
        session_id: str | None,
        *,
        kind: str | Sequence[str] | None = None,
        filter: Filter | None = None,
        after: Moment | None = None,
        before: Moment | None = None,
        at: Moment | None = None,
    ) -> Selection:
        return Selection(
            self._room.namespace, self._scope(user_id, agent_id, session_id), None, read_kinds(kind), parse(filter),
            read_moment(after, "after"), read_moment(before, "before", end_of_day=True), read_moment(at, "at"),
        )  # fmt: skip

    def _by_id(self, id: str, user_id: UserId | None) -> Selection:
        self._room.engine.check_open()
        ids = (read_name(id, "id") or _missing_id(),)
        user = self._user(user_id)
        scope = None if user is None else self._scope(user, None, None)
        return Selection(self._room.namespace, scope, ids, any_validity=True)

    def _several(
        self,
        id: Ids | None,
        user_id: UserId | None,
        agent_id: str | None,
        session_id: str | None,
        kind: str | Sequence[str] | None,
        filter: Filter | None,
        after: Moment | None,
        before: Moment | None,
    ) -> Selection:
        ids = None if id is None else read_ids(id)
        anyone = ids is not None and self._user(user_id) is None and agent_id is None and session_id is None
        return Selection(
            self._room.namespace, None if anyone else self._scope(user_id, agent_id, session_id), ids, read_kinds(kind),
            parse(filter), read_moment(after, "after"), read_moment(before, "before", end_of_day=True), any_validity=True,
        )  # fmt: skip

    def _change(self, change: Delete | Purge) -> Call[int]:
        self._room.engine.check_open()
        return Change(self._room.writing, Write[int]([change], one))


class UserMemory(MemoryVerbs):
    """The memories of one user: a view that can reach nothing else. Made by `AgentMemory.for_user`."""

    @property
    def user_id(self) -> UserId:
        """The user this view is bound to."""
        assert self._user_id is not None
        return self._user_id


class AgentMemory(MemoryVerbs):
    """Long-term memory in one SQLite file.

    Safe to share between threads, tasks and event loops; several processes may open the same file. Also a context manager.

    Args:
        path: The file, made if it is missing, or `memory://` for one in RAM.
        embedder: `"static"` (bundled, no download), an object with `embed_documents` and `embed_query`, or None for a
            collection whose callers bring vectors or search words only.
        mode: How `add` works unless it says otherwise: `fast` or `batch`, which ask no model.
        namespace: The collection in the file.
        durability: `full`: what was acknowledged survives a power cut; `normal`: it survives a crash of the program.
        twins: `merge`: the same utterance told twice is one memory; `keep`: a document collection, where identical texts
            stay apart and no user need be named. None: as the collection was made, `merge` if it is new.
        text_limit: Characters allowed in one memory.
        matrix_budget: Bytes of vectors kept in RAM for searching.

    Raises:
        InvalidInputError: an argument that makes no sense.
        StorageError: the path cannot be a memory file.
        EmbedderMismatchError: the collection was written with another embedder.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        embedder: Any = "static",
        mode: Mode = "fast",
        namespace: str = "default",
        durability: Durability = "full",
        twins: Twins | None = None,
        text_limit: int = TEXT_LIMIT,
        matrix_budget: int = MATRIX_BUDGET,
    ) -> None:
        self._settings = Settings(
            os.fspath(path), embedder, mode, namespace, durability, twins,
            read_count(text_limit, "text_limit", 1, 10_000_000), read_count(matrix_budget, "matrix_budget", 0, 2**50),
        )  # fmt: skip
        self._engine: Engine = open_engine(self._settings)
        try:
            super().__init__(open_room(self._engine, self._settings))
        except BaseException:
            self._engine.close()
            raise

    def for_user(self, user_id: UserId) -> UserMemory:
        """Return a view bound to one user: its calls need no `user_id` and can reach nobody else's memory."""
        return UserMemory(self._room, self._scope(user_id, None, None).user_id)

    def collection(self, name: str, *, embedder: Any = "static", twins: Twins | None = None, mode: Mode | None = None) -> MemoryVerbs:
        """Return another collection of the same file, with an embedder and a twin policy of its own.

        Args:
            name: The collection's namespace.
            embedder: As for `AgentMemory`.
            twins: As for `AgentMemory`.
            mode: As for `AgentMemory`; default this memory's.

        Raises:
            ConflictError: it was made with another twin policy.
            EmbedderMismatchError: it was written with another embedder.
        """
        return MemoryVerbs(open_room(self._engine, self._settings.for_collection(name, embedder, twins, mode)))

    def add_for_user(self, content: Item | Sequence[Item], user_id: UserId, **options: Any) -> AddResult:
        """Alias of `add`, under the name it had in AgentMem."""
        return self.add(content, user_id=user_id, **options)

    def add_batch_optimized(self, items: Iterable[Item], **options: Any) -> Results:
        """Alias of `add_batch`, under the name it had in AgentMem."""
        return self.add_batch(items, **options)

    @face
    def flush(self) -> Call[int]:
        """Wait until everything queued is stored and retry owed vectors now; return how many are still owed."""
        self._engine.check_open()
        return Read(self._engine, lambda: sum(room.writing.flush() for room in self._engine.open_rooms()))

    aflush = twin(flush)

    @face
    def close(self) -> Call[None]:
        """Finish what is queued and let go of the file. Closing twice is fine."""
        return Read(self._engine, self._engine.close)

    async def aclose(self) -> None:
        """Async twin of `close`."""
        import asyncio

        await asyncio.to_thread(self._engine.close)  # the engine's own executor is what is being closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _only(found: Memories, id: str) -> Memory | None:
    if len(found) > 1:
        raise ConflictError(f"id {id!r} is used by several owners: name the user_id")
    return found[0] if found else None


def _missing_id() -> str:
    raise InvalidInputError("id=None: pass the memory's id")


@contextmanager
def _progress(progress: Progress, items: Iterable[Any]) -> Iterator[Callable[[int], None]]:
    """Give the function that reports how many items are stored."""
    if progress is False:
        yield lambda done: None
    elif callable(progress):
        yield progress
    else:
        from tqdm import tqdm

        with tqdm(total=len(items) if isinstance(items, Sequence) else None, unit=" memories", file=sys.stderr) as bar:
            yield lambda done: (bar.update(done - bar.n), None)[1]
