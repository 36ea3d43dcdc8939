"""Language models, and who asks them for facts and decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from ..models import Decisions, Extraction, Fact, Memory, Scope, Turn
from .extraction_changes import Learned

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message to a language model.

    Attributes:
        role: `system`, `user` or `assistant`.
        content: The words.
    """

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a language model is asked.

    Attributes:
        messages: At least one.
        schema: JSON schema of the answer; None for plain text. A model that cannot be held to it is asked as well as can be:
            whoever reads the answer must check it.
        schema_name: What the schema is called: letters, digits, `_` and `-`.
        max_tokens: The longest answer; None for the model's own limit.
        temperature: 0 to 2; None for the model's own. A model that has no such setting is asked without.
    """

    messages: tuple[ChatMessage, ...]
    schema: Mapping[str, Any] | None = None
    schema_name: str = "answer"
    max_tokens: int | None = None
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What a language model answered. Token counts are 0 where it does not say.

    Attributes:
        text: The answer; of a refusal, its words or none.
        prompt_tokens: Tokens read, those from the provider's cache included.
        completion_tokens: Tokens written, those of hidden reasoning included.
        cached_tokens: Tokens of the prompt that came from the provider's cache.
        finish: `stop`: complete; `length`: cut off at a limit; `refused`: by the model or a content filter.
    """

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    finish: Literal["stop", "length", "refused"] = "stop"


class ChatModel(Protocol):
    """A language model. May be asked from any event loop, and many times at once."""

    @property
    def name(self) -> str:
        """Which model; another name means that the same question may get another answer."""

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Answer.

        Raises:
            ModelError: there is no answer, after as many attempts as the model's settings allow.
        """

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class Reasoned(Generic[T]):
    """What came of asking a language model.

    Attributes:
        value: The answer, read.
        prompt: Id of the prompt that it answers.
        learned: Replies that are worth keeping; none if they were kept already.
    """

    value: T
    prompt: str
    learned: tuple[Learned, ...] = ()


class Reasoner(Protocol):
    """Reads facts out of messages, decides what becomes of them, and reads questions, by asking a language model."""

    @property
    def model(self) -> str:
        """Which model."""

    async def extract(self, scope: Scope, turns: Sequence[Turn]) -> Reasoned[Extraction]:
        """Return the facts in messages, all of one owner.

        Raises:
            ModelError: there is no readable answer.
        """

    async def decide(self, scope: Scope, facts: Sequence[Fact], memories: Sequence[Memory]) -> Reasoned[Decisions]:
        """Return what becomes of new facts in view of memories, all of one owner.

        Raises:
            ModelError: there is no readable answer.
        """

    async def order(self, scope: Scope, question: str, memories: Sequence[Memory]) -> Reasoned[tuple[int, ...]]:
        """Return which of the memories answer a question, best first, numbered from 0; it need not name all of them.

        Raises:
            ModelError: there is no readable answer.
        """

    async def rewrite(self, scope: Scope, question: str, history: Sequence[str]) -> Reasoned[str]:
        """Return a question that only makes sense after some messages as one that can be understood by itself.

        Raises:
            ModelError: there is no readable answer.
        """

    def stats(self) -> dict[str, Any]:
        """Return calls, tokens, and how often each tier of the cache had the answer."""
