"""Items of agent frameworks, as they are written, inside a transaction."""

from datetime import timedelta
from typing import Final

import apsw

from ....filters import canonical
from ....models import ItemDelete, Path
from ....ports import PutItem, TouchItems, WriteItems
from ..rows import MICROSECOND, micros
from ..search.item_vectors import CHANGES_KEPT
from ..statements import query, statements
from ..text_index import lexical_form
from .derived_rows import Derived
from .extractions import Extractions

SWEEP_AT_ONCE: Final = 1_000


class ItemWriter:
    """Writes items.

    Args:
        connection: Inside a write transaction.
        at: Its instant, in microseconds.
        derived: Takes the vectors.
        extractions: The jobs of the file.
    """

    def __init__(self, connection: apsw.Connection, at: int, derived: Derived, extractions: Extractions) -> None:
        self._connection = connection
        self._run = connection.execute
        self._sql = statements()
        self._at = at
        self._derived = derived
        self._extractions = extractions
        self._scopes: dict[tuple[int, Path], int] = {}

    def write(self, change: WriteItems, collection: int) -> int:
        """Put and delete; return how many items were concerned."""
        count, left = 0, set[int]()
        for item in change.items:
            if isinstance(item, ItemDelete):
                scope = self._delete(collection, item)
                left |= set() if scope is None else {scope}
                count += scope is not None
            else:
                self._put(collection, item)
                count += 1
        self._end(left)
        return count

    def touch(self, change: TouchItems, collection: int) -> int:
        """Let these have their full time again; return for how many that was worth writing."""
        touched = 0
        for path, key in change.items:
            scope = self._found(collection, path)
            if scope is not None:
                self._run(self._sql["touch_item"], (micros(change.at), key, scope))
                touched += self._connection.changes()
        self._scopes.clear()
        return touched

    def sweep(self) -> int:
        """Erase what has expired, a bounded number; return how many."""
        rows = query(self._connection, "expired_items", (self._at, SWEEP_AT_ONCE))
        for no, scope in rows:
            self._erase(no, scope)
        if rows:
            self._end({scope for _, scope in rows})
        return len(rows)

    def _put(self, collection: int, item: PutItem) -> None:
        scope = self._found(collection, item.path)
        if scope is None:
            scope = self._scopes[collection, item.path] = int(self._run(self._sql["create_scope"], (collection, *_owner(item.path))).get)
        found = self._run(self._sql["find_item"], (item.key, scope)).fetchone()
        if found is not None and (found[1] is not None or (found[2] is not None and found[2] <= self._at)):
            self._erase(found[0], scope)  # it is gone already, so this is a new one
            found = None
        expires = None if item.ttl is None else self._at + timedelta(minutes=item.ttl) // MICROSECOND
        told = None if item.ttl is None else canonical({"ttl": item.ttl})
        row = (item.text, lexical_form(item.text), self._at, expires, told, canonical(item.value))
        if found is None:
            self._run(self._sql["insert_item"], (*row, item.key, scope))
            no = self._connection.last_insert_rowid()
        else:
            no = found[0]
            self._forget_vectors(no, scope)
            self._run(self._sql["replace_item"], (*row, no))
            self._run(self._sql["note_lacking"], (no,))
            self._run(self._sql["note_item_change"], (no,))
        self._derived.note_vectors(no, scope, item.text, None, item.vectors)
        self._derived.keep(no, scope, item.vectors, item.kept)

    def _delete(self, collection: int, item: ItemDelete) -> int | None:
        """Erase an item; return the scope it was in, None if there is none."""
        scope = self._found(collection, item.path)
        found = None if scope is None else self._run(self._sql["find_item"], (item.key, scope)).fetchone()
        if scope is None or found is None:
            return None
        self._erase(found[0], scope)
        return scope

    def _erase(self, no: int, scope: int) -> None:
        self._derived.write()  # it may have been put in this very change's transaction
        self._forget_vectors(no, scope)
        self._extractions.forget(no, scope)
        self._run(self._sql["erase_history"], (no,))
        self._run(self._sql["erase_memory"], (no,))
        self._run(self._sql["note_item_change"], (no,))

    def _forget_vectors(self, no: int, scope: int) -> None:
        self._run(self._sql["erase_vectors"], (scope, no))
        self._run(self._sql["erase_jobs"], (no,))
        self._run(self._sql["end_lacking"], (no,))

    def _found(self, collection: int, path: Path) -> int | None:
        known = self._scopes.get((collection, path))
        if known is None:
            found = self._run(self._sql["find_scope"], (collection, *_owner(path))).fetchone()
            if found is None:
                return None
            known = self._scopes[collection, path] = int(found[0])
        return known

    def _end(self, left: set[int]) -> None:
        """Forget the paths at which nothing is left, and changes that are too old for any reader."""
        for scope in left:
            self._run(self._sql["forget_asked_vectors"], (scope,))
            self._run(self._sql["forget_scope"], (scope,))
        self._scopes.clear()  # here a change ends, and the next one may be a purge
        self._run(self._sql["forget_item_changes"], (CHANGES_KEPT,))


def _owner(path: Path) -> tuple[str, str]:
    return "path", canonical(path)
