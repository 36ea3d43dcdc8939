"""Self-clocking batches: a lone caller waits for nobody, a crowd forms its own batch.

Group commit as databases do it (DeWitt et al., "Implementation Techniques for Main Memory Database Systems", 1984): while
one batch is being worked off, the next one gathers. No fixed interval decides when.
"""

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any, Final, Generic, Literal, TypeVar

from ...errors import AgentMemError, ClosedError, StorageError
from ...ports import Change, Insert, Outcome, Record, Update

T = TypeVar("T")

PATIENCE_S: Final = 0.002  # the longest wait for others to join a batch; never longer than the last batch took
MAX_BATCH: Final = 512  # writes in one transaction: enough to make the sync to disk cheap, few enough to keep it short


class Write(Generic[T]):
    """One caller's changes on their way through the stages, all or none.

    Args:
        changes: What to do.
        finish: Turns the outcomes into the caller's result.
        wanting: The changes whose text needs a vector, with that text.

    Attributes:
        begun: Its vectors are being made elsewhere, and whoever brings them passes it on.
    """

    __slots__ = (
        "begun", "changes", "embed", "error", "finish", "future", "gate", "heir", "loop", "outcomes", "settled", "state", "wanting",
    )  # fmt: skip

    def __init__(
        self,
        changes: Sequence[Change],
        finish: Callable[[list[Outcome]], T],
        wanting: Sequence[tuple[Insert | Update | Record, str]] = (),
    ) -> None:
        self.begun = False
        self.changes = changes
        self.embed: Callable[[list[Write[Any]]], None] | None = None  # to be called by whoever commits this write
        self.finish = finish
        self.wanting = wanting
        self.outcomes: list[Outcome] = []
        self.error: BaseException | None = None
        self.settled = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self.future: asyncio.Future[None] | None = None
        self.state: Literal["", "waiting", "awake"] = ""
        self.heir: Write[Any] | None = None  # whom this one's caller wakes
        self.gate = threading.Lock()  # held until the caller may go on: a bare lock is the cheapest thing to wait on
        self.gate.acquire()

    def result(self) -> T:
        """Wait for the outcome and return the caller's result."""
        if not self.settled:
            self.state = "waiting"
            try:
                self.gate.acquire()
            finally:  # an interrupted caller passes it on as well
                self.state = "awake"
                self.wake_heir()
        if self.error is not None:
            raise self.error
        return self.finish(self.outcomes)

    def wake_heir(self) -> None:
        """Let the caller go on who comes next."""
        heir, self.heir = self.heir, None
        if heir is not None:
            with suppress(RuntimeError):  # open already: two passed it on at once
                heir.gate.release()

    def deliver(self) -> None:
        """Wake the caller that awaits this write; runs on its loop."""
        if self.future is not None and not self.future.done():
            self.future.set_result(None)


def settle(writes: Sequence[Write[T]]) -> None:
    """Wake everyone who waits for these writes: one call per event loop, however many wait there; and one thread.

    That thread wakes the next before it goes on, and so forth: threads woken all at once would only queue for the interpreter,
    two switches each.
    """
    loops: dict[asyncio.AbstractEventLoop, list[Write[T]]] = {}
    waiting: list[Write[T]] = []
    for write in writes:
        write.settled = True
        if write.state == "waiting":
            waiting.append(write)
        else:
            write.gate.release()
        if write.loop is not None:
            loops.setdefault(write.loop, []).append(write)
    for before, after in pairwise(waiting):
        before.heir = after
    if waiting:
        waiting[0].gate.release()
    for write in waiting:
        if write.state == "awake":  # interrupted before it had an heir
            write.wake_heir()
    for loop, waiting in loops.items():
        try:
            loop.call_soon_threadsafe(_deliver, waiting)
        except RuntimeError:  # that loop was closed: nobody waits there any more, and the write is done
            continue


def _deliver(writes: list[Write[T]]) -> None:
    for write in writes:
        write.deliver()


