"""What happens to a file that is open here, by other hands and by our own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agentmem_integrations import AgentMemory, InvalidInputError, NotADatabaseError, StorageError

pytestmark = pytest.mark.posix("removes and links files that are open, and looks at locks")

Opened = Callable[..., AgentMemory]
Doing = Callable[[AgentMemory, str], None]

LOCKED = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)  # SQLite's shared locks
    except OSError:
        print("locked")
"""


def locked(path: str) -> bool:
    """Say whether another process finds that this one has the file open."""
    run = subprocess.run([sys.executable, "-c", LOCKED, path], capture_output=True, text=True, check=True)
    return run.stdout == "locked\n"


def opening_it_again(mem: AgentMemory, path: str) -> None:
    with AgentMemory(path, embedder=None) as again:
        again.add("milk", user_id="ana")


def purging(mem: AgentMemory, path: str) -> None:
    assert mem.purge(user_id="ana") == 1


def exporting_over_it(mem: AgentMemory, path: str) -> None:
    with pytest.raises(InvalidInputError, match="in use"):
        mem.export(path, overwrite=True)


def importing_it(mem: AgentMemory, path: str) -> None:
    with pytest.raises(InvalidInputError, match="in use"):
        mem.import_(path)


@pytest.mark.parametrize("does", [opening_it_again, purging, exporting_over_it, importing_it])
def test_other_processes_are_still_told_that_a_file_is_open(
    does: Callable[[AgentMemory, str], None], opened: Opened, tmp_path: Path
) -> None:
    path = str(tmp_path / "memory.db")
    mem = opened(path, embedder=None)
    mem.add("tea", user_id="ana")
    assert locked(path)
    does(mem, path)
    assert locked(path)


def test_a_file_that_was_removed_takes_no_more_memories(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    mem = opened(str(path), embedder=None)
    mem.add("tea", user_id="ana")
    for file in tmp_path.iterdir():
        file.unlink()
    with pytest.raises(StorageError, match="removed or replaced"):
        mem.add("milk", user_id="ana")
    assert not path.exists(), "nor is an empty file put in its place"


def test_a_file_that_was_replaced_takes_no_more_memories(opened: Opened, tmp_path: Path) -> None:
    path, other = tmp_path / "memory.db", tmp_path / "other.db"
    with AgentMemory(str(other), embedder=None) as theirs:
        theirs.add("theirs", user_id="ana")
    mem = opened(str(path), embedder=None)
    mem.add("ours", user_id="ana")
    other.replace(path)
    with pytest.raises(StorageError, match="removed or replaced"):
        mem.add("milk", user_id="ana")


def test_a_backup_over_a_link_to_the_file_itself_is_refused(opened: Opened, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "memory.db")
    mem = opened(str(link), embedder=None)
    mem.add("tea", user_id="ana")
    with pytest.raises(InvalidInputError, match="in use"):
        mem.backup(link, overwrite=True)
    assert link.is_symlink()


def test_a_link_to_a_file_that_is_not_there_yet_makes_it_there(opened: Opened, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "memory.db")
    opened(str(link), embedder=None).add("tea", user_id="ana")
    assert (tmp_path / "memory.db").exists()


def test_a_folder_that_is_gone_is_named_as_the_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Opened) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    mem = opened("memory://", embedder=None)
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(StorageError, match="the current folder is gone"):
        AgentMemory("memory.db", embedder=None)
    with pytest.raises(InvalidInputError, match="the current folder is gone"):
        mem.export("export.jsonl")


def test_a_device_is_no_memory_file() -> None:
    with pytest.raises(NotADatabaseError, match="a device, a pipe or a socket"):
        AgentMemory("/dev/null", embedder=None)
