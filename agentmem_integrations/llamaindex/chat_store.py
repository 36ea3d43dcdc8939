"""Chat histories in the file of an `AgentMemory`, for LlamaIndex's `Memory`."""

import asyncio
import contextlib
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.storage.chat_store.base_db import AsyncDBChatStore, MessageStatus

from ..config import MAX_PAGE
from ..errors import NotFoundError
from ..memory import Collection
from ..models import SHARED, Memory, UserId
from ..open_memory import MemoryOrPath
from .connection import Connection, owner, read_owner
from .messages import KINDS, StoredMessage, rows_of, stored_messages

COLLECTION: Final = "llamaindex-chat"


class AgentMemChatStore(AsyncDBChatStore):
    """Chat histories by key, in a collection of their own: `Memory.from_defaults(chat_store=AgentMemChatStore("memory.db"))`.

    Messages come back as they were, with all blocks, tool calls and `additional_kwargs`, and as new objects each time. They are
    searched by no embedder and read by no model. Histories belong to the user that the store is bound to: no other store sees
    them, and `purge(user_id=..., collections="all")` erases them.

    Each call is one transaction, `set_messages` too. Any number of stores, in threads, tasks and processes, may work on one file.

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
        self._connection = memory if isinstance(memory, Connection) else Connection(memory, **settings)

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
            await self._rows.aadd(rows, user_id=owner(self.user_id), session_id=key, mode="fast", truncate=True)

    async def set_messages(self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE) -> None:
        """Let these be all messages of a key, whatever there was; in one transaction."""
        there = await self._stored(key, None)
        if [(m.kind, m.read()) for m in there] == [(KINDS[status], message) for message in messages]:
            return  # agents set what is there already at every turn, and what is replaced stays in the file as deleted
        rows = [row for message in messages for row in rows_of(message, status)]
        await self._rows.areplace(rows, user_id=owner(self.user_id), session_id=key, truncate=True)

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
        await self._rows.adelete(user_id=owner(self.user_id), session_id=key, kind=_kind(status))

    async def delete_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        """Delete the oldest active messages and return them."""
        return await self._deleted(await self._stored(key, MessageStatus.ACTIVE, n))

    async def archive_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        """Give the oldest active messages the status `archived` and return them."""
        found = await self._stored(key, MessageStatus.ACTIVE, n)
        await asyncio.gather(*(self._archive(row.id) for message in found for row in message.rows))
        return [message.read() for message in found]

    async def get_keys(self) -> list[str]:
        """Return the keys that have messages, in the order they first had one."""
        rows = await self._listed(None, None, None)
        return list(dict.fromkeys(row.session_id for row in rows if row.session_id is not None))

    @property
    def _rows(self) -> Collection:
        return self._connection.memory.collection(self.collection, embedder=None, twins="keep", mode="fast")

    async def _stored(self, key: str, status: MessageStatus | None, most: int | None = None) -> list[StoredMessage]:
        return list(stored_messages(await self._listed(key, _kind(status), most)))[:most]

    async def _listed(self, key: str | None, kind: str | None, most: int | None) -> list[Memory]:
        """Return rows in their order: those of so many messages, or all."""
        rows: list[Memory] = []
        whole, after = 0, None
        while most is None or whole < most:
            size = MAX_PAGE if most is None else min(MAX_PAGE, most - whole)
            page = await self._rows.alist(user_id=owner(self.user_id), session_id=key, kind=kind, limit=size, after=after)
            rows += page
            whole += sum(row.metadata["piece"] + 1 == row.metadata["pieces"] for row in page)
            if len(page) < size:
                break
            after = page[-1].id
        return rows

    async def _delete_at(self, key: str, status: MessageStatus | None, idx: int) -> ChatMessage | None:
        stored = await self._stored(key, status)
        found = stored[idx:][:1] if -len(stored) <= idx else []
        return next(iter(await self._deleted(found)), None)

    async def _deleted(self, messages: list[StoredMessage]) -> list[ChatMessage]:
        if messages:
            await self._rows.adelete([row.id for message in messages for row in message.rows], user_id=owner(self.user_id))
        return [message.read() for message in messages]

    async def _archive(self, id: str) -> None:
        with contextlib.suppress(NotFoundError):  # deleted meanwhile
            await self._rows.aupdate(id, user_id=owner(self.user_id), kind=KINDS[MessageStatus.ARCHIVED])


def _kind(status: MessageStatus | None) -> str | None:
    return None if status is None else KINDS[status]
