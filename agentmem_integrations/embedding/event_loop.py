"""A private event loop, for embedders whose methods are coroutines.

It runs in a thread of its own, never in a loop of the caller's: a sync caller has none, and an async one may be waiting for the
very vector in it. What an async client keeps between calls, its connections say, belongs to this one loop.
"""

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class PrivateLoop:
    """An event loop in a daemon thread, begun with the first call, and anew in a forked child."""

    _loop: asyncio.AbstractEventLoop | None
    _thread: threading.Thread | None

    def __init__(self) -> None:
        self._start_anew()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for its result."""
        if os.getpid() != self._pid:
            self._start_anew()
        return asyncio.run_coroutine_threadsafe(work, self._running()).result()

    def close(self) -> None:
        """End the loop and its thread; nobody may be waiting any more."""
        if os.getpid() != self._pid or self._loop is None or self._thread is None:
            return
        # On the loop's own thread: this one may have a loop under way, and then can run no other
        asyncio.run_coroutine_threadsafe(self._loop.shutdown_asyncgens(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="agentmem-embed-loop", daemon=True)
                self._thread.start()
            return self._loop

    def _start_anew(self) -> None:
        # A forked child has the parent's loop object but not its thread; it is left untouched, its sockets are the parent's
        self._pid = os.getpid()
        self._starting = threading.Lock()
        self._loop = self._thread = None
