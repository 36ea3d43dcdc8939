"""What thinks in a collection: a language model's event loop, and the jobs on it."""

import os
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from .ports import ChatModel

if TYPE_CHECKING:
    from .llm.event_loop import LoopThread
    from .llm.reasoner import CachingReasoner
    from .pipeline.extraction_jobs import Jobs

T = TypeVar("T")


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
