"""Moves the write-ahead log into the file beside the writer, so that no commit waits for it.

SQLite's own automatic checkpoint runs inside the commit that fills the log: a quarter of the time of a stream of small
commits, and all of their worst latencies.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

import apsw

from ...errors import AgentMemError

STEP_PAGES: Final = 1_000  # the thread works whenever the log has grown by as much (8 MB)
HARD_PAGES: Final = 8_000  # from here on the writer helps: only it can start the log anew when writes never pause (64 MB)

log = logging.getLogger("agentmem.storage")


class Checkpointer:
    """Keeps the log of one file short.

    Args:
        connect: Opens a connection of the thread's own.
        inside: Entered whenever the thread calls SQLite.
    """

    def __init__(self, connect: Callable[[], apsw.Connection], inside: Callable[[], AbstractContextManager[None]]) -> None:
        self._connect = connect
        self._inside = inside
        self._due = threading.Event()
        self._closing = False
        self._copied = 0  # pages of the log that were in the file after the last checkpoint
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
        if pages < self._copied:  # the log was started anew
            self._copied = 0
        if pages >= HARD_PAGES:
            _checkpoint(writer)
        elif pages >= self._copied + STEP_PAGES and not self._due.is_set():
            if self._thread is None and not self._closing:
                thread = threading.Thread(target=self._run, name="agentmem-checkpoint", daemon=True)
                thread.start()
                self._thread = thread
            self._due.set()
        return apsw.SQLITE_OK

    def _run(self) -> None:
        connection: apsw.Connection | None = None
        while not self._closing:
            self._due.wait()
            if not self._closing:
                try:
                    with self._inside():
                        connection = connection or self._connect()
                        self._copied = _checkpoint(connection) or self._copied
                except (apsw.Error, AgentMemError) as error:  # a thread's edge: the next commit that is due tries again
                    log.warning("checkpoint failed, the log keeps growing: %s", type(error).__name__)
            self._due.clear()
        if connection is not None:
            with self._inside():
                connection.close()


def _checkpoint(connection: apsw.Connection) -> int | None:
    """Copy what can be copied without waiting for anybody; return how many pages of the log are copied now.

    A failure must not reach the commit that it follows: that one is on disk, in the log, and stays there.
    """
    try:
        _, copied = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    except apsw.BusyError:  # somebody else is at it
        return None
    except apsw.Error as error:
        log.warning("checkpoint failed, the log keeps growing: %s", type(error).__name__)
        return None
    return copied
