"""Zeroes what SQLite's secure_delete leaves behind.

When SQLite spreads the rows of a full page over its neighbours it packs the page anew and leaves copies of the rows that moved
away in the part that is free now (`rebuildPage` in btree.c): bytes that no later delete reaches.
"""

import os
from typing import Final

import apsw

HEADERS: Final = {2: 12, 5: 12, 10: 8, 13: 8}  # length of a b-tree page's header by its first byte
AMBIGUOUS: Final = 1 << 24  # from this page number on, the first byte of an overflow page may look like one of these


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
