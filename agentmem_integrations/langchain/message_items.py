"""What was said in messages: the words of people and models, as items to remember."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from ..errors import InvalidInputError, shown
from ..pipeline.arguments import read_name

Role = Literal["user", "assistant", "tool"]

ROLES: Final[tuple[Role, ...]] = ("user", "assistant")

NO_WORDS_OF_THE_USER: Final = "lc_source"
"""In `additional_kwargs` of messages that a middleware wrote in the user's name, such as the summary of a conversation."""

LONG: Final = 1_000
"""Characters from which on a text that begins a message is taken for that message, cut when it was stored."""

Redact = Callable[[str], str | None]
"""From words to what may be stored of them; None for nothing."""


@dataclass(frozen=True, slots=True)
class Saying:
    """A message that is worth keeping.

    Attributes:
        id: The message's, with the words: by both it is known that it was kept, for ids come again with other words.
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
    """Return who spoke; None for what nobody said: system prompts, summaries."""
    match message:
        case HumanMessage():
            return None if message.additional_kwargs.get(NO_WORDS_OF_THE_USER) else "user"
        case AIMessage():
            return None if message.additional_kwargs.get(NO_WORDS_OF_THE_USER) else "assistant"
        case ToolMessage():
            return "tool"
    return None


def words_of(message: BaseMessage) -> str:
    """Return a message's text, as it can be stored: images and the like are left out, and so is what is no character."""
    text = str(message.text).replace("\x00", "")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def read_redact(given: Redact | None) -> Redact | None:
    """Return a caller's function.

    Raises:
        InvalidInputError: it is none.
    """
    if given is not None and not callable(given):
        raise InvalidInputError(f"redact={shown(given)}: pass a function from the words to what may be stored of them")
    return given


def redacted(words: str, redact: Redact | None) -> str:
    """Return what may be stored of words; blank for nothing.

    Raises:
        InvalidInputError: `redact` returned neither text nor None.
    """
    if redact is None or not words.strip():
        return words
    left = redact(words)
    if not isinstance(left, str | None):
        raise InvalidInputError(f"redact returned a {type(left).__name__}: return the text to store, or None for nothing")
    return left or ""


def sayings(messages: Sequence[BaseMessage], roles: Collection[Role], redact: Redact | None = None) -> list[Saying]:
    """Return what was said by these in messages, in order."""
    found = []
    for message in messages:
        role = role_of(message)
        if role in roles and (text := redacted(words_of(message), redact)).strip():
            assert role is not None, "no role is among no roles"
            found.append(Saying(f"{message.id}:{text}", role, text, _name_of(message) if role == "user" else None))
    return found


class Present:
    """Texts that a model is sent anyway: `text in present`.

    A text too long for one memory was cut when it was stored, so a long beginning of what is sent is there, too.

    Args:
        messages: What the model is sent.
        redact: What the words went through before they were stored.
    """

    def __init__(self, messages: Iterable[BaseMessage], redact: Redact | None = None) -> None:
        words = {words_of(message) for message in messages}
        self._texts = words | {redacted(text, redact) for text in words}
        self._long = [text for text in self._texts if len(text) > LONG]

    def __contains__(self, text: object) -> bool:
        return text in self._texts or (isinstance(text, str) and len(text) >= LONG and any(long.startswith(text) for long in self._long))


def _name_of(message: BaseMessage) -> str | None:
    """Return the speaker's name; None for what cannot be stored as one: words must not be lost for it."""
    try:
        return read_name(message.name or None, "name")
    except InvalidInputError:
        return None


def begin_of_turn(messages: Sequence[BaseMessage]) -> int:
    """Return where the user's last words begin; the number of messages if the user said nothing."""
    position = len(messages)
    while position and role_of(messages[position - 1]) != "user":
        position -= 1
    if not position:
        return len(messages)
    while position and role_of(messages[position - 1]) == "user":
        position -= 1
    return position


def question_of(messages: Sequence[BaseMessage], longest: int, redact: Redact | None = None) -> str:
    """Return what the user asked last, all of it that was not answered yet; of long texts the beginning and the end."""
    asked = [message for message in messages[begin_of_turn(messages) :] if role_of(message) == "user"]
    text = "\n".join(redacted(words_of(message), redact) for message in asked).strip()
    return text if len(text) <= longest else f"{text[: longest // 2]}\n{text[-(longest // 2) :]}"
