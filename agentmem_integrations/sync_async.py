"""One body, two faces: a method is written once, as something that can be waited for or awaited.

`@face` makes the sync method of it, `twin` the async one with the same signature; neither has a body of its own to drift.
"""

import asyncio
import functools
import inspect
import logging
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar

from .engine import Engine, Mind
from .pipeline.write_stages.batching import Write
from .pipeline.write_stages.embed import Writing
from .tracing import Watched, log

if TYPE_CHECKING:
    from .pipeline.intelligent.jobs import Jobs

P = ParamSpec("P")
V = TypeVar("V")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Call(Protocol[R_co]):
    """Work that was checked and prepared, and is done when its result is asked for."""

    def result(self) -> R_co:
        """Do it and wait."""

    def __await__(self) -> Generator[Any, None, R_co]:
        """Do it without holding up the event loop."""


class Read(Generic[R]):
    """Work that runs in the caller's thread, or on the engine's bounded executor when awaited.

    Args:
        engine: Whose executor.
        work: What to do.
        lookup: It is short, as searches are.
    """

    def __init__(self, engine: Engine, work: Callable[[], R], *, lookup: bool = False) -> None:
        self._engine = engine
        self._work = work
        self._lookup = lookup

    def result(self) -> R:
        """Do it here."""
        return self._work()

    def __await__(self) -> Generator[Any, None, R]:
        """Do it on the executor."""
        return _on_executor(self._engine, self._work, lookup=self._lookup).__await__()


class Prepared(Generic[V, R]):
    """A read that needs something first which takes its time; awaited, it holds no thread meanwhile.

    Args:
        engine: Whose executor.
        begin: Asks for it; quick, but may read the file.
        work: What to do with it.
    """

    def __init__(self, engine: Engine, begin: "Callable[[], Future[V]]", work: Callable[[V], R]) -> None:
        self._engine = engine
        self._begin = begin
        self._work = work

    def result(self) -> R:
        """Wait for it and do the work here."""
        return self._work(self._begin().result())

    def __await__(self) -> Generator[Any, None, R]:
        """Await it and do the work on the executor."""
        return self._prepare_and_work().__await__()

    async def _prepare_and_work(self) -> R:
        value = await asyncio.wrap_future(await _on_executor(self._engine, self._begin, lookup=True))
        return await _on_executor(self._engine, lambda: self._work(value), lookup=True)


class Walk(Generic[R]):
    """A read in steps, between which it waits for what is made elsewhere; awaited, it holds no thread meanwhile.

    Args:
        engine: Whose executor.
        steps: The work. It gives a future wherever it has to wait, and is sent what came of it.
    """

    def __init__(self, engine: Engine, steps: "Callable[[], Generator[Future[Any], Any, R]]") -> None:
        self._engine = engine
        self._steps = steps

    def result(self) -> R:
        """Do the work here, and wait here."""
        steps, sent = self._steps(), None
        while True:
            waiting, result = _step(steps, sent)
            if waiting is None:
                return result  # type: ignore[return-value]  # there is one, where nothing is waited for
            sent = waiting.result()

    def __await__(self) -> Generator[Any, None, R]:
        """Do the work on the executor, and await what it waits for."""
        return self._on_executor().__await__()

    async def _on_executor(self) -> R:
        steps, sent = self._steps(), None
        while True:
            waiting, result = await _on_executor(self._engine, functools.partial(_step, steps, sent), lookup=True)
            if waiting is None:
                return result  # type: ignore[return-value]  # as above
            sent = await asyncio.wrap_future(waiting)


def _step(steps: "Generator[Future[Any], Any, R]", sent: Any) -> "tuple[Future[Any] | None, R | None]":
    """Go on to the next place where there is something to wait for; return that, or the result."""
    try:
        return steps.send(sent), None
    except StopIteration as end:  # which no future can hold
        return None, end.value


