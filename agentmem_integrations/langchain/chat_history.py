"""The messages of conversations, exactly as they were, for `RunnableWithMessageHistory` and whatever else takes a history."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict

from ..config import MAX_PAGE
from ..errors import InvalidInputError
from ..memory import AgentMemory, Collection
from ..models import Memory, UserId
from ..open_memory import MemoryOrPath, open_memory
from .message_items import words_of
from .sync_async_steps import Steps, awalk, verb, walk

COLLECTION: Final = "chat_history"

PART: Final = 400_000
"""Characters of a message's JSON in one memory: twice as many bytes, if all are escaped, are still less than `METADATA_LIMIT`."""

MESSAGE: Final = "langchain_message"
REST: Final = "langchain_parts_to_come"

# A history is made for every call, and a collection that is opened stays open as long as its memory: it is opened once
_opened: WeakKeyDictionary[AgentMemory, dict[str, Collection]] = WeakKeyDictionary()


class AgentMemChatMessageHistory(BaseChatMessageHistory):
    """The history of one conversation, in a collection of its own: in order, with identical messages as often as they were said.

    All kinds of messages come back as they went in. They are not embedded and no part of what is recalled, but
    `purge(user_id=..., collections="all")` erases them with the rest of a person.

    LangChain deprecates the class this is made from, with `RunnableWithMessageHistory`, in favour of checkpointers. For what
    outlives a conversation use `MemoryMiddleware`.

    Args:
        memory: An open `AgentMemory`, a collection with `twins="keep"`, or the path of a memory. A path is opened by every history that
            is made from it: where one is made for every call, pass an open memory.
        session_id: The conversation.
        user_id: Whose it is. Without, it belongs to nobody, and anyone who knows the `session_id` reads it.
        collection: Where the messages are kept.

    Raises:
        InvalidInputError: an argument that makes no sense.
    """

    def __init__(
        self, memory: MemoryOrPath | Collection, session_id: str, *, user_id: UserId | None = None, collection: str = COLLECTION
    ) -> None:
        super().__init__()
        if not isinstance(session_id, str) or not session_id:
            raise InvalidInputError("session_id: pass the conversation's name, such as a thread id")
        self._collection = _collection(memory, collection)
        self._scope: dict[str, Any] = {"user_id": user_id, "session_id": session_id}

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # an attribute there, and a property wherever it is stored
        """All messages, in order."""
        return walk(self._collection, self._read())

    async def aget_messages(self) -> list[BaseMessage]:
        """Async twin of `messages`."""
        return await awalk(self._collection, self._read())

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add messages, all or none.

        Raises:
            InvalidInputError: one of them holds what no JSON can.
        """
        walk(self._collection, self._write(messages))

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Async twin of `add_messages`."""
        await awalk(self._collection, self._write(messages))

    def clear(self) -> None:
        """Delete the conversation. The words stay in the file until they are purged, as after every `delete`."""
        self._collection.delete(**self._scope)

    async def aclear(self) -> None:
        """Async twin of `clear`."""
        await self._collection.adelete(**self._scope)

    def _read(self) -> Steps[list[BaseMessage]]:
        found: list[Memory] = []
        page: list[Memory] = []
        while not found or len(page) == MAX_PAGE:
            page = yield verb("list", **self._scope, limit=MAX_PAGE, after=found[-1].id if found else None)
            found += page
            if not page:
                break
        return messages_from_dict([json.loads(text) for text in _joined(found)])

    def _write(self, messages: Sequence[BaseMessage]) -> Steps[None]:
        items = [item for message in messages for item in _items(message)]
        if items:
            yield verb("add", items, **self._scope, mode="fast", truncate=True)


def _collection(memory: MemoryOrPath | Collection, name: str) -> Collection:
    if isinstance(memory, Collection) and not isinstance(memory, AgentMemory):
        return memory
    opened, _ = open_memory(memory)
    mine = _opened.setdefault(opened, {})
    if name not in mine:
        mine[name] = opened.collection(name, embedder=None, twins="keep", mode="fast")
    return mine[name]


def _items(message: BaseMessage) -> list[dict[str, Any]]:
    """Return a message as items to add: its words, to be found by, and all of it as JSON, in several parts if it is large."""
    try:
        whole = json.dumps(message_to_dict(message))
    except (TypeError, ValueError) as e:
        raise InvalidInputError(f"a message of type {message.type!r} holds what no JSON can ({type(e).__name__}): leave it out") from e
    parts = [whole[start : start + PART] for start in range(0, len(whole), PART)]
    words = words_of(message)
    text = words if words.strip() else f"({message.type} message without words)"
    return [
        {
            "content": text if number == 0 else "(continued)",
            "role": message.type,
            "metadata": {MESSAGE: part, REST: len(parts) - 1 - number},
        }
        for number, part in enumerate(parts)
    ]


def _joined(memories: Iterable[Memory]) -> Iterable[str]:
    parts: list[str] = []
    for memory in memories:
        if MESSAGE in memory.metadata:
            parts.append(memory.metadata[MESSAGE])
            if not memory.metadata[REST]:
                yield "".join(parts)
                parts = []
