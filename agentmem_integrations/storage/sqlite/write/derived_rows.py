"""What follows from a memory's row: its words, its vectors, its history, its job, and what the embedding cache keeps.

Gathered and written table by table, in few statements: a trigger in their place would make FTS5 flush its index at every row,
and each statement hands the interpreter to other threads.
"""

import json
from collections.abc import Mapping

import apsw

from ....models import Memory
from ....ports import TEXT_FIELD, Vector
from ..rows import seal
from ..statements import Row, statements
from .embedding_cache import Kept, keep


class Derived:
    """What one transaction still has to write.

    Args:
        connection: Inside a write transaction.
        at: Its instant, in microseconds.
        cache_budget: Bytes of vectors that the embedding cache of the file may hold.

    Attributes:
        history: Values of `insert_history`.
        vectors: Memory, scope, field, vector and seal.
        touched: Rows of which something is still to be written.
    """

    def __init__(self, connection: apsw.Connection, at: int, cache_budget: int = 0) -> None:
        self._connection = connection
        self._cache_budget = cache_budget
        self._kept: list[Kept] = []
        self._at = at
        self._sql = statements()
        self._indexed: list[int] = []
        self._jobs: list[Row] = []
        self.history: list[Row] = []
        self.vectors: list[tuple[int, int, str, bytes, bytes]] = []
        self.touched: set[int] = set()

    def note(
        self,
        no: int,
        scope: int,
        memory: Memory,
        vectors: Mapping[str, Vector],
        owed: bool,
        key: bytes | None = None,
        *,
        indexed: bool = False,
    ) -> None:
        """Note what follows from a row that was written; `indexed`: its words are in the text index already."""
        if key is not None:
            self.keep(no, scope, vectors, key)
        if not indexed:
            self._indexed.append(no)
        self.touched.add(no)
        self.note_vectors(no, scope, memory.text, memory.name, vectors)
        if owed:
            self._jobs.append(("embed", scope, no, self._at, self._at))

    def note_vectors(self, no: int, scope: int, text: str, name: str | None, vectors: Mapping[str, Vector]) -> None:
        """Note the vectors of a row, sealed with its words."""
        for field, vector in vectors.items():
            numbers = vector.tobytes()
            self.vectors.append((no, scope, field, numbers, seal(text, name, numbers)))

    def erase_words(self, no: int) -> None:
        """Take a live row's words out of the index, before the row changes; what was noted of it must have been written."""
        self.touched.add(no)
        for words in self._connection.execute(self._sql["words_of_one"], (no,)).fetchall():
            self._connection.execute(self._sql["erase_words"], words)

    def settle(self, no: int) -> None:
        """Write what was noted if some of it is about this row, which is about to change again."""
        if no in self.touched:
            self.write()

    def keep(self, no: int | None, scope: int, vectors: Mapping[str, Vector], key: bytes | None) -> None:
        """Note the vector of a text that need not be embedded again."""
        if key is not None and TEXT_FIELD in vectors and vectors[TEXT_FIELD].nbytes <= self._cache_budget:
            self._kept.append((key, scope, no, vectors[TEXT_FIELD]))

    def write(self) -> None:
        """Write what was noted so far."""
        self._write_words()
        self._write_vectors()
        for name, rows in (("insert_history", self.history), ("insert_job", self._jobs)):
            if rows:
                self._connection.executemany(self._sql[name], rows)
                rows.clear()
        if self._kept:
            keep(self._connection, self._kept, self._cache_budget)
            self._kept.clear()
        self.touched.clear()

    def _write_words(self) -> None:
        if len(self._indexed) == 1:  # the lone add: what it can do without is worth leaving out
            self._connection.execute(self._sql["insert_words_of_one"], self._indexed)
        elif self._indexed:
            self._connection.execute(self._sql["insert_words"], (json.dumps(self._indexed),))
        self._indexed.clear()

    def _write_vectors(self) -> None:
        if len(self.vectors) == 1:
            self._connection.execute(self._sql["insert_vector"], self.vectors[0])
        elif self.vectors:
            rows, offset = [], 0
            for no, scope, field, numbers, sealed in self.vectors:
                rows.append((no, scope, field, offset, len(numbers)))
                offset += len(numbers) + len(sealed)
            end_to_end = b"".join(part for *_, numbers, sealed in self.vectors for part in (numbers, sealed))
            self._connection.execute(self._sql["insert_vectors"], (json.dumps(rows), end_to_end))
        self.vectors.clear()
