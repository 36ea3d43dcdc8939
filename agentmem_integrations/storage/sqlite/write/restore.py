"""Memories that another store had, put back just as they were there."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence

from ....models import Event, Memory
from ....ports import Record
from ..rows import memory_of, memory_row, micros
from ..statements import query
from .dump import check_same, line_row
from .memories import Changing


class Restoring(Changing):
    """Puts records back, beside what is there already."""

    def _restore(self, records: Sequence[Record]) -> list[Event]:
        merged: defaultdict[int, dict[str, str]] = defaultdict(dict)  # by scope: ids of records, and under which the memory is here
        events = []
        for record in records:
            scope = self._scope(record.scope)
            events.append(self._restored(record, scope))
            if (here := events[-1].memory.id) != record.memory.id:
                merged[scope][record.memory.id] = here
        for scope, renamed in merged.items():
            self._rename_successors(scope, renamed)
        return events

    def _restored(self, record: Record, scope: int) -> Event:
        collection = self._fitting(record.scope.namespace, record)
        no = self._put_back(record, scope, record.twin if collection.twins == "merge" else None)
        if isinstance(no, Memory):
            return Event("NONE", no, at=self._now)
        if record.deleted_at is not None:
            self._run(self._sql["bury_memory"], (micros(record.deleted_at), no))
        else:
            self._derived.note(no, scope, record.memory, record.vectors, record.owed, record.key)
        self._derived.history += [(no, scope, *line_row(line)) for line in record.lines]
        return Event("ADD", record.memory, None, record.memory.text, self._now, record.memory.provenance)

    def _put_back(self, record: Record, scope: int, twin: bytes | None) -> int | Memory:
        """Return the number of the row that was written; or the memory, be it a twin, that is there already."""
        row = memory_row(record.memory, scope, twin)
        self._run(self._sql["insert_memory"], row)
        if self._connection.changes():
            return self._connection.last_insert_rowid()
        self._derived.write()
        no = self._run(self._sql["find_id"], (record.memory.id, scope)).get
        if no is not None:
            stored = self._row(no)
            check_same(self._connection, stored, row, record)
            return memory_of(stored)
        _, known = self._twin(scope, twin)
        return self._put_back(record, scope, twin) if known is None else memory_of(self._row(known))

    def _rename_successors(self, scope: int, renamed: Mapping[str, str]) -> None:
        """What names a memory as its successor that was not put back, since its twin is here, names the twin."""
        rows = query(self._connection, "named_successors", (scope, json.dumps([*renamed])))
        for no, successor in rows:
            self._run(self._sql["name_successor"], (renamed[successor], no))
        if rows:
            self._run(self._sql["renew_scope"], (scope,))  # no line of history tells readers that cache the scope
