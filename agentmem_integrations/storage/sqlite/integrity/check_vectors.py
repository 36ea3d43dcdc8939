"""Compares vectors with the memories they were made of, and with their seals."""

import json
from collections.abc import Sequence
from typing import Final, NamedTuple

import apsw
import numpy as np

from ....ports import TEXT_FIELD
from ..rows import HALF, numbers_half, words_half
from ..statements import query
from .findings import Findings

OFF_UNIT: Final = 1e-3  # a norm may be off 1 by as much; float32 itself is off by 1e-6


class VectorRow(NamedTuple):
    """A row of `check_vectors`: the vector, its memory (None if it is gone), and its collection.

    A vector that is `coming` is of the embedder that the collection is changing to; a `leftover` is of a former one.
    """

    no: int
    memory: int
    scope: int
    field: str
    vector: bytes
    seal: bytes | None
    memory_no: int | None
    memory_id: str | None
    memory_scope: int | None
    deleted_at: int | None
    text: str
    name: str | None
    dim: int | None
    embedder: int | None
    coming: int | None
    leftover: int | None
    collection: int | None

    @property
    def remakeable(self) -> bool:
        """An embedder can make it again from the memory's words."""
        return bool(self.embedder) and self.field == TEXT_FIELD


def flaw(row: VectorRow) -> str | None:
    """Return the kind of difference that a vector shows; the one that must be mended first, if there are several."""
    if row.memory_no is None:
        return "vector_orphaned"
    if row.deleted_at is not None or row.memory_scope != row.scope:
        return "vector_misplaced"
    if row.leftover:
        return None
    if not _is_vector(row.vector, row.dim):
        return "vector_damaged"
    if row.seal is None:
        return "vector_unsealed"
    if row.seal[HALF:] != numbers_half(row.vector):
        return "vector_damaged"
    return None if row.seal[:HALF] == words_half(row.text, row.name) else "vector_stale"


def _is_vector(vector: bytes, dim: int | None) -> bool:
    if not vector or len(vector) % 4 or (dim is not None and len(vector) != 4 * dim):
        return False
    numbers = np.frombuffer(vector, "<f4")
    # With more digits, else the squares of a damaged one may overflow
    return bool(np.isfinite(numbers).all() and abs(np.linalg.norm(numbers.astype(np.float64)) - 1) < OFF_UNIT)


def vector_rows(connection: apsw.Connection, nos: Sequence[int]) -> list[VectorRow]:
    """Return the vectors with these numbers, beside their memories."""
    return [VectorRow(*row) for row in query(connection, "check_vectors", (json.dumps(nos),))]


class VectorCheck:
    """Looks at vectors page by page.

    Args:
        findings: Where differences are noted.

    Attributes:
        flawed: Numbers of memories whose vector is no good: a job for it is not needless.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.flawed: set[int] = set()

    def page(self, connection: apsw.Connection, nos: Sequence[int]) -> None:
        """Look at the vectors with these numbers."""
        try:
            rows = vector_rows(connection, nos)
        except UnicodeDecodeError:  # of the memory's text, which is noted with the memory
            if len(nos) > 1:
                half = len(nos) // 2
                self.page(connection, nos[:half])
                self.page(connection, nos[half:])
            return
        for row in rows:
            kind = flaw(row)
            if kind is None:
                continue
            name = row.memory if row.memory_id is None else row.memory_id
            mendable = kind not in ("vector_stale", "vector_damaged") or row.remakeable
            self._findings.add(kind, name, row.no, mendable=mendable)
            if kind != "vector_unsealed":
                self.flawed.add(row.memory)
