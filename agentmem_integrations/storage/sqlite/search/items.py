"""Items of agent frameworks, as they are read: one by its key, pages below a prefix, the nearest to a question, and paths."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import apsw
import numpy as np
from numpy.typing import NDArray

from ....filters import canonical
from ....item_filters import item_matches, needles
from ....models import Item, ItemAnswer, ItemGet, ItemPaths, ItemRead, ItemSearch, Path, PathMatch
from ....ports import Vector
from ..collection_catalog import Collection
from ..rows import EPOCH, NOT_AS_WRITTEN, damaged, moment
from ..statements import Row, query
from .item_vectors import ItemVectors

PAGE: Final = 1_000  # items whose values are read in one step
_NO, _KEY, _OWNER, _VALUE, _CREATED, _UPDATED, _EXPIRES, _METADATA = range(8)


def between(prefix: Path) -> tuple[str, str]:
    """Return the first and the last `owner` at or below a path.

    An owner is a JSON array: what lies below `["users"]` begins with `["users",`, and a comma comes before a bracket. A quotation
    mark inside a label is escaped, so that no label reaches beyond its own.
    """
    if not prefix:
        return "[", "]"
    whole = canonical(prefix)
    return f"{whole[:-1]},", whole


@dataclass(slots=True)
class ItemReader:
    """Answers questions about the items of one collection, in one snapshot.

    Args:
        connection: The snapshot.
        collection: The collection.
        vectors: The vectors in RAM.
        now: Microseconds.
    """

    connection: apsw.Connection
    collection: Collection
    vectors: ItemVectors
    now: int

    def answer(self, read: ItemRead, vector: Vector | None) -> ItemAnswer:
        """Return what is asked; `vector` is that of a search's question.

        Raises:
            SchemaError: a row is damaged.
        """
        try:
            if isinstance(read, ItemGet):
                return self._get(read)
            if isinstance(read, ItemPaths):
                return self._paths(read)
            return self._page(read) if vector is None else self._nearest(read, vector)
        except NOT_AS_WRITTEN as error:
            raise damaged(error) from error

    def _get(self, read: ItemGet) -> Item | None:
        rows = query(self.connection, "get_item", (read.key, self.collection.no, canonical(read.path), self.now))
        return _item(rows[0]) if rows else None

    def _paths(self, read: ItemPaths) -> list[Path]:
        first, last = between(_common(read.matches))
        rows = query(self.connection, "item_owners_in_use", (self.collection.no, first, last, self.now))
        paths = [tuple(labels) for labels in json.loads(f"[{','.join(owner for (owner,) in rows)}]")]  # at once: a tenth of the time
        for match in read.matches:
            paths = [path for path in paths if _matches(match, path)]
        if read.max_depth is not None:
            paths = list({path[: read.max_depth] for path in paths})
        return sorted(paths)[read.offset : read.offset + read.limit]

    # In the order of being put

    def _page(self, read: ItemSearch) -> list[Item]:
        if read.filter is None:
            return [_item(row) for row in self._rows(read, 0, read.limit, read.offset)]
        return _slice((_item(row) for row in self._filtered(read)), read.offset, read.limit)

    def _rows(self, read: ItemSearch, after: int, limit: int, offset: int = 0, unlike: int | None = None) -> list[Row]:
        """Return live rows below the prefix from behind number `after`; `unlike`: those without a vector of this generation."""
        most = min(limit, 2**62)
        values = (self.collection.no, *between(read.prefix), self.now, after, most, min(offset, 2**62), _needles(read), unlike)
        return query(self.connection, "page_of_items", values)

    def _filtered(self, read: ItemSearch, unlike: int | None = None) -> Iterator[Row]:
        after = 0
        while rows := self._rows(read, after, PAGE, unlike=unlike):
            yield from (row for row in rows if read.filter is None or item_matches(read.filter, json.loads(row[_VALUE])))
            after = rows[-1][_NO]

    # By similarity

    def _nearest(self, read: ItemSearch, vector: Vector) -> list[Item]:
        keys, scores = self._scored(read.prefix, vector)
        wanted, found = read.offset + read.limit, list[Item]()
        skipped = 0
        for part in _best_first(scores, wanted if read.filter is None else max(64, wanted)):
            rows = self._loaded(read, keys[part])
            for spot in part.tolist():
                row = rows.get(int(keys[spot]))
                if row is None:
                    continue
                if skipped < read.offset:
                    skipped += 1
                elif len(found) < read.limit:
                    found.append(_item(row, float(scores[spot])))
            if len(found) >= read.limit:
                return found
        rest = (_item(row) for row in self._filtered(read, self.collection.generation))
        return found + _slice(rest, read.offset - skipped, read.limit - len(found))

    def _scored(self, prefix: Path, vector: Vector) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the number of each item below the prefix that has a vector, rising, and its similarity."""
        bounds = (self.collection.no, *between(prefix))
        block = self.vectors.block(self.connection, self.collection)
        if block is None:
            rows = query(self.connection, "nearest_items_by_scan", (vector.tobytes(), *bounds, self.collection.generation))
            cosines = np.fromiter((r[1] for r in rows), np.float32, len(rows))
            return np.fromiter((r[0] for r in rows), np.int64, len(rows)), np.clip(np.round(cosines, 6), -1.0, 1.0)
        if not prefix:
            return block.nearest(vector, None)
        scopes = np.array([no for (no,) in query(self.connection, "item_scopes", bounds)], np.int64)
        if not len(scopes):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        return block.nearest(vector, scopes)

    def _loaded(self, read: ItemSearch, keys: NDArray[np.int64]) -> dict[int, Row]:
        """Return the live rows of these that meet the filter, by number."""
        rows = query(self.connection, "load_items", (json.dumps(keys.tolist()), self.now, _needles(read)))
        return {row[_NO]: row for row in rows if read.filter is None or item_matches(read.filter, json.loads(row[_VALUE]))}


