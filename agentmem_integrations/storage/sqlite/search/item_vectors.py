"""The vectors of a collection's items, all paths together, as one array in RAM.

A search asks for all that lies below a prefix, which may be one path or ten thousand, so that an array per path, as memories
have per owner, would mean ten thousand queries. Rows are appended and marked dead, never moved, so that a change costs what it
changed; where the array outgrows its share of the budget, sqlite-vec ranks the vectors where they lie.
"""

import json
import threading
from dataclasses import dataclass
from typing import Final

import apsw
import numpy as np
from numpy.typing import NDArray

from ....ports import Vector
from ..collection_catalog import Collection
from ..rows import NOT_AS_WRITTEN, damaged
from ..statements import Row, query
from .nearest import BLAS_ROWS, NO_UNIT, SHARE

CHANGES_KEPT: Final = 10_000  # who is further behind reads everything anew
STATES_KEPT: Final = 4
DEAD_AT_MOST: Final = 0.25  # of the rows; then the array is made anew

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Version:
    """Which state was read: the newest change, memory and line of history, and which vectors count."""

    change: int
    memory: int
    history: int
    generation: int

    def continues(self, other: "_Version") -> bool:
        mine, theirs = ((v.change, v.memory, v.history) for v in (self, other))
        return self.generation == other.generation and all(a >= b for a, b in zip(mine, theirs, strict=True))


class _Rows:
    """Arrays with room to spare; the first `used` rows never change."""

    def __init__(self, keys: Numbers, scopes: Numbers, matrix: NDArray[np.float32]) -> None:
        self.used = len(keys)
        capacity = self.used + self.used // 4 + 64
        self.keys, self.scopes = np.zeros(capacity, np.int64), np.zeros(capacity, np.int64)
        self.matrix = np.zeros((capacity, matrix.shape[1]), np.float32)
        self._lock = threading.Lock()
        self._put(0, keys, scopes, matrix)

    def append(self, at: int, keys: Numbers, scopes: Numbers, matrix: NDArray[np.float32]) -> bool:
        """Add rows behind row `at`; False if others were put there already, or there is no room."""
        with self._lock:
            if at != self.used or at + len(keys) > len(self.keys):
                return False
            self._put(at, keys, scopes, matrix)
            self.used += len(keys)
            return True

    def with_more(self, kept: NDArray[np.intp], keys: Numbers, scopes: Numbers, matrix: NDArray[np.float32]) -> "_Rows":
        """Return a copy of some rows, with others behind them."""
        return _Rows(
            np.concatenate([self.keys[kept], keys]),
            np.concatenate([self.scopes[kept], scopes]),
            np.concatenate([self.matrix[kept], matrix]),
        )

    def _put(self, at: int, keys: Numbers, scopes: Numbers, matrix: NDArray[np.float32]) -> None:
        end = at + len(keys)
        self.keys[at:end], self.scopes[at:end], self.matrix[at:end] = keys, scopes, matrix

    @property
    def size(self) -> int:
        """Bytes held."""
        return self.keys.nbytes + self.scopes.nbytes + self.matrix.nbytes


@dataclass(frozen=True, slots=True)
class ItemBlock:
    """Vectors of a collection's items as of one state. Never changed once it is shared, only replaced.

    Attributes:
        rows: Where they lie.
        alive: Which of the first rows count, shape (n,).
        version: The state.
    """

    rows: _Rows
    alive: NDArray[np.bool_]
    version: _Version

    def nearest(self, vector: Vector, scopes: Numbers | None) -> tuple[Numbers, NDArray[np.float32]]:
        """Return the number of each item in the scopes (None: all), and the cosine of its best vector; rising by number.

        Rounded to six digits: a matrix product may give equal rows results that differ in the last bit.
        """
        count = len(self.alive)
        keys = self.rows.keys[:count]
        chosen = self.alive
        if scopes is not None:
            there = self.rows.scopes[:count]
            chosen = chosen & (there == scopes[0] if len(scopes) == 1 else np.isin(there, scopes))
        spots = np.flatnonzero(chosen)
        cosines = self._cosines(vector, spots, count)
        found = keys[spots]
        if len(found) and not (found[1:] >= found[:-1]).all():  # rows of replaced items lie behind
            order = np.argsort(found, kind="stable")
            found, cosines = found[order], cosines[order]
        starts = np.flatnonzero(np.r_[True, found[1:] != found[:-1]]) if len(found) else np.empty(0, np.intp)
        best = np.maximum.reduceat(cosines, starts) if len(found) else cosines
        return found[starts], np.clip(np.round(best, 6), -1.0, 1.0)

    def _cosines(self, vector: Vector, spots: NDArray[np.intp], count: int) -> NDArray[np.float32]:
        whole = len(spots) * 2 > count  # then copying rows costs more than multiplying those that are not asked for
        matrix = self.rows.matrix[:count] if whole else self.rows.matrix
        rows = count if whole else len(spots)
        cosines = np.empty(rows, np.float32)
        for start in range(0, rows, BLAS_ROWS):
            part = slice(start, min(rows, start + BLAS_ROWS))
            np.dot(matrix[part] if whole else matrix[spots[part]], vector, out=cosines[part])
        return cosines[spots] if whole else cosines


