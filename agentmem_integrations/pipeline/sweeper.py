"""Deletes what has expired from time to time, for as long as the memory is open."""

import logging
import os
import threading
from collections.abc import Callable
from typing import Final

from ..errors import AgentMemError, ClosedError

log = logging.getLogger("agentmem.pipeline")

SWEEP_EVERY_S: Final = 60.0
"""Seconds from one sweep to the next. Nothing that has expired is ever returned, swept or not: this is about space."""


class Sweeper:
    """Sweeps now and then, on a thread of its own, which starts when there is something that expires.

    Args:
        sweep: Deletes a bounded number of what has expired and returns how many.
    """

    def __init__(self, sweep: Callable[[], int]) -> None:
        self._sweep = sweep
        self.every_s = SWEEP_EVERY_S
        self._pid = -1
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    @property
    def running(self) -> bool:
        """Say whether its thread runs, in this process."""
        return self._thread is not None and self._pid == os.getpid() and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread, unless it runs already; also anew in a forked child."""
        if self._thread is not None and self._pid == os.getpid():
            return
        if self._pid != os.getpid():  # of the parent's, none is here; and some thread of it may have held the lock
            self._pid, self._thread, self._starting, self._ended = os.getpid(), None, threading.Lock(), threading.Event()
        with self._starting:
            if self._thread is None and not self._ended.is_set():
                # A daemon: leaving the program without close() must not hang
                self._thread = threading.Thread(target=self._run, args=(self._ended,), name="agentmem-sweep", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        thread = self._thread
        if thread is not None and self._pid == os.getpid() and thread is not threading.current_thread():
            thread.join()

    def _run(self, ended: threading.Event) -> None:
        while not ended.wait(self.every_s):
            try:
                while self._sweep() and not ended.is_set():
                    continue
            except ClosedError:
                return
            except AgentMemError as error:  # a thread's edge: nobody is there to be told but the log
                log.warning("what has expired waits to be deleted: %s", type(error).__name__)
