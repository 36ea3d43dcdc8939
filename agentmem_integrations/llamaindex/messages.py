"""What of a LlamaIndex `ChatMessage` is remembered: its words."""

from collections.abc import Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, TextBlock

from ..config import ID_LIMIT
from .memory_prompt import is_recalled


def words_of(message: ChatMessage) -> str:
    """Return the words of a message that can be stored, without memories that were recalled into it; empty if there are none."""
    texts = [block.text for block in message.blocks if isinstance(block, TextBlock) and not is_recalled(block.text)]
    return storable("\n".join(texts)).strip()


def storable(text: str) -> str:
    """Return a text without what no file of text holds: NUL characters and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def item_of(message: ChatMessage, roles: Sequence[str]) -> dict[str, Any] | None:
    """Return a message as `AgentMemory.add` takes it; None for one that says nothing, or of another role."""
    role, words = message.role.value, words_of(message)
    if role not in roles or not words:
        return None
    name = message.additional_kwargs.get("name")
    said = {"content": words, "role": role}
    return said if not isinstance(name, str) or not (name := storable(name)[:ID_LIMIT]) else {**said, "name": name}


def last_question(messages: Sequence[ChatMessage]) -> str:
    """Return the words of the latest message of a user; empty if there are none."""
    return next((words for message in reversed(messages) if message.role == "user" and (words := words_of(message))), "")


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
