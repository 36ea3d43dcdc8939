"""The conformance suite on our store: in a file and in RAM, sync and async, opened for itself and sharing a memory."""

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import BaseStore

from agentmem_integrations import AgentMemory
from agentmem_integrations.langchain import AgentMemStore
from agentmem_integrations.testing.langgraph_store import LangGraphAsyncStoreTests, LangGraphStoreTests

NUMBERS = itertools.count()


class TestFile(LangGraphStoreTests):
    ttl_s = 0.4

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.tmp_path = tmp_path

    @contextmanager
    def make_store(self, **options: Any) -> Iterator[BaseStore]:
        with AgentMemStore(self.tmp_path / f"{next(NUMBERS)}.db", **options) as store:
            yield store


class TestRam(LangGraphStoreTests):
    ttl_s = 0.4

    @contextmanager
    def make_store(self, **options: Any) -> Iterator[BaseStore]:
        with AgentMemStore("memory://", **options) as store:
            yield store


class TestInALargerFile(LangGraphStoreTests):
    """Beside memories and other items, in a store of vectors too large for RAM."""

    ttl_s = 0.4

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.tmp_path = tmp_path

    @contextmanager
    def make_store(self, **options: Any) -> Iterator[BaseStore]:
        with AgentMemory(self.tmp_path / f"{next(NUMBERS)}.db", matrix_budget=0) as memory:
            memory.add("Ana drinks green tea", user_id="a")
            others = AgentMemStore(memory, collection="others")
            others.put(("a",), "key", {"text": "green tea"})
            others.put(("a",), "k1", {"text": "red car"}, ttl=99)
            yield AgentMemStore(memory, **options)
            assert {item.key for item in others.search(("a",), query="tea")} == {"key", "k1"}
            assert [hit.memory.text for hit in memory.search("tea", user_id="a")] == ["Ana drinks green tea"]
            assert memory.verify().findings == []


class TestAsync(LangGraphAsyncStoreTests):
    ttl_s = 0.4

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.tmp_path = tmp_path

    @asynccontextmanager
    async def make_store(self, **options: Any) -> AsyncIterator[BaseStore]:  # type: ignore[override]  # as the suite says
        async with AgentMemStore(self.tmp_path / f"{next(NUMBERS)}.db", **options) as store:
            yield store
