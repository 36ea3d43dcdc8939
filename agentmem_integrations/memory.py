"""AgentMemory: the one class most users touch."""

import asyncio
import os
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Final, Self

from .build import open_engine, open_room
from .config import (
    EMBEDDING_CACHE_BYTES,
    MATRIX_BUDGET,
    MAX_K,
    RERANK_TOP,
    RERANK_WEIGHT,
    TEXT_LIMIT,
    Durability,
    FollowUps,
    Mode,
    Queue,
    Settings,
    Twins,
)
from .engine import Engine, Room
from .models import AddResult, Identity, UserId
from .pipeline.arguments import read_count, read_flag, read_fraction, read_queue
from .pipeline.export_import.whole_file import whole_file
from .pipeline.normalize import Item
from .sync_async import Call, Read, face, twin
from .verbs import MemoryVerbs, Porting, Reembedding, Results
from .verbs.items import Items

SAME: Final = object()
"""The embedder of the memory that is asked."""


class UserMemory(MemoryVerbs):
    """The memories of one user: a view that can reach nothing else. Made by `AgentMemory.for_user`."""

    @property
    def user_id(self) -> UserId:
        """The user this view is bound to."""
        assert self._user_id is not None
        return self._user_id


class Collection(Porting, Reembedding, MemoryVerbs):
    """The memories of one collection. Made by `AgentMemory.collection`."""

    @property
    def identity(self) -> Identity | None:
        """Which embedder's vectors the collection holds, as recorded in the file; None if it has none yet."""
        self._room.engine.check_open()
        return self._room.engine.store.identity(self._room.namespace)

    @property
    def mode(self) -> Mode:
        """How `add` works unless it says otherwise."""
        return self._room.mode

    def for_user(self, user_id: UserId) -> UserMemory:
        """Return a view bound to one user: its calls need no `user_id` and can reach nobody else's memory."""
        return UserMemory(self._room, self._scope(user_id, None, None).user_id)