class Change(Generic[R]):
    """A write on its way through the stages.

    Args:
        writing: The way.
        write: What to write.
    """

    def __init__(self, writing: Writing, write: Write[R]) -> None:
        self._writing = writing
        self._write = write

    def result(self) -> R:
        """Write and wait until it is on disk."""
        return self._writing.run(self._write)

    def __await__(self) -> Generator[Any, None, R]:
        """Write and await that it is on disk."""
        return self._writing.arun(self._write).__await__()


class Later(Generic[R]):
    """A write that has to look something up first; awaited, it does that on the executor.

    Args:
        engine: Whose executor.
        writing: The way.
        prepare: Looks it up and returns the write.
    """

    def __init__(self, engine: Engine, writing: Writing, prepare: Callable[[], Write[R]]) -> None:
        self._engine = engine
        self._writing = writing
        self._prepare = prepare

    def result(self) -> R:
        """Look, write and wait until it is on disk."""
        return self._writing.run(self._prepare())

    def __await__(self) -> Generator[Any, None, R]:
        """Look, write and await that it is on disk."""
        return self._look_and_write().__await__()

    async def _look_and_write(self) -> R:
        write = await _on_executor(self._engine, self._prepare)
        return await self._writing.arun(write)


class Thought(Generic[R]):
    """A write, and work on what came of it that asks a language model, on that model's event loop.

    Args:
        mind: Whose.
        writing: The way of the write.
        write: What to write.
        follow: What to do with the result, with the mind's jobs.
        both: The same as one piece of work.
    """

    def __init__(
        self,
        mind: Mind,
        writing: Writing,
        write: Write[R],
        follow: "Callable[[Jobs, R], Coroutine[Any, Any, R]]",
        both: "Callable[[Jobs], Coroutine[Any, Any, R]]",
    ) -> None:
        self._mind = mind
        self._writing = writing
        self._write = write
        self._follow = follow
        self._both = both

    def result(self) -> R:
        """Write in the caller's own thread, as every write of his; have the rest done and wait."""
        written = self._writing.run(self._write)
        return self._mind.loop.run(self._mind.ask(lambda jobs: self._follow(jobs, written))).result()

    def __await__(self) -> Generator[Any, None, R]:
        """Have it done without holding up the caller's event loop."""
        return self._mind.loop.await_(self._mind.ask(self._both)).__await__()


def _on_executor(engine: Engine, work: Callable[[], R], *, lookup: bool = False) -> "asyncio.Future[R]":
    try:
        return asyncio.get_running_loop().run_in_executor(engine.lookups if lookup else engine.executor, work)
    except RuntimeError:  # it takes no more work: the memory was closed while this call was under way
        engine.check_open()
        raise


def _watched(begin: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Watched | None:
    """Return what tells of a call; None if nobody wants to know. `args[0]` is a `Scoped`, the layer above."""
    room = args[0]._room
    if room.engine.tracing is None and not log.isEnabledFor(logging.DEBUG):
        return None
    return Watched(room.engine.tracing, begin, room.namespace, args[0]._user_id, args[1:], kwargs)


def face(begin: Callable[P, Call[R]]) -> Callable[P, R]:
    """Return the sync method of a method that begins a call."""

    @functools.wraps(begin)
    def method(*args: P.args, **kwargs: P.kwargs) -> R:
        watched = _watched(begin, args, kwargs)
        if watched is None:
            return begin(*args, **kwargs).result()
        with watched:
            return watched.told(begin(*args, **kwargs).result())

    return method


def twin(method: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Return the async method of a `face`."""
    begin: Callable[P, Call[R]] = method.__wrapped__  # type: ignore[attr-defined]  # set by functools.wraps in face()

    @functools.wraps(begin)
    async def amethod(*args: P.args, **kwargs: P.kwargs) -> R:
        watched = _watched(begin, args, kwargs)
        if watched is None:
            return await begin(*args, **kwargs)
        with watched:
            return watched.told(await begin(*args, **kwargs))

    name = f"a{begin.__name__}"
    amethod.__name__, amethod.__qualname__ = name, begin.__qualname__.replace(begin.__name__, name)
    amethod.__doc__ = f"Async twin of `{begin.__name__}`.\n\n{inspect.cleandoc(begin.__doc__ or '')}"
    return amethod
