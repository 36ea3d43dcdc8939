"""Makes owed vectors in the background, for as long as some are owed and the memory is open."""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Final

from ...errors import AgentMemError, ClosedError, EmbedderMismatchError
from .retries import RETRY_AFTER, retry_after

log = logging.getLogger("agentmem.pipeline")

OPENED_S: Final = 1.0
"""Seconds from opening a collection that owes vectors to making them: a command that only looks something up is over by then."""

FAILED_S: Final = RETRY_AFTER.total_seconds()
"""Seconds from a failure of the embedder to the next try."""


class Debts:
    """Has a collection's owed vectors made, on a thread that runs only while there are any.

    Args:
        namespace: The collection.
        pay: Makes some vectors, of those that are due or of all, and returns how many.
        left: Says how many are owed.
    """

    _at: float | None
    _due_only: bool
    _thread: threading.Thread | None

    def __init__(self, namespace: str, pay: Callable[[bool], int], left: Callable[[], int]) -> None:
        self._namespace = namespace
        self._pay = pay
        self._left = left
        self._start_anew()

    def soon(self, delay_s: float = 0.0, *, due_only: bool = True) -> None:
        """Make what is owed after a while, if nothing earlier is planned.

        Args:
            delay_s: Seconds.
            due_only: Leave alone what failed and waits for its next try; False where there is reason to hope.
        """
        if os.getpid() != self._pid:
            self._start_anew()
        with self._changed:
            if self._ended:
                return
            at = time.monotonic() + delay_s
            self._at = at if self._at is None else min(self._at, at)
            self._due_only = self._due_only and due_only
            if self._thread is None:
                # A daemon: leaving the program without close() must not hang, and the debts are in the file
                thread = threading.Thread(target=self._run, name="agentmem-debts", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the system gives no more threads: flush, or the next failure, tries again
                    return
                self._thread = thread
            self._changed.notify()

    def stop(self) -> None:
        """Begin nothing more."""
        if os.getpid() != self._pid:
            self._start_anew()
        with self._changed:
            self._ended = True
            self._changed.notify()

    def join(self) -> None:
        """Wait for what is under way; the embedder's queue refuses the rest of it once it is closed."""
        thread = self._thread
        if thread is not None and os.getpid() == self._pid and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        failures = 0
        while (due_only := self._next()) is not None:
            try:
                paid = 0
                while not self._ended and (some := self._pay(due_only)):
                    paid += some
                left = 0 if self._ended else self._left()
            except (ClosedError, EmbedderMismatchError) as error:  # they are for whoever opens it next, with its embedder
                log.debug("owed vectors of %s are left to others: %s", self._namespace, type(error).__name__)
                paid = left = 0
            except AgentMemError as error:  # a thread's edge: nobody is there to be told but the log
                log.warning("owed vectors of %s wait: %s", self._namespace, type(error).__name__)
                paid, left = 0, 1
            if paid:
                log.info("%d owed vectors of %s were made, %d are owed", paid, self._namespace, left)
            failures = 0 if paid else failures + 1
            if left:
                self.soon(retry_after(max(0, failures - 1)).total_seconds())

    def _next(self) -> bool | None:
        """Wait until it is time, and say whether only what is due is meant; None if nothing is planned any more."""
        with self._changed:
            while not self._ended and self._at is not None:
                wait = self._at - time.monotonic()
                if wait <= 0:
                    due_only, self._at, self._due_only = self._due_only, None, True
                    return due_only
                self._changed.wait(wait)
            self._thread = None if not self._ended else self._thread  # join() waits for one that ends with the memory
            return None

    def _start_anew(self) -> None:
        """Plan nothing; also in a forked child, which has none of its parent's threads."""
        self._pid = os.getpid()
        self._changed = threading.Condition(threading.Lock())
        self._at = None
        self._due_only = True
        self._ended = False
        self._thread = None
