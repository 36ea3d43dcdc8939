"""Adds per second, each on disk before it is acknowledged: singly, by many at once, and in batches; and what the single file is worth."""

from collections.abc import Callable
from threading import Lock

from .callers import in_tasks, in_threads, one_by_one
from .many_users import user_name
from .plan import Plan
from .results import Figure, in_turn, latency, ratios, seconds, typical
from .three_stores import ThreeStores

THREADS = 8
Add = tuple[str, str]  # the text, and whose it is

GOALS = {
    "one thread": "floor 2,000, goal 3,000",
    "8 threads": "floor 5,000, goal 8,000",
    "asyncio, 100 in flight": "floor 8,000, goal 12,000",
}
BATCH_GOAL = "goal 5,000 to 10,000"
BATCH_RATIO_GOAL = "goal 5"


def measure(plan: Plan) -> list[Figure]:
    """Run the benchmark."""
    runner = _Runner(plan)
    found = in_turn(
        {
            "one thread": runner.one_thread,
            "8 threads": runner.threads,
            "asyncio, 100 in flight": lambda: runner.tasks(100),
            "asyncio, 1,000 in flight": lambda: runner.tasks(1_000),
            "8 threads, one commit per add": runner.ungrouped,
            "one thread, three stores": lambda: runner.three_stores(1),
            "8 threads, three stores": lambda: runner.three_stores(THREADS),
        },
        plan.sizes.add_rounds,
    )
    return [
        *(typical(name, rates, "adds/s", GOALS.get(name, "")) for name, rates in found.items()),
        latency("latency of one add, one thread", runner.latencies),
        ratios("8 threads: grouped commits / one commit per add", found["8 threads"], found["8 threads, one commit per add"]),
        ratios("one thread: one file / three stores", found["one thread"], found["one thread, three stores"]),
        ratios("8 threads: one file / three stores", found["8 threads"], found["8 threads, three stores"]),
    ]


class _Runner:
    """The variants; each fills a file of its own with the same texts and returns the adds per second."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        users = plan.sizes.add_users
        self._adds: list[Add] = [(text, user_name(number % users)) for number, text in enumerate(plan.texts.take(plan.sizes.adds))]
        self._slow_adds = self._adds[: plan.sizes.slow_adds]
        self.latencies: list[float] = []

    def one_thread(self) -> float:
        with self._plan.fresh_memory() as memory:
            times = one_by_one(_with(memory.add), self._adds)
        self.latencies += times
        return len(times) / sum(times)

    def threads(self) -> float:
        with self._plan.fresh_memory() as memory:
            return in_threads(_with(memory.add), self._adds, THREADS)

    def tasks(self, in_flight: int) -> float:
        with self._plan.fresh_memory() as memory:
            return in_tasks(lambda add: memory.aadd(add[0], user_id=add[1]), self._adds, in_flight)

    def ungrouped(self) -> float:
        """The same threads, but never two adds at a time: each is a transaction of its own."""
        alone = Lock()
        with self._plan.fresh_memory() as memory:

            def add(add: Add) -> None:
                with alone:
                    memory.add(add[0], user_id=add[1])

            return in_threads(add, self._slow_adds, THREADS)

    def three_stores(self, threads: int) -> float:
        with self._plan.fresh_folder() as folder, ThreeStores(folder, self._plan.durability) as stores:
            for text in self._plan.texts.take(100):
                stores.add(text, "warm-up")
            return in_threads(lambda add: stores.add(*add), self._slow_adds, threads)


def _with(add: Callable[..., object]) -> Callable[[Add], object]:
    return lambda item: add(item[0], user_id=item[1])


def measure_batches(plan: Plan) -> list[Figure]:
    """Measure `add_batch` against single adds, size by size."""
    return [figure for size in plan.sizes.batches for figure in _size(plan, size)]


def _size(plan: Plan, size: int) -> list[Figure]:
    """Measure one size. Both sides fill a file of their own, so that neither grows faster than the other between rounds."""
    with plan.fresh_memory() as batched, plan.fresh_memory() as single:

        def batch() -> float:
            texts = plan.texts.take(size)
            return size / seconds(lambda: batched.add_batch(texts, user_id="ana"))

        def singles() -> float:
            return size / sum(one_by_one(lambda text: single.add(text, user_id="ana"), plan.texts.take(size)))

        rounds = max(plan.sizes.batch_rounds, plan.sizes.batch_items // size)
        found = in_turn({"batch": batch, "singles": singles}, rounds)
    return [
        typical(f"batch of {size:,}", found["batch"], "items/s", BATCH_GOAL),
        typical(f"{size:,} single adds", found["singles"], "items/s"),
        ratios(f"batch of {size:,} / single adds", found["batch"], found["singles"], BATCH_RATIO_GOAL),
    ]
