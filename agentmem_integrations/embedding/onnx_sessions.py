"""Which session of a local model a call gets: many narrow ones for a crowd, one wide one for whoever comes alone.

On a CPU two sessions of one thread do more together than one session of two: a batch is cut between threads anew at every
operator, and they wait for each other there. A lone question is answered sooner by all cores, though. So both are there.
"""

import ctypes
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a model's work is spread over the cores.

    Attributes:
        lanes: Calls that run at the same time, 1 or more.
        threads: Of each of them; None leaves it to the runtime.
        wide: Threads of the session for whoever comes alone; None for no such session.
    """

    lanes: int
    threads: int | None
    wide: int | None = None


def layout(sessions: int | None, threads: int | None, *, accelerated: bool = False) -> Layout:
    """Fill in what the caller left open.

    Args:
        sessions: Lanes wanted; None for as many as there are cores for.
        threads: Threads of each wanted; None for one.
        accelerated: A GPU does the work: one lane keeps it busy.
    """
    cores = available_cores()
    if accelerated:
        return Layout(sessions or 1, threads)
    if threads is not None:
        return Layout(sessions or max(1, cores // threads), threads)
    if sessions == 1:
        return Layout(1, cores)
    return Layout(sessions or cores, 1, cores if cores > 1 else None)


def available_cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux: `taskset` and container runtimes narrow it
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Sessions(Generic[S]):
    """The sessions of this process, loaded when first needed, and made anew in a forked child.

    Lanes of one thread each share one session: it runs in the caller's own thread, so the weights are there once, however many
    lanes there are. Wider lanes have a pool of threads each, and so a session each.

    Args:
        load: Makes a session of so many threads.
        layout: What is wanted.
    """

    _busy: int
    _calm: int

    def __init__(self, load: Callable[[int | None], S], layout: Layout) -> None:
        self.layout = layout
        self._load = load
        self._start_anew()
        _all().add(self)

    @contextmanager
    def borrowed(self, lane: int) -> Iterator[S]:
        """Give the session that suits the moment to one caller."""
        with self._counting:
            # Twice in a row, since the first of a crowd is alone for a moment too
            self._calm = self._calm + 1 if not self._busy else 0
            self._busy += 1
            alone = self.layout.wide is not None and self._calm > 1
        try:
            yield self.session(None if alone else lane)
        finally:
            with self._counting:
                self._busy -= 1

    def session(self, lane: int | None = 0) -> S:
        """Return a lane's session, or with None the wide one."""
        key = lane if lane is None or self.layout.threads != 1 else 0
        found = self._loaded.get(key)
        if found is None:
            with self._loading:
                found = self._loaded.get(key)
                if found is None:
                    found = self._loaded[key] = self._load(self.layout.wide if lane is None else self.layout.threads)
        return found

    def close(self) -> None:
        """Let go of the sessions."""
        self._loaded.clear()

    def forked(self) -> None:
        """Begin anew in a forked child: the parent's threads are not here, and its sessions wait for them for ever.

        They cannot even be freed: their pools would join threads of another process, which crashes
        (https://github.com/microsoft/onnxruntime/pull/31961). So one reference too many is held on them, for good.
        """
        for session in self._loaded.values():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))
        self._start_anew()

    def _start_anew(self) -> None:
        self._counting = threading.Lock()
        self._loading = threading.Lock()
        self._busy = self._calm = 0
        self._loaded: dict[int | None, S] = {}


@cache
def _all() -> "weakref.WeakSet[Sessions[Any]]":
    """Return the sessions of this process; the hook is registered with the first."""
    everyone: weakref.WeakSet[Sessions[Any]] = weakref.WeakSet()

    def in_child() -> None:
        for sessions in list(everyone):
            sessions.forked()

    if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
        os.register_at_fork(after_in_child=in_child)
    return everyone
