"""The contract of a `ports.Store`, as tests.

Derive a class, say how a store is made, and let pytest collect it:

    class TestMyStore(StoreContract):
        @pytest.fixture
        def make_store(self, tmp_path):
            return lambda: MyStore(tmp_path / "memory.db")

`make_store` is called once per test, for an empty store; the test closes it. Whatever the suite asks of a store follows from
the docstrings in `ports/`.
"""

from .searching_contract import SearchingContract
from .storing_contract import StoringContract
from .upkeep_contract import UpkeepContract


class StoreContract(StoringContract, SearchingContract, UpkeepContract):
    """What every store must do. Override the fixture `make_store`."""