class Stage:
    """Works off writes in batches, one batch at a time.

    Args:
        name: The thread's name.
        work: Does one batch.
        then: Where a batch goes that was worked off: to the callers, or to the next stage.
        carries: A write whose caller is here is passed on by him.
    """

    def __init__(
        self, name: str, work: Callable[[list[Write[Any]]], None], then: Callable[[list[Write[Any]]], None], *, carries: bool = False
    ) -> None:
        self._name = name
        self._work = work
        self._then = then
        self._carries = carries
        self._pid = -1
        self._start_anew()

    def alone(self, write: Write[Any]) -> bool:
        """Do this write here and now if the stage is idle; else queue it and return False."""
        if os.getpid() != self._pid:
            self._start_anew()
        if not self._queue and self._busy.acquire(blocking=False):
            try:
                self._let_others_join(mine=1)
                self._work_or_fail([write, *self._taken(MAX_BATCH - 1)], mine=write)
            finally:
                self._busy.release()
            return True
        self.put([write])
        return False

    def put(self, writes: Sequence[Write[Any]]) -> None:
        """Queue writes for the stage's thread."""
        if not writes:
            return
        if os.getpid() != self._pid:
            self._start_anew()
        self._queue.extend(writes)
        if 0 < self._missing <= len(self._queue):
            with suppress(RuntimeError):  # open already
                self._complete.release()
        if self._thread is None:
            self._start_thread()
        if not self._wake.is_set():
            self._wake.set()
        if self._ended:
            self._refuse_rest()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the stage from working while something happens that no batch may overlap."""
        if os.getpid() != self._pid:
            self._start_anew()
        with self._busy:
            yield

    def close(self) -> None:
        """End the thread once the queue is empty; whoever comes later is refused."""
        with self._starting:  # from here on no thread is started
            self._closing = True
            thread = self._thread
        self._wake.set()
        if thread is None or self._pid != os.getpid():
            self._ended = True
            self._refuse_rest()
        elif thread is not threading.current_thread():
            thread.join()

    def _start_anew(self) -> None:
        """Begin with an empty queue and no thread; also in a forked child, which has neither its parent's callers nor threads."""
        self._pid = os.getpid()
        self._queue: deque[Write[Any]] = deque()
        self._busy = threading.Lock()
        self._starting = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closing = self._ended = False
        self._complete = threading.Lock()  # released when nobody of the crowd is missing any more
        self._missing = 0  # length of the queue that is waited for; 0 if nobody waits for it
        self._crowd = 1  # callers that may be about to write: those just woken and those who wait
        self._took = 0.0  # seconds that the last batch took

    def _start_thread(self) -> None:
        with self._starting:
            if self._thread is None and not self._closing:
                # A daemon: leaving the program without close() must not hang, and what was acknowledged is on disk
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                thread.start()
                self._thread = thread

    def _let_others_join(self, mine: int = 0) -> None:
        """Wait while those are coming who shared the last batch: the callers just woken are about to write again.

        Else half of a crowd would be committed while the other half queues, at two syncs to disk for one. A lone caller's
        last batch was its own, so it waits for nobody; and nobody waits longer than the last batch took, for a caller who has
        gone. Waiting asleep leaves the interpreter to those who come.
        """
        missing = min(self._crowd, MAX_BATCH) - mine
        if len(self._queue) < missing:
            self._complete.acquire(blocking=False)  # forget a signal that came too late for the last crowd
            self._missing = missing
            if len(self._queue) < missing:
                self._complete.acquire(timeout=min(self._took, PATIENCE_S))
            self._missing = 0

    def _taken(self, most: int) -> list[Write[Any]]:
        """Take what waits out of the queue."""
        taken: list[Write[Any]] = []
        try:
            while len(taken) < most:
                taken.append(self._queue.popleft())
        except IndexError:  # nothing left
            pass
        return taken

    def _work_or_fail(self, batch: list[Write[Any]], mine: Write[Any] | None = None) -> None:
        """Work off a batch and pass it on."""
        began = time.perf_counter()
        try:
            self._work(batch)
        except BaseException as error:  # a write nobody answers would wait for ever, whatever went wrong
            fail([write for write in batch if not write.settled], error)
            if not isinstance(error, Exception):
                raise  # KeyboardInterrupt, in a caller that worked for others as well
        else:
            self._took = time.perf_counter() - began
            self._crowd = len(batch) + len(self._queue)
            self._then([write for write in batch if not write.settled and not (self._carries and write is mine)])

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._queue:
                with self._busy:
                    self._let_others_join()
                    self._work_or_fail(self._taken(MAX_BATCH))
            if self._closing:
                # In this order: what is queued before `_ended` is seen here, what comes later sees `_ended`
                self._ended = True
                self._refuse_rest()
                return

    def _refuse_rest(self) -> None:
        fail(self._taken(len(self._queue)), ClosedError("this memory was closed before the call's turn came: open it again"))


def fail(writes: Sequence[Write[Any]], error: BaseException) -> None:
    """Answer every one of these writes with the error."""
    for write in writes:
        write.error = error if isinstance(error, AgentMemError) else StorageError(f"the write failed: {type(error).__name__}: {error}")
        write.error.__cause__ = None if write.error is error else error
    settle(writes)
