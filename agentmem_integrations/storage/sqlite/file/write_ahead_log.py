"""Keeps the write-ahead log short, and free of what was erased.

The log is moved into the file beside the writer, so that no commit waits for it.

SQLite's own automatic checkpoint runs inside the commit that fills the log: a quarter of the time of a stream of small
commits, and all of their worst latencies.

A log that was copied is not short yet: it begins anew only when a writer finds nobody reading from it, and where reads overlap
without end that never happens by itself ("checkpoint starvation", https://www.sqlite.org/wal.html). So from a certain length
on the writer insists: it keeps the write lock until those who read now have finished, a few milliseconds. Whoever begins to
read meanwhile reads the file, where everything is by then. A reader that keeps an old snapshot for longer is not waited for:
the log grows, and is cut when that reader has gone.

What SQLite's secure_delete leaves behind is zeroed: when SQLite spreads the rows of a full page over its neighbours it packs the page
anew and leaves copies of the rows that moved away in the part that is free now (`rebuildPage` in btree.c), bytes that no later delete
reaches.
"""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

import apsw

from ....config import BUSY_TIMEOUT_S
from ....errors import AgentMemError
from ..statements import query

HEADERS: Final = {2: 12, 5: 12, 10: 8, 13: 8}  # length of a b-tree page's header by its first byte
AMBIGUOUS: Final = 1 << 24  # from this page number on, the first byte of an overflow page may look like one of these


def tells_erased_words(connection: apsw.Connection) -> bool:
    """Say whether the text index still tells a word that no memory has.

    FTS5 keeps the first letters of the first word of each of its pages in a table of its own, also when `secure-delete` has
    taken the word from the page. Rebuilding the index is the only way to be rid of it.
    """
    query(connection, "know_words")
    for (page,) in query(connection, "first_words"):
        begins = page[1:].decode(errors="ignore")
        if begins and not query(connection, "has_word", (begins, begins + chr(0x10FFFF))):
            return True
    return False


def scrub(connection: apsw.Connection, path: str, page_size: int) -> None:
    """Empty the write-ahead log for good and zero the free part of every b-tree page.

    Nobody can write meanwhile, and readers do not look at these bytes.
    """
    while True:
        connection.execute("BEGIN IMMEDIATE")
        if os.path.getsize(f"{path}-wal") == 0:  # nobody can write now, nor is there anything to move into the file
            break
        connection.execute("ROLLBACK")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    _zero_free_parts(path, page_size)
    # A commit makes every connection forget the pages it knows, which still have those bytes. And it makes the truncation
    # above last: SQLite does not sync one, so that a power cut could bring the log back; but it syncs the log with this commit,
    # or with the checkpoint of it. What may come back then is this commit, which tells nothing
    connection.execute("UPDATE collections SET no = no")
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _zero_free_parts(path: str, page_size: int) -> None:
    # Through SQLite's VFS: closing a file descriptor of our own would drop the locks of every connection of this process
    file = apsw.VFSFile("", path, [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READWRITE, 0])
    try:
        found = False
        for number in range(min(file.xFileSize() // page_size, AMBIGUOUS - 1)):
            page = file.xRead(page_size, number * page_size)
            start, end = _free(page, 100 if number == 0 else 0)
            if start < end and page.count(0, start, end) != end - start:
                file.xWrite(bytes(end - start), number * page_size + start)
                found = True
        if found:
            file.xSync(apsw.SQLITE_SYNC_NORMAL)
    finally:
        file.xClose()


def _free(page: bytes, at: int) -> tuple[int, int]:
    """Return where the free part between a page's cell pointers and its cells begins and ends."""
    header = HEADERS.get(page[at])
    if header is None:
        return 0, 0
    cells, content = int.from_bytes(page[at + 3 : at + 5]), int.from_bytes(page[at + 5 : at + 7]) or 65_536
    start = at + header + 2 * cells
    return (start, min(content, len(page))) if content <= len(page) else (0, 0)


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
