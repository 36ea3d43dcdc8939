"""Keeps `fork()` away from a working SQLite.

A child inherits SQLite's own bookkeeping as it was at the instant of the fork. If some thread was inside a statement, the child
finds mutexes locked and file locks noted that nobody will ever release, and hangs even on a connection of its own. So a fork
waits for the few microseconds until nobody is inside, and nobody gets in meanwhile.

The hooks are the process's, as `os.register_at_fork` has it; gates are found through weak references, so a closed store leaves
nothing behind.
"""

import os
import threading
import weakref
from collections.abc import Callable
from functools import cache
from typing import Final

PATIENCE_S: Final = 10.0  # then the fork goes ahead: a hanging statement must not hang the program's fork as well


class Gate:
    """Everything that calls SQLite goes through here.

    Args:
        in_child: Called in a forked child, before anything else happens there.
    """

    def __init__(self, in_child: Callable[[], None]) -> None:
        self._in_child = in_child
        self._renew()
        _gates().add(self)

    def __enter__(self) -> None:
        """Be inside; waits while the process forks."""
        with self._changed:
            while self._shut:
                self._changed.wait()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        """Be outside again."""
        with self._changed:
            self._inside -= 1
            if self._shut:
                self._changed.notify_all()

    def shut(self) -> None:
        """Let nobody in, and wait until everybody is out."""
        with self._changed:
            self._shut = True
            self._changed.wait_for(lambda: self._inside == 0, PATIENCE_S)

    def open(self) -> None:
        """Let everybody in again."""
        with self._changed:
            self._shut = False
            self._changed.notify_all()

    def reopen_in_child(self) -> None:
        """Start anew: whoever was inside or waiting is not here."""
        self._renew()
        self._in_child()

    def _renew(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._inside = 0
        self._shut = False


@cache
def _gates() -> "weakref.WeakSet[Gate]":
    """Return the gates of this process; the hooks are registered with the first."""
    gates: weakref.WeakSet[Gate] = weakref.WeakSet()

    def each(do: Callable[[Gate], None]) -> Callable[[], None]:
        def hook() -> None:
            for gate in list(gates):
                do(gate)

        return hook

    if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
        os.register_at_fork(before=each(Gate.shut), after_in_parent=each(Gate.open), after_in_child=each(Gate.reopen_in_child))
    return gates
