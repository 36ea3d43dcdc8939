"""The bundled store meets the contract, in a file and in RAM."""

from collections.abc import Callable

import pytest

from agentmem_integrations.ports import Store
from agentmem_integrations.storage.sqlite.store import SqliteStore
from agentmem_integrations.testing.extraction_contract import ExtractionContract
from agentmem_integrations.testing.porting_contract import PortingContract
from agentmem_integrations.testing.reembedding_contract import ReembeddingContract
from agentmem_integrations.testing.store_contract import StoreContract


class TestFile(StoreContract):
    @pytest.fixture
    def make_store(self, path: str) -> Callable[[], Store]:
        return lambda: SqliteStore(path)


class TestInMemory(StoreContract):
    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        return lambda: SqliteStore("memory://")


class TestTooLargeForRam(StoreContract):
    """Every search is a scan inside SQLite, as for a scope that outgrew the budget."""

    @pytest.fixture
    def make_store(self, path: str) -> Callable[[], Store]:
        return lambda: SqliteStore(path, matrix_budget=0)


class TestCarryingOfAFile(PortingContract):
    @pytest.fixture
    def make_store(self, path: str) -> Callable[[], Store]:
        return lambda: SqliteStore(path)


class TestCarryingInMemory(PortingContract):
    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        return lambda: SqliteStore("memory://")


class TestReembeddingInAFile(ReembeddingContract):
    @pytest.fixture
    def make_store(self, path: str) -> Callable[[], Store]:
        return lambda: SqliteStore(path)


class TestReembeddingInMemory(ReembeddingContract):
    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        return lambda: SqliteStore("memory://")


class TestExtractionInAFile(ExtractionContract):
    @pytest.fixture
    def make_store(self, path: str) -> Callable[[], Store]:
        return lambda: SqliteStore(path)


class TestExtractionInMemory(ExtractionContract):
    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        return lambda: SqliteStore("memory://")
