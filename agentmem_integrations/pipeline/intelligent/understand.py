"""extract -> embed -> look -> decide -> apply: what was said becomes facts.

Runs on the event loop of the language model. Nothing here asks a model while it holds a transaction; what was decided on an
owner's facts is carried out only if they have not changed since.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Final, TypeVar

from ...errors import AgentMemError, ConflictError, EmbeddingError, ModelError, StaleError
from ...models import Decisions, Event, Memory, Scope
from ...ports import Embedder, Insert, Learned, Reasoned, Reasoner, Resolve, Revision, Update, Vector
from ..embedded_text import vectors_of
from ..write_stages.batching import Write
from ..write_stages.commit import one
from ..write_stages.embed import Writing
from .decide import Group, Plan, Planning, groups_of, in_rounds, stated
from .extract import Drawn, Extracting, memory_of
from .look import Looking, NewFact

T = TypeVar("T")

TRIES: Final = 5
"""How often facts are looked at and decided on anew because another process changed the owner's meanwhile."""

LONG_S: Final = 0.002
"""Seconds for which a look may hold up the event loop."""

NEW: Final = "rule:new"  # the decision about a fact that has no neighbour
Offload = Callable[[Callable[[], T]], Awaitable[T]]


@dataclass(slots=True)
class Understood:
    """What came of some messages.

    Attributes:
        events: What became of the facts in them.
        errors: Why some of them were not understood; what was, is stored.
        undecided: Facts were left over: all of the messages must be come back to, for nobody knows which.
    """

    events: list[Event] = field(default_factory=list)
    errors: list[AgentMemError] = field(default_factory=list)
    undecided: bool = False


