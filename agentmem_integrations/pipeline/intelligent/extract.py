"""extract: messages become facts, window by window, all windows at once; and a fact becomes a memory.

Messages that wait while others of the same conversation are being read go into one prompt when their turn comes: twenty adds
in a row cost three calls, not twenty. Never are two owners, agents or sessions in one prompt.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from ...errors import AgentMemError
from ...models import SHARED, Extraction, Fact, Memory, Scope, Turn
from ...ports import Learned, Reasoned, Reasoner
from ..dates.resolve import resolve
from ..uuid7 import new_id

T = TypeVar("T")

WINDOW_TURNS: Final = 12
"""Messages in one prompt: few enough that a small model reads all of them, and that many windows run side by side."""

WINDOW_CHARS: Final = 8_000
"""Characters in one prompt, about 2,000 tokens; a longer message is a window of its own."""


@dataclass(slots=True)
class Drawn:
    """A fact, and the messages it was drawn from."""

    fact: Fact
    sources: Sequence[Memory]
    prompt: str


@dataclass(slots=True)
class Harvest:
    """What came of reading messages.

    Attributes:
        drawn: The facts, in the order of the messages.
        read: Ids of the messages that were read.
        learned: Replies to keep.
        errors: Why the other messages could not be read.
    """

    drawn: list[Drawn] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    learned: list[Learned] = field(default_factory=list)
    errors: list[AgentMemError] = field(default_factory=list)

    @classmethod
    def of(cls, parts: Iterable["Harvest"]) -> "Harvest":
        """Return what came of several parts."""
        whole = cls()
        for part in parts:
            whole.drawn += part.drawn
            whole.read += part.read
            whole.learned += part.learned
            whole.errors += part.errors
        return whole


Conversation = tuple[str, Any, str | None, str | None]


@dataclass(slots=True)
class _Waiting:
    memories: Sequence[Memory]
    future: "asyncio.Future[list[_Window]]"


@dataclass(slots=True)
class _Window:
    memories: Sequence[Memory]
    answer: Reasoned[Extraction] | AgentMemError


class Extracting:
    """Reads messages, on one event loop.

    Args:
        reasoner: Asks the model.
    """

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner
        self._waiting: dict[Conversation, list[_Waiting]] = {}

    async def harvest(self, scope: Scope, memories: Sequence[Memory]) -> Harvest:
        """Return the facts in messages of one owner. A window that cannot be read does not cost the others theirs."""
        conversations: dict[Conversation, list[Memory]] = {}
        for memory in memories:
            conversations.setdefault((scope.namespace, scope.user_id, memory.agent_id, memory.session_id), []).append(memory)
        parts = await _together([self._converse(key, scope, mine) for key, mine in conversations.items()])
        return parts[0] if len(parts) == 1 else Harvest.of(parts)

    async def _converse(self, key: Conversation, scope: Scope, memories: Sequence[Memory]) -> Harvest:
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = []
            windows = await self._read_and_go_on(key, scope, memories)
        else:
            waiting.append(_Waiting(memories, asyncio.get_running_loop().create_future()))
            windows = await waiting[-1].future
        return _mine(windows, {memory.id for memory in memories})

    async def _read_and_go_on(self, key: Conversation, scope: Scope, memories: Sequence[Memory]) -> list[_Window]:
        try:
            return await self._read(scope, memories)
        finally:  # whatever happened here, those who wait must have their turn
            self._next(key, scope)

    def _next(self, key: Conversation, scope: Scope) -> None:
        waiting = self._waiting[key]
        if not waiting:
            del self._waiting[key]
            return
        self._waiting[key] = []
        together = list({memory.id: memory for one in waiting for memory in one.memories}.values())
        reading = asyncio.ensure_future(self._read_and_go_on(key, scope, together))
        reading.add_done_callback(lambda done: _tell(waiting, done))

    async def _read(self, scope: Scope, memories: Sequence[Memory]) -> list[_Window]:
        parts = await _together([self._read_window(scope, window) for window in windows(memories)])
        return [window for part in parts for window in part]

    async def _read_window(self, scope: Scope, memories: Sequence[Memory]) -> list[_Window]:
        try:
            answer = await self._reasoner.extract(scope, [turn_of(memory) for memory in memories])
        except AgentMemError as error:
            return [_Window(memories, error)]
        if answer.value.cut and len(memories) > 1:  # the reply was too long for the model: ask about less
            half = len(memories) // 2
            halves = await asyncio.gather(self._read_window(scope, memories[:half]), self._read_window(scope, memories[half:]))
            return [*halves[0], *halves[1]]
        return [_Window(memories, answer)]


def windows(memories: Iterable[Memory]) -> list[list[Memory]]:
    """Cut a conversation into runs of at most `WINDOW_TURNS` messages and `WINDOW_CHARS` characters, of about equal size."""
    runs: list[list[Memory]] = []
    chars = 0
    for memory in memories:
        if not runs or len(runs[-1]) == WINDOW_TURNS or chars + len(memory.text) > WINDOW_CHARS:
            runs.append([])
            chars = 0
        runs[-1].append(memory)
        chars += len(memory.text)
    return runs


def turn_of(memory: Memory) -> Turn:
    """Return a message as a model is shown it.

    Where no time was given, that of storing counts, but only its day is told: the same words said twice must make the same
    prompt, or no cache would ever answer.
    """
    said_at = memory.occurred_at
    assert said_at is not None, "every stored memory has its instant"
    if said_at == memory.created_at:
        said_at = said_at.replace(hour=12, minute=0, second=0, microsecond=0)
    return Turn(memory.text, memory.role, memory.name, said_at, tuple(resolve(memory.text, said_at)))


async def _together(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Do all of it at once; a single piece without a task of its own, as most adds have but one."""
    return [await work[0]] if len(work) == 1 else list(await asyncio.gather(*work))


