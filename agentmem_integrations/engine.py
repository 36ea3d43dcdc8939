"""What is open: one store with what its collections share, each collection with its two hallways, and what thinks in it."""

import os
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .config import EMBEDDING_CACHE_BYTES, FollowUps, Mode, Queue, Twins
from .embedding.vector_cache import CachedEmbedder, VectorCache
from .errors import ClosedError, shown
from .models import Scope
from .pipeline.add import AddHallway
from .pipeline.search import SearchHallway
from .pipeline.write_stages.commit import Commits
from .pipeline.write_stages.embed import Writing
from .ports import ChatModel, Embedder, Reranker, Store
from .tracing import Tracing

if TYPE_CHECKING:
    from .llm.event_loop import LoopThread
    from .llm.reasoner import CachingReasoner
    from .pipeline.intelligent.jobs import Jobs
    from .pipeline.sweeper import Sweeper

T = TypeVar("T")

READERS: Final = min(32, 4 + (os.cpu_count() or 1))  # threads for awaited work that may take long: a backup, an export, a repair
LOOKUPS: Final = 2
"""Threads for awaited searches, gets and lists. They are short, and most of one is Python, which runs in one thread at a time: six
threads made half as many searches a second of small scopes as one, since the interpreter went from hand to hand (measured on two
cores). Two, so that nobody's short search waits behind somebody's long one."""


class Mind:
    """What draws facts in a collection: a language model, the event loop it runs on, and the jobs.

    Args:
        loop: Where all of it runs.
        make: Makes the reasoner and the jobs; called on the loop, once in every process.
        owned: A model that was made for it, to be closed with it; None if it is the caller's.
    """

    def __init__(self, loop: "LoopThread", make: "Callable[[], tuple[CachingReasoner, Jobs]]", owned: ChatModel | None) -> None:
        self.loop = loop
        self._owned = owned
        self._make = make
        self._made: tuple[CachingReasoner, Jobs] | None = None
        self._pid = -1

    def ask(self, work: "Callable[[Jobs], Coroutine[Any, Any, T]]") -> Coroutine[Any, Any, T]:
        """Return the work, to be run on the loop."""

        async def on_loop() -> T:
            return await work(self._parts()[1])

        return on_loop()

    def reasoner(self) -> "CachingReasoner":
        """Return who asks the model. To be called on the loop."""
        return self._parts()[0]

    def begin(self) -> None:
        """Take up what is owed, in the background."""

        async def start() -> None:
            self._parts()[1].start()

        self.loop.run(start())

    def forget(self) -> None:
        """Drop what the model answered so far, as soon as the loop comes to it."""

        async def drop() -> None:
            self._parts()[0].forget()

        if self._made is not None and self._pid == os.getpid():
            self.loop.run(drop())

    def stats(self) -> dict[str, Any]:
        """Return what asking has cost and saved."""
        return self._made[0].stats() if self._made is not None else {}

    def close(self) -> None:
        """Leave what is not done to whoever opens the collection next."""

        async def end() -> None:
            if self._made is not None and self._pid == os.getpid():
                await self._made[1].close()
                if self._owned is not None:
                    await self._owned.close()

        if self._made is not None:
            self.loop.run(end()).result()

    def _parts(self) -> "tuple[CachingReasoner, Jobs]":
        if self._made is None or self._pid != os.getpid():  # a forked child has none of its parent's tasks
            self._made, self._pid = self._make(), os.getpid()
        return self._made


