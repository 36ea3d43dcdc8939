"""Exact nearest neighbours in one scope.

Two tiers, chosen by size (docs/adr/0002-vector-tiers.md has the measurements):

- **matrix**: the scope's vectors as one array in RAM, kept for as long as the byte budget allows, valid by the scope's
  version, and brought up to date by reading just the rows that were added or changed. One matrix product ranks all.
- **scan**: a scope too large for its share of the budget is ranked inside SQLite by sqlite-vec, and never loaded.
"""

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final, Protocol

import apsw
import numpy as np
from numpy.typing import NDArray

from ....ports import Vector
from ..rows import NOT_AS_WRITTEN, damaged
from ..statements import query

NO_UNIT: Final = 4.0  # squared length that no vector has which was stored as one of unit length
FOREVER: Final = 2**63 - 1
BLAS_ROWS: Final = 512  # small enough that BLAS stays on this thread: its own threads stall whenever a core is busy
SHARE: Final = 0.75  # of the budget, that one scope may take

Keys = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Version:
    """Which state of a scope was read.

    Attributes:
        generation: Which vectors count; grows when the collection has changed its embedder.
        epoch: Grows when everything must be read anew.
        last: Number of the newest memory.
        history: Number of the newest line of history.
    """

    generation: int
    epoch: int
    last: int
    history: int

    def newer_than(self, other: "Version") -> bool:
        """Say whether this was read from a later snapshot."""
        mine, theirs = ((v.generation, v.epoch, v.last, v.history) for v in (self, other))
        return mine > theirs

    def continues(self, other: "Version") -> bool:
        """Say whether what was read at `other` can be brought up to date."""
        return (self.generation, self.epoch) == (other.generation, other.epoch) and not other.newer_than(self)


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows of vectors, column by column.

    Attributes:
        keys: Row numbers, rising, shape (n,).
        matrix: Shape (n, dim), float32.
        expires: Microseconds, shape (n,); as are `since` and `until`.
    """

    keys: Keys
    matrix: NDArray[np.float32]
    expires: Keys
    since: Keys
    until: Keys

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """Return the columns in order."""
        return self.keys, self.matrix, self.expires, self.since, self.until

    def taken(self, rows: NDArray[Any]) -> "Columns":
        """Return a copy of some rows (a mask or positions)."""
        return Columns(*(a[rows] for a in self.arrays()))

    def head(self, count: int) -> "Columns":
        """Return the first rows, not copied."""
        return Columns(*(a[:count] for a in self.arrays()))


class _Buffer:
    """Arrays with room to spare, so that a growing scope is not copied at every search."""

    def __init__(self, columns: Columns) -> None:
        self.used = len(columns.keys)
        self.capacity = self.used + self.used // 4 + 8
        self.room = Columns(*(np.empty((self.capacity, *a.shape[1:]), a.dtype) for a in columns.arrays()))
        self._lock = threading.Lock()
        self._put(0, columns)

    def append(self, at: int, more: Columns) -> bool:
        """Add rows behind row `at`; False if others were put there already or there is no room."""
        with self._lock:
            if at != self.used or at + len(more.keys) > self.capacity:
                return False
            self._put(at, more)
            self.used += len(more.keys)
            return True

    def _put(self, at: int, columns: Columns) -> None:
        for room, values in zip(self.room.arrays(), columns.arrays(), strict=True):
            room[at : at + len(values)] = values


@dataclass(slots=True)
class Block:
    """The vectors of one field of one scope, in insertion order. Never changed once it is shared, only replaced.

    Attributes:
        columns: The rows.
        buffer: Where they lie, with room behind them.
        timed: Some row expires or holds for a time only.
        version: The scope's state that this is.
    """

    columns: Columns
    buffer: _Buffer
    timed: bool
    version: Version

    @staticmethod
    def of(columns: Columns, version: Version) -> "Block":
        """Return a block with a buffer of its own."""
        buffer = _Buffer(columns)
        return Block(buffer.room.head(buffer.used), buffer, _timed(columns), version)

    def grown(self, more: Columns, version: Version) -> "Block":
        """Return this block with rows added behind its own."""
        count = len(self.columns.keys) + len(more.keys)
        if not len(more.keys):
            return Block(self.columns, self.buffer, self.timed, version)
        if len(self.columns.keys) and self.buffer.append(len(self.columns.keys), more):
            return Block(self.buffer.room.head(count), self.buffer, self.timed or _timed(more), version)
        return Block.of(_stacked([self.columns, more]), version)

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(a.nbytes for a in self.buffer.room.arrays())

    def visible(self, now: int, at: int, any_validity: bool) -> NDArray[np.bool_] | None:
        """Return which rows are live at `now` and valid at `at`; None means all."""
        if not self.timed:
            return None
        live: NDArray[np.bool_] = self.columns.expires > now
        return live if any_validity else live & (self.columns.since <= at) & (self.columns.until > at)

    def similarities(self, vector: Vector) -> NDArray[np.float32]:
        """Return the cosine of every row with `vector`, shape (n,).

        Rounded to six digits: a matrix product may give equal rows results that differ in the last bit, and ties must rank
        by insertion order.
        """
        return np.clip(np.round(products(self.columns.matrix, vector), 6), -1.0, 1.0)


def products(matrix: NDArray[np.float32], vector: Vector) -> NDArray[np.float32]:
    """Return the product of every row with `vector`, shape (n,)."""
    found = np.empty(len(matrix), np.float32)
    for start in range(0, len(found), BLAS_ROWS):
        part = slice(start, start + BLAS_ROWS)
        np.dot(matrix[part], vector, out=found[part])
    return found


def _timed(columns: Columns) -> bool:
    return bool((columns.expires != FOREVER).any() or (columns.since != -FOREVER).any() or (columns.until != FOREVER).any())


class Held(Protocol):
    """What is kept of a scope."""

    @property
    def size(self) -> int:
        """Bytes held."""

    @property
    def version(self) -> Version:
        """The scope's state that this is."""


