"""Mixed work that goes on for as long as asked, in threads and tasks at once, and the check of what it left.

Every worker has users of its own and keeps count of what was acknowledged. What it keeps is bounded: a user who has more
memories than wanted has the oldest deleted, and is purged now and then, tombstones and all, and begins again. So file, caches and
this program stop growing, and what still grows is a leak.
"""

import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from time import perf_counter
from typing import Any, Final

from .. import AgentMemError, AgentMemory
from ..models import AddResult, Hit, Memory
from .many_users import user_name
from .results import Figure

WIDTH: Final = math.log(1.02)  # of a bucket of `Latencies`: two per cent
BATCH: Final = 20
K: Final = 10
MIX: Final = {"add": 40, "search": 30, "get": 10, "update": 10, "list": 2, "add_batch": 2}
"""Of a hundred calls; deletes and purges come beside them, as the users grow."""


class Latencies:
    """How long calls took, in buckets, so that a long run needs no more room than a short one."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def note(self, seconds: float) -> None:
        """Count a call."""
        self._counts[round(math.log(seconds) / WIDTH)] += 1

    def figure(self, name: str, goal: str = "") -> Figure:
        """Return p50, p95 and p99 in milliseconds, exact to two per cent."""
        p50, p95, p99 = (1e3 * self._percentile(share) for share in (0.50, 0.95, 0.99))
        return Figure(name, p50, "ms", goal, self._counts.total(), p95=p95, p99=p99)

    def _percentile(self, share: float) -> float:
        rest = share * self._counts.total()
        for bucket in sorted(self._counts):
            rest -= self._counts[bucket]
            if rest <= 0:
                return math.exp(bucket * WIDTH)
        return 0.0


@dataclass(slots=True)
class Tally:
    """What all workers together did.

    Attributes:
        latencies: Of every call, by verb.
        errors: Calls that raised, by verb and error.
        strange: Answers that contradict what was acknowledged, by verb.
    """

    latencies: dict[str, Latencies]
    errors: Counter[str] = field(default_factory=Counter)
    strange: Counter[str] = field(default_factory=Counter)

    @classmethod
    def empty(cls) -> "Tally":
        """Return a tally of nothing."""
        return cls({verb: Latencies() for verb in (*MIX, "delete", "purge")})


@dataclass(frozen=True, slots=True)
class Step:
    """One call, and what its answer must be.

    Attributes:
        verb: Name of the method; its async twin has an `a` before it.
        args: Of the call.
        options: Of the call.
        fits: Notes what the answer acknowledges; False for an answer that cannot be.
    """

    verb: str
    args: tuple[Any, ...]
    options: dict[str, Any]
    fits: Callable[[Any], bool]


class Worker:
    """One caller with users of its own.

    Args:
        number: Makes its users and texts its own.
        users: How many it has.
        each: Memories a user is to have.
        purge_every: Seconds between two purges.
        pool: Texts to vary.
        seed: Of what it does.
    """

    def __init__(self, number: int, users: int, each: int, purge_every: float, pool: Sequence[str], seed: int) -> None:
        self._random = Random(f"{seed} {number}")
        self._pool = pool
        self._each = each
        self._purge_every = purge_every
        self._told = 0
        self._mark = f"w{number}"
        self.live: dict[str, dict[str, str]] = {user_name(number * users + user): {} for user in range(users)}

    def steps(self) -> Iterator[Step]:
        """Give calls without end; the next one may be asked for when the last was answered."""
        for user in self.live:
            yield self._begin(user)
        names, verbs, weights = list(self.live), list(MIX), list(MIX.values())
        due = perf_counter() + self._random.random() * self._purge_every  # else all workers would purge at once
        while True:
            user = self._random.choice(names)
            if not self.live[user]:  # what began it failed
                yield self._begin(user)
            elif perf_counter() >= due:
                due = perf_counter() + self._purge_every
                yield Step("purge", (), {"user_id": user}, self._purged(user))
                yield self._begin(user)
            elif len(self.live[user]) > self._each:
                ids = list(self.live[user])[: len(self.live[user]) - self._each]
                yield Step("delete", (ids,), {"user_id": user}, self._deleted(user, ids))
            else:
                yield self._step(self._random.choices(verbs, weights)[0], user)

    def _begin(self, user: str) -> Step:
        return self._batch(user, self._each)

    def _step(self, verb: str, user: str) -> Step:
        live, named = self.live[user], {"user_id": user}
        id = self._random.choice(list(live))
        match verb:
            case "add":
                text = self._text()
                return Step("add", (text,), named, lambda result: self._added(user, [text], [result]))
            case "add_batch":
                return self._batch(user, BATCH)
            case "update":
                text = self._text()
                return Step("update", (id,), named | {"text": text}, lambda memory: self._updated(user, id, text, memory))
            case "get":
                text = live[id]
                return Step("get", (id,), named, lambda memory: memory is not None and memory.text == text)
            case "list":
                first = list(live)[:50]
                return Step("list", (), named | {"limit": 50}, lambda found: [m.id for m in found] == first)
        return Step("search", (live[id],), named | {"k": K}, lambda hits: self._is_found(live, id, hits))

    def _batch(self, user: str, size: int) -> Step:
        texts = [self._text() for _ in range(size)]
        return Step("add_batch", (texts,), {"user_id": user}, lambda results: self._added(user, texts, results))

    def _text(self) -> str:
        self._told += 1
        # Unique, though made of words that come again: what is cached about words must not grow for ever either
        return f"{self._random.choice(self._pool)} ({self._mark} {self._told // 1_000} {self._told % 1_000})"

    def _added(self, user: str, texts: Sequence[str], results: Sequence[AddResult]) -> bool:
        events = [event for result in results for event in result.events]
        self.live[user] |= {event.memory.id: text for event, text in zip(events, texts, strict=True)}
        return [event.event for event in events] == ["ADD"] * len(texts)

    def _updated(self, user: str, id: str, text: str, memory: Memory) -> bool:
        self.live[user][id] = text
        return (memory.id, memory.text) == (id, text)

    def _deleted(self, user: str, ids: Sequence[str]) -> Callable[[int], bool]:
        def fits(count: int) -> bool:
            for id in ids:
                del self.live[user][id]
            return count == len(ids)

        return fits

    def _purged(self, user: str) -> Callable[[int], bool]:
        def fits(count: int) -> bool:
            there, self.live[user] = len(self.live[user]), {}
            return count >= there  # deleted ones as well

        return fits

    def _is_found(self, live: dict[str, str], id: str, hits: Sequence[Hit]) -> bool:
        found = [hit.memory.id for hit in hits]
        return id in found and live.keys() >= set(found)


def work(memory: AgentMemory, worker: Worker, tally: Tally, over: Callable[[], bool]) -> None:
    """Do a worker's calls one after the other until `over`."""
    for step in worker.steps():
        began = perf_counter()
        try:
            answer = getattr(memory, step.verb)(*step.args, **step.options)
        except AgentMemError as error:
            tally.errors[f"{step.verb}: {type(error).__name__}"] += 1
        else:
            _note(tally, step, perf_counter() - began, answer)
        if over():
            return


