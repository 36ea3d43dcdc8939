"""Coroutines for callers that do not await."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine and return its result, from wherever: with an event loop under way in this thread, in another thread.

    The framework's own `asyncio_run` asks for the thread's event loop in a way that is deprecated.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    run: Callable[[Coroutine[Any, Any, T]], T] = asyncio.run
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="agentmem-sync") as executor:
        return executor.submit(contextvars.copy_context().run, run, coroutine).result()
