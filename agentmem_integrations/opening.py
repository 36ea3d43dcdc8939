"""What the adapters of the frameworks take as their memory: an open one, or the path of one."""

import os
from typing import Any

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
