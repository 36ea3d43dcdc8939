"""Callers: one after another, in threads, or as tasks of one event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")


def one_by_one(call: Callable[[T], object], items: Sequence[T]) -> list[float]:
    """Call for each item in this thread; return how long each call took, in seconds."""
    times = []
    for item in items:
        began = perf_counter()
        call(item)
        times.append(perf_counter() - began)
    return times


def in_threads(call: Callable[[T], object], items: Sequence[T], threads: int) -> float:
    """Call for all items from several threads, each with a share of its own; return the items per second."""

    def share(number: int) -> None:
        for item in items[number::threads]:
            call(item)

    with ThreadPoolExecutor(threads) as pool:
        began = perf_counter()
        for done in [pool.submit(share, number) for number in range(threads)]:
            done.result()
        return len(items) / (perf_counter() - began)


def in_tasks(call: Callable[[T], Awaitable[object]], items: Sequence[T], in_flight: int) -> float:
    """Await for all items with exactly so many calls in flight; return the items per second.

    So many workers draw from one iterator. A semaphore in front of one task per item would measure the making of tasks.
    """

    async def run() -> float:
        rest = iter(items)

        async def worker() -> None:
            for item in rest:
                await call(item)

        began = perf_counter()
        await asyncio.gather(*(worker() for _ in range(in_flight)))
        return len(items) / (perf_counter() - began)

    return asyncio.run(run())
