"""Writes whose vectors come when they come, passed on in the order the writes came."""

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

from .batching import Write


class InOrder:
    """Holds writes back until those before them are ready as well: what one caller says first is stored first.

    Args:
        then: Where the writes go.
    """

    def __init__(self, then: Callable[[Sequence[Write[Any]]], None]) -> None:
        self._then = then
        self._start_anew()

    def join(self, writes: Sequence[Write[Any]]) -> None:
        """Take places in the row."""
        if os.getpid() != self._pid:  # a forked child has neither its parent's callers nor whoever would make them ready
            self._start_anew()
        with self._changed:
            self._row |= {id(write): write for write in writes}

    def ready(self, write: Write[Any]) -> None:
        """Let a write go as soon as those before it have gone; one that was answered already goes nowhere."""
        with self._changed:
            if id(write) not in self._row:
                return
            self._ready.add(id(write))
            going = []
            while self._row and (first := next(iter(self._row))) in self._ready:
                self._ready.remove(first)
                going.append(self._row.pop(first))
            self._then([write for write in going if not write.settled])  # with the lock held, or another thread's could overtake
            if not self._row:
                self._changed.notify_all()

    def holds(self) -> bool:
        """Say whether somebody is held back."""
        return bool(self._row) and os.getpid() == self._pid

    def drain(self) -> None:
        """Wait until nobody is held back."""
        if os.getpid() == self._pid:
            with self._changed:
                self._changed.wait_for(lambda: not self._row)

    def _start_anew(self) -> None:
        self._pid = os.getpid()
        self._changed = threading.Condition(threading.Lock())
        self._row: dict[int, Write[Any]] = {}  # by identity, in order; a write in here cannot be another's namesake
        self._ready: set[int] = set()
