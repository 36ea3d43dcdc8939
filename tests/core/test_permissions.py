"""Every file that is made is readable by its owner alone, whatever the umask; one that is there keeps what it has."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentmem_integrations import AgentMemory

Opened = Callable[..., AgentMemory]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows keeps access lists, which a new file inherits from its folder")


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes(folder: Path) -> dict[str, int]:
    return {file.name: mode(file) for file in folder.iterdir()}


@pytest.mark.usefixtures("umask")
def test_a_new_file_and_what_lies_beside_it_is_its_owners_alone(tmp_path: Path, opened: Opened) -> None:
    mem = opened(tmp_path / "memory.db")
    mem.add("tea", user_id="ana")
    assert modes(tmp_path) == {"memory.db": 0o600, "memory.db-wal": 0o600, "memory.db-shm": 0o600}
    mem.purge(user_id="ana")
    mem.add_batch([f"note {n}" for n in range(3_000)], user_id="ana")
    assert set(modes(tmp_path).values()) == {0o600}


@pytest.mark.usefixtures("umask")
def test_exports_and_backups_are_their_owners_alone_also_while_they_are_written(tmp_path: Path, opened: Opened) -> None:
    mem, seen = opened("memory://"), dict[str, int]()
    mem.add_batch([f"note {n}" for n in range(2_500)], user_id="ana")
    mem.export(tmp_path / "out.jsonl", progress=lambda done: seen.update(modes(tmp_path)))
    assert len(seen) == 1
    assert next(iter(seen)).startswith(".out.jsonl.")
    assert set(seen.values()) == {0o600}
    mem.backup(tmp_path / "copy.db")
    assert modes(tmp_path) == {"out.jsonl": 0o600, "copy.db": 0o600}
    opened(tmp_path / "copy.db").add("tea", user_id="ben")
    assert set(modes(tmp_path).values()) == {0o600}


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("wanted", [0o600, 0o640, 0o660, 0o644])
def test_a_file_that_is_there_keeps_its_permissions_and_its_log_takes_them_over(tmp_path: Path, opened: Opened, wanted: int) -> None:
    path = tmp_path / "memory.db"
    opened(path).close()
    path.chmod(wanted)
    mem = opened(path)
    mem.add("tea", user_id="ana")
    mem.purge(user_id="ana")
    assert modes(tmp_path) == {"memory.db": wanted, "memory.db-wal": wanted, "memory.db-shm": wanted}
    mem.close()
    assert modes(tmp_path) == {"memory.db": wanted}


@pytest.mark.usefixtures("umask")
def test_an_export_over_a_file_that_others_could_read_closes_it(tmp_path: Path, opened: Opened) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("old")
    target.chmod(0o644)
    mem: Any = opened("memory://")
    mem.add("tea", user_id="ana")
    mem.export(target, overwrite=True)
    assert mode(target) == 0o600
