"""Any function, or object with a method `rerank`, as a reranker."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from ..errors import AgentMemError, InvalidInputError, RerankError, shown
from ..models import Memory, Scope
from ..ports import Judgement, shown_text

TEXT_LIMIT: Final = 8_000
"""Characters of a memory that are shown: more than most models read."""


class FunctionReranker:
    """A function from a question and texts to one number per text.

    It runs in a thread, and several calls at once in several; a coroutine function is awaited on a private event loop.

    Args:
        given: The function, or an object with a method `rerank`. It is called with the question and a list of texts (`speaker: text`
            where a speaker is known), and returns as many numbers from 0 to 1 in the same order, higher is better; None for a text
            that it has no opinion of.

    Raises:
        InvalidInputError: it is neither.
    """

    def __init__(self, given: Any) -> None:
        method = getattr(given, "rerank", given)
        if not callable(method):
            raise InvalidInputError(
                f"reranker={shown(given)} is unknown: use 'fastembed:<model or folder>', 'llm', 'openai:<model>', or a function from "
                "a question and texts to numbers from 0 to 1"
            )
        self._function: Callable[[str, list[str]], Any] = method
        self._async = inspect.iscoroutinefunction(method) or inspect.iscoroutinefunction(getattr(method, "__call__", None))  # noqa: B004 - an object's own
        self.name = str(getattr(given, "name", None) or getattr(given, "__qualname__", type(given).__qualname__))

    async def rerank(self, question: str, memories: Sequence[Memory], scope: Scope) -> Sequence[Judgement]:
        """Call the function.

        Raises:
            RerankError: it failed, or returned no list.
        """
        texts = [shown_text(memory, TEXT_LIMIT) for memory in memories]
        try:
            judged = await (self._function(question, texts) if self._async else self._in_thread(question, texts))
            if isinstance(judged, Iterable):
                return list(judged)
        except AgentMemError:
            raise
        except Exception as e:  # the edge to other people's code: whatever it raises, it is the reranker that failed
            raise RerankError(f"the reranker {self.name} failed with {type(e).__name__}: search with rerank=False, or mend it") from e
        raise RerankError(f"the reranker {self.name} returned a {type(judged).__name__}: let it return one number per text")

    async def _in_thread(self, question: str, texts: list[str]) -> Any:
        def called() -> Any:
            judged = self._function(question, texts)
            # A generator does its work when it is read: here, not on the event loop
            return list(judged) if isinstance(judged, Iterable) else judged

        judged = await asyncio.to_thread(called)
        return await judged if isinstance(judged, Awaitable) else judged  # a lambda around a coroutine