async def awork(memory: AgentMemory, worker: Worker, tally: Tally, over: Callable[[], bool]) -> None:
    """Await a worker's calls one after the other until `over`."""
    for step in worker.steps():
        began = perf_counter()
        call: Awaitable[Any] = getattr(memory, f"a{step.verb}")(*step.args, **step.options)
        try:
            answer = await call
        except AgentMemError as error:
            tally.errors[f"{step.verb}: {type(error).__name__}"] += 1
        else:
            _note(tally, step, perf_counter() - began, answer)
        if over():
            return


def _note(tally: Tally, step: Step, seconds: float, answer: Any) -> None:
    tally.latencies[step.verb].note(seconds)
    if not step.fits(answer):
        tally.strange[step.verb] += 1


def compared(memory: AgentMemory, workers: Sequence[Worker]) -> tuple[int, int]:
    """Compare what is there with what was acknowledged.

    Returns:
        How many memories are lost (not there, or not as acknowledged, or not found by their words or their vector), and how many
        are there that should not be.
    """
    lost = unexpected = 0
    for worker in workers:
        for user, live in worker.live.items():
            there = {m.id: m.text for m in memory.list(user_id=user, limit=10_000)}
            lost += sum(there.get(id) != text for id, text in live.items())
            unexpected += len(there.keys() - live.keys())
            for using in ("text", "vector"):
                asked = [(id, memory.search(text, user_id=user, k=K, using=using)) for id, text in list(live.items())[::10]]
                lost += sum(id not in [hit.memory.id for hit in hits] for id, hits in asked)
    return lost, unexpected
