"""Memories that go: deleted, expired, or erased with all that is told of them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ...fingerprint import fingerprint
from ...models import Scope
from ...ports import (
    Purge,
    PurgeItems,
    Selection,
)
from .items import between
from .rows import memory_of, owner
from .scrub import tells_erased_words
from .statements import Row, query
from .transaction import DELETED, SCOPE, TWIN, VALID_TO, Inside
from .where import chosen

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
        if rows and tells_erased_words(self._connection):
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
