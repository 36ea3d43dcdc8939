"""What every change inside a write transaction needs: the rows of owners and memories, and what is told of a change."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import apsw

from ....errors import ConflictError, NotFoundError
from ....models import Event, EventKind, Memory, Scope
from ....ports import Fill, Insert, Record, Selection, Update
from ..collection_catalog import Catalog, Collection, check_embedder
from ..rows import CREATED, DELETED, ID, PROVENANCE, SCOPE, memory_row, micros, owner
from ..statements import Row, query, statements
from ..where import selected
from .derived_rows import Derived
from .extractions import Extractions
from .items import ItemWriter

_WORDS: Final = slice(4, 7)  # text, lexical and context, which the text index is made of


class Inside:
    """A write transaction, and what it has looked up so far.

    Args:
        connection: Inside a write transaction.
        catalog: The collections of the file.
        now: The instant of the transaction.
        cache_budget: Bytes of vectors that the embedding cache of the file may hold.
    """

    def __init__(self, connection: apsw.Connection, catalog: Catalog, now: datetime, cache_budget: int = 0) -> None:
        self._run = connection.execute
        self._connection = connection
        self._catalog = catalog
        self._sql = statements()
        self._now = now
        self._at = micros(now) or 0
        self._scopes: dict[Scope, int] = {}
        self._collections: dict[str, Collection] = {}
        self._derived = Derived(connection, self._at, cache_budget)
        self._extractions = Extractions(connection, self._at)
        self._items = ItemWriter(connection, self._at, self._derived, self._extractions)

    def _collection(self, name: str) -> Collection:
        """Return the collection as it is in this transaction."""
        found = self._collections.get(name)
        if found is None:
            found = self._collections[name] = self._catalog.collection(self._connection, name)
        return found

    def _fitting(self, name: str, change: Insert | Update | Record | Fill) -> Collection:
        """Return the collection; refuse a change whose vectors another embedder made."""
        found = self._collection(name)
        if change.vectors:
            check_embedder(found, name, change.made_by)
        return found

    def _scope(self, scope: Scope) -> int:
        """Return the number of the scope's row, made if it is new."""
        no = self._scopes.get(scope)
        if no is None:
            key = (self._collection(scope.namespace).no, *owner(scope))
            no = self._run(self._sql["find_scope"], key).get or self._run(self._sql["create_scope"], key).get
            self._scopes[scope] = no
        return no

    def _select(self, selection: Selection, dead: bool = False) -> list[Row]:
        where, values = selected(selection, self._collection(selection.namespace).no, self._at, dead=dead)
        return query(self._connection, "select_memories", values, where=where)

    def _of_one_owner(self, selection: Selection, rows: list[Row]) -> list[Row]:
        """Refuse to touch several owners' memories by an id they share, when none was named."""
        shared = {row[ID] for row in rows} if selection.scope is None else ()
        if len(shared) < len(rows) and selection.scope is None:
            raise ConflictError(f"{_ids(selection)} is used by several owners: name the user_id")
        return rows

    def _only(self, selection: Selection) -> Row:
        rows = self._select(selection)
        if not rows:
            raise NotFoundError(f"no memory {_ids(selection)} for this caller: it never was, was deleted, expired, or is another's")
        if len(rows) > 1:
            raise ConflictError(f"id {_ids(selection)} is used by {len(rows)} owners: name the user_id")
        return rows[0]

    def _row(self, no: int) -> Row:
        (row,) = query(self._connection, "select_memories", (no,), where="m.no = ?")
        return row

    def _forget_vectors(self, no: int, scope: int) -> None:
        """Erase a memory's vectors, those of the next embedder too, and what is noted of vectors to come."""
        self._run(self._sql["erase_vectors"], (scope, no))
        if self._run(self._sql["has_jobs"], (no,)).get:
            self._run(self._sql["erase_jobs"], (no,))
        self._run(self._sql["end_lacking"], (no,))

    def _rewrite(self, no: int, stored: Row, new: Memory, scope: int, twin: bytes | None, vectors: Any, owed: bool) -> None:
        """Write the row anew, with its words; with its vectors unless `vectors` is None."""
        row = memory_row(new, scope, twin)  # its id and scope are those that are there
        live = stored[DELETED] is None
        indexed = live and stored[_WORDS] == row[3:6]  # taking words out of the index is what costs most
        if live and not indexed:
            self._derived.erase_words(no)
        self._begin_history(no, stored)
        self._run(self._sql["rewrite_memory"], (*row[2:], no))
        if vectors is not None:
            self._forget_vectors(no, scope)
            if self._run(self._sql["changes_embedder"], (scope,)).get:
                self._run(self._sql["note_lacking"], (no,))
        self._derived.note(no, scope, new, vectors or {}, owed, indexed=indexed)

    def _begin_history(self, no: int, stored: Row) -> None:
        """Before its first change, write down how a memory began: soon its row will no longer tell."""
        if not self._run(self._sql["has_history"], (no,)).get:
            self._derived.history.append((no, stored[SCOPE], "ADD", stored[CREATED], None, stored[PROVENANCE]))

    def _record(self, event: EventKind, no: int, scope: int, new: Memory, old_text: str) -> Event:
        changed = old_text != new.text
        self._derived.history.append((no, scope, event, self._at, old_text if changed else None, provenance_column(new.provenance)))
        return Event(event, new, old_text if event == "UPDATE" else None, new.text, self._now, new.provenance)


def provenance_column(provenance: Mapping[str, Any]) -> str | None:
    """Return what history keeps of where a change came from."""
    return json.dumps(provenance) if provenance else None


def _ids(selection: Selection) -> str:
    first, *others = selection.ids or ("",)
    return f"{first!r} (or one of {len(others)} others)" if others else repr(first)
