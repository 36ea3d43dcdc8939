"""Extractions that are owed: done at once, in the background, after a crash, after a failure, or given up with a reason.

A job is in the file before a model is asked, and leased to the process that works on it. A process that dies lets its leases
run out, and whoever has the collection open with a model takes the jobs over.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from ...config import LEASE
from ...errors import AgentMemError, ClosedError, ModelAccessError, ModelBusyError, ModelTimeoutError, StorageError
from ...models import AddResult, Event, Job, Memory, Scope
from ...ports import Owe, PutOff, Renew, Selection
from ..uuid7 import new_id
from ..write_stages.batching import Write
from ..write_stages.commit import one
from ..write_stages.embed import Writing
from ..write_stages.retries import retry_after
from .understand import Understanding, Understood

log = logging.getLogger("agentmem.jobs")

POLL_S: Final = 5.0
"""Seconds between two looks for jobs that have become due."""

ALL: Final = 1_000_000

AT_ONCE: Final = 16
"""Jobs that the background takes on at the same time; callers who wait for theirs are not counted."""

ATTEMPTS: Final = 5
"""Attempts at a job whose model answers, but unusably; then it is dead."""

ATTEMPTS_UNREACHED: Final = 14
"""Attempts at a job whose model cannot be reached: a bit over four hours."""

_UNREACHED: Final = (ModelTimeoutError, ModelBusyError, ModelAccessError)


class Jobs:
    """The extractions of one collection, on the event loop of its language model.

    Args:
        writing: The way to the store.
        understanding: Does the work.
        offload: Runs blocking work on another thread.
        namespace: The collection.
    """

    def __init__(
        self, writing: Writing, understanding: Understanding, offload: Callable[[Callable[[], Any]], Awaitable[Any]], namespace: str
    ) -> None:
        self._writing = writing
        self._store = writing.commits.store
        self._understanding = understanding
        self._offload = offload
        self._namespace = namespace
        self._adding: set[asyncio.Task[AddResult]] = set()
        self._active: dict[str, asyncio.Task[Any]] = {}
        self._background: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._claiming = asyncio.Lock()  # what is being claimed is not active yet, and must not look as if nobody had it

    async def add(self, keep: Write[AddResult], scope: Scope, job: str, *, wait: bool) -> AddResult:
        """Store what was said, then draw the facts from it.

        Args:
            keep: Stores it, with a job.
            scope: The owner.
            job: The job's id.
            wait: Return when the facts are stored too, rather than at once.
        """
        return await self._to_the_end(self._add(keep, scope, job, wait))

    async def follow(self, kept: AddResult, scope: Scope, job: str, *, wait: bool) -> AddResult:
        """Draw the facts from what was stored; arguments as for `add`."""
        return await self._to_the_end(self._follow(kept, scope, job, wait))

    async def _to_the_end(self, work: Coroutine[Any, Any, AddResult]) -> AddResult:
        """Do the work also for a caller who gives up: what is stored with a job must not be left without its worker."""
        adding = asyncio.create_task(work)
        self._adding.add(adding)
        adding.add_done_callback(self._added)
        return await asyncio.shield(adding)

    async def _add(self, keep: Write[AddResult], scope: Scope, job: str, wait: bool) -> AddResult:
        return await self._follow(await self._writing.arun(keep), scope, job, wait)

    async def _follow(self, kept: AddResult, scope: Scope, job: str, wait: bool) -> AddResult:
        self.start()
        if not kept.events:
            return kept
        memories = [_as_said(event) for event in kept.events]
        owed = any(event.event != "NONE" for event in kept.events)
        if not wait:
            if not owed:  # the words were known, and nothing was owed so far
                await self._owe(job, scope, memories)
            self._begin(job, scope, memories, 0)
            return AddResult(kept.events, "queued")
        told = await self._attended(job if owed else None, scope, memories)
        events = [*kept.events, *told.events]
        if told.errors:
            return AddResult(events, "queued", told.errors[0])
        return AddResult(events, kept.status if told.events else "nothing")

    def start(self) -> None:
        """Look for owed jobs from now on, if not yet. To be called on the loop."""
        if self._background is None:
            self._background = asyncio.create_task(self._run())

    async def drain(self) -> int:
        """Try every job once that is not dead, also those whose time has not come; return how many are still owed."""
        await asyncio.gather(*self._adding, return_exceptions=True)
        async with self._claiming:
            jobs = await self._claim(ALL, due_only=False)
            for job in jobs:
                if (ending := self._active.get(job.id)) is not None:  # it has put the job off, and is about to be gone
                    await asyncio.gather(ending, return_exceptions=True)
                self._begin(job.id, job.scope, job.memories, job.attempts)
        await asyncio.gather(*self._active.values(), return_exceptions=True)
        return sum(job.state != "dead" for job in await self._offload(lambda: self._store.jobs(self._namespace, None, ALL)))

    async def close(self) -> None:
        """Stop; what is not done is left to whoever opens the collection next, at once."""
        leased = list(self._active)
        tasks = [*self._adding, *self._active.values(), *([self._background] if self._background else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if leased:
            await self._writing.arun(Write([Renew(leased, datetime.now(UTC))], one))

    def _begin(self, job: str, scope: Scope, memories: Sequence[Memory], attempts: int) -> None:
        task = asyncio.create_task(self._work(job, scope, memories, attempts))
        self._active[job] = task
        task.add_done_callback(lambda done: self._ended(job, done))

    async def _attended(self, job: str | None, scope: Scope, memories: Sequence[Memory]) -> Understood:
        """Do a job in the task of the add that waits for it."""
        name, task = job or new_id(), asyncio.current_task()
        assert task is not None, "runs on the loop"
        self._active[name] = task
        try:
            return await self._work(job, scope, memories, 0)
        finally:
            self._gone(name)

    def _added(self, done: "asyncio.Task[AddResult]") -> None:
        self._adding.discard(done)
        if not done.cancelled():
            done.exception()  # whoever gave up will not look at it; else Python complains that nobody did

    def _ended(self, name: str, done: "asyncio.Task[Understood]") -> None:
        self._gone(name)
        if not done.cancelled() and (error := done.exception()) is not None and not isinstance(error, ClosedError):
            log.warning("a job of %s failed: %s", self._namespace, type(error).__name__)

    def _gone(self, name: str) -> None:
        self._active.pop(name, None)
        if len(self._active) == AT_ONCE - 1:
            self._wake.set()

    async def _work(self, job: str | None, scope: Scope, memories: Sequence[Memory], attempts: int) -> Understood:
        try:
            told = await self._understanding.understand(scope, memories, job)
        except (ClosedError, StorageError):  # the file cannot be written: its lease runs out, and it is tried again
            raise
        except AgentMemError as error:
            told = Understood(errors=[error])
        if told.errors:
            await self._put_off(job, scope, memories, attempts, told.errors)
        return told

    async def _put_off(
        self, job: str | None, scope: Scope, memories: Sequence[Memory], attempts: int, errors: Sequence[AgentMemError]
    ) -> None:
        if job is None:  # the words were known, and nothing was owed so far
            job = new_id()
            await self._owe(job, scope, memories)
        unreached = all(isinstance(error, _UNREACHED) for error in errors)
        dead = attempts + 1 >= (ATTEMPTS_UNREACHED if unreached else ATTEMPTS)
        wait = retry_after(attempts)
        reason = "; ".join(dict.fromkeys(f"{type(error).__name__}: {error}" for error in errors))[:500]
        log.warning("an extraction of %s %s: %s", self._namespace, "is given up" if dead else "waits", type(errors[0]).__name__)
        await self._writing.arun(Write([PutOff(job, None if dead else datetime.now(UTC) + wait, reason)], one))

    async def _owe(self, job: str, scope: Scope, memories: Sequence[Memory]) -> None:
        ids = tuple(memory.id for memory in memories)
        selection = Selection(scope.namespace, Scope(scope.namespace, scope.user_id), ids, any_validity=True)
        await self._writing.arun(Write([Owe(selection, job, datetime.now(UTC) + LEASE)], one))

    async def _run(self) -> None:
        """Take over what is due, and say of what is being worked on that it is."""
        while True:
            try:
                async with self._claiming:
                    for job in await self._claim(AT_ONCE - len(self._active), due_only=True):
                        if job.id not in self._active:
                            self._begin(job.id, job.scope, job.memories, job.attempts)
                if self._active:
                    await self._writing.arun(Write([Renew(list(self._active), datetime.now(UTC) + LEASE)], one))
            except ClosedError:  # what is owed is in the file, for whoever opens it next
                return
            except AgentMemError as error:  # a task's edge: nobody is there to be told but the log
                log.warning("owed extractions of %s wait: %s", self._namespace, type(error).__name__)
            self._wake.clear()
            with suppress(TimeoutError):  # woken when a place becomes free: more may be due
                await asyncio.wait_for(self._wake.wait(), POLL_S)

    async def _claim(self, limit: int, *, due_only: bool) -> list[Job]:
        if limit <= 0:
            return []
        until = datetime.now(UTC) + LEASE
        jobs: list[Job] = await self._offload(lambda: self._store.claim(self._namespace, limit, until, due_only=due_only))
        return jobs


def _as_said(event: Event) -> Memory:
    """Return a memory as it was said this time.

    Who says again what he said before means it now, unless he tells when: "I live in Porto" is news to somebody who has moved away.
    """
    memory = event.memory
    if event.event != "NONE" or memory.occurred_at != memory.created_at:
        return memory
    return replace(memory, occurred_at=event.at, created_at=event.at)
