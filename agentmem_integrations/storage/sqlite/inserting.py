"""Memories that are stored: new ones, twins, known ids, and such as another file had."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from ...errors import ConflictError
from ...fingerprint import fingerprint
from ...models import Event
from ...ports import (
    Insert,
    Record,
    Replace,
    Vector,
)
from .erasing import Erasing
from .records import check_same, line_row
from .rows import memory_of, memory_row, micros
from .statements import Row, query
from .transaction import DELETED, EXPIRES

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

    def _restore(self, record: Record) -> Event:
        collection = self._fitting(record.scope.namespace, record)
        scope = self._scope(record.scope)
        no = self._put_back(record, scope, record.twin if collection.twins == "merge" else None)
        if no is None:
            return Event("NONE", record.memory, at=self._now)
        if record.deleted_at is not None:
            self._run(self._sql["bury_memory"], (micros(record.deleted_at), no))
        else:
            self._derived.note(no, scope, record.memory, record.vectors, record.owed, record.key)
        self._derived.history += [(no, scope, *line_row(line)) for line in record.lines]
        return Event("ADD", record.memory, None, record.memory.text, self._now, record.memory.provenance)

    def _put_back(self, record: Record, scope: int, twin: bytes | None) -> int | None:
        """Return the number of the row that was written; None if the memory, or its twin, is there already."""
        row = memory_row(record.memory, scope, twin)
        self._run(self._sql["insert_memory"], row)
        if self._connection.changes():
            return self._connection.last_insert_rowid()
        self._derived.write()
        no = self._run(self._sql["find_id"], (record.memory.id, scope)).get
        if no is not None:
            check_same(self._connection, self._row(no), row, record)
            return None
        buried, _ = self._twin(scope, twin)
        return self._put_back(record, scope, twin) if buried else None
