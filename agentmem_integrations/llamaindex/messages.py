"""What of a LlamaIndex `ChatMessage` is remembered, and how chat messages lie in a collection.

What is remembered is their words. A chat history keeps them as rows of words, with the whole message as JSON in their metadata.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage, ContentBlock, TextBlock
from llama_index.core.storage.chat_store.base_db import MessageStatus
from pydantic_core import to_jsonable_python

from ..config import ID_LIMIT
from ..models import Memory
from ..pipeline.uuid7 import new_id
from .memory_prompt import is_recalled
from .transcripts import said_in

PIECE: Final = 400_000  # characters of JSON in one row: a megabyte of metadata holds them even where each is escaped
CONTINUED: Final = "(continued)"

# A message's status is the kind of its rows: a column, so that no other message's metadata need be read to find it
KINDS: Final = {MessageStatus.ACTIVE: "working", MessageStatus.ARCHIVED: "episode"}


def words_of(message: ChatMessage) -> str:
    """Return the words of a message that can be stored, without memories that were recalled into it; empty if there are none."""
    texts = [block.text for block in message.blocks if isinstance(block, TextBlock) and not is_recalled(block.text)]
    return storable("\n".join(texts)).strip()


def storable(text: str) -> str:
    """Return a text without what no file of text holds: NUL characters and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def item_of(message: ChatMessage, roles: Sequence[str]) -> dict[str, Any] | None:
    """Return a message as `AgentMemory.add` takes it; None for one that says nothing, or of another role.

    Of an agent's reasoning it has the answer alone (see `transcripts`).
    """
    role = message.role.value
    words = said_in(role, words_of(message))
    if role not in roles or not words:
        return None
    name = message.additional_kwargs.get("name")
    said = {"content": words, "role": role}
    return said if not isinstance(name, str) or not (name := storable(name)[:ID_LIMIT]) else {**said, "name": name}


def last_question(messages: Sequence[ChatMessage]) -> str:
    """Return the words of the latest message of a user; empty if there are none."""
    asked = (said_in("user", words_of(message)) for message in reversed(messages) if message.role == "user")
    return next((words for words in asked if words), "")


def is_to_come(question: str | None, history: Sequence[ChatMessage]) -> bool:
    """Say whether a question is no message of the history yet.

    Agents store a message and then ask for memories with its words. Chat engines over an index ask first; what they show the
    model is the history, and behind it the question.
    """
    if question is None or not question.strip():
        return False
    answered = bool(history) and history[-1].role == "assistant" and not _calls_tools(history[-1])
    return answered or plain(storable(question)) != plain(last_question(history))


def _calls_tools(message: ChatMessage) -> bool:
    return bool(message.additional_kwargs.get("tool_calls")) or any(block.block_type == "tool_call" for block in message.blocks)


def with_system(messages: list[ChatMessage], content: Sequence[ContentBlock]) -> list[ChatMessage]:
    """Return messages with the content in their system message: one, as some providers take no more, before what it says."""
    system = [message for message in messages if message.role == "system"]
    if not system:
        return [ChatMessage(role="system", blocks=list(content)), *messages] if content else messages
    first = system[0]
    one = first.model_copy(update={"blocks": [*content, *(block for message in system for block in message.blocks)]})
    return [one if message is first else message for message in messages if message is first or message.role != "system"]


def plain(text: str) -> str:
    """Return a text as it is compared: case and white space do not count."""
    return " ".join(text.split()).casefold()


def turns_of(messages: Sequence[ChatMessage]) -> int:
    """Return how often the user spoke.

    `Memory` appends what it is asked with as one more message of the user, behind the very message if it is in the history.
    """
    said = sum(message.role == "user" for message in messages)
    last = messages[-2:]
    twice = len(last) == 2 and all(message.role == "user" for message in last) and plain(words_of(last[0])) == plain(words_of(last[1]))
    return said - twice


@dataclass(slots=True)
class StoredMessage:
    """A message as it is stored: one row, or several for one with a picture, say.

    Attributes:
        rows: They, in order.
    """

    rows: list[Memory] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether all of its rows are here."""
        return len(self.rows) == int(self.rows[0].metadata["pieces"])

    @property
    def kind(self) -> str:
        """That of its status."""
        return self.rows[0].kind

    def read(self) -> ChatMessage:
        """Return the message, a new one each time."""
        return ChatMessage.model_validate(json.loads("".join(row.metadata["json"] for row in self.rows)))


def rows_of(message: ChatMessage, status: MessageStatus) -> list[dict[str, Any]]:
    """Return the rows that a message becomes, as items of `AgentMemory.add`.

    What in `additional_kwargs` is no JSON is stored as its text. The JSON is ASCII, so that it holds any string, also one that is
    no valid Unicode.
    """
    whole = json.dumps(to_jsonable_python(message, fallback=str))
    pieces = [whole[start : start + PIECE] for start in range(0, len(whole), PIECE)]
    role, id = message.role.value, new_id()
    words = words_of(message) or f"({role})"
    return [
        {
            "content": words if number == 0 else CONTINUED,
            "role": role,
            "kind": KINDS[status],
            "metadata": {"message": id, "piece": number, "pieces": len(pieces), "json": piece},
        }
        for number, piece in enumerate(pieces)
    ]


def stored_messages(rows: Iterable[Memory]) -> Iterator[StoredMessage]:
    """Return the messages that rows hold, in the order of their first rows; without those whose rows are not all there."""
    found: dict[str, StoredMessage] = {}
    for row in rows:
        found.setdefault(row.metadata["message"], StoredMessage()).rows.append(row)
    return (message for message in found.values() if message.whole)
