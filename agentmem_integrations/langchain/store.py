"""AgentMemStore: LangGraph's long-term memory interface, on the file the memories are in.

A namespace's label may hold no period, and many a user's id is an e-mail address: `escape_label` makes a label of any id.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final, cast

from langgraph.store.base import (
    BaseStore,
    GetOp,
    IndexConfig,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
    validate_op_namespace,
)

from ..errors import EmbedderMismatchError, InvalidInputError, shown
from ..memory import SAME, AgentMemory
from ..models import Item as StoredItem
from ..models import ItemAnswer, ItemDelete, ItemGet, ItemOp, ItemPaths, ItemPut, ItemSearch, PathMatch
from ..open_memory import Closing, MemoryOrPath, open_memory
from ..pipeline.arguments import read_flag
from ..verbs.items import Items
from .store_index import Indexing, read_index

_TTL_KEYS: Final = ("default_ttl", "refresh_on_read", "omit_expired", "sweep_interval_minutes")


def escape_label(text: str) -> str:
    """Return a text as a label of a namespace: `ana@example.org` becomes `ana@example%2Eorg`. Equal texts give equal labels.

    Args:
        text: Any id. What holds neither a period nor a per cent sign stays as it is.
    """
    return text.replace("%", "%25").replace(".", "%2E")


def unescape_label(label: str) -> str:
    """Return the text that `escape_label` made a label of."""
    return label.replace("%2E", ".").replace("%25", "%")


class AgentMemStore(Closing, BaseStore):
    """A LangGraph store in one SQLite file: `create_agent(..., store=AgentMemStore("memory.db"))`.

    Every method works from any thread and any event loop, and any number of processes may have the file open. There is nothing to
    set up. Also a context manager, sync and async. What each method does is said by `BaseStore`; beyond that:

    - Items are found by meaning without any configuration: the bundled embedder needs no model, key or download.
    - One `batch` is answered from one snapshot, and its changes are one transaction; where embedding fails, nothing is stored.
    - Pages of a search are complete and do not overlap, with a query too. Without a query, items come in the order they were first put.
    - What has expired is never returned. It is deleted in the background, by itself.

    Args:
        memory: An open `AgentMemory`, which is shared; or a path or URL, which is opened for this store alone.
        index: What items are found by. None: the whole value, with the memory's own embedder (for a path the bundled one). A dict as
            for other stores: `embed` (LangChain `Embeddings`, a function from texts to vectors, sync or async, or a name such as
            `"static"`, `"fastembed:<model>"`, `"openai:<model>"`), `dims`, and `fields` (paths such as `"title"`, `"parts[*].text"`);
            each may be left out. False: nothing is embedded, and a query does not rank, as with a store without `index`.
        ttl: `default_ttl` (minutes, for what is put without a `ttl`), `refresh_on_read` (default True) and `sweep_interval_minutes`
            (default 1), as for other stores. `omit_expired` may be given: it is always so.
        collection: Where in the file the items are. Each collection has an embedder of its own.
        settings: How a path is opened, as for `AgentMemory`: `durability="normal"`, say.

    Raises:
        InvalidInputError: an option that makes no sense.
        EmbedderMismatchError: the collection was written with another embedder, or with vectors of another length.
    """

    supports_ttl = True

    def __init__(
        self,
        memory: MemoryOrPath,
        *,
        index: IndexConfig | Mapping[str, Any] | bool | None = None,
        ttl: TTLConfig | None = None,
        collection: str = "items",
        **settings: Any,
    ) -> None:
        self.ttl_config, sweep_every = _read_ttl(ttl)
        if isinstance(memory, AgentMemory) and settings:
            raise InvalidInputError(f"{', '.join(settings)}: this memory is open already, pass a path or leave it out")
        if "embedder" in settings and isinstance(index, Mapping) and index.get("embed") is not None:
            raise InvalidInputError("embedder= and the embed of index were both given: pass one of them")
        self._indexing = read_index(index, SAME if isinstance(memory, AgentMemory) else settings.pop("embedder", "static"))
        # The collection of the memories is not this store's business: its embedder may be any
        self._memory, self._owned = open_memory(memory, **{"embedder": None, **settings})
        try:
            self._items = self._memory.items(collection, embedder=self._indexing.embedder, sweep_every=sweep_every)
            _check_dims(self._items, self._indexing)
            if self._items.identity is None:  # the memory has no embedder to share
                self._indexing = read_index(False, None)
        except BaseException:
            self.close()
            raise

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do several things at once: questions are answered from the state before, then all changes are made or none."""
        asked = list(ops)
        return _results(asked, self._items.batch([self._op(op) for op in asked]))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Async twin of `batch`; from any event loop."""
        asked = list(ops)
        return _results(asked, await self._items.abatch([self._op(op) for op in asked]))

    def purge(self, namespace_prefix: tuple[str, ...] = (), *, label: str | None = None) -> int:
        """Erase items for good: no byte of values, keys, vectors or namespaces is left in the file. Return how many.

        Args:
            namespace_prefix: All in this namespace or below it; `()` for everything.
            label: Only where the namespace has this label, wherever: `store.purge(label="ana")` forgets Ana in `("users", "ana")` and
                in `("notes", "ana", "2026")`.

        Raises:
            StoreBusyError: they are erased, but a reader kept the log from being emptied: purge again.
        """
        return self._items.purge(_labels(namespace_prefix), label=label)

    async def apurge(self, namespace_prefix: tuple[str, ...] = (), *, label: str | None = None) -> int:
        """Async twin of `purge`."""
        return await self._items.apurge(_labels(namespace_prefix), label=label)

    def sweep_ttl(self) -> int:
        """Delete what has expired now; return how much. It happens by itself, and what has expired is not returned anyway."""
        return self._items.sweep()

    async def asweep_ttl(self) -> int:
        """Async twin of `sweep_ttl`."""
        return await self._items.asweep()

    def _held(self) -> tuple[AgentMemory, bool]:
        return self._memory, self._owned

    def _op(self, op: Op) -> ItemOp:
        """Return an operation in the core's words.

        Raises:
            InvalidNamespaceError: a namespace that is none.
        """
        if isinstance(op, GetOp | PutOp | SearchOp | ListNamespacesOp):
            validate_op_namespace(op)  # the base class has checked what came through its methods only
        match op:
            case GetOp():
                return ItemGet(_namespace(op.namespace, op), str(op.key), bool(op.refresh_ttl))
            case SearchOp():
                return ItemSearch(_labels(op.namespace_prefix), op.query, op.filter, op.limit, op.offset, bool(op.refresh_ttl))
            case ListNamespacesOp():
                matches = tuple(PathMatch(c.match_type, _labels(c.path)) for c in op.match_conditions or ())
                return ItemPaths(matches, op.max_depth, op.limit, op.offset)
            case PutOp():
                if op.value is None:
                    return ItemDelete(_namespace(op.namespace, op), str(op.key))
                texts = partial(self._indexing.texts, index=op.index)
                return ItemPut(_namespace(op.namespace, op), str(op.key), op.value, texts, op.ttl)
        raise InvalidInputError(f"{shown(op)} is no operation: pass GetOp, PutOp, SearchOp or ListNamespacesOp")


def _namespace(namespace: tuple[str, ...], op: Op) -> tuple[str, ...]:
    if not namespace:
        raise InvalidNamespaceError(f"Namespace cannot be empty: {type(op).__name__} needs one label or more")
    return _labels(namespace)


def _labels(namespace: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(namespace, str):  # whose letters would be taken for labels
        raise InvalidNamespaceError(f"Namespace {shown(namespace)} is a text: pass a tuple such as ({shown(namespace)},)")
    return tuple(namespace)


def _results(ops: list[Op], answers: list[ItemAnswer]) -> list[Result]:
    return [_result(op, answer) for op, answer in zip(ops, answers, strict=True)]


def _result(op: Op, answer: ItemAnswer) -> Result:
    if isinstance(answer, StoredItem):
        return Item(value=answer.value, key=answer.key, namespace=answer.path, created_at=answer.created_at, updated_at=answer.updated_at)
    if isinstance(op, SearchOp):
        found = cast("list[StoredItem]", answer)
        return [SearchItem(i.path, i.key, i.value, i.created_at, i.updated_at, i.score) for i in found]
    return cast("Result", answer)


def _check_dims(items: Items, indexing: Indexing) -> None:
    """Refuse an embedder whose vectors are not as long as the caller believes."""
    identity = items.identity
    if identity is not None and indexing.dims not in (None, identity.dim):
        raise EmbedderMismatchError(
            f"index has dims={indexing.dims}, and the vectors of {identity.name} have {identity.dim} numbers: leave dims out, or correct it"
        )


def _read_ttl(ttl: TTLConfig | None) -> tuple[TTLConfig | None, float | None]:
    """Return the configuration as it was passed, and the seconds between sweeps."""
    if ttl is None:
        return None, None
    if not isinstance(ttl, Mapping) or any(key not in _TTL_KEYS for key in ttl):
        raise InvalidInputError(f"ttl={shown(ttl)}: pass a dict with some of {', '.join(_TTL_KEYS)}; times are minutes")
    for key in ("default_ttl", "sweep_interval_minutes"):
        minutes: Any = ttl.get(key)
        if minutes is not None and (isinstance(minutes, bool) or not isinstance(minutes, int | float) or not minutes > 0):
            raise InvalidInputError(f"{key}={shown(minutes)} of ttl: pass a positive number of minutes, or leave it out")
    for key in ("refresh_on_read", "omit_expired"):
        read_flag(ttl.get(key, True), f"{key} of ttl")
    interval = ttl.get("sweep_interval_minutes")
    return ttl, None if interval is None else 60.0 * interval
