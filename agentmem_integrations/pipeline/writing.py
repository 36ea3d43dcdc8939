"""How writes get from a caller to the store: embedded as one batch, committed as one transaction.

Two stages, so that a slow embedder never delays somebody else's delete: writes whose text needs a vector pass the embedding
stage first, all others go straight to the commit stage.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from ..errors import AgentMemError, ClosedError, EmbeddingError, StorageError
from ..ports import TEXT_FIELD, Change, Defer, Embedder, Fill, Outcome, Store, Sweep, Vector
from .stages import Stage, Write, fail, settle

T = TypeVar("T")
log = logging.getLogger("agentmem.pipeline")

QUICK_CHARS: Final = 2_000  # well under a millisecond for an immediate embedder: nobody else's commit notices
DEBTS_AT_ONCE: Final = 256
RETRY_AFTER: Final = timedelta(seconds=5)  # doubled with every attempt, up to
RETRY_AT_MOST: Final = timedelta(hours=1)


class Commits:
    """The one writer of an open store: whatever waits is committed as one transaction.

    Args:
        store: Where to.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.stage = Stage("agentmem-commit", self._commit, settle)

    def run(self, write: Write[T]) -> T:
        """Commit the write and return its result; in this thread if nobody else is writing."""
        self.stage.alone(write)
        return write.result()

    def _commit(self, batch: list[Write[Any]]) -> None:
        changes = [change for write in batch for change in write.changes]
        try:
            _embed_quick(batch)
            outcomes = self.store.apply(changes) if changes else []
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


class Writing:
    """The way from a collection's callers to the store.

    Args:
        commits: The store's writer.
        embedder: Makes the collection's vectors; None if callers bring their own.
        namespace: The collection.
        owes: There is no embedder here, but the collection has one: whoever opens it with that makes the vectors.
    """

    def __init__(self, commits: Commits, embedder: Embedder | None, namespace: str, *, owes: bool = False) -> None:
        self.commits = commits
        self.embedder = embedder
        self.owes = owes
        self._namespace = namespace
        self._stage = Stage("agentmem-embed", self._embed, commits.stage.put, carries=True)
        self._owing = embedder is not None and commits.store.count_debts(namespace) > 0
        if commits.store.has_expired():
            commits.stage.put([Write([Sweep()], lambda outcomes: None)])

    def run(self, write: Write[T]) -> T:
        """Do the write and return its result; in this thread if nobody else is writing."""
        if self._quick(write):
            write.embed = self._embed
        elif write.wanting and not (self._stage.alone(write) and not write.settled):
            return write.result()
        return self.commits.run(write)

    async def arun(self, write: Write[T]) -> T:
        """Do the write on the stages' threads and await its result. A cancelled caller leaves a whole change or none."""
        write.loop = asyncio.get_running_loop()
        write.future = write.loop.create_future()
        if self._quick(write):
            write.embed = self._embed
            self.commits.stage.put([write])
        else:
            self.put(write)
        await write.future
        return write.result()

    def put(self, write: Write[Any]) -> None:
        """Leave the write to the stages' threads."""
        (self._stage if write.wanting else self.commits.stage).put([write])

    def _quick(self, write: Write[Any]) -> bool:
        """Say whether embedding is so cheap that whoever commits the write had best do it on the way.

        Callers who each embed for themselves spend more time on handing the interpreter round than on the vectors.
        """
        immediate = self.embedder is not None and self.embedder.immediate
        return immediate and sum(len(text) for _, text in write.wanting) <= QUICK_CHARS

    def embed_here(self, write: Write[Any]) -> None:
        """Embed one write in this thread, past the queue: a bulk load is a batch already."""
        self._embed([write])

    def note_debts(self) -> None:
        """Remember that vectors are owed: the next embedding that works sees to them."""
        self._owing = self.embedder is not None

    def flush(self) -> int:
        """Wait until everything queued so far is stored, then fill the vectors that are owed; return how many still are."""
        self._barrier()
        self.commits.run(Write([Sweep()], lambda outcomes: None))
        while self.embedder is not None and self.fill_debts(due_only=False):
            continue
        return self.commits.store.count_debts(self._namespace)

    def close(self) -> None:
        """Finish what is queued and end the thread."""
        self._stage.close()

    def _barrier(self) -> None:
        for stage in (self._stage, self.commits.stage):
            write: Write[None] = Write((), lambda outcomes: None)
            stage.put([write])
            write.result()

    # The embedding stage

    def _embed(self, batch: list[Write[Any]]) -> None:
        wanting = [pair for write in batch for pair in write.wanting]
        vectors = self._vectors([text for _, text in wanting])
        for (change, _), vector in zip(wanting, vectors, strict=True):
            if isinstance(vector, EmbeddingError):
                change.owed = True
            else:
                change.vectors = {**change.vectors, TEXT_FIELD: vector}  # a restored item may have others
        failed = any(isinstance(v, EmbeddingError) for v in vectors)
        if self._owing and wanting and not failed:  # the embedder works (again): see to what it owes
            threading.Thread(target=self._settle_debts, name="agentmem-debts", daemon=True).start()
        self._owing = failed or (self._owing and not wanting)

    def _vectors(self, texts: Sequence[str]) -> Sequence[Vector | EmbeddingError]:
        """Return a vector for each text, or why there is none; one bad text does not cost the others theirs."""
        if not texts:
            return []
        assert self.embedder is not None, "only writes with an embedder want vectors"
        try:
            return list(self.embedder.embed_documents(texts))
        except EmbeddingError as e:
            return [e] if len(texts) == 1 else [v for text in texts for v in self._vectors([text])]

    def _settle_debts(self) -> None:
        try:
            while self.fill_debts():
                continue
        except ClosedError:  # the debts are in the file, for whoever opens it next
            return
        except AgentMemError as error:  # a thread's edge: nobody is there to be told but the log
            log.warning("owed vectors of %s wait: %s", self._namespace, type(error).__name__)

    def fill_debts(self, *, due_only: bool = True) -> int:
        """Embed what is owed; return how many vectors were filled in."""
        debts = list(self.commits.store.debts(self._namespace, DEBTS_AT_ONCE, due_only=due_only))
        changes: list[Change] = []
        for debt, vector in zip(debts, self._vectors([spoken(d.text, d.name) for d in debts]), strict=True):
            if isinstance(vector, EmbeddingError):
                wait = min(RETRY_AFTER * 2 ** min(debt.attempts, 20), RETRY_AT_MOST)
                changes.append(Defer(debt.job, datetime.now(UTC) + wait, type(vector).__name__))
            else:
                changes.append(Fill(debt.job, debt.memory, debt.text, {TEXT_FIELD: vector}))
        if changes:
            self.commits.run(Write(changes, lambda outcomes: None))
        return sum(isinstance(c, Fill) for c in changes)


def spoken(text: str, name: str | None) -> str:
    """Return what is embedded: the text, behind the speaker's name if there is one.

    People ask by name ("what did Ana buy?"), and a text seldom names its own speaker (docs/adr/0005-embedded-text.md).
    """
    return f"{name}: {text}" if name else text


def one(outcomes: Sequence[Outcome]) -> Any:
    """Return the only outcome, or raise the error that it is."""
    (outcome,) = outcomes
    if isinstance(outcome, AgentMemError):
        raise outcome
    return outcome
