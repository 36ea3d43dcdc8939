"""For comparison: what a memory costs when it is written to three stores in parallel, each with a commit of its own.

The usual design of agent memories: a row store, a vector store, and a text index with history, written at the same time.
Here each is an SQLite file with the tables, indexes and settings that this library has in its one file, written by a thread
of its own that commits, and syncs, every add. It is spared what `AgentMemory.add` does besides (checks of the input, results
with events), and nothing makes the three files agree after a crash.
"""

import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

import apsw

from ..config import Durability
from ..embedding.static import StaticEmbedder
from ..pipeline.uuid7 import new_id

_SETTINGS: Final = ("page_size=8192", "journal_mode=WAL", "foreign_keys=ON", "secure_delete=ON", "temp_store=MEMORY", "cache_size=-65536")

_ROWS: Final = """
CREATE TABLE memories (
    no INTEGER PRIMARY KEY, id TEXT NOT NULL, owner TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, twin BLOB,
    occurred_at INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX memories_id ON memories (id, owner);
CREATE UNIQUE INDEX memories_twin ON memories (owner, twin);
CREATE INDEX memories_owner ON memories (owner);
"""
_ROW: Final = "INSERT INTO memories VALUES (?, ?, ?, 'episode', ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"

_VECTORS: Final = """
CREATE TABLE vectors (no INTEGER PRIMARY KEY, owner TEXT NOT NULL, memory INTEGER NOT NULL, vector BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX vectors_memory ON vectors (owner, memory);
"""
_VECTOR: Final = "INSERT INTO vectors (owner, memory, vector) VALUES (?, ?, ?)"

_WORDS: Final = """
CREATE TABLE history (no INTEGER PRIMARY KEY, memory INTEGER NOT NULL, event TEXT NOT NULL, at INTEGER NOT NULL, old_text TEXT) STRICT;
CREATE INDEX history_memory ON history (memory);
CREATE VIRTUAL TABLE words USING fts5 (owner, body, content = '', tokenize = 'porter unicode61 remove_diacritics 2');
"""
_LINE: Final = "INSERT INTO history (memory, event, at) VALUES (?, 'ADD', ?)"
_WORD: Final = "INSERT INTO words (rowid, owner, body) VALUES (?, ?, ?)"

Statement = tuple[str, Sequence[Any]]


class ThreeStores:
    """A memory in three files; a context manager.

    Args:
        folder: Where the files go.
        durability: As for `AgentMemory`.
    """

    def __init__(self, folder: Path, durability: Durability) -> None:
        self._embedder = StaticEmbedder()
        self._rows = _Store(folder / "rows.db", _ROWS, durability)
        self._vectors = _Store(folder / "vectors.db", _VECTORS, durability)
        self._words = _Store(folder / "words.db", _WORDS, durability)
        self._number = 0
        self._order = Lock()

    def add(self, text: str, user_id: str) -> None:
        """Embed and store one text; return when all three files are committed."""
        vector = self._embedder.embed_query(text).tobytes()
        twin = hashlib.blake2b(text.encode(), digest_size=16).digest()
        now = time.time_ns() // 1_000
        with self._order:
            self._number += 1
            no = self._number
        writes = (
            self._rows.put((_ROW, (no, new_id(), user_id, text, twin, now, now, now))),
            self._vectors.put((_VECTOR, (user_id, no, vector))),
            self._words.put((_WORD, (no, user_id, text)), (_LINE, (no, now))),
        )
        for write in writes:
            write.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for store in (self._rows, self._vectors, self._words):
            store.close()


class _Store:
    """One file and the thread that writes it."""

    def __init__(self, path: Path, schema: str, durability: Durability) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=path.stem)
        self._connection = apsw.Connection(str(path))
        for setting in (*_SETTINGS, f"synchronous={durability}"):
            self._connection.execute(f"PRAGMA {setting}").fetchall()
        self._connection.execute(schema).fetchall()

    def put(self, *statements: Statement) -> "Future[None]":
        """Run the statements on the store's thread, in a transaction of their own."""
        return self._thread.submit(self._commit, statements)

    def _commit(self, statements: Sequence[Statement]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        for sql, values in statements:
            self._connection.execute(sql, values)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._thread.shutdown()
        self._connection.close()