class MatrixCache:
    """Blocks of the scopes searched last, and their words, up to a number of bytes.

    Args:
        budget: Bytes for all blocks together.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.hits = self.misses = 0
        self._blocks: OrderedDict[tuple[int, str | None], Held] = OrderedDict()
        self._lock = threading.Lock()
        self._bytes = 0

    def block(self, connection: apsw.Connection, scope: int, version: Version, field: str, dim: int) -> Block | None:
        """Return the scope's vectors as of the reader's snapshot; None if they are too many to hold."""
        key = (scope, field)
        with self._lock:
            known = self._blocks.get(key)
            if known is not None:
                self._blocks.move_to_end(key)
        if isinstance(known, Block) and known.version == version:
            self.hits += 1
            return known
        self.misses += 1
        if not isinstance(known, Block) or not version.continues(known.version):
            block = self._load(connection, scope, version, field, dim)
        else:
            block = _refreshed(connection, known, scope, version, field, dim)
        if block is not None:
            self.keep(key, block)
        return block

    def known(self, scope: int) -> "Held | None":
        """Return what is kept of a scope's words."""
        with self._lock:
            found = self._blocks.get((scope, None))
            if found is not None:
                self._blocks.move_to_end((scope, None))
        return found

    def usage(self) -> dict[str, int]:
        """Return counters: scopes and bytes held, hits and misses."""
        with self._lock:
            return {"scopes": len({scope for scope, _ in self._blocks}), "bytes": self._bytes, "hits": self.hits, "misses": self.misses}

    def forked(self) -> None:
        """Be usable in a forked child: some thread that is not there may have held the lock."""
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Let go of every block."""
        with self._lock:
            self._blocks.clear()
            self._bytes = 0

    def _load(self, connection: apsw.Connection, scope: int, version: Version, field: str, dim: int) -> Block | None:
        ((count,),) = query(connection, "count_vectors", (scope, version.generation))
        if count * dim * 4 > SHARE * self.budget:
            return None
        return Block.of(_columns(query(connection, "load_vectors", (scope, 0, field, version.generation)), dim), version)

    def keep(self, key: tuple[int, str | None], block: "Held") -> None:
        """Keep the vectors of a scope's field, or its words (field None), for as long as the budget allows."""
        with self._lock:
            known = self._blocks.get(key)
            if known is not None and known.version.newer_than(block.version):
                return  # a reader with a newer snapshot was faster
            self._bytes += block.size - (known.size if known else 0)
            self._blocks[key] = block
            self._blocks.move_to_end(key)
            while self._bytes > self.budget and self._blocks:  # one that has outgrown the budget goes itself
                _, oldest = self._blocks.popitem(last=False)
                self._bytes -= oldest.size


def _refreshed(connection: apsw.Connection, old: Block, scope: int, version: Version, field: str, dim: int) -> Block:
    """Return `old` with the rows read anew that were added or changed since."""
    last = old.version.last
    added = _columns(query(connection, "load_vectors", (scope, last, field, version.generation)), dim)
    changed = query(connection, "changed_since", (scope, old.version.history))
    stale = [memory for (memory,) in changed if memory <= last]
    if not stale:
        return old.grown(added, version)
    again = _columns(query(connection, "load_changed_vectors", (scope, json.dumps(stale), field, version.generation)), dim)
    kept = ~np.isin(old.columns.keys, np.array(stale, np.int64))
    whole = _stacked([old.columns.taken(kept), again, added])
    return Block.of(whole.taken(np.argsort(whole.keys, kind="stable")), version)


def _columns(rows: list[tuple[Any, ...]], dim: int) -> Columns:
    """Rows of `load_vectors` as arrays.

    Raises:
        SchemaError: one of them is damaged.
    """
    try:
        columns = _read(rows, dim)
    except NOT_AS_WRITTEN as error:
        raise damaged(error) from error
    with np.errstate(all="ignore"):
        lengths = np.einsum("ij,ij->i", columns.matrix, columns.matrix)
    if not (lengths < NO_UNIT).all():  # also what is no number
        raise damaged(FloatingPointError())
    return columns


def _read(rows: list[tuple[Any, ...]], dim: int) -> Columns:
    count = len(rows)
    matrix = np.frombuffer(b"".join(r[1] for r in rows), dtype="<f4").reshape(count, dim) if count else np.empty((0, 0), np.float32)

    def times(column: int, missing: int) -> Keys:
        return np.fromiter((missing if r[column] is None else r[column] for r in rows), np.int64, count)

    return Columns(np.fromiter((r[0] for r in rows), np.int64, count), matrix, times(2, FOREVER), times(3, -FOREVER), times(4, FOREVER))


def _stacked(parts: list[Columns]) -> Columns:
    parts = [p for p in parts if len(p.keys)] or parts[:1]
    return Columns(*(np.concatenate(arrays) for arrays in zip(*(p.arrays() for p in parts), strict=True)))
