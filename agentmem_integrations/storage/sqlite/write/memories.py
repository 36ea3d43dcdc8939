"""Memories that are stored, changed or gone: new ones, twins and known ids; updates and decisions; deletions and erasures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import apsw

from ....errors import ConflictError, StaleError
from ....fingerprint import fingerprint
from ....models import Event, EventKind, Scope
from ....ports import (
    End,
    Entrust,
    Insert,
    Owe,
    Purge,
    PurgeItems,
    Replace,
    Resolve,
    Selection,
    Update,
    Vector,
)
from ..rows import DELETED, EXPIRES, SCOPE, TWIN, VALID_TO, memory_of, memory_row, micros, owner
from ..search.items import between
from ..statements import Row, query
from ..where import chosen
from .transaction import Inside, provenance_column

SWEEP_AT_ONCE: Final = 1_000  # what expired is invisible anyway; nobody should wait for its burial


class Erasing(Inside):
    """Deletes and purges."""

    def _delete(self, selection: Selection) -> int:
        rows = self._of_one_owner(selection, self._select(selection))
        for row in rows:
            self._bury(row[0], row)
        return len(rows)

    def _sweep(self) -> int:
        items = self._items.sweep()
        rows = query(self._connection, "expired", (self._at, SWEEP_AT_ONCE))
        for row in rows:
            self._bury(row[0], row)
        self._scopes.clear()
        return items + len(rows)

    def _bury(self, no: int, stored: Row) -> None:
        self._derived.erase_words(no)
        self._forget_vectors(no, stored[SCOPE])
        self._extractions.forget(no, stored[SCOPE])
        self._run(self._sql["bury_memory"], (self._at, no))
        self._begin_history(no, stored)
        self._derived.history.append((no, stored[SCOPE], "DELETE", self._at, None, None))

    def _purge(self, change: Purge) -> int:
        return self._purge_all(self._in_every_collection(change.selection) if change.everywhere else [change.selection])

    def _purge_all(self, selections: Sequence[Selection]) -> int:
        rows = [row for selection in selections for row in self._of_one_owner(selection, self._select(selection, dead=True))]
        for no, scope, dead in ((row[0], row[SCOPE], row[DELETED] is not None) for row in rows):
            if not dead:
                self._derived.erase_words(no)
            self._forget_vectors(no, scope)
            self._extractions.forget(no, scope)
            self._run(self._sql["erase_history"], (no,))
            self._run(self._sql["erase_memory"], (no,))
        scopes = {row[SCOPE] for row in rows} | {scope for selection in selections for scope in self._whole_scope(selection)}
        for scope in scopes:
            self._run(self._sql["erase_replies"], (scope,))  # any of them may quote what is erased
            self._run(self._sql["renew_scope"], (scope,))
            self._forget_successors(scope)
            self._run(self._sql["erase_jobs_of_nobody"], (scope,))
            self._run(self._sql["forget_asked_vectors"], (scope,))  # a question may be about what was erased
            self._run(self._sql["forget_scope"], (scope,))  # of whom nothing is left, the name goes as well
        self._scopes.clear()
        if rows and _tells_erased_words(self._connection):
            self._run(self._sql["rebuild_words"])
        return len(rows)

    def _forget_successors(self, scope: int) -> None:
        """An id that was purged is told nowhere any more. A memory it had replaced that still holds is known by its words again."""
        for (no,) in query(self._connection, "without_successor", (scope,)):
            row = self._row(no)
            known = row[TWIN] is None and row[DELETED] is None and row[VALID_TO] is None and row[-2] != "path" and self._merges(scope)
            twin = fingerprint(memory_of(row)) if known else row[TWIN]
            if known and self._run(self._sql["find_twin"], (scope, twin)).get is not None:
                twin = None
            self._run(self._sql["forget_successor"], (twin, no))

    def _merges(self, scope: int) -> bool:
        return bool(self._run(self._sql["merges_twins"], (scope,)).get)

    def _in_every_collection(self, selection: Selection) -> list[Selection]:
        assert selection.scope is not None, "only what an owner has is purged everywhere"
        names = [name for (name,) in query(self._connection, "collection_names")]
        return [replace(selection, namespace=name, scope=replace(selection.scope, namespace=name)) for name in names]

    def _whole_scope(self, selection: Selection) -> list[int]:
        """Return the number of the scope that is selected as a whole, also if it holds jobs alone; empty for a part of one."""
        scope = selection.scope
        if scope is None or scope.agent_id is not None or scope.session_id is not None or chosen(selection)[0]:
            return []
        collection = self._collection(selection.namespace)
        return [no for (no,) in query(self._connection, "find_scope", (collection.no, *owner(scope)))]

    def _purge_items(self, change: PurgeItems) -> int:
        rows = query(self._connection, "item_owners", (self._collection(change.namespace).no, *between(change.prefix)))
        paths = [tuple(json.loads(name)) for (name,) in rows]
        scopes = [Scope(change.namespace, path=path) for path in paths if change.label is None or change.label in path]
        return self._purge_all([Selection(change.namespace, scope, any_validity=True) for scope in scopes])


_SAME: Final = tuple("text kind metadata agent_id session_id role name importance expires_at valid_from valid_to value".split())


class Inserting(Erasing):
    """Stores memories."""

    def _exchange(self, change: Replace) -> list[Event]:
        self._delete(change.selection)
        return self._insert_together(change.inserts)

    def _insert_together(self, inserts: Sequence[Insert]) -> list[Event]:
        events = []
        for index, insert in enumerate(inserts):
            try:
                events.append(self._insert(insert))
            except ConflictError as error:
                raise ConflictError(f"item {index}: {error}") from None
        return events

    def _insert(self, change: Insert) -> Event:
        memory, scope = change.memory, self._scope(change.scope)
        collection = self._fitting(change.scope.namespace, change)
        twin = fingerprint(memory) if collection.twins == "merge" and change.scope.path is None else None
        row = memory_row(memory, scope, twin)
        self._run(self._sql["insert_memory"], row)
        if not self._connection.changes():
            return self._clash(change, row, scope, twin)
        no = self._connection.last_insert_rowid()
        self._derived.note(no, scope, memory, change.vectors, change.owed, change.key)
        return Event("ADD", memory, None, memory.text, self._now, memory.provenance)

    def _clash(self, change: Insert, row: Row, scope: int, twin: bytes | None) -> Event:
        """The id or the utterance is already there: find out which, and answer without losing either."""
        buried, twin_no = self._twin(scope, twin)
        if buried:
            return self._insert(change)
        id_no = self._run(self._sql["find_id"], (change.memory.id, scope)).get
        if twin_no is not None and id_no is None:
            self._derived.keep(twin_no, scope, change.vectors, change.key)
            return Event("NONE", memory_of(self._row(twin_no)), at=self._now)
        if twin_no is not None and id_no != twin_no:
            other = self._row(twin_no)[1]
            raise ConflictError(f"id {change.memory.id!r} cannot take this text: memory {other!r} says it already")
        return self._replace(id_no, change, row)

    def _twin(self, scope: int, twin: bytes | None) -> tuple[bool, int | None]:
        """Return whether an expired twin was buried to make way, and the number of a living one."""
        no = self._run(self._sql["find_twin"], (scope, twin)).get if twin else None
        if no is None:
            return False, None
        stored = self._row(no)
        if stored[EXPIRES] is None or stored[EXPIRES] > self._at:
            return False, no
        self._derived.settle(no)
        self._bury(no, stored)
        return True, None

    def _replace(self, no: int, change: Insert, row: Row) -> Event:
        """The caller's id is taken: the new words replace the old, or revive what was deleted."""
        self._derived.settle(no)
        stored = self._row(no)
        old, revived = memory_of(stored), stored[DELETED] is not None or (stored[EXPIRES] or self._at + 1) <= self._at
        new = change.memory if revived else replace(change.memory, created_at=old.created_at)
        if change.memory.occurred_at == change.memory.created_at and not revived:
            new.occurred_at = old.occurred_at
        same = all(getattr(old, name) == getattr(new, name) for name in _SAME)
        if same and not revived and self._has_vectors(no, row[1], change.vectors):
            self._derived.keep(no, row[1], change.vectors, change.key)
            return Event("NONE", old, at=self._now)
        twin = None if row[6] is None else fingerprint(new)  # of the row as it will be: it may keep the old one's time
        self._check_twin(old.id, no, row[1], twin)
        self._rewrite(no, stored, new, row[1], twin, change.vectors, change.owed)
        self._derived.keep(no, row[1], change.vectors, change.key)
        return self._record("ADD" if revived else "UPDATE", no, row[1], new, old.text)

    def _check_twin(self, id: str, no: int, scope: int, twin: bytes | None) -> None:
        """Refuse a change that would make a memory say what another one says."""
        _, other = self._twin(scope, twin)
        if other not in (None, no):
            raise ConflictError(f"memory {id!r} cannot take this text: memory {self._row(other)[1]!r} says it already")

    def _has_vectors(self, no: int, scope: int, vectors: Mapping[str, Vector]) -> bool:
        stored: dict[str, bytes] = dict(query(self._connection, "read_vectors", (scope, no)))
        return all(stored.get(field) == vector.tobytes() for field, vector in vectors.items())


