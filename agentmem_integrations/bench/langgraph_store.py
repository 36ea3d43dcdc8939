"""LangGraph's store: searches over many items, and puts; beside langgraph's own `SqliteStore` where that is installed.

That one needs a Python whose `sqlite3` can load extensions.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from threading import Thread
from time import perf_counter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .plan import Plan
from .results import Figure, latency

DIMS: Final = 384
NAMESPACES: Final = 20
BATCH: Final = 500
THREADS: Final = 6
THEIRS: Final = "langgraph.store.sqlite"  # of a package that this one does not depend on


class Vectors:
    """An embedder that knows its vectors by number: what is measured is the store."""

    def __init__(self, count: int, seed: int) -> None:
        vectors = np.random.default_rng(seed).standard_normal((count, DIMS)).astype(np.float32)
        self._vectors: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def __call__(self, texts: list[str]) -> list[list[float]]:
        """Return the vector of each text that is a number."""
        return [self._vectors[int(text) % len(self._vectors)].tolist() for text in texts]


def measure(plan: Plan) -> list[Figure]:
    """Run the benchmark.

    Raises:
        MissingExtraError: langgraph is not installed.
    """
    from langgraph.store.base import PutOp

    count, asked = plan.sizes.items, plan.sizes.user_searches // 20
    figures: list[Figure] = []
    with plan.fresh_folder() as folder, ExitStack() as stack:
        stores = {name: stack.enter_context(make(folder, Vectors(count, plan.seed))) for name, make in _makers().items()}
        for name, store in stores.items():
            ops = [PutOp(("bench", f"n{n % NAMESPACES}"), f"k{n}", {"text": str(n), "n": n}) for n in range(count)]
            began = perf_counter()
            for start in range(0, count, BATCH):
                store.batch(ops[start : start + BATCH])
            figures.append(Figure(f"{name}, puts in batches of {BATCH}", count / (perf_counter() - began), "items/s"))
        taken: dict[str, list[float]] = {}
        for n in range(-3, asked):  # one store after the other for each question
            for name, store in stores.items():
                for what, call in _calls(store, n, count).items():
                    began = perf_counter()
                    call()
                    if n >= 0:
                        taken.setdefault(f"{name}, {what}", []).append(perf_counter() - began)
        figures += [latency(what, seconds) for what, seconds in taken.items()]
        for name, store in stores.items():
            figures += _puts(name, store, max(THREADS, plan.sizes.slow_adds // 20))
    return figures


def _calls(store: Any, n: int, count: int) -> dict[str, Callable[[], Any]]:
    # Each a question of its own, so that each is embedded
    return {
        f"search in one of {NAMESPACES} namespaces": lambda: store.search(("bench", f"n{n % NAMESPACES}"), query=str(3 * n + 10)),
        f"search over {count:,} items": lambda: store.search(("bench",), query=str(3 * n + 11)),
        "the same, with a filter": lambda: store.search(("bench",), query=str(3 * n + 12), filter={"n": {"$gte": count // 2}}),
        "get": lambda: store.get(("bench", f"n{n % NAMESPACES}"), f"k{n % NAMESPACES}"),
    }


def _puts(name: str, store: Any, count: int) -> Iterator[Figure]:
    began = perf_counter()
    for n in range(count):
        store.put(("single",), f"k{n}", {"text": str(n)})
    yield Figure(f"{name}, single puts", count / (perf_counter() - began), "items/s")
    each = count // THREADS

    def work(thread: int) -> None:
        for n in range(each):
            store.put(("threads", str(thread)), f"k{n}", {"text": str(n)})

    threads = [Thread(target=work, args=(thread,)) for thread in range(THREADS)]
    began = perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    yield Figure(f"{name}, single puts, {THREADS} threads", THREADS * each / (perf_counter() - began), "items/s")


def _makers() -> dict[str, Callable[[Path, Vectors], Any]]:
    """Return how each store is opened, by its name."""
    makers: dict[str, Callable[[Path, Vectors], Any]] = {"AgentMemStore": _ours}
    with suppress(ImportError):
        import_module(THEIRS)
        if hasattr(sqlite3.Connection, "enable_load_extension"):
            makers["SqliteStore"] = _theirs
    return makers


@contextmanager
def _ours(folder: Path, vectors: Vectors) -> Iterator[Any]:
    from ..langchain import AgentMemStore

    with AgentMemStore(folder / "ours.db", index={"dims": DIMS, "embed": vectors, "fields": ["text"]}) as store:
        yield store


@contextmanager
def _theirs(folder: Path, vectors: Vectors) -> Iterator[Any]:
    index: Any = {"dims": DIMS, "embed": vectors, "text_fields": ["text"]}
    with import_module(THEIRS).SqliteStore.from_conn_string(str(folder / "theirs.db"), index=index) as store:
        store.setup()
        yield store
