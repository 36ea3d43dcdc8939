"""What can be told of a file without opening it as a store: nothing is migrated, created or written, whatever lies there."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import apsw

from ....models import Identity
from ..statements import migrations, query
from . import extension
from .connections import WAL_LIMIT
from .network_filesystems import network_filesystem
from .schema import version
from .sqlite_errors import reported

LONG_LOG: Final = 4 * WAL_LIMIT
"""Bytes of a log that is not being cut: it grows to `WAL_LIMIT` in a burst, and a little beyond beside a reader."""


@dataclass(slots=True)
class FileState:
    """What a look at a file told.

    Attributes:
        schema: Its schema's number; 0 for an empty file.
        newest: The one that this version makes.
        network: The type of the network filesystem it lies on; None for a local disk.
        log_bytes: Size of the write-ahead log.
        damage: What SQLite's quick check found, its first messages; empty for a sound file.
        collections: Which embedder made each one's vectors; None for none so far.
        owed: How many jobs there are, by collection, kind and state; empty for an older schema.
    """

    schema: int
    newest: int
    network: str | None
    log_bytes: int
    damage: list[str] = field(default_factory=list)
    collections: dict[str, Identity | None] = field(default_factory=dict)
    owed: dict[tuple[str, str, str], int] = field(default_factory=dict)

    @property
    def log_is_long(self) -> bool:
        """Something keeps the log from being cut."""
        return self.log_bytes > LONG_LOG


def sqlite_versions() -> Mapping[str, str]:
    """Return SQLite's version, and sqlite-vec's, once it was loaded and FTS5 was used.

    Raises:
        StorageError: one of them does not work.
    """
    with reported(":memory:"):
        connection = apsw.Connection(":memory:")
        extension.load(connection)
        ((vec,),) = connection.execute("SELECT vec_version()").fetchall()
        connection.execute("CREATE VIRTUAL TABLE words USING fts5 (body)")
        connection.close()
    return {"sqlite": apsw.sqlite_lib_version(), "sqlite_vec": str(vec)}


def look_at(path: str, *, check: bool = True) -> FileState:
    """Look at a file that is there.

    Args:
        path: The file.
        check: Have SQLite look at all its pages: a second for some hundred megabytes.

    Raises:
        NotADatabaseError: something else lies there.
        SchemaError: it was written by a newer version, or its schema cannot be read.
        StorageError: it cannot be read.
    """
    file = str(Path(path).absolute())
    # Who cannot write leaves an empty log behind; who can moves a log that is there into the file when he closes
    logged = Path(f"{file}-wal").exists()
    with reported(path):
        connection = apsw.Connection(file, flags=apsw.SQLITE_OPEN_READONLY if logged else apsw.SQLITE_OPEN_READWRITE)
        try:
            return _state(connection, path, check)
        finally:
            connection.close()


def list_collections(connection: apsw.Connection) -> dict[str, Identity | None]:
    """Return which embedder made each collection's vectors, in the order they were made."""
    rows = query(connection, "list_collections")
    return {name: Identity(embedder, revision, dim) if embedder else None for name, embedder, revision, dim in rows}


def log_bytes(path: str) -> int:
    """Return the size of a file's write-ahead log."""
    log = f"{path}-wal"
    return os.path.getsize(log) if Path(log).exists() else 0


def _state(connection: apsw.Connection, path: str, check: bool) -> FileState:
    connection.execute("PRAGMA busy_timeout=5000").fetchall()
    state = FileState(version(connection, path), len(migrations()), network_filesystem(path), log_bytes(path))
    if check:
        messages = [str(message) for (message,) in connection.execute("PRAGMA quick_check(3)").fetchall()]
        state.damage = [message for message in messages if message != "ok"]
    if state.schema:
        state.collections = list_collections(connection)
    if state.schema == state.newest:
        state.owed = {(name, kind, job): number for name, kind, job, number in query(connection, "count_owed")}
    return state
