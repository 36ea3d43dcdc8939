"""Memories that change: updates, and what drawing facts decides."""

from dataclasses import replace

from ...errors import StaleError
from ...fingerprint import fingerprint
from ...models import Event, EventKind
from ...ports import (
    End,
    Entrust,
    Insert,
    Owe,
    Resolve,
    Update,
)
from .inserting import Inserting
from .rows import memory_of, micros
from .transaction import SCOPE, told


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
        self._derived.history.append((no, stored[SCOPE], event, self._at, None, told(change.provenance)))
        ended = replace(memory, valid_to=change.until, superseded_by=change.successor, updated_at=self._now)
        return Event(event, ended, memory.text, None, self._now, dict(change.provenance))
