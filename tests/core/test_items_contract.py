"""The SQLite store keeps the contract on items: in a file, in RAM, and where no vector may stay in RAM."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agentmem_integrations.storage.sqlite.store import SqliteStore
from agentmem_integrations.testing.items_contract import ItemsContract


class TestInAFile(ItemsContract):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Callable[[], SqliteStore]:
        return lambda: SqliteStore(str(tmp_path / "memory.db"))


class TestInRam(ItemsContract):
    @pytest.fixture
    def make_store(self) -> Callable[[], SqliteStore]:
        return lambda: SqliteStore("memory://")


class TestWithoutVectorsInRam(ItemsContract):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Callable[[], SqliteStore]:
        return lambda: SqliteStore(str(tmp_path / "memory.db"), matrix_budget=0)