def _tell(waiting: Sequence[_Waiting], done: "asyncio.Future[list[_Window]]") -> None:
    for one in waiting:
        if one.future.done():  # whoever waited has gone
            continue
        if done.cancelled():
            one.future.cancel()
        elif (error := done.exception()) is not None:
            one.future.set_exception(error)
        else:
            one.future.set_result(done.result())


def _mine(windows: Sequence[_Window], ids: set[str]) -> Harvest:
    """Return of several windows what concerns these messages. A fact belongs to the last message it cites."""
    found = Harvest()
    for window in windows:
        read = [memory.id for memory in window.memories if memory.id in ids]
        if not read:
            continue
        if isinstance(window.answer, AgentMemError):
            found.errors.append(window.answer)
            continue
        found.read += read
        found.learned += window.answer.learned
        for fact in window.answer.value.facts:
            sources = [window.memories[index] for index in fact.sources]
            if sources[-1].id in ids:
                found.drawn.append(Drawn(fact, sources, window.answer.prompt))
    return found


def memory_of(drawn: Drawn, scope: Scope, model: str, now: datetime) -> Memory:
    """Return the memory that a fact becomes.

    It is the owner's, of the agent and session it was said in. It was learnt when the last of its sources was said, it expires
    with the last of them, and it has the metadata that they all have, so that a filter finds it where it finds them.

    What a model says about time hides a memory only where it must: `valid_from` if it lies in the past, `valid_to` if it lies
    in the future. A plan must be found before it comes true, and what is over ("lived in Rome until 2014") remains true as
    said. The provenance has both as they were stated.
    """
    fact, source = drawn.fact, drawn.sources[-1]
    said_at = source.occurred_at
    provenance: dict[str, Any] = {
        "mode": "intelligent", "model": model, "prompt": drawn.prompt, "episodes": [memory.id for memory in drawn.sources],
    }  # fmt: skip
    if fact.confidence is not None:
        provenance["confidence"] = fact.confidence
    if fact.entities:
        provenance["entities"] = list(fact.entities)
    if fact.valid_from or fact.valid_to:
        provenance["stated"] = [moment.isoformat() if moment else None for moment in (fact.valid_from, fact.valid_to)]
    expiries = [memory.expires_at for memory in drawn.sources]
    return Memory(
        new_id(), fact.text, fact.kind, _common([memory.metadata for memory in drawn.sources]),
        None if scope.user_id is SHARED else scope.user_id, source.agent_id, source.session_id,
        occurred_at=said_at, created_at=now, updated_at=now, importance=fact.importance, provenance=provenance,
        expires_at=None if None in expiries else max(moment for moment in expiries if moment),
        valid_from=fact.valid_from if fact.valid_from and said_at and fact.valid_from <= said_at else None,
        valid_to=fact.valid_to if fact.valid_to and said_at and fact.valid_to > said_at else None,
    )  # fmt: skip


def _common(metadata: list[dict[str, Any]]) -> dict[str, Any]:
    first, *others = metadata
    return {key: value for key, value in first.items() if all(key in other and other[key] == value for other in others)}
