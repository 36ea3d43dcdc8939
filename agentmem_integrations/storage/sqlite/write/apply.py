"""Applies changes inside one transaction: row, vectors, words, history and job together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ....errors import AgentMemError, StaleError
from ....ports import (
    TEXT_FIELD,
    Change,
    Defer,
    Delete,
    Entrust,
    EraseLeftovers,
    Fill,
    Insert,
    Keep,
    Outcome,
    Owe,
    Provided,
    Purge,
    PurgeItems,
    PutOff,
    Reembed,
    Renew,
    Replace,
    Resolve,
    Restore,
    Revive,
    Sweep,
    Together,
    TouchItems,
    Update,
    WriteItems,
)
from ..collection_catalog import check_embedder
from ..rows import ID, micros, owner
from .reembedding import applied
from .restore import Restoring


class Undone(Exception):  # noqa: N818 - a signal inside this package, not an error anybody sees
    """A change must be refused that was written in part.

    Args:
        position: Which.
        error: Why.
    """

    def __init__(self, position: int, error: AgentMemError) -> None:
        super().__init__(position, error)
        self.position = position
        self.error = error


class Transaction(Restoring):
    """One transaction's worth of changes."""

    def apply(self, changes: Sequence[Change], refused: Mapping[int, AgentMemError]) -> list[Outcome]:
        """Make the changes; a refused one leaves no trace and is answered with its error.

        Args:
            changes: What to do.
            refused: Changes that an earlier attempt refused, by position.

        Raises:
            Undone: a change was refused with a part of it already written: roll back and try again without it.
        """
        outcomes: list[Outcome] = []
        for position, change in enumerate(changes):
            if position in refused:
                outcomes.append(refused[position])
                continue
            try:
                outcomes.append(self._apply(change))
            except AgentMemError as error:
                if isinstance(change, Together | Replace | Provided | Restore | Entrust | Resolve) and not isinstance(error, StaleError):
                    raise Undone(position, error) from error
                outcomes.append(error)  # raised before the change wrote anything
        self._derived.write()
        return outcomes

    def _apply(self, change: Change) -> Outcome:
        if isinstance(change, Insert):
            return [self._insert(change)]
        if isinstance(change, Together):
            return self._insert_together(change.inserts)
        self._derived.write()  # the others must see what was inserted before them
        return _HANDLERS[type(change)](self, change)

    def _provided(self, change: Provided) -> int:
        if tuple(row[ID] for row in self._select(change.selection)) != tuple(change.seen):
            raise StaleError("what was selected has changed since it was looked at: look and decide again")
        for part in change.changes:
            self._apply(part)
        return len(change.changes)

    def _write_items(self, change: WriteItems) -> int:
        found = self._collection(change.namespace)
        check_embedder(found, change.namespace, change.made_by)
        written = self._items.write(change, found.no)
        self._scopes.clear()  # of a path at which nothing is left, the row is gone
        return written

    def _fill(self, change: Fill) -> int:
        row = self._run(self._sql["live_text"], (change.memory,)).fetchone()
        if row is not None:
            self._fitting(row[3], change)
        self._run(self._sql["end_job"], (change.job,))
        if row is None or row[1] != change.text:  # deleted or rewritten meanwhile: that change saw to its own vector
            return 0
        self._derived.note_vectors(change.memory, row[0], row[1], row[2], change.vectors)
        self._derived.keep(change.memory, row[0], change.vectors, change.key)
        self._run(self._sql["renew_scope"], (row[0],))  # no line of history tells readers that cache the scope
        return 1

    def _defer(self, change: Defer) -> int:
        self._run(self._sql["defer_job"], (micros(change.due), change.error, change.job))
        return 1

    def _keep(self, change: Keep) -> int:
        key = (self._collection(change.scope.namespace).no, *owner(change.scope))
        scope = self._run(self._sql["find_scope"], key).get
        if scope is None:
            return 0
        self._derived.keep(None, scope, {TEXT_FIELD: change.vector}, change.key)
        return 1


_HANDLERS: Final[Mapping[type, Callable[[Transaction, Any], Outcome]]] = {
    Update: lambda t, change: [t._update(change)],
    Replace: Transaction._exchange,
    Provided: Transaction._provided,
    Restore: lambda t, change: t._restore(change.records),
    Delete: lambda t, change: t._delete(change.selection),
    Purge: Transaction._purge,
    Sweep: lambda t, change: t._sweep(),
    Fill: Transaction._fill,
    Defer: Transaction._defer,
    Keep: Transaction._keep,
    Entrust: Transaction._entrust,
    Owe: Transaction._owe,
    Resolve: Transaction._resolve,
    Renew: lambda t, change: t._extractions.renew(change),
    Revive: lambda t, change: t._extractions.revive(t._collection(change.namespace).no, change.jobs),
    Reembed: lambda t, change: applied(t._connection, t._collection(change.namespace), change),
    WriteItems: Transaction._write_items,
    TouchItems: lambda t, change: t._items.touch(change, t._collection(change.namespace).no),
    PurgeItems: Transaction._purge_items,
    EraseLeftovers: lambda t, change: applied(t._connection, t._collection(change.namespace), change),
    PutOff: lambda t, change: t._extractions.put_off(change),
}