class Changing(Inserting):
    """Changes memories."""

    def _update(self, change: Update) -> Event:
        collection = self._fitting(change.selection.namespace, change)
        stored = self._only(change.selection)
        no, scope, old = stored[0], stored[SCOPE], memory_of(stored)
        new = replace(old, **change.changes, updated_at=self._now)
        merged = collection.twins == "merge" and stored[-2] != "path" and new.superseded_by is None
        twin = fingerprint(new) if merged else None
        self._check_twin(old.id, no, scope, twin)
        vectors = change.vectors if change.vectors or new.text != old.text else None
        self._rewrite(no, stored, new, scope, twin, vectors, change.owed)
        self._derived.keep(no, scope, change.vectors, change.key)
        return self._record("UPDATE", no, scope, new, old.text)

    def _entrust(self, change: Entrust) -> list[Event]:
        events = self._insert_together(change.inserts)
        if any(event.event != "NONE" for event in events):
            self._derived.write()
            scope = self._scope(change.inserts[0].scope)
            nos = [self._run(self._sql["find_id"], (event.memory.id, scope)).get for event in events]
            self._extractions.owe(change.job, scope, nos, change.leased_until)
        return events

    def _owe(self, change: Owe) -> int:
        rows = self._of_one_owner(change.selection, self._select(change.selection))
        if rows:
            self._extractions.owe(change.job, rows[0][SCOPE], [row[0] for row in rows], change.leased_until)
        return len(rows)

    def _resolve(self, change: Resolve) -> list[Event]:
        scope = self._scope(change.scope)
        if self._extractions.revision(scope) != change.revision:
            raise StaleError("the owner's facts have changed since they were looked at: look and decide again")
        events: list[Event] = []
        stored: dict[str, str] = {}  # ids of facts that turned out to be known, and under which id
        for inner in change.changes:
            if isinstance(inner, End) and inner.successor in stored:
                inner = replace(inner, successor=stored[inner.successor])
            events.append(self._resolved(inner))
            if isinstance(inner, Insert) and events[-1].event == "NONE":
                stored[inner.memory.id] = events[-1].memory.id
        self._extractions.learn(scope, change.learned)
        if change.job is not None:
            self._extractions.done(change.job, scope, change.done)
        return events

    def _resolved(self, change: Insert | Update | End) -> Event:
        if isinstance(change, Insert):
            return self._insert(change)
        self._derived.write()
        return self._update(change) if isinstance(change, Update) else self._end(change)

    def _end(self, change: End) -> Event:
        stored = self._only(change.selection)
        no, memory = stored[0], memory_of(stored)
        self._begin_history(no, stored)
        self._run(self._sql["end_memory"], (micros(change.until), change.successor, self._at, no))
        event: EventKind = "SUPERSEDE" if change.successor is not None else "DELETE"
        self._derived.history.append((no, stored[SCOPE], event, self._at, None, provenance_column(change.provenance)))
        ended = replace(memory, valid_to=change.until, superseded_by=change.successor, updated_at=self._now)
        return Event(event, ended, memory.text, None, self._now, dict(change.provenance))


def _tells_erased_words(connection: apsw.Connection) -> bool:
    """Say whether the text index still tells a word that no memory has.

    FTS5 keeps the first letters of the first word of each of its pages in a table of its own, also when `secure-delete` has
    taken the word from the page. Rebuilding the index is the only way to be rid of it.
    """
    query(connection, "know_words")
    for (page,) in query(connection, "first_words"):
        begins = page[1:].decode(errors="ignore")
        if begins and not query(connection, "has_word", (begins, begins + chr(0x10FFFF))):
            return True
    return False
