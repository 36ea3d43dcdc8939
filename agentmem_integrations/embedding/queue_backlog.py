"""What waits to be embedded, and what goes next. No threads and no locks here: the queue holds its own around every call.

Single requests go first, oldest first. A bulk load is cut into chunks only when a lane is free, so that nobody waits behind more
than one chunk. While others are asking, one lane is kept for them; where there is but one, chunks are cut small.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from ..ports import Answer
from .model import Kind

TURNS: Final = 4  # batches of single requests in a row while a bulk load waits; then one chunk of it goes
ALERT_S: Final = 1.0  # for so long after a single request, a lane is kept free, or chunks are cut small
CHUNK_WORTH: Final = 1.5  # ... taking no longer than so many batches of single requests: a question waits for one at most
SMOOTHING: Final = 0.3  # weight of the newest measurement in a running mean
CUT_BACK: Final = 0.7  # a chunk that took longer makes the next smaller by this factor; one that did not, larger by one text


class Asking:
    """One caller's texts.

    Args:
        count: How many.
        then: Called with the answers once all are there.
    """

    __slots__ = ("answers", "left", "then")

    def __init__(self, count: int, then: Callable[[Sequence[Answer]], None]) -> None:
        self.answers: list[Answer | None] = [None] * count
        self.left = count
        self.then = then


class Request:
    """One text that must be embedded, however many wait for it.

    Attributes:
        waiting: Who, and at which place among their texts.
        single: Somebody wants it at once, not as part of a bulk load.
        taken: A lane has it, or nobody wants it any more.
        number: Rises with the time of asking.
        arrived: When, in seconds of a monotonic clock.
    """

    __slots__ = ("arrived", "kind", "number", "single", "taken", "text", "waiting")

    def __init__(self, text: str, kind: Kind, number: int, arrived: float) -> None:
        self.text = text
        self.kind: Kind = kind
        self.number = number
        self.arrived = arrived
        self.single = self.taken = False
        self.waiting: list[tuple[Asking, int]] = []


class Backlog:
    """Requests in waiting.

    Args:
        batch: Passages in one batch at most.
        max_wait: Seconds a batch of single requests may wait to become full; 0: it goes as soon as a lane is free.
        query_batch: Questions in one batch at most; None for as many as passages.
        lanes: Batches that may be under way at the same time.
    """

    def __init__(self, batch: int, max_wait: float = 0.0, query_batch: int | None = None, lanes: int = 1) -> None:
        self._batch = batch
        self._lanes = lanes
        self._chunks = 0  # of bulk loads, under way
        self._batches: dict[Kind, int] = {"query": query_batch or batch, "passage": batch}
        self._waiting: dict[Kind, int] = {"query": 0, "passage": 0}
        self._max_wait = max_wait
        self._lines: dict[Kind, deque[Request]] = {"query": deque(), "passage": deque()}
        self._loads: deque[deque[Request]] = deque()
        self._turns = 0
        self._alert_until = 0.0
        self._per_batch = 0.0  # running mean in seconds of a batch of singles
        self._cut = max(1, batch // 4)  # texts of a chunk while others ask

    @property
    def singles(self) -> int:
        """How many single requests wait."""
        return self._waiting["query"] + self._waiting["passage"]

    @property
    def loads(self) -> bool:
        """Whether a bulk load waits."""
        return self._waits()

    def put(self, request: Request) -> None:
        """Add a single request; also one that waits in a bulk load already, and need not wait there any longer."""
        request.single = True
        self._waiting[request.kind] += 1
        self._lines[request.kind].append(request)

    def put_load(self, requests: Iterable[Request]) -> None:
        """Add a bulk load, the longest texts first: what pads is together, and at the end the lanes finish together."""
        self._loads.append(deque(sorted(requests, key=lambda request: -len(request.text))))

    def take(self, now: float) -> list[Request]:
        """Return what goes next, by length; empty if nothing may go."""
        ready = self.singles and self.ready_at() <= now
        loads = self._waits() and not self._kept(now)
        if ready and not (loads and self._turns >= TURNS):
            self._turns += 1
            self.asked(now)
            return self._take_singles()
        if loads:
            self._turns = 0
            self._chunks += 1
            return self._take_chunk(now)
        return []

    def asked(self, now: float) -> None:
        """Note that somebody asks for a text at once: more will, as like as not."""
        self._alert_until = now + ALERT_S

    def next_at(self, now: float) -> float | None:
        """Return when there may be something to take, though nothing comes in; None if there will not."""
        if self.singles:
            return self.ready_at()
        return self._alert_until if self._waits() and self._kept(now) else None

    def ready_at(self) -> float:
        """Return from when the single requests may go."""
        if not self._max_wait or any(self._waiting[kind] >= batch for kind, batch in self._batches.items()):
            return 0.0
        return min((line[0].arrived for line in self._lines.values() if _head(line)), default=0.0) + self._max_wait

    def drop(self, request: Request) -> None:
        """Nobody wants this any more."""
        self._taken(request)

    def drop_loads(self) -> list[Request]:
        """Take all bulk loads out, and return what was in them and in nobody's hands."""
        dropped = [request for load in self._loads for request in load if not request.taken and not request.single]
        for request in dropped:
            request.taken = True
        self._loads.clear()
        return dropped

    def note(self, batch: Sequence[Request], seconds: float, *, bulk: bool) -> None:
        """Learn from how long a batch took."""
        if not bulk:
            self._per_batch = _smoothed(self._per_batch, seconds)
            return
        self._chunks -= 1
        if self._per_batch and len(batch) <= self._cut:
            # Not worked out from the time of a text: a call costs something by itself, so small chunks would make smaller ones
            slow = seconds > CHUNK_WORTH * self._per_batch
            self._cut = max(1, int(CUT_BACK * self._cut)) if slow else min(self._batch, self._cut + 1)

    def chunk(self, now: float) -> int:
        """Return how many texts of a bulk load may go at once."""
        return self._batch if self._lanes > 1 or now >= self._alert_until else self._cut

    def _take_singles(self) -> list[Request]:
        line = min(filter(_head, self._lines.values()), key=lambda line: line[0].number, default=None)
        if line is None:  # an interrupt came between counting a request and putting it into its line
            self._waiting = dict.fromkeys(self._waiting, 0)
            return []
        most, batch = self._batches[line[0].kind], [self._taken(line.popleft())]
        while len(batch) < most and _head(line):
            batch.append(self._taken(line.popleft()))
        return sorted(batch, key=lambda request: len(request.text))

    def _take_chunk(self, now: float) -> list[Request]:
        load, most = self._loads.popleft(), self.chunk(now)
        chunk: list[Request] = []
        while len(chunk) < most and _head(load):
            chunk.append(self._taken(load.popleft()))
        if _head(load):
            self._loads.append(load)  # several loads take turns
        return chunk

    def _taken(self, request: Request) -> Request:
        request.taken = True
        self._waiting[request.kind] -= request.single
        return request

    def _kept(self, now: float) -> bool:
        """Say whether the lane that is left is kept for those who ask for one text."""
        return 1 < self._lanes <= self._chunks + 1 and now < self._alert_until

    def _waits(self) -> bool:
        """Say whether a bulk load waits."""
        while self._loads and not _head(self._loads[0]):
            self._loads.popleft()
        return bool(self._loads)


def _head(line: deque[Request]) -> bool:
    """Drop what was taken from the head of a line, and say whether something is left."""
    while line and line[0].taken:
        line.popleft()
    return bool(line)


def _smoothed(mean: float, value: float) -> float:
    return value if not mean else mean + SMOOTHING * (value - mean)
