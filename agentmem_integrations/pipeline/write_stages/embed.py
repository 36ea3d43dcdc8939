"""The embedding stage: how writes get their vectors on the way to the store.

Two stages, so that a slow embedder never delays somebody else's delete: writes whose text needs a vector pass the embedding
stage first, all others go straight to the commit stage. The embedding stage looks up what was embedded before, hands the rest to
the embedder's queue and goes on; when its vectors are there, a write goes to the commit stage, none before those that came
before it. An immediate embedder has no queue: there the stage, or whoever commits, does the embedding itself.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from ...errors import ClosedError, EmbedderMismatchError, EmbeddingError
from ...models import Identity
from ...ports import TEXT_FIELD, Answer, Change, Defer, Embedder, EraseLeftovers, Fill, Outcome, QueueingEmbedder, Sweep, Wish
from ..embedded_text import key_of, spoken, vectors_of
from .batching import Stage, Write, fail
from .commit import Commits, one
from .debts import FAILED_S, OPENED_S, Debts
from .in_order import InOrder
from .retries import retry_after

T = TypeVar("T")
log = logging.getLogger("agentmem.pipeline")

QUICK_CHARS: Final = 2_000  # well under a millisecond for an immediate embedder: nobody else's commit notices
DEBTS_AT_ONCE: Final = 256


class Writing:
    """The way from a collection's callers to the store.

    Args:
        commits: The store's writer.
        embedder: Makes the collection's vectors; None if there is none here.
        namespace: The collection.
    """

    def __init__(self, commits: Commits, embedder: Embedder | None, namespace: str) -> None:
        self.commits = commits
        self.embedder = embedder
        self._namespace = namespace
        self._in_order = InOrder(commits.stage.put)
        self._stage = Stage("agentmem-embed", self._work, self._pass_on, carries=True)
        self._debts = Debts(namespace, lambda due_only: self.fill_debts(due_only=due_only), lambda: commits.store.count_debts(namespace))
        self._owing = embedder is not None and commits.store.count_debts(namespace) > 0
        if commits.store.has_expired():
            commits.stage.put([Write([Sweep()], lambda outcomes: None)])

    @property
    def identity(self) -> Identity | None:
        """Who makes the vectors here."""
        embedder = self.embedder
        return None if embedder is None else embedder.identity

    @property
    def given(self) -> bool:
        """Say whether callers bring every vector, because nobody here makes any."""
        return getattr(self.embedder, "given", False)

    @property
    def owing(self) -> bool:
        """Say whether vectors of the collection are owed, as far as is known here."""
        return self._owing

    @property
    def owes(self) -> bool:
        """Say whether the collection has an embedder, but not here: whoever opens it with that makes the vectors.

        Asked anew each time: another process may be the first to open the collection with one.
        """
        return self.embedder is None and self.commits.store.identity(self._namespace) is not None

    def adopt(self, embedder: Embedder) -> None:
        """Go on with the embedder that is the collection's now; call this while the commit stage is held."""
        if self.embedder is not None:
            self.commits.retired.add(self._namespace, self.embedder.identity)
        self.commits.retired.discard(self._namespace, embedder.identity)
        self.embedder = embedder
        self._owing = True  # what was embedded with the old one and not committed yet will be

    def run(self, write: Write[T]) -> T:
        """Do the write and return its result; in this thread if nobody else is writing."""
        if self._quick(write):
            write.embed = self._embed
        elif write.wanting and (not self._stage.alone(write) or write.settled or write.begun):
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

    def embed_or_tell(self, write: Write[Any]) -> dict[int, EmbeddingError]:
        """Embed one write as `embed_here`, but let nothing be owed: return the errors, by the `id()` of the change."""
        embedder = self.embedder
        if not write.wanting or embedder is None:
            return {}
        answers = vectors_of(embedder, [text for _, text in write.wanting])
        told = list(zip(write.wanting, answers, strict=True))
        made = [(pair, answer) for pair, answer in told if not isinstance(answer, EmbeddingError)]
        if made:
            self._give(embedder, [pair for pair, _ in made], [answer for _, answer in made])
        return {id(change): answer for (change, _), answer in told if isinstance(answer, EmbeddingError)}

    def note_debts(self) -> None:
        """Remember that vectors are owed: they are made soon, and after the next embedding that works."""
        self._owing = self.embedder is not None
        self._pay(FAILED_S)

    def take_up(self) -> None:
        """Have made what was owed when the collection was opened, whether or not somebody adds something."""
        if self._owing:
            self._pay(OPENED_S, due_only=False)

    def _pay(self, delay_s: float, *, due_only: bool = True) -> None:
        if self.embedder is not None and not self.given:
            self._debts.soon(delay_s, due_only=due_only)

    def flush(self) -> int:
        """Wait until everything queued so far is stored, then fill the vectors that are owed; return how many still are."""
        self._barrier()
        self.commits.run(Write([Sweep()], lambda outcomes: None))
        while self.embedder is not None and self.fill_debts(due_only=False):
            continue
        self.erase_leftovers()
        return self.commits.store.count_debts(self._namespace)

    def erase_leftovers(self) -> None:
        """Erase vectors that no longer count, should a change of the embedder have been interrupted before it did."""
        after, state = 0, self.commits.store.leftovers(self._namespace)
        while state:
            after = self.commits.run(Write([EraseLeftovers(self._namespace, state, after)], one))
            state = state if after else 0

    def close(self) -> None:
        """Finish what is queued and end the thread."""
        self._debts.stop()
        self._stage.close()
        self._in_order.drain()

    def join(self) -> None:
        """Wait for owed vectors that are being made; call this once the embedder's queue is closed."""
        self._debts.join()

    def _barrier(self) -> None:
        for stage in (self._stage, self.commits.stage):
            write: Write[None] = Write((), lambda outcomes: None)
            stage.put([write])
            write.result()

    # The embedding stage

    def _work(self, batch: list[Write[Any]]) -> None:
        embedder = self.embedder
        if isinstance(embedder, QueueingEmbedder):
            self._begin(embedder, batch)
        else:
            self._embed(batch)
            if self._in_order.holds():  # writes that wait for the queue of the embedder before
                for write in batch:
                    write.begun = True
                self._in_order.join(batch)
                for write in batch:
                    self._in_order.ready(write)

    def _pass_on(self, batch: list[Write[Any]]) -> None:
        """Let writes go to the commit stage; those that wait for the queue are passed on by whoever brings their vectors."""
        self.commits.stage.put([write for write in batch if not write.begun])

    def _embed(self, batch: list[Write[Any]]) -> None:
        """Embed a batch here and now."""
        wanting = [pair for write in batch for pair in write.wanting]
        embedder = self.embedder
        if wanting and embedder is not None:
            self._give(embedder, wanting, vectors_of(embedder, [text for _, text in wanting]))

    def _begin(self, queue: QueueingEmbedder, batch: list[Write[Any]]) -> None:
        """Hand a batch to the embedder's queue; each write goes on once its own vectors are there."""
        wishes = [self._wish(queue, write) for write in batch]
        for write in batch:
            write.begun = True
        self._in_order.join(batch)
        try:
            queue.begin(wishes)
        except BaseException as error:  # nothing was begun
            fail(batch, error)
            for write in batch:
                self._in_order.ready(write)
            if not isinstance(error, Exception):
                raise

    def _wish(self, queue: QueueingEmbedder, write: Write[Any]) -> Wish:
        def made(answers: Sequence[Answer]) -> None:
            self._give(queue, write.wanting, answers)
            if closed := [answer for answer in answers if isinstance(answer, ClosedError)]:
                fail([write], closed[0])
            self._in_order.ready(write)

        return [text for _, text in write.wanting], made

    def _give(self, embedder: Embedder, wanting: Sequence[tuple[Any, str]], answers: Sequence[Answer]) -> None:
        for (change, text), answer in zip(wanting, answers, strict=True):
            if isinstance(answer, Exception):
                change.owed = True
            else:
                change.vectors = {**change.vectors, TEXT_FIELD: answer}  # a restored item may have others
                change.made_by, change.key = embedder.identity, key_of(embedder, text)
        # What was closed meanwhile is not stored at all
        errors = Counter(type(answer).__name__ for answer in answers if isinstance(answer, EmbeddingError))
        if errors:
            log.warning("%d vectors of %s are owed: %s", errors.total(), self._namespace, ", ".join(errors))
        # What an embedder made that was changed meanwhile will be owed
        failed = any(isinstance(answer, Exception) for answer in answers) or embedder is not self.embedder
        if failed:
            self._pay(FAILED_S)
        elif self._owing and wanting:  # the embedder works (again): see to what it owes
            self._pay(0.0, due_only=False)
        self._owing = failed or (self._owing and not wanting)

    def fill_debts(self, *, due_only: bool = True) -> int:
        """Embed what is owed; return how many vectors were filled in.

        Raises:
            EmbedderMismatchError: the collection has another embedder by now.
        """
        embedder = self.embedder
        debts = list(self.commits.store.debts(self._namespace, DEBTS_AT_ONCE, due_only=due_only))
        changes: list[Change] = []
        if not debts or embedder is None:
            return 0
        texts = [spoken(debt.text, debt.name) for debt in debts]
        for debt, text, vector in zip(debts, texts, vectors_of(embedder, texts), strict=True):
            if isinstance(vector, EmbeddingError):
                changes.append(Defer(debt.job, datetime.now(UTC) + retry_after(debt.attempts), type(vector).__name__))
            else:
                changes.append(Fill(debt.job, debt.memory, debt.text, {TEXT_FIELD: vector}, embedder.identity, key_of(embedder, text)))
        try:
            self.commits.run(Write(changes, _fitting))
        except EmbedderMismatchError:
            if self.embedder is embedder:
                raise
            return len(changes)  # the embedder was changed here meanwhile, and there are other debts now
        return sum(isinstance(c, Fill) for c in changes)


def _fitting(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, EmbedderMismatchError):
            raise outcome