class ItemVectors:
    """Blocks of the collections whose items were searched.

    Args:
        budget: Bytes for each of them.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._blocks: dict[int, tuple[ItemBlock, ...]] = {}  # of each collection the last few states, the newest first
        self._too_large: set[int] = set()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes held."""
        rows = {id(block.rows): block.rows for blocks in list(self._blocks.values()) for block in blocks}  # most states share them
        return sum(held.size for held in rows.values())

    def block(self, connection: apsw.Connection, collection: Collection) -> ItemBlock | None:
        """Return the collection's vectors as of the reader's snapshot; None if they are too many to hold."""
        if collection.no in self._too_large or collection.identity is None:
            return None
        ((change, memory, history),) = query(connection, "item_version")
        version = _Version(change, memory, history, collection.generation)
        # A reader whose snapshot is a little older than the newest state goes on from the one before
        known = next((b for b in self._blocks.get(collection.no, ()) if version.continues(b.version)), None)
        if known is not None and known.version == version:
            return known
        block = None if known is None else self._refreshed(connection, known, collection, version)
        if block is None:
            block = self._loaded(connection, collection, version)
        if block is not None:
            self._keep(collection.no, block)
        return block

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._blocks.clear()
            self._too_large.clear()

    def forked(self) -> None:
        """Be usable in a forked child: some thread that is not there may have held a lock."""
        self._lock = threading.Lock()
        self._blocks = {}  # theirs may be held as well

    def _keep(self, no: int, block: ItemBlock) -> None:
        with self._lock:
            known = self._blocks.get(no, ())
            if not known or block.version.generation != known[0].version.generation:
                self._blocks[no] = (block,)
            elif block.version.continues(known[0].version):
                older = (b for b in known if b.rows is block.rows)  # others would keep a second array alive
                self._blocks[no] = (block, *older)[:STATES_KEPT]

    def _loaded(self, connection: apsw.Connection, collection: Collection, version: _Version) -> ItemBlock | None:
        assert collection.identity is not None
        dim = collection.identity.dim
        ((count,),) = query(connection, "count_item_vectors", (collection.no, version.generation))
        if self._outgrown(collection, count):
            return None
        rows = _Rows(*_columns(query(connection, "load_item_vectors", (collection.no, version.generation)), dim))
        return ItemBlock(rows, np.ones(rows.used, np.bool_), version)

    def _outgrown(self, collection: Collection, count: int) -> bool:
        """Say whether so many vectors are too many to hold; and remember it, so that they need not be counted at each search."""
        assert collection.identity is not None
        if count * collection.identity.dim * 4 < SHARE * self._budget:
            return False
        with self._lock:
            self._too_large.add(collection.no)
            self._blocks.pop(collection.no, None)
        return True

    def _refreshed(self, connection: apsw.Connection, old: ItemBlock, collection: Collection, version: _Version) -> ItemBlock | None:
        """Return `old` with what was added or changed since; None if it must be read anew."""
        assert collection.identity is not None
        ((first,),) = query(connection, "first_item_change")
        if version.change > old.version.change < first - 1:
            return None  # some of the changes in between are forgotten
        changed = [memory for (memory,) in query(connection, "items_changed_since", (old.version.change, old.version.history))]
        if None in changed:
            return None
        stale = [memory for memory in changed if memory <= old.version.memory]
        added = query(connection, "load_new_item_vectors", (collection.no, version.generation, old.version.memory))
        if stale:
            added = query(connection, "load_changed_item_vectors", (collection.no, version.generation, json.dumps(stale))) + added
        alive = old.alive
        if self._outgrown(collection, len(alive) + len(added)):
            return None
        if stale:
            alive = alive & ~np.isin(old.rows.keys[: len(alive)], np.array(stale, np.int64))
        columns = _columns(added, collection.identity.dim)
        grown = np.concatenate([alive, np.ones(len(added), np.bool_)])
        if np.count_nonzero(grown) < (1 - DEAD_AT_MOST) * len(grown) or not old.rows.append(len(alive), *columns):
            rows = old.rows.with_more(np.flatnonzero(alive), *columns)
            return ItemBlock(rows, np.ones(rows.used, np.bool_), version)
        return ItemBlock(old.rows, grown, version)


def _columns(rows: list[Row], dim: int) -> tuple[Numbers, Numbers, NDArray[np.float32]]:
    """Return numbers, scopes and vectors of rows.

    Raises:
        SchemaError: one of them is damaged.
    """
    count = len(rows)
    try:
        matrix = np.frombuffer(b"".join(r[2] for r in rows), dtype="<f4").reshape(count, dim)
    except NOT_AS_WRITTEN as error:
        raise damaged(error) from error
    with np.errstate(all="ignore"):
        lengths = np.einsum("ij,ij->i", matrix, matrix)
    if not (lengths < NO_UNIT).all():  # also what is no number
        raise damaged(FloatingPointError())
    return np.fromiter((r[0] for r in rows), np.int64, count), np.fromiter((r[1] for r in rows), np.int64, count), matrix