@dataclass(slots=True)
class Engine:
    """One open store and what all its collections share."""

    store: Store
    commits: Commits
    path: str
    vectors: VectorCache = field(default_factory=lambda: VectorCache(EMBEDDING_CACHE_BYTES))
    queue: Queue | None = None  # how requests to an embedder become batches
    closed: bool = False
    rooms: list["Room"] = field(default_factory=list)
    owned: list[Callable[[], None]] = field(default_factory=list)  # closes what was made here for the collections
    embedders: dict[Any, tuple[Any, Embedder]] = field(default_factory=dict)  # by spec or identity of the object, with that
    rerankers: dict[Any, tuple[Any, Reranker]] = field(default_factory=dict)  # likewise
    _executor: ThreadPoolExecutor | None = None
    _lookups: ThreadPoolExecutor | None = None
    _pid: int = 0
    _thinking: "LoopThread | None" = None
    tracing: Tracing | None = None
    _sweeper: "Sweeper | None" = None

    @property
    def executor(self) -> ThreadPoolExecutor:
        """Threads for awaited work that may take long, made when first needed and anew in a forked child."""
        self._forget_parents_threads()
        if self._executor is None:
            self._executor = ThreadPoolExecutor(READERS, thread_name_prefix="agentmem-work")
        return self._executor

    @property
    def lookups(self) -> ThreadPoolExecutor:
        """Threads for awaited searches, gets and lists, likewise."""
        self._forget_parents_threads()
        if self._lookups is None:
            self._lookups = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="agentmem-read")
        return self._lookups

    def _forget_parents_threads(self) -> None:
        if self._pid != os.getpid():
            self._executor = self._lookups = None
            self._pid = os.getpid()

    def thinking(self) -> "LoopThread":
        """Return the event loop of language models, made when first needed."""
        from .llm.event_loop import LoopThread

        if self._thinking is None:
            self._thinking = LoopThread()
        return self._thinking

    def sweeping(self, every_s: float | None = None) -> None:
        """Delete what expires from time to time, from now on.

        Args:
            every_s: Seconds from one time to the next; the least that anybody asked for counts. None: as it is.
        """
        from .pipeline.sweeper import Sweeper
        from .pipeline.write_stages.batching import Write
        from .pipeline.write_stages.commit import one
        from .ports import Sweep

        if self._sweeper is None:
            # Asked first, so that nobody's write waits for a transaction that has nothing to do
            self._sweeper = Sweeper(lambda: int(self.commits.run(Write([Sweep()], one))) if self.store.has_expired() else 0)
            self.owned.append(self._sweeper.close)
        if every_s is not None:
            self._sweeper.every_s = min(every_s, self._sweeper.every_s)
        self._sweeper.start()

    def open_rooms(self) -> list["Room"]:
        """Return the collections that were opened so far."""
        return list(self.rooms)

    def check_open(self) -> None:
        """Raise `ClosedError` once closed."""
        if self.closed:
            raise ClosedError(f"this memory ({self.path}) is closed: open it again with AgentMemory({shown(self.path)})")

    def close(self) -> None:
        """Finish what is queued and let go of the file."""
        if self.closed:
            return
        self.closed = True
        for room in self.rooms:
            if room.mind is not None:
                room.mind.close()
        if self._thinking is not None:
            self._thinking.close()
        for room in self.rooms:
            room.writing.close()
        self.commits.stage.close()
        self._end_embedding()
        for close in self.owned:
            close()
        self._forget_parents_threads()
        for executor in filter(None, (self._executor, self._lookups)):
            executor.shutdown()
        self.store.close()

    def _end_embedding(self) -> None:
        for _, embedder in self.embedders.values():
            if isinstance(embedder, CachedEmbedder):
                embedder.queue.close()
        for room in self.rooms:  # their owed vectors were refused just now, or are being made
            room.writing.join()


@dataclass(slots=True)
class Room:
    """One open collection: its two hallways."""

    engine: Engine
    namespace: str
    mode: Mode
    twins: Twins
    text_limit: int
    writing: Writing
    adding: AddHallway
    searching: SearchHallway
    mind: Mind | None
    follow_ups: FollowUps = "rule"

    def adopt(self, embedder: Embedder) -> None:
        """Go on with the embedder that is the collection's now, in all that is open of it here; the commit stage is held."""
        for room in self.engine.open_rooms():
            # One that was opened without an embedder stays so, but for the one that asked for the change
            if room is self or (room.namespace == self.namespace and room.writing.embedder is not None):
                room.writing.adopt(embedder)
                room.searching.embedder = embedder

    def warm(self, scope: Scope, queries: Sequence[str]) -> int:
        """Read into RAM what the owner's questions will need; return how many vectors are there to be searched."""
        embedder = self.searching.embedder
        if isinstance(embedder, CachedEmbedder):
            embedder.remember(self.engine.store.kept_for(self.namespace, scope, self.engine.vectors.budget))
        for query in queries:
            if embedder is not None:
                embedder.embed_query(query, scope)
        return self.engine.store.warm(self.namespace, scope)

    def rewritten(self, question: str, history: Sequence[str], scope: Scope) -> "Future[str]":
        """Have the language model make a follow-up understandable by itself; return where the question, or the error, will be."""
        mind = self.mind
        assert mind is not None, "checked when the collection was opened"

        async def asked() -> str:
            return (await mind.reasoner().rewrite(scope, question, history)).value

        return mind.loop.run(asked())

    def embedding_usage(self) -> dict[str, Any]:
        """Return the counters of the embedder's queue and of the caches, for `stats`; empty where there are none."""
        embedder = self.searching.embedder
        if not isinstance(embedder, CachedEmbedder):
            return {}
        file = {**embedder.file_usage(), **self.engine.store.kept_usage()}
        return {"embedding_cache": {"ram": self.engine.vectors.usage(), "file": file}, "embedding_queue": embedder.queue.usage()}