class AgentMemory(Collection):
    """Long-term memory in one SQLite file.

    Safe to share between threads, tasks and event loops; several processes may open the same file. Also a context manager.

    Args:
        path: The file, made if it is missing, or `memory://` for one in RAM.
        embedder: `"static"` (bundled, no download), `"fastembed:<model or folder>"`, `"openai:<model>"`, `"model2vec:<folder or id>"`,
            an object with `embed_documents` and `embed_query` (plain or coroutine functions; called by one thread at a time),
            `GivenVectors(dim)` if every vector comes from the caller, or None: then it is searched by words only, and what is added
            to a collection that has an embedder is owed its vector until it is opened with that.
        llm: What `mode="intelligent"` draws facts with: `"openai:<model>"` (any compatible endpoint, see `OpenAIChat`), a function
            from prompt to answer, or a `ChatModel`. It is asked only by calls of that mode, and for what they owe.
        mode: How `add` works unless it says otherwise: `fast` and `batch` ask no model, `intelligent` asks the `llm`.
        namespace: The collection in the file.
        durability: `full`: what was acknowledged survives a power cut; `normal`: it survives a crash of the program.
        twins: `merge`: the same utterance told twice is one memory; `keep`: a document collection, where identical texts
            stay apart and no user need be named. None: as the collection was made, `merge` if it is new.
        text_limit: Characters allowed in one memory.
        matrix_budget: Bytes of vectors kept in RAM for searching.
        queue: Texts in a batch for the embedder, and milliseconds it may wait to become full, such as `(32, 10)`. None: as large
            as the model likes, and nobody waits for a clock.
        embedding_cache_bytes: Bytes of vectors of texts embedded before that are kept in RAM, and as many in the file; 0 for none.
        tracer: An OpenTelemetry `Tracer` that gets a span for every call, or True for one of the application's global provider.
            Default: no spans. See docs/observability.md for what is in them: never content.
        trace_users: The spans also tell whose memory it is: user, agent and session ids.
        ranker: A file of weights that hybrid searches rank by, TOML or JSON (see docs/retrieval.md); None for the package's own.
        reranker: What reads the best candidates of a hybrid search together with the question, and puts them in a better order:
            `"fastembed:<model or folder>"` (a cross-encoder on this machine), `"llm"` (the memory's `llm`), `"openai:<model>"` or a
            `ChatModel` (another one), or a function from a question and texts to numbers from 0 to 1. None: nothing, and nothing
            is spent.
        rerank_top: How many of the best it reads, 1 to 1,000; time and tokens grow with them.
        rerank_weight: How much of a score its judgement makes up, from 0 (none) to 1 (all), beside the ranking's own.
        follow_ups: Who completes a question that only makes sense after `history=`: `rule`, or `llm`, at one call each.

    Raises:
        InvalidInputError: an argument that makes no sense.
        MissingExtraError: a package that an argument needs is not installed.
        StorageError: the path cannot be a memory file.
        EmbedderMismatchError: the collection was written with another embedder.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        embedder: Any = "static",
        llm: Any = None,
        mode: Mode = "fast",
        namespace: str = "default",
        durability: Durability = "full",
        twins: Twins | None = None,
        text_limit: int = TEXT_LIMIT,
        matrix_budget: int = MATRIX_BUDGET,
        queue: Queue | None = None,
        embedding_cache_bytes: int = EMBEDDING_CACHE_BYTES,
        tracer: Any = None,
        trace_users: bool = False,
        ranker: str | os.PathLike[str] | None = None,
        reranker: Any = None,
        rerank_top: int = RERANK_TOP,
        rerank_weight: float = RERANK_WEIGHT,
        follow_ups: FollowUps = "rule",
    ) -> None:
        self._settings = Settings(
            _path(path), embedder, mode, namespace, durability, twins,
            read_count(text_limit, "text_limit", 1, 10_000_000), read_count(matrix_budget, "matrix_budget", 0, 2**50),
            read_queue(queue), read_count(embedding_cache_bytes, "embedding_cache_bytes", 0, 2**50), llm,
            tracer, read_flag(trace_users, "trace_users"), _path(ranker),
            reranker, read_count(rerank_top, "rerank_top", 1, MAX_K), _weight(rerank_weight), follow_ups,
        )  # fmt: skip
        self._engine: Engine = open_engine(self._settings)
        try:
            super().__init__(open_room(self._engine, self._settings))
        except BaseException:
            self._engine.close()
            raise

    @property
    def path(self) -> str:
        """Where it is: the file, or the URL of a memory in RAM."""
        return self._settings.path

    def collection(self, name: str, *, embedder: Any = "static", twins: Twins | None = None, mode: Mode | None = None) -> Collection:
        """Return another collection of the same file, with an embedder and a twin policy of its own.

        Args:
            name: The collection's namespace.
            embedder: As for `AgentMemory`.
            twins: As for `AgentMemory`.
            mode: As for `AgentMemory`; default this memory's.

        Raises:
            ConflictError: it was made with another twin policy.
            EmbedderMismatchError: it was written with another embedder.
        """
        return Collection(open_room(self._engine, self._settings.for_collection(name, embedder, twins, mode)))

    def items(self, collection: str = "items", *, embedder: Any = SAME, sweep_every: float | None = None) -> Items:
        """Return the items of agent frameworks in this file: JSON values under a key in a path, found by path, filter and meaning.

        Args:
            collection: The collection they are in. Its items and its memories know nothing of each other.
            embedder: As for `AgentMemory`; default this memory's. None: nothing is found by meaning.
            sweep_every: Seconds from one deletion of what has expired to the next; default 60. It is invisible before.

        Raises:
            EmbedderMismatchError: the collection was written with another embedder.
        """
        spec = self._settings.embedder if embedder is SAME else embedder
        return Items(open_room(self._engine, self._settings.for_collection(collection, spec, None, "fast")), sweep_every)

    def add_for_user(self, content: Item | Sequence[Item], user_id: UserId, **options: Any) -> AddResult:
        """Alias of `add`, under the name it had in AgentMem."""
        return self.add(content, user_id=user_id, **options)

    def add_batch_optimized(self, items: Iterable[Item], **options: Any) -> Results:
        """Alias of `add_batch`, under the name it had in AgentMem."""
        return self.add_batch(items, **options)

    @face
    def flush(self) -> Call[int]:
        """Wait until everything queued is stored, and see to all owed vectors and facts now; return how many are still owed."""
        self._engine.check_open()
        return Read(self._engine, lambda: sum(_flushed(room) for room in self._engine.open_rooms()))

    aflush = twin(flush)

    @face
    def backup(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Call[int]:
        """Copy the whole file, all collections of it, while it is in use; return the size of the copy in bytes.

        The copy is the state of one instant: everything acknowledged before the call is in it. Writers go on. It is checked,
        and appears whole or not at all, readable by its owner alone.

        Args:
            path: The file to write.
            overwrite: Replace a file that is there.

        Raises:
            InvalidInputError: there is a file of that name already, or one that is in use.
            StoreFullError: the copy cannot be written.
            StorageError: the copy is damaged, as the original then is.
        """
        self._engine.check_open()
        replace = read_flag(overwrite, "overwrite")

        def copy() -> int:
            with whole_file(path, overwrite=replace, database=True) as partial:
                self._engine.store.backup(str(partial))
                return partial.stat().st_size

        return Read(self._engine, copy)

    abackup = twin(backup)

    @face
    def close(self) -> Call[None]:
        """Finish what is queued and let go of the file. Closing twice is fine."""
        return Read(self._engine, self._engine.close)

    async def aclose(self) -> None:
        """Async twin of `close`."""
        await asyncio.to_thread(self.close)  # the engine's own executor is what is being closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()


def _flushed(room: Room) -> int:
    jobs = 0 if room.mind is None else room.mind.loop.run(room.mind.ask(lambda jobs: jobs.drain())).result()
    return jobs + room.writing.flush()


def _weight(value: Any) -> float:
    weight = read_fraction(value, "rerank_weight")
    return RERANK_WEIGHT if weight is None else weight


def _path(path: Any) -> Any:
    """Return a path as text; what is none is left for the check of the settings to name."""
    return os.fspath(path) if isinstance(path, os.PathLike) else path
