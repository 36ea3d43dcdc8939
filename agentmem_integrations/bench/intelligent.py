"""Adds that draw facts with a language model: how many a second, after how long, and what the model is asked for it.

Against the stub every call takes 50 ms, and the stub shares the machine with what is measured. Another endpoint is measured
as it is, with fewer adds.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final

from .. import AgentMemory
from ..llm.openai import OpenAIChat
from ..models import AddResult
from ..pipeline.intelligent.extract import WINDOW_TURNS
from .callers import in_tasks, in_threads, one_by_one
from .plan import Plan
from .results import Figure, latency
from .stub_model import running

LATENCY_S: Final = 0.05
TURNS: Final = 60  # of the long conversation
PARALLEL: Final = "windows at once / one window"
SERIAL: Final = "one window after the other / windows at once"
GOALS: Final = {
    "one caller": "floor 18, the call alone allows 20",
    "8 threads": "floor 140",
    "200 in flight": "floor 350, goal 500",
    "200 in flight, 50 % repeats": "floor 700, goal 1,000",
    PARALLEL: "at most 2",
    SERIAL: "at least 3",
}

Said = tuple[str, str]  # the text, and who says it


@dataclass(slots=True)
class _Runner:
    """The variants; each says new texts to the same memory."""

    memory: AgentMemory
    texts: Iterator[str]
    said: int = 0
    times: list[float] = field(default_factory=list)

    def fresh(self, count: int) -> list[Said]:
        """Return distinct texts by distinct users: nobody's facts concern another's, and no cache helps."""
        self.said += count
        return [(f"{next(self.texts)} ({number})", f"user {number}") for number in range(self.said - count, self.said)]

    def say(self, said: Said) -> None:
        began = perf_counter()
        _done(self.memory.add(said[0], user_id=said[1]))
        self.times.append(perf_counter() - began)

    async def asay(self, said: Said) -> None:
        began = perf_counter()
        _done(await self.memory.aadd(said[0], user_id=said[1]))
        self.times.append(perf_counter() - began)

    def figures(self, name: str, rate: float) -> list[Figure]:
        """Return the rate, and the latencies since the last time."""
        times, self.times = self.times, []
        return [Figure(name, rate, "adds/s", GOALS.get(name, ""), len(times)), latency(f"{name}: latency", times)]


def measure(plan: Plan) -> list[Figure]:
    """Run the benchmark."""
    if plan.base_url is None:
        with running(LATENCY_S) as base_url:
            return _measure(plan, base_url, 1)
    return _measure(plan, plan.base_url, 20)


def _measure(plan: Plan, base_url: str, fewer: int) -> list[Figure]:
    sizes = plan.sizes
    with _thinking(plan, base_url) as memory:
        runner = _Runner(memory, iter(plan.texts.take(100_000)))
        one_by_one(runner.say, runner.fresh(2))  # connections, and which dialect the endpoint speaks
        runner.times.clear()
        times = one_by_one(runner.say, runner.fresh(max(2, sizes.thoughts // 20 // fewer)))
        found = runner.figures("one caller", len(times) / sum(times))
        found += runner.figures("8 threads", in_threads(runner.say, runner.fresh(max(8, sizes.thoughts // 4 // fewer)), 8))
        found += runner.figures("32 in flight", in_tasks(runner.asay, runner.fresh(max(32, sizes.thoughts // 2 // fewer)), 32))
        calls = _asked(memory)
        many = runner.fresh(max(200, sizes.thoughts // fewer))
        found += runner.figures("200 in flight", in_tasks(runner.asay, many, 200))
        spent = _asked(memory)
        found.append(Figure("200 in flight: calls per add", (spent["calls"] - calls["calls"]) / len(many), "calls"))
        found.append(Figure("tokens read per call", spent["prompt_tokens"] / spent["calls"], "tokens"))
        found.append(Figure("tokens written per call", spent["completion_tokens"] / spent["calls"], "tokens"))
        for share in (0.5, 0.8):
            found += _repeats(runner, max(200, sizes.thoughts // fewer), share, plan.seed)
    return found + _long_conversation(plan, base_url)


def _repeats(runner: _Runner, count: int, share: float, seed: int) -> list[Figure]:
    """Say some things again, in random order."""
    new = runner.fresh(max(1, round(count * (1 - share))))
    said = new + random.Random(seed).choices(new, k=count - len(new))
    random.Random(seed).shuffle(said)
    before = _asked(runner.memory)["calls"]
    rate = in_tasks(runner.asay, said, 200)
    calls = _asked(runner.memory)["calls"] - before
    name = f"200 in flight, {share:.0%} repeats".replace("%", " %")
    return [*runner.figures(name, rate), Figure(f"{name}: adds without a call", 100 - 100 * calls / len(said), "%")]


def _long_conversation(plan: Plan, base_url: str) -> list[Figure]:
    """Read a long conversation in windows: all at once, and one after the other."""
    texts = plan.texts.take(TURNS)
    turns = [{"role": "assistant" if number % 6 else "user", "content": text} for number, text in enumerate(texts)]

    def seconds(size: int, count: int = TURNS) -> float:
        with _thinking(plan, base_url) as memory:
            memory.add("warm up", user_id="warm up")
            began = perf_counter()
            for start in range(0, count, size):
                _done(memory.add(turns[start : start + size], user_id="ana"))
            return perf_counter() - began

    one, together, serial = seconds(WINDOW_TURNS, WINDOW_TURNS), seconds(TURNS), seconds(WINDOW_TURNS)
    return [
        Figure(f"conversation of {TURNS} messages, windows at once", 1e3 * together, "ms"),
        Figure(PARALLEL, together / one, "x", GOALS[PARALLEL]),
        Figure(SERIAL, serial / together, "x", GOALS[SERIAL]),
    ]  # fmt: skip


@contextmanager
def _thinking(plan: Plan, base_url: str) -> Iterator[AgentMemory]:
    chat = OpenAIChat(plan.model, base_url=base_url, api_key="any", concurrency=256)
    options: dict[str, Any] = {"llm": chat, "mode": "intelligent", "durability": plan.durability}
    with plan.fresh_folder() as folder, AgentMemory(folder / "memory.db", **options) as memory:
        yield memory


def _asked(memory: AgentMemory) -> dict[str, Any]:
    asked: dict[str, Any] = memory.stats()["llm"]
    return asked


def _done(result: AddResult) -> None:
    if result.error is not None:
        raise result.error
