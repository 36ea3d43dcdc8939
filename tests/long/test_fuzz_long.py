"""A hundred thousand wrong calls, a thousand damaged files: minutes, so only when asked for (`make test-long`, or AGENTMEM_LONG=1).

The short forms are in `tests/core/test_fuzz.py` and `tests/cli/test_cli_fuzz.py`.
"""

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from long.fuzzing import ENTRIES, Call, House, calls, sweep, told
from long.mutations import import_rounds, open_rounds

pytestmark = pytest.mark.skipif(os.environ.get("AGENTMEM_LONG") != "1", reason="takes minutes: set AGENTMEM_LONG=1")

EXAMPLES, CALLS = 1_600, 32


@pytest.mark.parametrize("part", range(4))
def test_every_wrong_value_in_every_argument_of_every_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    house = House(tmp_path)
    mine = {repr(entry) for entry in ENTRIES[part::4]}
    for number, call in enumerate(call for call in sweep() if repr(call.entry) in mine):
        house.make(call)
        if number % 2_000 == 0:
            house.check()
    house.check()
    house.close()
    assert set(house.made) == mine
    print(told(house))


@pytest.mark.parametrize("part", range(2))
def test_fifty_thousand_calls_of_all_kinds_do_no_harm(tmp_path_factory: pytest.TempPathFactory, part: int) -> None:
    made, outcomes = Counter[str](), Counter[str]()

    @settings(max_examples=EXAMPLES // 2, deadline=None, database=None, suppress_health_check=list(HealthCheck))
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
    assert set(made) == {repr(entry) for entry in ENTRIES}
    assert made.total() >= EXAMPLES // 2 * CALLS * 0.9
    print(f"part {part}: {made.total():,} calls of {len(made)} verbs: {dict(outcomes.most_common())}")


def test_a_thousand_damaged_files_are_errors_of_ours_or_work(tmp_path: Path) -> None:
    found = open_rounds(tmp_path, 1_000, seed=10)
    print(f"1,000 damaged files: {dict(found.most_common())}")
    assert found["worked"] > 1_000


def test_thousands_of_damaged_exports_are_errors_of_ours_or_work(tmp_path: Path) -> None:
    found = import_rounds(tmp_path, 3_000, seed=11)
    print(f"3,000 damaged exports: {dict(found.most_common())}")
    assert found["worked"] > 10
