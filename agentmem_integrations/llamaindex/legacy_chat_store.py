"""Chat histories for LlamaIndex's older memories: `ChatMemoryBuffer`, `ChatSummaryMemoryBuffer`."""

from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.storage.chat_store.base import BaseChatStore

from ..models import SHARED, UserId
from ..open_memory import MemoryOrPath
from .chat_store import COLLECTION, AgentMemChatStore
from .connection import Connected, Connection
from .run_sync import run_sync


class AgentMemLegacyChatStore(Connected, BaseChatStore):
    """`AgentMemChatStore` behind the older interface, for memories that take a `BaseChatStore`. Both may share histories.

    Messages that the other has archived are not seen here, nor deleted.

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

    _store: AgentMemChatStore = PrivateAttr()

    def __init__(self, memory: MemoryOrPath, *, user_id: UserId = SHARED, collection: str = COLLECTION, **settings: Any) -> None:
        store = AgentMemChatStore(memory, user_id=user_id, collection=collection, **settings)
        super().__init__(user_id=store.user_id, collection=collection)  # type: ignore[call-arg]  # pydantic's, which mypy does not see
        self._store = store

    @property
    def _connection(self) -> Connection:  # type: ignore[override]  # the one of the store it stands before
        return self._store._connection

    @classmethod
    def class_name(cls) -> str:
        """Return the name of this class."""
        return "AgentMemLegacyChatStore"

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> "AgentMemLegacyChatStore":
        """Return the same store: what is open cannot be copied."""
        return self

    async def aset_messages(self, key: str, messages: list[ChatMessage]) -> None:
        """Let these be all messages of a key."""
        await self._store.set_active_messages(key, messages)

    async def aget_messages(self, key: str) -> list[ChatMessage]:
        """Return the messages of a key, oldest first."""
        return await self._store.get_messages(key)

    async def async_add_message(self, key: str, message: ChatMessage, idx: int | None = None) -> None:
        """Store a message behind the others, or before the one at a position, as `list.insert` does."""
        if idx is None:
            await self._store.add_message(key, message)
        else:
            await self._store.insert_active_message(key, message, idx)

    async def adelete_messages(self, key: str) -> list[ChatMessage] | None:
        """Delete the messages of a key and return them; None if there are none."""
        return await self._store.delete_oldest_messages(key, None) or None

    async def adelete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Delete the message at a position, counted from 0, or from -1 at the end, and return it; None if there is none."""
        return await self._store.delete_active_message(key, idx)

    async def adelete_last_message(self, key: str) -> ChatMessage | None:
        """Delete the last message and return it; None if there is none."""
        return await self.adelete_message(key, -1)

    async def aget_keys(self) -> list[str]:
        """Return the keys that have messages."""
        return await self._store.get_keys()

    def set_messages(self, key: str, messages: list[ChatMessage]) -> None:
        """Let these be all messages of a key."""
        run_sync(self.aset_messages(key, messages))

    def get_messages(self, key: str) -> list[ChatMessage]:
        """Return the messages of a key, oldest first."""
        return run_sync(self.aget_messages(key))

    def add_message(self, key: str, message: ChatMessage, idx: int | None = None) -> None:
        """Store a message behind the others, or before the one at a position, as `list.insert` does."""
        run_sync(self.async_add_message(key, message, idx))

    def delete_messages(self, key: str) -> list[ChatMessage] | None:
        """Delete the messages of a key and return them; None if there are none."""
        return run_sync(self.adelete_messages(key))

    def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Delete the message at a position, counted from 0, or from -1 at the end, and return it; None if there is none."""
        return run_sync(self.adelete_message(key, idx))

    def delete_last_message(self, key: str) -> ChatMessage | None:
        """Delete the last message and return it; None if there is none."""
        return run_sync(self.adelete_last_message(key))

    def get_keys(self) -> list[str]:
        """Return the keys that have messages."""
        return run_sync(self.aget_keys())
