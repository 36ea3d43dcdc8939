"""Chat models for tests and for trying things out offline: one that follows a script, one that follows simple rules.

Both are a `ports.ChatModel`. Neither knows anything about language: what `RuleChat` finds are the few English sentence patterns
below, enough for examples and for tests of everything around a model.
"""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from ..ports import ChatReply, ChatRequest
from .chat_rules import decide, extract

STALL: Final = object()
"""In a script: never answer. Whoever asks needs a time-out."""

GARBAGE: Final = (
    "",
    "I'm sorry, but I can't help with that.",
    "<think>The user wants facts. Let me",
    '{"facts": [{"messages": [1], "text": "cut o',
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    '{"error": {"message": "overloaded"}}',
)
"""Replies that nobody can read as facts or decisions."""

Answer = str | ChatReply | Mapping[str, Any] | BaseException | object
"""A text; a whole reply; JSON to be written as text; an exception to be raised; or `STALL`."""

Script = Sequence[Answer] | Mapping[str, Answer] | Callable[[ChatRequest], Answer]


class ScriptedChat:
    """A chat model that answers what a script says, and remembers what it was asked.

    May be shared by threads and event loops.

    Args:
        script: A list answers one request with each entry, in order, and fails the test that asks more often. A mapping from
            regular expressions answers with the first that is found in the last message; the key `""` matches all. A function
            is given the request.
        name: What it is called.
        latency: Seconds each answer takes.

    Attributes:
        requests: Everything it was asked, in order.
    """

    def __init__(self, script: Script, *, name: str = "scripted", latency: float = 0.0) -> None:
        self.name = name
        self.latency = latency
        self.requests: list[ChatRequest] = []
        self._script = script
        self._lock = threading.Lock()

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Return what the script says.

        Raises:
            AssertionError: the script says nothing to this request.
            BaseException: whatever the script says.
        """
        with self._lock:
            self.requests.append(request)
            number = len(self.requests)
        if self.latency:
            await asyncio.sleep(self.latency)
        answer = self._answer(request, number)
        if answer is STALL:
            await asyncio.Event().wait()
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, ChatReply):
            return answer
        text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
        read = sum(len(message.content) for message in request.messages)
        return ChatReply(text, prompt_tokens=read // 4, completion_tokens=len(text) // 4)

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _answer(self, request: ChatRequest, number: int) -> Answer:
        if callable(self._script):
            return self._script(request)
        if isinstance(self._script, Mapping):
            asked = request.messages[-1].content
            for pattern, answer in self._script.items():
                if re.search(pattern, asked):
                    return answer
            raise AssertionError(f"no rule of the script matches request {number}")
        if number > len(self._script):
            raise AssertionError(f"request {number} came, the script has {len(self._script)} answers")
        return self._script[number - 1]


class RuleChat(ScriptedChat):
    """A chat model for the prompts of intelligent mode that needs no model: it knows a few English sentence patterns.

    From `I moved to Lisbon`, `My favourite tea is oolong`, `I no longer own a car` it draws facts, with the dates that the prompt
    resolved; of two homes, jobs or favourites the newer supersedes the older. Everything else it passes over.

    Args:
        name: What it is called.
        latency: Seconds each answer takes.
    """

    def __init__(self, *, name: str = "rules", latency: float = 0.0) -> None:
        super().__init__(_by_rule, name=name, latency=latency)


def _by_rule(request: ChatRequest) -> Answer:
    rows = asked_about(message.content for message in request.messages)
    if request.schema_name == "facts":
        return {"facts": extract([row for row in rows if "message" in row])}
    if request.schema_name == "decisions":
        return {"decisions": decide([row for row in rows if "fact" in row], [row for row in rows if "memory" in row])}
    return "I know facts and decisions only."


def asked_about(contents: Iterable[str]) -> list[Mapping[str, Any]]:
    """Return the data that a prompt of intelligent mode asks about: the messages, or the facts and memories.

    Args:
        contents: Of the prompt's messages, in order. Before the data stand examples, behind it perhaps a request for repair.
    """
    return next((rows for content in reversed([*contents]) if (rows := _rows(content))), [])


def _rows(content: str) -> list[Mapping[str, Any]]:
    """Return the JSON objects that stand on lines of their own in a prompt's data."""
    return [json.loads(line) for line in content.split("\n") if re.match(r'\{"(?:message|fact|memory)":', line)]
