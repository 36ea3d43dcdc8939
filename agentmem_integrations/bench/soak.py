"""Mixed work by threads and tasks for minutes: does it stay fast, does anything grow, is anything lost?"""

import asyncio
import os
import sys
import threading
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Final

from .. import AgentMemory
from .mixed_load import Latencies, Tally, Worker, awork, compared, work
from .plan import Plan
from .results import Figure, seconds

THREADS: Final = 4
TASKS: Final = 8
USERS_EACH: Final = 1
MEMORIES_EACH: Final = 200
PURGE_S: Final = 60.0  # between two purges of one worker
POOL: Final = 2_000
SAMPLE_S: Final = 0.02  # between two looks at the log
LOOK_S: Final = 0.5  # between two looks at all else
WARM_UP: Final = 0.3  # of the time: the caches fill up
WINDOW: Final = 0.1  # of the time: RSS is the median over so long

GOALS: Final = {"add": "p99 at most 150"}


def measure(plan: Plan) -> list[Figure]:
    """Run the benchmark."""
    lasting = 60 * plan.sizes.soak_minutes
    pool = plan.texts.take(POOL)
    purge_every = min(PURGE_S, lasting / 5)
    workers = [Worker(n, USERS_EACH, MEMORIES_EACH, purge_every, pool, plan.seed) for n in range(THREADS + TASKS)]
    tally = Tally.empty()
    with plan.fresh_folder() as folder, AgentMemory(folder / "memory.db", durability=plan.durability) as memory:
        watch = Watch(folder / "memory.db")
        began = monotonic()
        _run(memory, workers, tally, watch, began + lasting)
        took = monotonic() - began
        lost, unexpected = compared(memory, workers)
    for what, count in sorted((tally.errors + tally.strange).items()):
        print(f"{count} x {what}", file=sys.stderr)
    calls = {verb: latencies.figure(verb, GOALS.get(verb, "")) for verb, latencies in tally.latencies.items()}
    return [
        Figure("all calls", sum(figure.n for figure in calls.values()) / took, "calls/s", n=sum(figure.n for figure in calls.values())),
        *(figure for figure in calls.values() if figure.n),
        *watch.figures(),
        Figure("errors", tally.errors.total(), "calls", "0"),
        Figure("answers that contradict what was acknowledged", tally.strange.total(), "calls", "0"),
        Figure("acknowledged and lost", lost, "memories", "0"),
        Figure("deleted or purged and still there", unexpected, "memories", "0"),
    ]


def _run(memory: AgentMemory, workers: list[Worker], tally: Tally, watch: "Watch", until: float) -> None:
    """Let the first workers be threads and the others tasks of one event loop, and watch them."""

    def over() -> bool:
        return monotonic() > until

    async def tasks() -> None:
        await asyncio.gather(*(awork(memory, worker, tally, over) for worker in workers[THREADS:]))

    with watch.watching(), ThreadPoolExecutor(THREADS + 1) as pool:
        running = [pool.submit(work, memory, worker, tally, over) for worker in workers[:THREADS]]
        running.append(pool.submit(asyncio.run, tasks()))
        for done in running:
            done.result()


class Watch:
    """Looks at the process and its file while the work goes on.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._log = path.with_name(f"{path.name}-wal")
        self._file = path
        self._over = threading.Event()
        self._longest = self._largest = 0
        self._syncs = Latencies()
        self._rss = array("Q")  # eight bytes a look: the watch must not grow either

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch until the block ends."""
        thread = threading.Thread(target=self._watch, name="bench-watch")
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def figures(self) -> list[Figure]:
        """Return what was seen."""
        window = max(1, round(WINDOW * len(self._rss)))
        start = min(round(WARM_UP * len(self._rss)), len(self._rss) - window)
        warm, end = median(self._rss[start : start + window]), median(self._rss[-window:])
        return [
            Figure(f"RSS after {WARM_UP:.0%} of the time", warm / 1e6, "MB"),
            Figure("RSS at the end", end / 1e6, "MB"),
            Figure("growth of RSS in between", 100 * (end / warm - 1), "%", "under 5"),
            Figure("write-ahead log, longest", self._longest / 1e6, "MB", "under 84"),
            self._syncs.figure("for comparison: a sync to disk meanwhile"),
            Figure("file, largest", self._largest / 1e6, "MB"),
        ]

    def _watch(self) -> None:
        due = 0.0
        with self._file.with_name("sync").open("wb", buffering=0) as file:
            while not self._over.wait(SAMPLE_S):
                self._longest = max(self._longest, _size(self._log))
                if monotonic() >= due:
                    due = monotonic() + LOOK_S
                    self._rss.append(_rss())
                    self._largest = max(self._largest, _size(self._file))
                    self._syncs.note(seconds(lambda: _sync(file)))
        self._rss.append(_rss())


def _sync(file: FileIO) -> None:
    file.seek(0)
    file.write(bytes(8_192))
    os.fsync(file.fileno())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _rss() -> int:
    """Return the memory of this process, in bytes; where the system does not tell, the most there was."""
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - read twice a second
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource  # not on Windows

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
