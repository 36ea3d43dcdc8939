"""Any object that can embed, as a model with one lane.

Methods that are coroutines run on a private event loop in a thread of its own, never in a loop of the caller's: a sync caller has none,
and an async one may be waiting for the very vector in it. What an async client keeps between calls, its connections say, belongs to
this one loop.
"""

import asyncio
import inspect
import logging
import os
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

import numpy as np

from ..errors import EmbeddingError, InvalidInputError, shown
from ..models import Identity
from ..ports import Matrix
from .model import Kind, Lane, check_identity

T = TypeVar("T")

log = logging.getLogger("agentmem.embedding")
BATCH: Final = 64  # texts in one call, unless the object has a `batch`: enough for a service, and a question waits for no more


class _PrivateLoop:
    """An event loop in a daemon thread, begun with the first call, and anew in a forked child."""

    _loop: asyncio.AbstractEventLoop | None
    _thread: threading.Thread | None

    def __init__(self) -> None:
        self._start_anew()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for its result."""
        if os.getpid() != self._pid:
            self._start_anew()
        return asyncio.run_coroutine_threadsafe(work, self._running()).result()

    def close(self) -> None:
        """End the loop and its thread; nobody may be waiting any more."""
        if os.getpid() != self._pid or self._loop is None or self._thread is None:
            return
        # On the loop's own thread: this one may have a loop under way, and then can run no other
        asyncio.run_coroutine_threadsafe(self._loop.shutdown_asyncgens(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="agentmem-embed-loop", daemon=True)
                self._thread.start()
            return self._loop

    def _start_anew(self) -> None:
        # A forked child has the parent's loop object but not its thread; it is left untouched, its sockets are the parent's
        self._pid = os.getpid()
        self._starting = threading.Lock()
        self._loop = self._thread = None


class ObjectModel:
    """Any object with `embed_documents` and `embed_query`, as a `Model`.

    The methods may be plain or coroutine functions; an object that has only `aembed_documents` and `aembed_query` will do as
    well. Coroutines run on a private event loop, see `_PrivateLoop`. The object is called by one thread at a time.

    Args:
        inner: The object. It may have `name`, `revision`, `dim`, `batch` (texts it embeds best in one call) and `immediate`, and
            `embed_queries(texts)` for several questions at once. A missing `dim` is found by embedding one word, and is what a
            collection recorded if that fails; a missing `name` is the class's, and the model's if it has a `model`, `model_name`
            or `model_id`.

    Raises:
        InvalidInputError: one of the methods is missing, or `name`, `revision`, `dim` or `batch` cannot be one.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._loop = _PrivateLoop()
        self._documents = self._method("embed_documents")
        self._query = self._method("embed_query")
        self._queries = getattr(inner, "embed_queries", None)
        self.immediate = bool(getattr(inner, "immediate", False))
        self.batch = _batch(inner)
        self.query_batch = self.batch if callable(self._queries) else 1  # one by one, so that nobody waits for others' questions
        self._name = str(getattr(inner, "name", None) or _class_and_model(inner))
        self._revision = str(getattr(inner, "revision", None) or "")
        self._dim = getattr(inner, "dim", None)
        check_identity(self._name, self._revision, 1 if self._dim is None else self._dim)
        self.lanes: Sequence[Lane] = (self,)

    @property
    def identity(self) -> Identity:
        """Name, revision and dimension.

        Raises:
            EmbeddingError: the dimension is not known, and the object could not be asked for it.
        """
        if self._dim is None:
            self._dim = self._measure()
        return Identity(self._name, self._revision, self._dim)

    def assume(self, recorded: Identity | None) -> None:
        """Believe what a collection recorded about this object where the object itself does not answer.

        So a collection opens while its model is down, to be read, searched by words and added to. An object that answers is asked,
        as many have no name but their class's, which says little about the vectors.
        """
        if self._dim is None and recorded is not None and (recorded.name, recorded.revision) == (self._name, self._revision):
            try:
                self._dim = self._measure()
            except EmbeddingError as error:
                log.warning("%s: its %d dimensions are believed to be what they were", error, recorded.dim)
                self._dim = recorded.dim

    def embed(self, texts: Sequence[str], kind: Kind) -> Matrix:
        """Return what the object makes of the texts.

        Raises:
            EmbeddingError: it failed.
        """
        if kind == "passage":
            return self._called(self._documents, list(texts))
        if callable(self._queries):
            return self._called(self._queries, list(texts))
        return np.stack([self._called(self._query, text) for text in texts])

    def close(self) -> None:
        """End the private loop; the object itself is its owner's."""
        self._loop.close()

    def _method(self, name: str) -> Callable[[Any], Any]:
        method = getattr(self._inner, name, None) or getattr(self._inner, f"a{name}", None)
        if not callable(method):
            raise InvalidInputError(f"embedder={type(self._inner).__name__} has no {name}(): pass 'static' or an object that has it")
        found: Callable[[Any], Any] = method
        return found

    def _called(self, method: Callable[[Any], Any], argument: Any) -> Matrix:
        try:
            result = method(argument)
            if inspect.iscoroutine(result):
                result = self._loop.run(result)
            matrix: Matrix = np.asarray(result, dtype=np.float32)
        except Exception as e:  # the edge to other people's code: whatever it raises, the words must be kept
            raise EmbeddingError(f"the embedder {_told(self._inner)} failed with {type(e).__name__}") from e
        return matrix

    def _measure(self) -> int:
        vector = self._called(self._query, "dimension")
        if vector.ndim != 1 or not len(vector):
            raise EmbeddingError(f"the embedder {_told(self._inner)} returned the shape {vector.shape} for one text")
        return len(vector)


def _told(inner: Any) -> str:
    """Return what an error calls it: the class or function that the caller wrote, not our adapter's, and the model it names."""
    inner = getattr(inner, "__wrapped__", inner)
    named, model = getattr(inner, "__qualname__", type(inner).__qualname__), _model(inner)
    return str(named) if model is None else f"{named} ({shown(model)})"


def _model(inner: Any) -> str | None:
    names = (getattr(inner, attribute, None) for attribute in ("model", "model_name", "model_id"))
    return next((name for name in names if isinstance(name, str) and name), None)


def _class_and_model(inner: Any) -> str:
    """Return which class it is, and which model: one class of a framework stands for many."""
    model = _model(inner)
    kind = f"{type(inner).__module__}.{type(inner).__qualname__}"
    return kind if model is None else f"{kind}:{model}"


def _batch(inner: Any) -> int:
    batch = getattr(inner, "batch", None)
    if batch is None:
        return BATCH
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise InvalidInputError(f"embedder={type(inner).__name__} has batch={shown(batch)}: it must be a positive number of texts")
    return batch