def _best_first(scores: NDArray[np.float32], first: int) -> Iterator[NDArray[np.intp]]:
    """Give the positions of the scores, best first and of equal ones the earliest, in parts that grow; `first` in the first."""
    count = len(scores)
    if first <= 0 or not count:
        return
    if first < count // 4:  # most callers look no further, so that the rest need not be sorted
        floor = np.partition(scores, count - first)[count - first]
        best = np.flatnonzero(scores >= floor)
        yield best[np.argsort(-scores[best], kind="stable")]
        done = len(best)
    else:
        done = 0
    order: NDArray[np.intp] = np.argsort(-scores, kind="stable")
    while done < count:
        size = max(first, 4 * done)
        yield order[done : done + size]
        done += size


def _slice(items: Iterator[Item], offset: int, limit: int) -> list[Item]:
    found: list[Item] = []
    if limit <= 0:
        return found
    for number, item in enumerate(items):
        if number >= offset:
            found.append(item)
            if len(found) >= limit:
                break
    return found


def _needles(read: ItemSearch) -> str | None:
    wanted = needles(read.filter)
    return json.dumps(wanted) if wanted else None


def _item(row: Row, score: float | None = None) -> Item:
    created, updated = moment(row[_CREATED]) or EPOCH, moment(row[_UPDATED]) or EPOCH
    return Item(tuple(json.loads(row[_OWNER])), row[_KEY], json.loads(row[_VALUE]), created, updated, moment(row[_EXPIRES]), score)


def _common(matches: Sequence[PathMatch]) -> Path:
    """Return the labels that every path begins with that meets the conditions."""
    known: Path = ()
    for match in matches:
        if match.where == "prefix":
            fixed = match.path[: match.path.index("*")] if "*" in match.path else match.path
            known = max(known, fixed, key=len)
    return known


def _matches(match: PathMatch, path: Path) -> bool:
    if len(path) < len(match.path):
        return False
    part = path[: len(match.path)] if match.where == "prefix" else path[len(path) - len(match.path) :]
    return all(wanted in ("*", label) for wanted, label in zip(match.path, part, strict=True))
