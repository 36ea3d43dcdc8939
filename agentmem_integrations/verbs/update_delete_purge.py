"""Verbs that change what is stored: update, delete, purge."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from ..errors import InvalidInputError, ScopeError, shown
from ..filters import parse
from ..models import Memory, UserId
from ..pipeline.arguments import (
    read_choice,
    read_expiry,
    read_flag,
    read_fraction,
    read_ids,
    read_kind,
    read_kinds,
    read_metadata,
    read_moment,
    read_text,
)
from ..pipeline.write_stages.batching import Write
from ..pipeline.write_stages.commit import one
from ..ports import Delete, Outcome, Purge, Selection, Update
from ..sync_async import Call, Change, Later, face, twin
from .scope import Filter, Ids, Kinds, Moment, Scoped

Collections = Literal["this", "all"]


class Changing(Scoped):
    """Verbs that change what is stored."""

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
            changes["text"] = read_text(text, self._room.text_limit, read_flag(truncate, "truncate"))
        if metadata is not None:
            changes["metadata"] = read_metadata(metadata)
        if kind is not None:
            changes["kind"] = read_kind(kind)
        if importance is not None:
            changes["importance"] = read_fraction(importance, "importance")
        if ttl is not None or expires_at is not None:
            changes["expires_at"] = read_expiry(ttl, expires_at, datetime.now(UTC))
        if not changes:
            raise InvalidInputError(f"update of {shown(id)} changes nothing: pass text, metadata, kind, importance, ttl or expires_at")
        update = Update(self._by_id(id, user_id), changes)
        return Later(self._room.engine, self._room.writing, lambda: self._room.adding.update(update))

    aupdate = twin(update)

    @face
    def delete(
        self,
        id: Ids | None = None,
        *,
        user_id: UserId | None = None,
        agent_id: str | None = None,
        session_id: str | None = None,
        kind: Kinds | None = None,
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
        kind: Kinds | None = None,
        filter: Filter | None = None,
        after: Moment | None = None,
        before: Moment | None = None,
        collections: Collections = "this",
    ) -> Call[int]:
        """Erase memories for good: words, vectors, history and jobs, deleted ones too. Return how many.

        Freed bytes are zeroed and the write-ahead log is emptied (docs/forget-a-person.md). Takes the arguments of `delete`,
        and one more.

        Args:
            id: See `delete`, as for all arguments.
            user_id: See `delete`.
            agent_id: See `delete`.
            session_id: See `delete`.
            kind: See `delete`.
            filter: See `delete`.
            after: See `delete`.
            before: See `delete`.
            collections: `this` one, or `all` of the file, in one transaction; then the owner must be named, and the call be
                made on the memory or a collection, not on a view of one user.

        Raises:
            ScopeError: nobody was named, or a view should reach beyond its collection.
            StoreBusyError: the memories are erased, but a reader kept the log from being emptied: purge again.
        """
        read_choice(collections, "collections", get_args(Collections))
        if collections == "all" and self._user_id is not None:
            raise ScopeError("this view is bound to one collection: call purge on the memory, with user_id=...")
        if collections == "all" and user_id is None:
            raise ScopeError("whose memory? purge(collections='all') needs user_id=..., or user_id=SHARED for nobody's")
        selection = self._several(id, user_id, agent_id, session_id, kind, filter, after, before)
        self._room.engine.check_open()

        def purged(outcomes: list[Outcome]) -> int:
            self._room.engine.vectors.clear()  # nor may RAM keep what was made of erased words
            for room in self._room.engine.open_rooms():
                if room.mind is not None:
                    room.mind.forget()
            return int(one(outcomes))

        return Change(self._room.writing, Write([Purge(selection, everywhere=collections == "all")], purged))

    apurge = twin(purge)

    def _several(
        self,
        id: Ids | None,
        user_id: UserId | None,
        agent_id: str | None,
        session_id: str | None,
        kind: Kinds | None,
        filter: Filter | None,
        after: Moment | None,
        before: Moment | None,
    ) -> Selection:
        ids = None if id is None else read_ids(id)
        anyone = ids is not None and self._user(user_id) is None and agent_id is None and session_id is None
        kinds, where = read_kinds(kind), parse(filter)  # an empty filter is no condition: it must not pass for one
        everything = all(given is None for given in (ids, kinds, where, after, before))
        return Selection(
            self._room.namespace, None if anyone else self._scope(user_id, agent_id, session_id, named=everything), ids,
            kinds, where, read_moment(after, "after"), read_moment(before, "before", end_of_day=True), any_validity=True,
        )  # fmt: skip

    def _change(self, change: Delete) -> Call[int]:
        self._room.engine.check_open()
        return Change(self._room.writing, Write[int]([change], one))
