"""No call raises anything but our errors, and no call damages the file: the short form. The long one is in `tests/long`."""

import inspect
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from long.fuzzing import BOMBS, CLOSING, ENTRIES, HOSTILE, Call, House, calls, sweep, told
from long.mutations import import_rounds, open_rounds

from agentmem_integrations import AgentMemory, UserMemory
from agentmem_integrations.memory import Collection


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)  # where files of relative names come to lie
    house = House(tmp_path)
    yield house
    house.close()


def test_every_public_verb_is_among_the_entries() -> None:
    for face in (AgentMemory, Collection, UserMemory):
        public = {name for name, value in inspect.getmembers(face, callable) if not name.startswith("_")}
        assert public - CLOSING == {entry.verb for entry in ENTRIES if entry.face is face} - {"__init__"}
        assert public >= {"add", "asearch", "purge"}
    assert all(entry.arguments for entry in ENTRIES if entry.verb in ("add", "aadd", "add_for_user", "search", "export", "__init__"))


def test_some_wrong_values_in_every_argument_of_every_verb_are_refused_or_taken(house: House) -> None:
    rng = random.Random(0)
    for call in sweep():
        wrong = [value.name for value in call.arguments.values() if hasattr(value, "name")]
        if not wrong or (rng.random() < 4 / len(HOSTILE) and not BOMBS & set(wrong)):
            house.make(call)
    house.check()
    assert set(house.made) == {repr(entry) for entry in ENTRIES}
    assert house.outcomes["done"] > 100, told(house)


@settings(max_examples=25)
@given(many=st.lists(calls(), min_size=20, max_size=20))
def test_calls_of_all_kinds_after_one_another_do_no_harm(tmp_path_factory: pytest.TempPathFactory, many: list[Call]) -> None:
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


def test_a_damaged_file_is_an_error_of_ours_or_works(tmp_path: Path) -> None:
    found = open_rounds(tmp_path, 60, seed=1)
    assert found["worked"] > 50
    assert found["SchemaError"] > 20


def test_a_damaged_export_is_an_error_of_ours_or_works(tmp_path: Path) -> None:
    found = import_rounds(tmp_path, 120, seed=1)
    assert found["InvalidInputError"] > 60
    assert found["worked"] > 0
