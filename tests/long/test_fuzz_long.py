"""A hundred thousand wrong calls, a thousand damaged files: minutes, so only when asked for (`make test-long`, or AGENTMEM_LONG=1).

The short forms are in `tests/core/test_fuzz.py` and `tests/cli/test_cli_fuzz.py`.
"""

import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from long.fuzzing import ENTRIES, Call, House, calls, several, sweep, told
from long.mutations import import_rounds, open_rounds

pytestmark = pytest.mark.skipif(os.environ.get("AGENTMEM_LONG") != "1", reason="takes minutes: set AGENTMEM_LONG=1")

PARTS, RANDOM, EXAMPLES, CALLS = 4, 50_000, 250, 32  # with the sweep, more than 100,000 calls


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    house = House(tmp_path)
    yield house
    house.check()
    house.close()
    print(told(house))


def test_there_are_more_than_a_hundred_thousand_calls() -> None:
    assert sum(1 for _ in sweep()) + RANDOM > 100_000


@pytest.mark.parametrize("part", range(PARTS))
def test_every_wrong_value_in_every_argument_of_every_verb(house: House, part: int) -> None:
    mine = {repr(entry) for entry in ENTRIES[part::PARTS]}
    for number, call in enumerate(call for call in sweep() if repr(call.entry) in mine):
        house.make(call)
        if number % 2_000 == 0:
            house.check()
    assert set(house.made) == mine


@pytest.mark.parametrize("part", range(PARTS))
def test_several_wrong_values_at_once(house: House, part: int) -> None:
    for number, call in enumerate(several(random.Random(part), RANDOM // PARTS)):
        house.make(call)
        if number % 2_000 == 0:
            house.check()
    assert set(house.made) == {repr(entry) for entry in ENTRIES}
    assert house.outcomes["done"] > RANDOM // PARTS / 50


def test_calls_of_all_kinds_after_one_another_do_no_harm(tmp_path_factory: pytest.TempPathFactory) -> None:
    made, outcomes = Counter[str](), Counter[str]()

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(many=st.lists(calls(), min_size=CALLS, max_size=CALLS))
    def run(many: list[Call]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            folder = tmp_path_factory.mktemp("house")
            (folder / "below").mkdir()
            patch.chdir(folder / "below")
            house = House(folder)
            try:
                for call in many:
                    house.make(call)
                house.check()
            finally:
                house.close()
            made.update(house.made)
            outcomes.update(house.outcomes)

    run()
    print(f"{made.total():,} calls of {len(made)} verbs: {dict(outcomes.most_common())}")


def test_a_thousand_damaged_files_are_errors_of_ours_or_work(tmp_path: Path) -> None:
    found = open_rounds(tmp_path, 1_000, seed=10)
    print(f"1,000 damaged files: {dict(found.most_common())}")
    assert found["worked"] > 1_000


def test_thousands_of_damaged_exports_are_errors_of_ours_or_work(tmp_path: Path) -> None:
    found = import_rounds(tmp_path, 3_000, seed=11)
    print(f"3,000 damaged exports: {dict(found.most_common())}")
    assert found["worked"] > 10
