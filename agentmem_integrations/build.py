"""Settings become wired objects. Here and in `model_specs` alone concrete classes are named."""

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, get_args

from .config import MEMORY_URL, PATH_LIMIT, Durability, FollowUps, Mode, Settings, Twins
from .embedding.given_vectors import GivenEmbedder, GivenVectors
from .embedding.vector_cache import CachedEmbedder, VectorCache
from .engine import Engine, Mind, Room
from .errors import ClosedError, InvalidInputError, NotFoundError, StorageError, shown
from .model_specs import chat_model, named_reranker, open_model
from .models import Identity, Memory, Scope
from .pipeline.add import AddHallway
from .pipeline.arguments import read_choice, read_name
from .pipeline.ranking.rerank import Reranking
from .pipeline.ranking.weights import read_ranking
from .pipeline.search import SearchHallway
from .pipeline.write_stages.commit import Commits
from .pipeline.write_stages.embed import Writing
from .ports import Embedder, Judgement, Reranker
from .tracing import read_tracing

if TYPE_CHECKING:
    from .llm.reasoner import CachingReasoner
    from .pipeline.intelligent.jobs import Jobs
    from .storage.sqlite.file.diagnose import FileState


def open_engine(settings: Settings) -> Engine:
    """Open the store that the settings name.

    Raises:
        InvalidInputError: a setting that is none.
        StorageError: the path cannot be a memory file.
    """
    _one_of("durability", settings.durability, Durability)
    path = settings.path
    if not isinstance(path, str) or not path or "\x00" in path or not path.isprintable():
        raise InvalidInputError(f"path={shown(path)}: pass a file name such as 'memory.db', or {MEMORY_URL}")
    if len(path) > PATH_LIMIT:
        raise InvalidInputError(f"the path has {len(path):,} characters, and {PATH_LIMIT:,} are allowed: choose a shorter one")
    if path == ":memory:":
        raise InvalidInputError(f"path={shown(path)}: a store in RAM is {MEMORY_URL}")
    scheme = re.match(r"(\w+)://", path)
    if scheme and path != MEMORY_URL:
        raise InvalidInputError(f"{shown(path)}: stores are a file or {MEMORY_URL}; {scheme[1]}:// is not supported")

    tracing = read_tracing(settings.tracer, settings.trace_users)
    try:
        from .storage.sqlite.store import SqliteStore
    except ImportError as e:  # no wheel of sqlite-vec for this platform, or a broken installation
        raise StorageError(f"{e.name} cannot be imported, which every memory file needs: `agentmem doctor` says what to do") from e
    store = SqliteStore(path, settings.durability, settings.matrix_budget, settings.embedding_cache_bytes)
    return Engine(store, Commits(store), path, VectorCache(settings.embedding_cache_bytes), settings.queue, tracing=tracing)


def open_room(engine: Engine, settings: Settings) -> Room:
    """Open a collection in an open store.

    Raises:
        InvalidInputError: a setting that is none.
        EmbedderMismatchError: the collection holds another embedder's vectors.
    """
    engine.check_open()
    _one_of("mode", settings.mode, Mode)
    if settings.mode == "intelligent" and settings.llm is None:
        raise InvalidInputError("mode='intelligent' needs a language model: pass llm='openai:<model>', a function, or a ChatModel")
    _one_of("follow_ups", settings.follow_ups, FollowUps)
    if settings.follow_ups == "llm" and settings.llm is None:
        raise InvalidInputError("follow_ups='llm' needs a language model: pass llm='openai:<model>', a function, or a ChatModel")
    if settings.twins is not None:
        _one_of("twins", settings.twins, Twins)
    namespace = read_name(settings.namespace, "namespace")
    if namespace is None:
        raise InvalidInputError("namespace=None: pass the collection's name")
    ranking = None if settings.ranker is None else read_ranking(settings.ranker)
    embedder = open_embedder(engine, settings.embedder, namespace)
    policy = engine.store.open_collection(namespace, settings.twins, embedder.identity if embedder else None)
    for known in engine.open_rooms():  # adapters may be made for every request, and a room lasts as long as its memory
        if (known.namespace, known.mode) == (namespace, settings.mode) and _same(known.writing.embedder, embedder):
            return known
    writing = Writing(engine.commits, embedder, namespace)
    mind = _mind(settings.llm, engine, writing, namespace)
    reranking = _reranking(settings, engine, mind)
    room = Room(
        engine, namespace, settings.mode, policy, settings.text_limit,
        writing, AddHallway(writing), SearchHallway(engine.store, embedder, engine.commits.stage.held, ranking, reranking),
        mind, settings.follow_ups,
    )  # fmt: skip
    engine.rooms.append(room)
    writing.take_up()
    if room.mind is not None and engine.store.jobs(namespace, None, 1):
        room.mind.begin()
    return room


