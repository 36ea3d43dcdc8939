"""What the adapters of the frameworks take as their memory: an open one, or the path of one."""

import os
from types import TracebackType
from typing import Any, Self

from .errors import InvalidInputError, shown
from .memory import AgentMemory

MemoryOrPath = AgentMemory | str | os.PathLike[str]


def open_memory(memory: MemoryOrPath, **settings: Any) -> tuple[AgentMemory, bool]:
    """Return an open memory, and whether it was opened here, so that whoever asked must close it.

    Args:
        memory: An open memory, which is shared with its caches and stays its owner's to close; or a path or URL, which is opened
            for the asking adapter alone.
        settings: How a path is opened, as for `AgentMemory`.

    Raises:
        InvalidInputError: it is neither.
    """
    if isinstance(memory, AgentMemory):
        return memory, False
    if isinstance(memory, str | os.PathLike):
        return AgentMemory(memory, **settings), True
    raise InvalidInputError(f"memory={shown(memory)} is neither an open AgentMemory nor a path: pass AgentMemory(...) or 'memory.db'")


class Closing:
    """What an adapter that may have opened its memory does in the end: `close`, `aclose`, and `with`, plain and async."""

    def _held(self) -> tuple[AgentMemory, bool]:
        """Return the memory, and whether it was opened here."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the memory if it was opened here, for a path. One that was passed open is its owner's to close."""
        memory, owned = self._held()
        if owned:
            memory.close()

    async def aclose(self) -> None:
        """Async twin of `close`."""
        memory, owned = self._held()
        if owned:
            await memory.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()
