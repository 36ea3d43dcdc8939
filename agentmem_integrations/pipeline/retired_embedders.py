"""Embedders that this process has changed away from, and what they made that is still on its way to the store."""

from collections.abc import Iterable, Sequence

from ..models import Identity
from ..ports import TEXT_FIELD, Change, Entrust, Insert, Record, Replace, Resolve, Restore, Together, Update


class Retired:
    """Whoever called `add` before `reembed` was done need not know: what was embedded with the old one is owed the new vector.

    For other processes this is no remedy. They do not have the new embedder, and are told so.
    """

    def __init__(self) -> None:
        self._known: set[tuple[str, Identity]] = set()

    def add(self, namespace: str, identity: Identity) -> None:
        """Take in an embedder that is a collection's no more."""
        self._known.add((namespace, identity))

    def discard(self, namespace: str, identity: Identity) -> None:
        """Strike out an embedder that a collection has come back to."""
        self._known.discard((namespace, identity))

    def owe(self, changes: Sequence[Change]) -> None:
        """Let changes be owed the vectors that a retired embedder made for them."""
        if not self._known:
            return
        for change, namespace in _with_vectors(changes):
            # Vectors of an item's other fields can be made by its program alone: the store refuses these
            mine = change.made_by is not None and change.vectors.keys() <= {TEXT_FIELD}
            if mine and (namespace, change.made_by) in self._known:
                change.vectors, change.made_by, change.owed = {}, None, True


def _with_vectors(changes: Sequence[Change]) -> Iterable[tuple[Insert | Update | Record, str]]:
    for change in changes:
        match change:
            case Insert():
                yield change, change.scope.namespace
            case Update():
                yield change, change.selection.namespace
            case Together() | Replace() | Entrust():
                yield from ((insert, insert.scope.namespace) for insert in change.inserts)
            case Restore():
                yield from ((record, record.scope.namespace) for record in change.records)
            case Resolve():
                yield from ((part, change.scope.namespace) for part in change.changes if isinstance(part, Insert | Update))
            case _:
                continue
