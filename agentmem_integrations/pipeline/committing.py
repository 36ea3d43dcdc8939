"""The commit stage: whatever waits becomes one transaction."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..errors import AgentMemError, StorageError
from ..models import Scope
from ..ports import Keep, Outcome, Store, Vector
from .batching import Stage, Write, fail, settle
from .retired_embedders import Retired

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
