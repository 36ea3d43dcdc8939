"""Moves the write-ahead log into the file beside the writer, so that no commit waits for it, and keeps the log short.

SQLite's own automatic checkpoint runs inside the commit that fills the log: a quarter of the time of a stream of small
commits, and all of their worst latencies.

A log that was copied is not short yet: it begins anew only when a writer finds nobody reading from it, and where reads overlap
without end that never happens by itself ("checkpoint starvation", https://www.sqlite.org/wal.html). So from a certain length
on the writer insists: it keeps the write lock until those who read now have finished, a few milliseconds. Whoever begins to
read meanwhile reads the file, where everything is by then. A reader that keeps an old snapshot for longer is not waited for:
the log grows, and is cut when that reader has gone.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

import apsw

from ....config import BUSY_TIMEOUT_S
from ....errors import AgentMemError

STEP_PAGES: Final = 1_000  # the thread works whenever the log has grown by as much (8 MB)
HARD_PAGES: Final = 8_000  # from here on the writer has the log begin anew (64 MB), as soon as little is left to copy,
NEAR_PAGES: Final = 250  # so little that nobody notices (2 MB); from a quarter beyond on it copies whatever is left
READERS_S: Final = 0.25  # how long it waits for those who read from the log: most searches take a hundredth of that
LOOK_AGAIN_S: Final = 1.0  # how soon a long log is cut once the reader who kept it has gone

log = logging.getLogger("agentmem.storage")


class Checkpointer:
    """Keeps the log of one file short.

    Args:
        connect: Opens a connection of the thread's own.
        inside: Entered whenever the thread calls SQLite.
        patience: Makes a busy handler that waits for so many seconds.
    """

    def __init__(
        self,
        connect: Callable[[], apsw.Connection],
        inside: Callable[[], AbstractContextManager[None]],
        patience: Callable[[float], Callable[[int], bool]],
    ) -> None:
        self._connect = connect
        self._inside = inside
        self._patience = patience
        self._due = threading.Event()
        self._closing = False
        self._length = 0  # pages in the log
        self._copied = 0  # how many of them were in the file after the last checkpoint
        self._limit = HARD_PAGES  # from which length on the log has to begin anew
        self._thread: threading.Thread | None = None

    def watch(self, writer: apsw.Connection) -> None:
        """Take over from SQLite's automatic checkpoints on the writer."""
        writer.set_wal_hook(self._committed)

    def close(self) -> None:
        """End the thread."""
        self._closing = True
        self._due.set()
        if self._thread is not None:
            self._thread.join()

    def _committed(self, writer: apsw.Connection, schema: str, pages: int) -> int:
        if pages < self._length:  # the log has begun anew
            self._copied, self._limit = 0, HARD_PAGES
        self._length = pages
        left = pages - self._copied
        if pages >= self._limit and (left <= NEAR_PAGES or pages >= self._limit * 5 // 4):
            self._begin_anew(writer)
        elif left >= STEP_PAGES or pages >= self._limit:
            self._wake()
        return apsw.SQLITE_OK

    def _begin_anew(self, writer: apsw.Connection) -> None:
        """Copy the whole log, so that the next commit starts at its beginning."""
        writer.set_busy_handler(self._patience(READERS_S))
        try:
            found = _checkpoint(writer, "RESTART")
        finally:
            writer.set_busy_handler(self._patience(BUSY_TIMEOUT_S))
        if found is None:  # another checkpoint is under way: the next commit tries again
            return
        busy, _, self._copied = found
        if busy:
            self._limit = 2 * self._length  # a reader stays: waiting for it at every commit would stop the writers
            self._wake()

    def _wake(self) -> None:
        if self._due.is_set():
            return
        if self._thread is None and not self._closing:
            thread = threading.Thread(target=self._run, name="agentmem-checkpoint", daemon=True)
            thread.start()
            self._thread = thread
        self._due.set()

    def _run(self) -> None:
        connection: apsw.Connection | None = None
        while not self._closing:
            self._due.wait(LOOK_AGAIN_S if self._length >= HARD_PAGES else None)
            if not self._closing:
                try:
                    with self._inside():
                        connection = connection or self._connected()
                        self._copy(connection)
                except (apsw.Error, AgentMemError) as error:  # a thread's edge: the next commit that is due tries again
                    log.warning("checkpoint failed, the log keeps growing: %s", type(error).__name__)
            self._due.clear()
        if connection is not None:
            with self._inside():
                connection.close()

    def _connected(self) -> apsw.Connection:
        connection = self._connect()
        connection.set_busy_handler(self._patience(READERS_S))
        return connection

    def _copy(self, connection: apsw.Connection) -> None:
        """Copy what can be copied without waiting for anybody; cut a long log if that was all of it."""
        found = _checkpoint(connection, "PASSIVE")
        if found is None:
            return
        _, length, self._copied = found
        # One that is no longer than it gets by itself begins anew where it is: writing over what is there costs a sync much less
        # than making a file longer, which the file system has to write down as well
        if length > HARD_PAGES * 5 // 4 and self._copied == length:
            found = _checkpoint(connection, "TRUNCATE")
            if found is not None and not found[0]:
                self._length, self._copied, self._limit = 0, 0, HARD_PAGES


def _checkpoint(connection: apsw.Connection, mode: str) -> tuple[bool, int, int] | None:
    """Return whether somebody was in the way, how many pages the log has and how many are copied; None if nothing was tried.

    A failure must not reach the commit that it follows: that one is on disk, in the log, and stays there.
    """
    try:
        (answer,) = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
    except apsw.Error as error:
        log.warning("checkpoint failed, the log keeps growing: %s", type(error).__name__)
        return None
    busy, length, copied = (int(str(number)) for number in answer)
    return None if length < 0 else (bool(busy), length, copied)
