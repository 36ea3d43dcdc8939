"""One event loop on a thread of its own, for sync and async callers alike.

A connection belongs to the event loop it was made on. Sync callers have none, and async callers may have several, one after the
other or at once. So all traffic runs on this one, and every caller waits for it in the way that suits him.
"""

import asyncio
import concurrent.futures
import os
import selectors
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, TypeVar

from ..errors import ClosedError

T = TypeVar("T")

CLOSED: Final = "this language model was closed: make a new one"
EXIT_PATIENCE_S: Final = 2.0  # for saying goodbye to endpoints when the program ends; a silent one must not hold it up


@dataclass(slots=True)
class _Serving:
    """A running loop, and what is to be done before it ends."""

    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    last_words: list[Callable[[], Awaitable[None]]] = field(default_factory=list)


class LoopThread:
    """An event loop on a daemon thread, started when it is first needed.

    A forked child gets a thread and a loop of its own, with nothing on it. Leaving the program, or dropping the last reference,
    closes it; what is still running then is cancelled.
    """

    def __init__(self) -> None:
        self._serving: _Serving | None = None
        self._closed = False
        self._changing = threading.Lock()
        _threads().add(self)

    @property
    def here(self) -> bool:
        """Whether the caller runs on this loop."""
        serving = self._serving
        return serving is not None and serving.thread is threading.current_thread()

    def run(self, work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        """Start work on the loop; from any thread. Cancelling the future cancels the work.

        Raises:
            ClosedError: the loop was closed.
        """
        guarded = self._until_closed(work)
        try:
            with self._changing:
                return asyncio.run_coroutine_threadsafe(guarded, self._started().loop)
        except BaseException:
            guarded.close()  # else Python complains that nobody awaited them
            work.close()
            raise

    async def await_(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work on the loop and await it on the caller's own; cancelling the caller cancels the work.

        Raises:
            ClosedError: the loop was closed.
        """
        return await (work if self.here else asyncio.wrap_future(self.run(work)))

    def before_end(self, say: Callable[[], Awaitable[None]]) -> None:
        """Have something awaited on the loop before it ends. To be called on the loop."""
        assert self._serving is not None, "only who runs on the loop has something to say there"
        self._serving.last_words.append(say)

    def close(self) -> None:
        """Cancel what is running, say goodbye and end the thread. Closing twice is fine."""
        with self._changing:
            self._closed = True
            serving = self._serving
        if serving is not None:
            _end(os.getpid(), serving.loop, serving.thread, None)

    async def _until_closed(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await work
        except asyncio.CancelledError:
            if self._closed:  # a caller who did not cancel must not look as if he had
                raise ClosedError(CLOSED) from None
            raise

    def _started(self) -> _Serving:
        if self._closed:
            raise ClosedError(CLOSED)
        if self._serving is None:
            loop = _new_loop()
            last_words: list[Callable[[], Awaitable[None]]] = []
            # A daemon, and without a reference to this object: neither the program's end nor the last owner's may wait for it
            thread = threading.Thread(target=_serve, args=(loop, last_words), name="agentmem-llm", daemon=True)
            self._serving = _Serving(loop, thread, last_words)
            thread.start()
            weakref.finalize(self, _end, os.getpid(), loop, thread, EXIT_PATIENCE_S)
        return self._serving

    def _forked(self) -> None:
        """Begin anew in a child: the parent's thread is not here, and its connections are the parent's.

        Nothing of these may be closed or finalised here: that would take their sockets out of the selector, which parent and
        child share, and may write TLS's farewell to a socket the parent is using. The frame of the parent's thread, which never
        goes on here and is never unwound, holds the loop and the connections for as long as the child lives.
        """
        self._serving = None
        self._changing = threading.Lock()


def _new_loop() -> asyncio.AbstractEventLoop:
    if hasattr(os, "fork"):
        return asyncio.SelectorEventLoop(selectors.DefaultSelector())  # whatever policy the program has set
    return asyncio.new_event_loop()


def _serve(loop: asyncio.AbstractEventLoop, last_words: list[Callable[[], Awaitable[None]]]) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(_cancel_all())
        for say in last_words:
            loop.run_until_complete(_try(say))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _cancel_all() -> None:
    await asyncio.sleep(0)  # a task that has never run cannot say that it was closed
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _try(say: Callable[[], Awaitable[None]]) -> None:
    """Say one of the last words; what goes wrong with a connection that is being given up concerns nobody."""
    try:
        async with asyncio.timeout(EXIT_PATIENCE_S):
            await say()
    except Exception:  # noqa: BLE001 - a thread's edge, and other people's code
        return


def _end(pid: int, loop: asyncio.AbstractEventLoop, thread: threading.Thread, patience: float | None) -> None:
    if pid != os.getpid() or not thread.is_alive():
        return
    try:
        loop.call_soon_threadsafe(loop.stop)
    except RuntimeError:  # closed meanwhile
        return
    if thread is not threading.current_thread():
        thread.join(patience)


@cache
def _threads() -> "weakref.WeakSet[LoopThread]":
    """Return the loop threads of this process; the hook is registered with the first."""
    threads: weakref.WeakSet[LoopThread] = weakref.WeakSet()

    def in_child() -> None:
        for thread in list(threads):
            thread._forked()

    if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
        os.register_at_fork(after_in_child=in_child)
    return threads
