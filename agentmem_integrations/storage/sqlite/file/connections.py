"""Connections to one file: opened, checked, migrated, shared out.

One connection writes, guarded by a lock; readers come from a pool and, thanks to the write-ahead log, neither wait for the
writer nor hold it up. A store in RAM is one connection for all, guarded by the same lock: SQLite's shared memory database
knows no write-ahead log and answers BUSY to readers beside a writer.
"""

import itertools
import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol, TypeVar

import apsw

from ....config import BUSY_TIMEOUT_S, MEMORY_URL, Durability
from ....errors import ClosedError, StorageError
from .. import bm25
from ..statements import migrations
from . import extension
from .fork_guard import Gate
from .network_filesystems import warn_of_network
from .schema import migrate, version
from .scrub import scrub
from .sqlite_errors import FAILURES, reported
from .which_file import absolute, claim, file_id
from .write_ahead_log import Checkpointer

log = logging.getLogger("agentmem.storage")
PAGE_SIZE: Final = 8_192  # seven 256-d vectors a page; 4,096 wastes a quarter of every page and loads slower
WRITER_CACHE_KIB: Final = 65_536
READER_CACHE_KIB: Final = 32_768  # a filter walks all rows of a scope: 40,000 chunks of documents, and no page is read twice
WAL_LIMIT: Final = 64 * 1024 * 1024  # bytes the log is cut back to after a burst


T = TypeVar("T")


class Step(Protocol):
    """Does something with the connection of a snapshot."""

    def __call__(self, do: Callable[[apsw.Connection], T]) -> T:
        """Return what `do` returns."""


