"""The rows of chat histories: read as of one instant, and changed only if they still are what was read.

Several callers, in tasks, threads and processes, may work on one history. None of them holds a lock while it reads and decides:
whoever comes second is told so by the store (`StaleError`), and reads again.
"""

from collections.abc import Sequence
from typing import Any

from ..models import Memory
from ..pipeline.arguments import read_kinds, read_name
from ..pipeline.write_stages.batching import Write
from ..pipeline.write_stages.commit import one
from ..ports import Delete, Insert, Provided, Replace, Selection, Update
from ..sync_async import Call, Change, Read, face, twin
from ..verbs import MemoryVerbs
from .messages import StoredMessage, stored_messages

Messages = list[StoredMessage]
Changes = Sequence[Insert | Replace | Update | Delete]


class ChatRows(MemoryVerbs):
    """The chat histories of one user, or of nobody, in a collection; a view bound to them."""

    @face
    def messages(self, *, session_id: str | None = None, kind: str | None = None, most: int | None = None) -> Call[Messages]:
        """Return messages in their order, as of one instant.

        Args:
            session_id: Which history; None for all of them.
            kind: Only messages with the status of this kind.
            most: How many at most, from the oldest; None for all.
        """
        self._room.engine.check_open()
        selection, find = self._of(session_id, kind), self._room.engine.store.find

        def read() -> Messages:
            if most is None:
                return list(stored_messages(find(selection)))
            wanted = limit = max(0, most)
            rows = find(selection, limit)
            while len(rows) == limit and _whole(rows) < wanted:  # a message may be of several rows
                limit *= 2
                rows = find(selection, limit)
            return list(stored_messages(rows))[:wanted]

        return Read(self._room.engine, read, lookup=True)

    amessages = twin(messages)

    @face
    def change(self, changes: Changes, *, session_id: str, kind: str | None, seen: Messages, whole: bool) -> Call[int]:
        """Make changes of a history in one transaction, if it still is what was seen.

        Args:
            changes: What to do: see `going`, `turned` and `put`.
            session_id: As for `messages`.
            kind: As for `messages`.
            seen: What `messages` gave, by which it was decided.
            whole: It was the whole history, and nothing may have come behind.

        Raises:
            StaleError: it is another by now; nothing was changed.
        """
        self._room.engine.check_open()
        ids = _ids(seen)
        return Change(self._room.writing, Write([Provided(self._of(session_id, kind, None if whole else ids), ids, changes)], one))

    achange = twin(change)

    def going(self, messages: Messages) -> Changes:
        """Return the changes that delete messages."""
        return [Delete(self._of(None, None, _ids(messages)))] if messages else []

    def turned(self, messages: Messages, kind: str) -> Changes:
        """Return the changes that give messages another kind, where they are."""
        return [Update(self._of(None, None, (id,)), {"kind": kind}) for id in _ids(messages)]

    def put(self, items: list[dict[str, Any]], session_id: str, messages: Messages) -> Changes:
        """Return the changes that put new rows, at the end, in the place of messages."""
        scope = self._scope(None, None, session_id)
        going = self._of(None, None, _ids(messages))
        write = self._room.adding.replace(going, items, scope, self._common({}, scope, truncate=True))
        return [change for change in write.changes if isinstance(change, Replace)]

    def _of(self, session_id: str | None, kind: str | None, ids: tuple[str, ...] | None = None) -> Selection:
        return Selection(self._room.namespace, self._scope(None, None, session_id), ids, read_kinds(kind), any_validity=True)


def read_key(key: str) -> str:
    """Return the key of a history, which is a `session_id` in the file.

    Raises:
        InvalidInputError: it is none.
    """
    return str(read_name("" if key is None else key, "key"))


def _ids(messages: Messages) -> tuple[str, ...]:
    return tuple(row.id for message in messages for row in message.rows)


def _whole(rows: Sequence[Memory]) -> int:
    return sum(row.metadata["piece"] + 1 == row.metadata["pieces"] for row in rows)
