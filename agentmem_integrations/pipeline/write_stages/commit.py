"""The commit stage: whatever waits becomes one transaction; and what an embedder that was changed meanwhile made is owed anew."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from ...errors import AgentMemError, StorageError
from ...models import Identity, Scope
from ...ports import (
    TEXT_FIELD,
    Change,
    Entrust,
    Insert,
    Keep,
    Outcome,
    Provided,
    Record,
    Replace,
    Resolve,
    Restore,
    Store,
    Together,
    Update,
    Vector,
)
from .batching import Stage, Write, fail, settle

T = TypeVar("T")
log = logging.getLogger("agentmem.pipeline")


class Commits:
    """The one writer of an open store: whatever waits is committed as one transaction.

    Args:
        store: Where to.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.retired = Retired()
        self.stage = Stage("agentmem-commit", self._commit, settle)

    def run(self, write: Write[T]) -> T:
        """Commit the write and return its result; in this thread if nobody else is writing."""
        self.stage.alone(write)
        return write.result()

    def keep(self, scope: Scope, key: bytes, vector: Vector) -> None:
        """Keep the vector of a question; nobody waits for it, and it shares the next transaction."""
        self.stage.put([Write([Keep(scope, key, vector)], lambda outcomes: None)])

    def _commit(self, batch: list[Write[Any]]) -> None:
        changes = [change for write in batch for change in write.changes]
        try:
            _embed_quick(batch)
            self.retired.owe(changes)
            began = time.perf_counter()
            outcomes = self.store.apply(changes) if changes else []
            log.debug("committed %d changes of %d calls in %.1f ms", len(changes), len(batch), (time.perf_counter() - began) * 1000)
        except Exception as error:  # noqa: BLE001 - a write nobody answers would wait for ever, whatever went wrong
            self._commit_failed(batch, error)
        else:
            position = 0
            for write in batch:
                write.outcomes = outcomes[position : position + len(write.changes)]
                position += len(write.changes)

    def _commit_failed(self, batch: list[Write[Any]], error: Exception) -> None:
        """The transaction was rolled back. What is wrong with the file is everybody's; anything else is one write's fault."""
        if len(batch) == 1 or (isinstance(error, StorageError) and type(error) is not StorageError):
            fail(batch, error)
        else:
            for write in batch:
                self._commit([write])


def _embed_quick(batch: list[Write[Any]]) -> None:
    """Embed the writes that asked for it on the way, each collection's together."""
    groups: dict[Callable[[list[Write[Any]]], None], list[Write[Any]]] = {}
    for write in batch:
        if write.embed is not None:
            groups.setdefault(write.embed, []).append(write)
    for embed, writes in groups.items():
        embed(writes)


def one(outcomes: Sequence[Outcome]) -> Any:
    """Return the only outcome, or raise the error that it is."""
    (outcome,) = outcomes
    if isinstance(outcome, AgentMemError):
        raise outcome
    return outcome


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
            case Provided():
                yield from _with_vectors(change.changes)
            case Restore():
                yield from ((record, record.scope.namespace) for record in change.records)
            case Resolve():
                yield from ((part, change.scope.namespace) for part in change.changes if isinstance(part, Insert | Update))
            case _:
                continue
