"""What one writes in an afternoon: one SQLite file, a lock, a commit for every add; vectors in RAM, words in FTS5, or both fused.

They do less than any library here (one owner, no filters, no history, no updates), and are what each of them has to beat.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Final

import apsw
import numpy as np

from ..peer import DIM, Embedder, Floats, Turn

RRF_K: Final = 60  # Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion", SIGIR 2009
POOL: Final = 100  # of each side that is fused
_GROWTH: Final = 2  # of the matrix, when it is full

_SETTINGS: Final = ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536")
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS turns (no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, text TEXT NOT NULL, vector BLOB);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (body, content = '', tokenize = 'porter unicode61 remove_diacritics 2');
"""
_STOP: Final = frozenset(
    "a an and are as at be been but by can could did do does for from had has have he her him his how i if in into is it its me my not "
    "of on or our she should so such than that the their them then there these they this to us was we were what when where which who "
    "whom whose why will with would you your".split()
)


class _Plain:
    """One file; a subclass says what is indexed."""

    vectors = False
    words = False

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self._embedder = embedder
        self._lock = Lock()
        self._connection = apsw.Connection(str(folder / "turns.db"))
        for setting in _SETTINGS:
            self._connection.execute(f"PRAGMA {setting}").fetchall()
        self._connection.execute(_SCHEMA).fetchall()
        stored: list[Any] = self._connection.execute("SELECT vector FROM turns ORDER BY no").fetchall()
        self._count = len(stored)
        self._matrix: Floats = np.zeros((max(1_024, self._count), DIM), np.float32)
        if self.vectors and stored:
            self._matrix[: self._count] = np.frombuffer(b"".join(blob for (blob,) in stored), np.float32).reshape(-1, DIM)

    def add(self, turn: Turn) -> None:
        """Embed and store one turn in a transaction of its own."""
        self._write([turn], self._embedder.documents([turn.text]) if self.vectors else None)

    def add_many(self, turns: Sequence[Turn]) -> None:
        """Store all in one transaction."""
        self._write(turns, self._embedder.documents([turn.text for turn in turns]) if self.vectors else None)

    def _write(self, turns: Sequence[Turn], vectors: Floats | None) -> None:
        with self._lock, self._connection:
            for n, turn in enumerate(turns):
                row = (self._count + n, turn.id, turn.text, None if vectors is None else vectors[n].tobytes())
                self._connection.execute("INSERT INTO turns VALUES (?, ?, ?, ?)", row)
                if self.words:
                    self._connection.execute("INSERT INTO words (rowid, body) VALUES (?, ?)", (row[0], turn.text))
            if vectors is not None:
                self._grow(self._count + len(turns))
                self._matrix[self._count : self._count + len(turns)] = vectors
            self._count += len(turns)

    def _grow(self, needed: int) -> None:
        if needed > len(self._matrix):
            larger = np.zeros((max(needed, _GROWTH * len(self._matrix)), DIM), np.float32)
            larger[: self._count] = self._matrix[: self._count]
            self._matrix = larger

    def _nearest(self, question: str, k: int) -> list[int]:
        similarity = self._matrix[: self._count] @ self._embedder.one(question)
        best = np.argpartition(-similarity, min(k, self._count) - 1)[:k]
        return [int(row) for row in best[np.argsort(-similarity[best], kind="stable")]]

    def _worded(self, question: str, k: int) -> list[int]:
        said = re.findall(r"\w+", question.lower())
        terms = [word for word in said if word not in _STOP] or said
        match = " OR ".join(f'"{word}"' for word in dict.fromkeys(terms))
        found: list[Any] = self._connection.execute(
            "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?", (match, k)
        ).fetchall()
        return [int(row) for (row,) in found]

    def _read(self, rows: Sequence[int]) -> list[str]:
        """Return ids by rank; the texts are read with them, as whoever asks wants them."""
        marks = ", ".join("?" * len(rows))
        read: list[Any] = self._connection.execute(f"SELECT no, id, text FROM turns WHERE no IN ({marks})", tuple(rows)).fetchall()
        ids = {int(no): str(id) for no, id, _ in read}
        return [ids[row] for row in rows]

    def save(self) -> None:
        """All is on disk."""

    def ids(self) -> set[str]:
        """Read all ids."""
        return {str(id) for (id,) in self._connection.execute("SELECT id FROM turns").fetchall()}

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class Vectors(_Plain):
    """A matrix of all vectors: the question is compared with each."""

    vectors = True

    def search(self, way: str, question: str, k: int) -> list[str]:
        """Return the nearest."""
        return self._read(self._nearest(question, k))


class Words(_Plain):
    """BM25, stemmed, without the words that say nothing."""

    words = True

    def search(self, way: str, question: str, k: int) -> list[str]:
        """Return the best by BM25."""
        return self._read(self._worded(question, k))


class Fused(_Plain):
    """Both, fused by reciprocal rank."""

    vectors = True
    words = True

    def search(self, way: str, question: str, k: int) -> list[str]:
        """Return the best of both lists together."""
        scores: dict[int, float] = {}
        for found in (self._nearest(question, POOL), self._worded(question, POOL)):
            for rank, row in enumerate(found, 1):
                scores[row] = scores.get(row, 0) + 1 / (RRF_K + rank)
        return self._read(sorted(scores, key=lambda row: -scores[row])[:k])
