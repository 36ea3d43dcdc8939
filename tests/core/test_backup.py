"""A copy of a file in use is whole, and opens like the original."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from agentmem_integrations import AgentMemory, InvalidInputError, StorageError, StoreFullError
from agentmem_integrations.storage.sqlite.file import backup as copying
from agentmem_integrations.testing.embedders import HashEmbedder

Opened = Callable[..., AgentMemory]
Run = Callable[..., str]

FULL_DISK = """
import os, resource, signal, sys
from agentmem_integrations import AgentMemory, StoreFullError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path, folder = sys.argv[1:]
mem = AgentMemory(path, embedder=None)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
for write in (mem.export, mem.backup):
    try:
        write(os.path.join(folder, "copy"))
    except StoreFullError as error:
        assert "copy" in str(error), error
    else:
        raise SystemExit("the disk was never full")
assert os.listdir(folder) == [], os.listdir(folder)
"""


def integrity(path: Path) -> str:
    connection = apsw.Connection(str(path))
    try:
        connection.execute("INSERT INTO memories_fts (memories_fts, rank) VALUES ('integrity-check', 1)")
        return str(connection.pragma("integrity_check"))
    finally:
        connection.close()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder / "copy é#?%.db"


def test_the_copy_has_everything_of_every_collection(mem: AgentMemory, opened: Opened, target: Path) -> None:
    mem.add("green tea", user_id="ana", id="m")
    mem.update("m", text="black tea")
    mem.collection("documents", embedder=HashEmbedder(), twins="keep").add("a page")
    assert mem.backup(target) == target.stat().st_size
    copy = opened(str(target))
    assert copy.list(user_id="ana") == mem.list(user_id="ana")
    assert copy.history("m") == mem.history("m")
    assert copy.search("tea", user_id="ana") == mem.search("tea", user_id="ana")
    assert len(copy.collection("documents", embedder=HashEmbedder()).list()) == 1
    copy.add("milk", user_id="ana")
    assert len(mem.list(user_id="ana")) == 1
    copy.close()
    assert integrity(target) == "ok"


@pytest.mark.posix("looks at permission bits")
def test_the_copy_is_private_and_alone(mem: AgentMemory, target: Path) -> None:
    mem.backup(target)
    assert [p.name for p in target.parent.iterdir()] == [target.name]
    assert target.stat().st_mode & 0o777 == 0o600


def test_what_was_acknowledged_before_is_in_it_while_four_threads_write(path: str, opened: Opened, target: Path) -> None:
    mem = opened(path)
    mem.add_batch([f"old note {n} {'x' * 2_000}" for n in range(6_000)], user_id="ana")  # several steps of pages
    stop, acknowledged = threading.Event(), [list[str]() for _ in range(4)]

    def write(worker: int) -> None:
        for n in range(1_000_000):
            if stop.is_set():
                return
            memory = mem.add(f"note {n} of {worker}", user_id="ana").events[0].memory
            acknowledged[worker].append(memory.id)
            if n % 3 == 0:
                mem.delete(mem.add(f"passing {n} of {worker}", user_id="ana").events[0].memory.id)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            before = {id for ids in acknowledged for id in tuple(ids)}
            mem.backup(target, overwrite=target.exists())
            with AgentMemory(target, embedder=HashEmbedder()) as copy:
                found = {m.id for m in copy.list(user_id="ana", limit=10_000)}
                assert before <= found
                assert copy.stats()["memories"] >= 6_000
            assert integrity(target) == "ok"
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert all(acknowledged), "every thread wrote"


def test_writers_are_not_held_up(path: str, opened: Opened, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mem, writer = opened(path), opened(path)
    mem.add_batch([f"old note {n} {'x' * 2_000}" for n in range(2_000)], user_id="ana")
    before = {m.id for m in mem.list(user_id="ana", limit=10_000)}
    steps = []
    advance = copying._advance

    def meddling(*arguments: Any) -> None:
        steps.append(writer.add(f"during step {len(steps)}", user_id="ana"))
        advance(*arguments)

    monkeypatch.setattr(copying, "STEP_PAGES", 100)
    monkeypatch.setattr(copying, "_advance", meddling)
    mem.backup(target)
    assert len(steps) > 3
    assert {m.id for m in opened(str(target)).list(user_id="ana", limit=10_000)} == before, "the copy is the instant it began"


def test_a_file_is_only_replaced_if_asked(mem: AgentMemory, opened: Opened, target: Path) -> None:
    mem.add("tea", user_id="ana")
    mem.backup(target)
    mem.add("milk", user_id="ana")
    with pytest.raises(InvalidInputError, match="overwrite=True"):
        mem.backup(target)
    assert opened(str(target)).stats()["memories"] == 1


def test_a_file_in_use_is_never_replaced(path: str, opened: Opened, target: Path) -> None:
    mem = opened(path)
    mem.add("tea", user_id="ana")
    mem.backup(target)
    copy = opened(str(target))
    for used in (target, path):
        with pytest.raises(InvalidInputError, match="in use"):
            mem.backup(used, overwrite=True)
    copy.close()
    mem.backup(target, overwrite=True)


def test_an_old_log_is_not_played_back_into_a_copy(mem: AgentMemory, target: Path) -> None:
    Path(f"{target}-wal").write_bytes(b"left behind")
    with pytest.raises(InvalidInputError, match="-wal is there"):
        mem.backup(target)


def test_a_damaged_copy_is_thrown_away(mem: AgentMemory, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mem.add_batch([f"note {n}" for n in range(1_000)], user_id="ana")
    check = copying._check

    def spoil(name: str) -> None:
        with Path(name).open("r+b") as file:
            file.seek(8_192 * 3)
            file.write(b"\xff" * 8_192)
        check(name)

    monkeypatch.setattr(copying, "_check", spoil)
    with pytest.raises(StorageError, match="damaged"):
        mem.backup(target)
    assert list(target.parent.iterdir()) == []


def test_a_missing_folder_is_told(mem: AgentMemory, tmp_path: Path) -> None:
    with pytest.raises(StoreFullError, match="could not be written"):
        mem.backup(tmp_path / "nowhere" / "copy.db")


@pytest.mark.posix("limits the size of files")
def test_a_full_disk_is_told_and_leaves_nothing_behind(path: str, opened: Opened, target: Path, run_python: Run) -> None:
    with opened(path, embedder=None) as mem:
        mem.add_batch([f"note {n} {'x' * 500}" for n in range(1_000)], user_id="ana")
    run_python(FULL_DISK, path, str(target.parent))


async def test_the_async_twin_does_the_same(mem: AgentMemory, opened: Opened, target: Path) -> None:
    await mem.aadd("tea", user_id="ana")
    assert await mem.abackup(target) > 0
    assert await mem.abackup(target, overwrite=True) > 0
    assert len(opened(str(target)).list(user_id="ana")) == 1
