"""A plain function as a language model: for models that no endpoint serves, and for tests."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from ..errors import AgentMemError, InvalidInputError, ModelError, shown
from ..ports import ChatReply, ChatRequest

Takes = Literal["text", "messages"]


class CallableChat:
    """A function that answers a prompt.

    It is not held to the request's schema, token limit or temperature: whoever reads its answer checks it anyway.

    Args:
        function: Takes the prompt and returns the answer, both text. May be async; otherwise it runs in a thread, and several
            calls at once in several.
        takes: `text`: all messages as one text; `messages`: a list of `{"role": ..., "content": ...}`.
        name: What the model is called; default the function's qualified name.

    Raises:
        InvalidInputError: it is no function.
    """

    def __init__(self, function: Callable[[Any], Any], *, takes: Takes = "text", name: str | None = None) -> None:
        if not callable(function):
            raise InvalidInputError(f"a {type(function).__name__} is no function: pass one that takes a prompt and returns the answer")
        if takes not in ("text", "messages"):
            raise InvalidInputError(f"takes={shown(takes)}: use 'text' or 'messages'")
        self._function = function
        self._takes = takes
        self._async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004 - an object's own
        self.name = name or f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', type(function).__qualname__)}"

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Call the function.

        Raises:
            ModelError: it failed, or returned something else than text.
        """
        try:
            answer = await self._answer(self._prompt(request))
        except AgentMemError:
            raise
        except Exception as e:  # the edge to other people's code: whatever it raises, it is the model that failed
            raise ModelError(f"the function {self.name} failed with {type(e).__name__}") from e
        if not isinstance(answer, str):
            raise ModelError(f"the function {self.name} returned a {type(answer).__name__}: let it return text")
        return ChatReply(answer)

    async def close(self) -> None:
        """Nothing to let go of."""

    def _prompt(self, request: ChatRequest) -> str | list[dict[str, str]]:
        if self._takes == "messages":
            return [{"role": m.role, "content": m.content} for m in request.messages]
        return "\n\n".join(m.content for m in request.messages)

    async def _answer(self, prompt: Any) -> Any:
        if self._async:
            return await self._function(prompt)
        answer = await asyncio.to_thread(self._function, prompt)
        return await answer if isinstance(answer, Awaitable) else answer  # a lambda around a coroutine