class Connections:
    """The connections to one file, or to one store in RAM.

    Args:
        path: The file, or `memory://`.
        durability: `full` syncs every commit, `normal` only checkpoints.
        in_child: Called first thing in a forked child.

    Raises:
        StorageError: the path cannot be a memory file (see the subclasses).
    """

    _writer: apsw.Connection | None

    def __init__(self, path: str, durability: Durability = "full", in_child: Callable[[], None] = lambda: None) -> None:
        self.path = path
        self.in_memory = path == MEMORY_URL
        self.file = ":memory:" if self.in_memory else absolute(path)  # the program may change its folder
        self._durability = durability
        self._in_child = in_child
        self._inherited: list[apsw.Connection] = []
        self._closed = False
        self._renew()
        self._gate = Gate(self._forked)
        if not self.in_memory:
            extension.package_version()  # where it is missing, no empty file is left behind
            claim(Path(path))
            warn_of_network(self.file)
        try:
            with reported(path):
                if (found := version(self._open_writer(), path)) < len(migrations()):
                    with self.write() as connection:
                        migrate(connection, path)
                    if found:
                        log.info("%s was brought from schema %d to %d", path, found, len(migrations()))
        except BaseException:
            self.close()
            raise

    @contextmanager
    def write(self) -> Iterator[apsw.Connection]:
        """Hold the writer inside a transaction: committed on a clean exit, rolled back on any exception."""
        with self._gate, self._lock, reported(self.path):
            connection = self._usable_writer()
            self._check_there()
            if connection.in_transaction:  # an interrupt came between the statements below, or while one was rolled back
                connection.execute("ROLLBACK")
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                try:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                finally:
                    if isinstance(error, FAILURES):
                        self._give_up_writer()
                raise

    @contextmanager
    def read(self) -> Iterator[apsw.Connection]:
        """Hold a reader on one snapshot of the file."""
        if self.in_memory:
            with self._gate, self._lock, reported(self.path):
                yield self._usable_writer()
            return
        with self._gate, reported(self.path):
            connection = self._take()
            try:
                try:
                    connection.execute("BEGIN")
                    yield connection
                finally:
                    if connection.in_transaction:  # an I/O error has ended it already
                        connection.execute("ROLLBACK")
            except FAILURES:
                _close(connection)
                raise
            except BaseException:
                self._hand_back(connection)
                raise
            self._hand_back(connection)

    @contextmanager
    def snapshot(self, *, apart: bool = False) -> Iterator[Step]:
        """Hold one state of the file for as long as it takes, and work on it step by step.

        Between the steps nobody is inside SQLite, so that a fork need not wait for the end. Writers go on; of a store in RAM
        a copy is made first.

        Args:
            apart: On a connection that nobody uses afterwards: FTS5 does not forget that it has met a damaged page.
        """
        pid = os.getpid()

        def step(do: Callable[[apsw.Connection], T]) -> T:
            with self._gate, reported(self.path):
                return do(connection)

        with self._gate, reported(self.path):
            connection = self._copied() if self.in_memory else self._taken_apart() if apart else self._take()
        try:
            step(lambda c: c.execute("BEGIN; SELECT 1 FROM sqlite_schema").fetchall())  # BEGIN alone does not fix the state
            yield step
        finally:
            if os.getpid() == pid:
                step(lambda c: c.execute("ROLLBACK") if c.in_transaction else None)
                step(lambda c: c.close() if self.in_memory or apart else self._hand_back(c))
            else:  # a forked child leaves the parent's connection alone
                self._inherited.append(connection)

    @contextmanager
    def write_aside(self, prepare: Callable[[apsw.Connection], T]) -> Iterator[T]:
        """Like `write`, on a connection of its own that `prepare` has set up in its own way. Not for a store in RAM."""
        with self._gate, self._lock, reported(self.path):
            self._check_open()
            connection = self._open(READER_CACHE_KIB)
            try:
                prepared = prepare(connection)
                connection.execute("BEGIN IMMEDIATE")
                yield prepared
                connection.execute("COMMIT")
            finally:
                _close(connection)  # which rolls back what was not committed

    def _copied(self) -> apsw.Connection:
        copy = apsw.Connection(":memory:")
        with self._lock, copy.backup("main", self._usable_writer(), "main") as backup:
            backup.step(-1)
        return copy

    def checkpoint(self) -> bool:
        """Move the log into the file and cut it to nothing; False if a reader is in the way."""
        if self.in_memory:
            return True
        with self._gate, self._lock, reported(self.path):
            connection, deadline = self._usable_writer(), time.monotonic() + BUSY_TIMEOUT_S
            while True:
                # SQLite calls the busy handler for readers and the writer, but not while another checkpoint is under way
                (answer,) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                if not answer[0] or time.monotonic() > deadline:
                    return not answer[0]
                time.sleep(random.uniform(0.0002, 0.003))

    def scrub(self) -> None:
        """Zero what freed rows left in the file."""
        if self.in_memory:
            return
        with self._gate, self._lock, reported(self.path):
            connection = self._open(READER_CACHE_KIB)
            try:
                scrub(connection, self.file, PAGE_SIZE)
            finally:
                _close(connection)

    def close(self) -> None:
        """Close every connection. Closing twice is fine."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._checkpointer.close()
        with self._gate, self._lock:
            while self._pool:
                _close(self._pool.pop())
            if self._writer is not None:
                _close(self._writer)

    def _give_up_writer(self) -> None:
        """After a failing disk, go on with a new connection: FTS5 keeps state that a read error leaves half made."""
        if self._writer is not None and not self.in_memory:
            _close(self._writer)
            self._writer = None

    def _take(self) -> apsw.Connection:
        self._check_open()
        try:
            return self._pool.pop()
        except IndexError:
            self._check_there()  # SQLite would make an empty file in the place of one that was removed
            return self._open(READER_CACHE_KIB)

    def _taken_apart(self) -> apsw.Connection:
        self._check_open()
        return self._open(READER_CACHE_KIB)

    def _hand_back(self, connection: apsw.Connection) -> None:
        if self._closed or connection.in_transaction:  # an interrupt left it on an old snapshot
            connection.close()
        else:
            self._pool.append(connection)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"this memory ({self.path}) is closed: open it again with AgentMemory({self.path!r})")
        if self._writer is None and self.in_memory:
            raise StorageError("a memory:// store cannot be used in a forked child: open one there, or use a file")

    def _check_there(self) -> None:
        """Refuse to go on with a file that was removed or replaced: what is stored in it would be gone with the last handle."""
        if self._there is not None and file_id(self.file) != self._there:
            raise StorageError(
                f"{self.path} was removed or replaced while it was open, and nothing more is stored in it: put it back, or close this "
                "memory and open it anew"
            )

    def _usable_writer(self) -> apsw.Connection:
        """Return the writer, opened anew in a forked child; the caller holds the lock."""
        self._check_open()
        return self._writer or self._open_writer()

    def _forked(self) -> None:
        """Take nothing of the parent's into a forked child: SQLite's connections must not cross.

        They stay referenced and untouched: closing them here would drop the parent's file locks.
        """
        self._inherited += [c for c in (self._writer, *self._pool) if c is not None]
        self._renew()
        self._in_child()

    def _renew(self) -> None:
        self._lock = threading.RLock()
        self._pool: deque[apsw.Connection] = deque()
        self._writer = None
        self._there: tuple[int, int] | None = None  # which file it is, once it is open
        self._checkpointer = Checkpointer(lambda: self._open(READER_CACHE_KIB), lambda: self._gate, _patience)

    def _open_writer(self) -> apsw.Connection:
        self._check_there()  # it may be opened for the second time, after a failing disk
        self._writer = self._open(WRITER_CACHE_KIB)
        if not self.in_memory:
            self._there = file_id(self.file)
            self._checkpointer.watch(self._writer)
        return self._writer

    def _open(self, cache_kib: int) -> apsw.Connection:
        patience = _patience()
        for attempt in itertools.count():
            connection = apsw.Connection(self.file)
            try:
                self._set_up(connection, cache_kib)
            except apsw.BusyError:  # who turns a new file to WAL beside somebody else is refused at once, whatever the busy handler says
                _close(connection)
                if not patience(attempt):
                    raise
            except BaseException:
                _close(connection)
                raise
            else:
                return connection
        raise AssertionError("unreachable")

    def _set_up(self, connection: apsw.Connection, cache_kib: int) -> None:
        connection.set_busy_handler(_patience())
        version(connection, self.path)  # before anything below writes into the file
        extension.load(connection)
        # Each pragma on its own: a multi-statement execute stops at the first row until the cursor is drained
        for pragma in (
            f"page_size={PAGE_SIZE}",
            "journal_mode=MEMORY" if self.in_memory else "journal_mode=WAL",
            f"synchronous={'OFF' if self.in_memory else self._durability}",
            "foreign_keys=ON",
            "secure_delete=ON",  # freed bytes are zeroed, so that purge leaves nothing behind in the file
            "temp_store=MEMORY",
            f"cache_size=-{cache_kib}",
            f"journal_size_limit={WAL_LIMIT}",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        bm25.register(connection)
        connection.create_scalar_function("casefold", _folded, 1, deterministic=True)


def _folded(*values: "apsw.SQLiteValue") -> str | None:
    """Return the text without its case, as Python knows it: what SQLite has folds ASCII alone."""
    (text,) = values
    return text.casefold() if isinstance(text, str) else None


def _close(connection: apsw.Connection) -> None:
    """Let go of a connection; what it could not move from the log into the file stays in the log."""
    try:
        connection.close()
    except apsw.Error as error:
        log.warning("closing met an error, the log stays: %s", type(error).__name__)


def _patience(seconds: float = BUSY_TIMEOUT_S) -> Callable[[int], bool]:
    """Return a busy handler that waits in small random steps.

    SQLite's own back-off lets one of four processes wait for over a second while the others take turns; with jitter every
    waiter has the same chance.
    """
    started = 0.0

    def wait(attempt: int) -> bool:
        nonlocal started
        if attempt == 0:
            started = time.monotonic()
        time.sleep(random.uniform(0.0002, 0.003))
        return time.monotonic() - started < seconds

    return wait
