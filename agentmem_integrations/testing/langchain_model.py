"""A LangChain chat model without a model, for tests of agents: it says what a script says, calls tools, streams, and fails."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import ConfigDict, PrivateAttr

Line = str | AIMessage | BaseException
"""A text; a whole message, with calls of tools; or an exception to be raised."""

Part = Sequence[Line] | Callable[[list[BaseMessage]], Line]


class ScriptedChatModel(BaseChatModel):
    """A `BaseChatModel` that says its lines, and remembers what it was shown. May be shared by threads and event loops.

    Attributes:
        script: A list of lines, one for each call; or a function that is given the messages and returns the line.
        model_name: What it is called.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    script: Any
    model_name: str = "scripted"

    _shown: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _tools: list[Any] = PrivateAttr(default_factory=list)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    @property
    def shown(self) -> list[list[BaseMessage]]:
        """The messages of every call, in order."""
        return self._shown

    @property
    def tools(self) -> list[Any]:
        """The tools it was bound to last."""
        return self._tools

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Note the tools; the script calls them."""
        self._tools[:] = tools
        return self

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._next(messages))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._generate(messages)

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        yield from _chunks(self._next(messages))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _chunks(self._next(messages)):
            yield chunk

    def _next(self, messages: list[BaseMessage]) -> AIMessage:
        with self._lock:
            self._shown.append(list(messages))
            number = len(self._shown)
        if callable(self.script):
            line = self.script(messages)
        elif number > len(self.script):
            raise AssertionError(f"call {number} came, the script has {len(self.script)} lines")
        else:
            line = self.script[number - 1]
        if isinstance(line, BaseException):
            raise line
        return AIMessage(line) if isinstance(line, str) else line.model_copy()


def calling(tool: str, id: str = "call-1", /, **arguments: Any) -> AIMessage:
    """Return a message that calls a tool."""
    return AIMessage("", tool_calls=[{"name": tool, "args": arguments, "id": id}])


def _chunks(message: AIMessage) -> Iterator[ChatGenerationChunk]:
    """Yield a message word by word; its calls of tools in one piece."""
    words = str(message.text).split(" ")
    for number, word in enumerate(words):
        last = number == len(words) - 1
        chunk = AIMessageChunk(
            content=word if last else f"{word} ",
            id=message.id,
            tool_calls=message.tool_calls if last else [],
            chunk_position="last" if last else None,
        )
        yield ChatGenerationChunk(message=chunk)