@dataclass(slots=True)
class _Receipt:
    """What the last transaction of some messages does beside the facts: keep the replies, free the job."""

    learned: Sequence[Learned] = ()
    job: str | None = None
    done: Sequence[str] = ()


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Understanding:
    """Draws facts from stored messages and brings their owner's facts up to date.

    Args:
        writing: The way to the store.
        reasoner: Asks the model.
        offload: Runs blocking work on another thread.
    """

    def __init__(self, writing: Writing, reasoner: Reasoner, offload: Offload[Any]) -> None:
        self._writing = writing
        self._store = writing.commits.store
        self._reasoner = reasoner
        self._offload = offload
        self._extracting = Extracting(reasoner)
        self._looking = Looking(writing)
        self._under_way = 0
        self._large: set[tuple[str, Any]] = set()
        self._turns: dict[tuple[str, Any], _Turn] = {}

    async def understand(self, scope: Scope, memories: Sequence[Memory], job: str | None) -> Understood:
        """Bring an owner's facts up to date with these messages of his, and free the job that owed it."""
        self._under_way += 1
        try:
            return await self._understand(scope, memories, job)
        finally:
            self._under_way -= 1

    async def _understand(self, scope: Scope, memories: Sequence[Memory], job: str | None) -> Understood:
        harvest = await self._extracting.harvest(scope, memories)
        told = Understood(errors=list(harvest.errors))
        async with self._alone(scope):
            rounds = in_rounds(await self._embedded(scope, harvest.drawn), self._looking)
            for part in rounds[:-1]:
                await self._settle(scope, part, told, _Receipt())
            done = _Receipt(harvest.learned, job, harvest.read)
            await self._settle(scope, rounds[-1] if rounds else [], told, done)
        return told

    @asynccontextmanager
    async def _alone(self, scope: Scope) -> AsyncIterator[None]:
        """Let one caller at a time decide on an owner's facts: two at once would each find them unchanged, then changed."""
        key = (scope.namespace, scope.user_id)
        turn = self._turns.setdefault(key, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[key]

    async def _embedded(self, scope: Scope, drawn: Sequence[Drawn]) -> list[NewFact]:
        now = datetime.now(UTC)
        memories = [memory_of(one, scope, self._reasoner.model, now) for one in drawn]
        embedder = self._writing.embedder  # read once: it may be changed at any time
        made_by = None if embedder is None else embedder.identity
        vectors = await self._vectors(embedder, [memory.text for memory in memories])
        return [NewFact(memory, vector, made_by) for memory, vector in zip(memories, vectors, strict=True)]

    async def _vectors(self, embedder: Embedder | None, texts: Sequence[str]) -> Sequence[Vector | None]:
        """Return a vector per text, or None where it cannot be made now: then it is owed, as everywhere."""
        if embedder is None or not texts:
            return [None] * len(texts)
        found = vectors_of(embedder, texts) if embedder.immediate else await self._offload(lambda: vectors_of(embedder, texts))
        return [None if isinstance(vector, EmbeddingError) else vector for vector in found]

    async def _settle(self, scope: Scope, facts: Sequence[NewFact], told: Understood, receipt: _Receipt) -> None:
        """Look, decide and apply, until nobody comes between."""
        cautious = False
        for _ in range(TRIES):
            revision, groups = await self._looked(scope, facts)
            plan, errors = await self._decide(scope, facts, groups, cautious=cautious)
            told.undecided = told.undecided or bool(errors)
            try:
                events = await self._apply(scope, plan, revision, _Receipt(receipt.learned) if told.undecided else receipt)
            except StaleError:
                continue
            except ConflictError:  # what the model would write is another memory's text already: only add
                cautious = True
                continue
            told.events += plan.known + events
            told.errors += errors
            return
        told.undecided = True
        told.errors.append(StaleError(f"the owner's facts changed {TRIES} times while they were being decided on: it is tried again"))

    async def _looked(self, scope: Scope, facts: Sequence[NewFact]) -> tuple[Revision, list[Group]]:
        """Look, on the event loop itself where that is done in no time: handing it to another thread would take as long.

        How long it takes depends on how much the owner has; whoever once took long is handed over from then on.
        """
        owner = (scope.namespace, scope.user_id)
        if owner in self._large:
            looked: tuple[Revision, list[Group]] = await self._offload(lambda: self._look(scope, facts))
            return looked
        began = perf_counter()
        looked = self._look(scope, facts)
        if perf_counter() - began > LONG_S:
            self._large.add(owner)
        return looked

    def _look(self, scope: Scope, facts: Sequence[NewFact]) -> tuple[Revision, list[Group]]:
        revision = self._store.revision(scope)  # before anything is looked at: what changes from here on is noticed
        if revision:  # else there is nothing to look at
            self._looking.look(scope, facts)
        return revision, groups_of(facts)

    async def _decide(
        self, scope: Scope, facts: Sequence[NewFact], groups: Sequence[Group], *, cautious: bool
    ) -> tuple[Plan, list[AgentMemError]]:
        planning = Planning(scope, datetime.now(UTC), facts[0].made_by if facts else None)
        for fact in facts:
            if fact.known is not None:
                planning.known(fact.known)
            elif not fact.neighbours:
                planning.add(fact, NEW)
        errors: list[AgentMemError] = []
        answers = await asyncio.gather(*(self._ask(scope, group) for group in groups))
        for group, answer in zip(groups, answers, strict=True):
            if isinstance(answer, ModelError):
                errors.append(answer)
                continue
            planning.plan.learned += answer.learned
            for decision in answer.value.decisions:
                planning.decided(group.facts[decision.fact], decision, group.memories, answer.prompt, cautious=cautious)
        return planning.plan, errors

    async def _ask(self, scope: Scope, group: Group) -> Reasoned[Decisions] | ModelError:
        try:
            return await self._reasoner.decide(scope, [stated(fact) for fact in group.facts], group.memories)
        except ModelError as error:
            return error

    async def _apply(self, scope: Scope, plan: Plan, revision: Revision, receipt: _Receipt) -> list[Event]:
        learned = [*receipt.learned, *plan.learned]
        if not (plan.changes or learned or receipt.job):
            return []
        owner = Scope(scope.namespace, scope.user_id)
        change = Resolve(owner, plan.changes, revision, learned, receipt.job, receipt.done)
        wanting: Sequence[tuple[Insert | Update, str]] = plan.unembedded
        if self._writing.embedder is None:
            wanting, owes = (), self._writing.owes
            for unembedded, _ in plan.unembedded:
                unembedded.owed = owes
        write: Write[list[Event]] = Write([change], one, wanting)
        # Nobody else is waiting on this loop: a change of threads, there and back, would take as long as the commit
        return self._writing.run(write) if self._under_way == 1 and not wanting else await self._writing.arun(write)
