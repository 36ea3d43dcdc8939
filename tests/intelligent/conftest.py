"""Memories that think with a language model."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agentmem_integrations import AgentMemory


@pytest.fixture
def thinking(url: str) -> Iterator[Callable[..., AgentMemory]]:
    """Open memories that think with a model, on a file and in RAM, and close them afterwards."""
    opened: list[AgentMemory] = []

    def think(llm: Any, **options: Any) -> AgentMemory:
        opened.append(AgentMemory(options.pop("path", url), llm=llm, mode="intelligent", **options))
        return opened[-1]

    yield think
    for memory in opened:
        memory.close()
