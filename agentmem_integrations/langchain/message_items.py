"""What was said in messages: the words of people and models, as items to remember."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from ..errors import InvalidInputError
from ..pipeline.arguments import read_name

Role = Literal["user", "assistant", "tool"]

ROLES: Final[tuple[Role, ...]] = ("user", "assistant")

NO_WORDS_OF_THE_USER: Final = "lc_source"
"""In `additional_kwargs` of messages that a middleware wrote in the user's name, such as the summary of a conversation."""


@dataclass(frozen=True, slots=True)
class Saying:
    """A message that is worth keeping.

    Attributes:
        id: The message's, by which it is known that it was kept.
        role: Who spoke.
        text: The words, without what is not text.
        name: The speaker's name, if the message has one.
    """

    id: str
    role: Role
    text: str
    name: str | None = None

    def item(self) -> dict[str, Any]:
        """Return what `add` takes."""
        return {"role": self.role, "content": self.text} | ({} if self.name is None else {"name": self.name})


def role_of(message: BaseMessage) -> Role | None:
    """Return who spoke; None for what nobody said: system prompts, summaries, calls of tools."""
    match message:
        case HumanMessage():
            return None if message.additional_kwargs.get(NO_WORDS_OF_THE_USER) else "user"
        case AIMessage():
            return None if message.tool_calls or message.additional_kwargs.get(NO_WORDS_OF_THE_USER) else "assistant"
        case ToolMessage():
            return "tool"
    return None


def words_of(message: BaseMessage) -> str:
    """Return a message's text, as it can be stored: images and the like are left out, and so is what is no character."""
    text = str(message.text).replace("\x00", "")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def sayings(messages: Sequence[BaseMessage], roles: Collection[Role]) -> list[Saying]:
    """Return what was said by these in messages, in order."""
    found = []
    for number, message in enumerate(messages):
        role = role_of(message)
        if role in roles and (text := words_of(message)).strip():
            assert role is not None, "no role is among no roles"
            found.append(Saying(message.id or f"{number}:{text}", role, text, _name_of(message) if role == "user" else None))
    return found


def _name_of(message: BaseMessage) -> str | None:
    """Return the speaker's name; None for what cannot be stored as one: words must not be lost for it."""
    try:
        return read_name(message.name or None, "name")
    except InvalidInputError:
        return None


def begin_of_turn(messages: Sequence[BaseMessage], told: str | None) -> int:
    """Return where what was not told yet begins.

    Args:
        messages: The conversation as it is now.
        told: Id of the last message that was told; empty if none was; None if that is not known.

    Returns:
        The position behind the last message told. If that is not known, or the message is no more (a summary took its place),
        that of the user's last words: what stands before them was told in other runs.
    """
    if told == "":
        return 0
    if told is not None:
        for position in range(len(messages) - 1, -1, -1):
            if messages[position].id == told:
                return position + 1
    position = len(messages)
    while position and role_of(messages[position - 1]) != "user":
        position -= 1
    while position and role_of(messages[position - 1]) == "user":
        position -= 1
    return position


def question_of(messages: Sequence[BaseMessage], longest: int) -> str:
    """Return what the user asked last, all of it that was not answered yet; of long texts the beginning and the end."""
    text = "\n".join(words_of(message) for message in messages[begin_of_turn(messages, None) :] if role_of(message) == "user").strip()
    return text if len(text) <= longest else f"{text[: longest // 2]}\n{text[-(longest // 2) :]}"
