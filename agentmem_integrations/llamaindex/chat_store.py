"""Chat histories in the file of an `AgentMemory`, for LlamaIndex's `Memory`."""

from collections.abc import Callable
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.storage.chat_store.base_db import AsyncDBChatStore, MessageStatus

from ..errors import StaleError
from ..models import SHARED, UserId
from ..open_memory import MemoryOrPath
from .chat_rows import Changes, ChatRows, Messages, read_key
from .connection import Connected, Connection, arguments_of, owner, read_owner
from .messages import KINDS, rows_of

COLLECTION: Final = "llamaindex-chat"
Decide = Callable[[Messages], tuple[Messages, Changes]]
"""What is to be done with messages: those that were chosen, and the changes."""


class AgentMemChatStore(Connected, AsyncDBChatStore):
    """Chat histories by key, in a collection of their own: `Memory.from_defaults(chat_store=AgentMemChatStore("memory.db"))`.

    Messages come back as they were, with all blocks, tool calls and `additional_kwargs`, and as new objects each time. They are
    searched by no embedder and read by no model. Histories belong to the user that the store is bound to: no other store sees
    them, and `purge(user_id=..., collections="all")` erases them.

    Each call is one transaction: none finds another's half done, no two delete or archive the same message, and a cancelled one
    has done all or nothing. Any number of stores, in threads, tasks and processes, may work on one file.

    Args:
        memory: An open `AgentMemory`, or a path.
        user_id: Whose histories; default nobody's, and then the key alone keeps them apart.
        collection: Where in the file.
        settings: How a path is opened, as for `AgentMemory`.

    Raises:
        InvalidInputError: an argument that makes no sense.
        StorageError: the path cannot be a memory file.
    """

    user_id: str | None
    collection: str = COLLECTION

    _connection: Connection = PrivateAttr()

    def __init__(
        self, memory: MemoryOrPath | Connection, *, user_id: UserId = SHARED, collection: str = COLLECTION, **settings: Any
    ) -> None:
        super().__init__(user_id=read_owner(user_id), collection=collection)  # type: ignore[call-arg]  # pydantic's, which mypy does not see
        self._connection = memory if isinstance(memory, Connection) else Connection(memory, settings, arguments_of(type(self).__init__))

    @classmethod
    def class_name(cls) -> str:
        """Return the name of this class."""
        return "AgentMemChatStore"

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> "AgentMemChatStore":
        """Return the same store: what is open cannot be copied."""
        return self

    async def get_messages(
        self, key: str, status: MessageStatus | None = MessageStatus.ACTIVE, limit: int | None = None, offset: int | None = None
    ) -> list[ChatMessage]:
        """Return the messages of a key, oldest first.

        Args:
            key: Which history.
            status: Only messages of this status; None for all.
            limit: How many at most; None for all.
            offset: Skip so many of the oldest.
        """
        first = max(0, offset or 0)
        last = None if limit is None else first + max(0, limit)
        return [message.read() for message in (await self._stored(key, status, last))[first:last]]

    async def count_messages(self, key: str, status: MessageStatus | None = MessageStatus.ACTIVE) -> int:
        """Return how many messages `get_messages` has."""
        return len(await self._stored(key, status))

    async def add_message(self, key: str, message: ChatMessage, status: MessageStatus = MessageStatus.ACTIVE) -> None:
        """Store a message behind the others."""
        await self.add_messages(key, [message], status)

    async def add_messages(self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE) -> None:
        """Store messages behind the others, in their order; all or none."""
        rows = [row for message in messages for row in rows_of(message, status)]
        if rows:
            await self._rows.aadd(rows, session_id=read_key(key), mode="fast", truncate=True)

    async def set_messages(self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE) -> None:
        """Let these be all messages of a key, whatever there was; in one transaction."""
        there = await self._stored(key, None)
        if [(m.kind, m.read()) for m in there] == [(KINDS[status], message) for message in messages]:
            return  # agents set what is there already at every turn, and what is replaced stays in the file as deleted
        rows = [row for message in messages for row in rows_of(message, status)]
        await self._rows.areplace(rows, session_id=key, truncate=True)

    async def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Delete one message and return it; None if there is none.

        Args:
            key: Which history.
            idx: Which message: its position, from 0, the oldest, or from -1, the newest; archived ones count.
        """
        return await self._delete_at(key, None, idx)

    async def delete_active_message(self, key: str, idx: int) -> ChatMessage | None:
        """Delete the active message at a position and return it; None if there is none.

        Args:
            key: Which history.
            idx: Counted from 0, the oldest, or from -1, the newest.
        """
        return await self._delete_at(key, MessageStatus.ACTIVE, idx)

    async def delete_messages(self, key: str, status: MessageStatus | None = None) -> None:
        """Delete all messages of a key, or those of one status."""
        await self._rows.adelete(session_id=read_key(key), kind=_kind(status))

    async def delete_oldest_messages(self, key: str, n: int | None) -> list[ChatMessage]:
        """Delete the oldest active messages and return them; with None all of them."""
        rows = self._rows
        return await self._changed(key, MessageStatus.ACTIVE, n, lambda seen: (seen, rows.going(seen)))

    async def archive_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        """Give the oldest active messages the status `archived` and return them."""
        rows, kind = self._rows, KINDS[MessageStatus.ARCHIVED]
        return await self._changed(key, MessageStatus.ACTIVE, n, lambda seen: (seen, rows.turned(seen, kind)))

    async def insert_active_message(self, key: str, message: ChatMessage, idx: int) -> None:
        """Store a message before the active one at a position, as `list.insert` does; behind the last one if there is none.

        The messages behind it are stored anew, as messages lie in the order they were stored.

        Args:
            key: Which history.
            message: What to store.
            idx: Counted from 0, the oldest, or from -1, the newest.
        """
        rows = self._rows

        def put(seen: Messages) -> tuple[Messages, Changes]:
            behind = seen[idx:] if idx >= -len(seen) else seen
            items = [row for m in (message, *(m.read() for m in behind)) for row in rows_of(m, MessageStatus.ACTIVE)]
            return [], rows.put(items, key, behind)

        await self._changed(key, MessageStatus.ACTIVE, None, put, whole=True)

    async def set_active_messages(self, key: str, messages: list[ChatMessage]) -> None:
        """Let these be the active messages of a key; archived ones stay, before them."""
        rows = self._rows

        def put(seen: Messages) -> tuple[Messages, Changes]:
            items = [row for message in messages for row in rows_of(message, MessageStatus.ACTIVE)]
            return [], [] if [m.read() for m in seen] == list(messages) else rows.put(items, key, seen)

        await self._changed(key, MessageStatus.ACTIVE, None, put, whole=True)

    async def get_keys(self) -> list[str]:
        """Return the keys that have messages, in the order they first had one."""
        messages = await self._rows.amessages()
        return list(dict.fromkeys(key for message in messages if (key := message.rows[0].session_id) is not None))

    @property
    def _rows(self) -> ChatRows:
        collection = self._connection.memory.collection(self.collection, embedder=None, twins="keep", mode="fast")
        return ChatRows(collection._room, owner(self.user_id))

    async def _stored(self, key: str, status: MessageStatus | None, most: int | None = None) -> Messages:
        return await self._rows.amessages(session_id=read_key(key), kind=_kind(status), most=most)

    async def _delete_at(self, key: str, status: MessageStatus | None, idx: int) -> ChatMessage | None:
        rows = self._rows

        def delete(seen: Messages) -> tuple[Messages, Changes]:
            found = seen[idx:][:1] if -len(seen) <= idx else []
            return found, rows.going(found) if found else []

        # By a position from the end it is another message once one was added
        deleted = await self._changed(key, status, idx + 1 if idx >= 0 else None, delete, whole=idx < 0)
        return next(iter(deleted), None)

    async def _changed(
        self, key: str, status: MessageStatus | None, most: int | None, decide: Decide, *, whole: bool = False
    ) -> list[ChatMessage]:
        """Read messages, decide what becomes of them, and do that in one transaction; from the beginning if another came first.

        Args:
            key: Which history.
            status: Only messages of this status; None for all.
            most: How many of the oldest it depends on; None for all.
            decide: Returns messages and the changes to make, if any.
            whole: It also depends on there being no others behind them.

        Returns:
            The messages that were decided on.
        """
        while True:
            seen = await self._stored(key, status, most)
            chosen, changes = decide(seen)
            if not changes:
                return []
            try:
                await self._rows.achange(changes, session_id=key, kind=_kind(status), seen=seen, whole=whole)
            except StaleError:
                continue
            return [message.read() for message in chosen]


def _kind(status: MessageStatus | None) -> str | None:
    return None if status is None else KINDS[status]