def _mind(spec: Any, engine: Engine, writing: Writing, namespace: str) -> Mind | None:
    if spec is None:
        return None
    loop = engine.thinking()
    model = chat_model(spec, loop)

    async def offload(work: Callable[[], Any]) -> Any:
        try:
            working = asyncio.get_running_loop().run_in_executor(engine.executor, work)
        except RuntimeError as error:  # what it is about is in the file, for whoever opens it next
            raise ClosedError("the program is ending: no more work is begun") from error
        return await working

    def make() -> "tuple[CachingReasoner, Jobs]":
        from .llm.reasoner import CachingReasoner
        from .pipeline.intelligent.jobs import Jobs
        from .pipeline.intelligent.understand import Understanding

        reasoner = CachingReasoner(model, engine.store.learned)
        return reasoner, Jobs(writing, Understanding(writing, reasoner, offload), offload, namespace)

    return Mind(loop, make, model if isinstance(spec, str) else None)


def _reranking(settings: Settings, engine: Engine, mind: Mind | None) -> Reranking | None:
    if settings.reranker is None:
        return None
    reranker, loop = open_reranker(settings.reranker, engine, mind), engine.thinking()

    def begin(question: str, memories: Sequence[Memory], scope: Scope) -> "Future[Sequence[Judgement]]":
        async def judged() -> Sequence[Judgement]:
            return await reranker.rerank(question, memories, scope)

        return loop.run(judged())

    return Reranking(begin, reranker.name, settings.rerank_top, settings.rerank_weight)


def open_reranker(spec: Any, engine: Engine, mind: Mind | None) -> Reranker:
    """Return the reranker that a setting means; one store's collections share it, and its model.

    Args:
        spec: As for `AgentMemory`.
        engine: The open store.
        mind: The collection's language model, if it has one.

    Raises:
        InvalidInputError: it means none.
        MissingExtraError: the package it needs is not installed.
        RerankError: the model cannot be loaded.
    """
    if isinstance(spec, str) and spec == "llm":
        if mind is None:
            raise InvalidInputError("reranker='llm' needs a language model: pass llm='openai:<model>', a function, or a ChatModel")
        from .rerank.llm import LlmReranker

        return LlmReranker(mind.reasoner, "llm")
    key = spec if isinstance(spec, str) else id(spec)
    if key not in engine.rerankers:
        engine.rerankers.setdefault(key, (spec, named_reranker(spec, engine)))
    return engine.rerankers[key][1]


def open_embedder(engine: Engine, spec: Any, namespace: str) -> Embedder | None:
    """Return the embedder that a setting means; what one store's collections have in common is one model behind one queue.

    Args:
        engine: The open store.
        spec: As for `AgentMemory`.
        namespace: The collection it is for: what that recorded of the model need not be asked for.

    Raises:
        InvalidInputError: it means none.
        MissingExtraError: the package it needs is not installed.
        EmbeddingError: the model cannot be loaded, or does not embed.
    """
    if spec is None:
        return None
    if isinstance(spec, GivenVectors):
        identity = spec.identified(_recorded(engine, namespace))
        return None if identity is None else GivenEmbedder(identity)
    if isinstance(spec, str) and spec == "static":
        from .embedding.bundled import BundledEmbedder

        return BundledEmbedder()
    key = _key(spec)
    if key not in engine.embedders:  # two threads may open a collection each: the first one's is shared
        engine.embedders.setdefault(key, (spec, _wired(engine, spec, namespace)))
    return engine.embedders[key][1]


def _same(one: Embedder | None, other: Embedder | None) -> bool:
    """Say whether two embedders are the same: one object, or of one kind that needs none."""
    if one is other or one is None or other is None:
        return one is other
    return type(one) is type(other) and not isinstance(one, CachedEmbedder) and one.identity == other.identity


def _key(spec: Any) -> Any:
    """Return what an embedder is known by here; adapters of one model, made with the same options, are one."""
    if isinstance(spec, str):
        return spec
    wrapped = getattr(spec, "__wrapped__", None)
    return id(spec) if wrapped is None else (type(spec), id(wrapped), spec.name, spec.revision, getattr(spec, "dim", None))


def _recorded(engine: Engine, namespace: str) -> Identity | None:
    try:
        return engine.store.identity(namespace)
    except NotFoundError:  # a new collection
        return None


def _wired(engine: Engine, spec: Any, namespace: str) -> Embedder:
    model = open_model(spec)
    if model is not spec:
        engine.owned.append(model.close)
    if hasattr(model, "assume"):
        with contextlib.suppress(NotFoundError):  # a new collection has recorded nothing
            model.assume(engine.store.identity(namespace))
    if getattr(model, "immediate", False):
        from .embedding.immediate import DirectEmbedder

        return DirectEmbedder(model)
    from .embedding.queue import QueuedEmbedder

    return CachedEmbedder(QueuedEmbedder(model, *(engine.queue or ())), engine.vectors, engine.store.kept, engine.commits.keep)


def look_at_file(path: str, *, check: bool = True) -> "FileState":
    """Return what can be told of a memory file without opening it: nothing is migrated, created or written.

    Args:
        path: A file that is there.
        check: Have all its pages looked at.

    Raises:
        StorageError: it is none, or cannot be read.
    """
    from .storage.sqlite.file.diagnose import look_at

    return look_at(path, check=check)


def database_versions() -> Mapping[str, str]:
    """Return the versions of what memory files are read and written with, once it was seen to work.

    Raises:
        StorageError: it does not work.
        ImportError: it is not installed.
    """
    from .storage.sqlite.file.diagnose import sqlite_versions

    return sqlite_versions()


def _one_of(what: str, value: Any, choices: Any) -> None:
    read_choice(value, what, get_args(choices))
