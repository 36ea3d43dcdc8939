"""What was acknowledged is there: after a crash, without close(), on a full disk."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.config import Durability

Opened = Callable[..., AgentMemory]
Run = Callable[..., str]

PROGRAM = """
import sys, threading
from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.embedders import HashEmbedder
path, *more = sys.argv[1:]
"""

ADDING = (
    PROGRAM
    + """
mem = AgentMemory(path, embedder=HashEmbedder(), durability=more[0])
lock = threading.Lock()
def work(worker):
    for n in range(1_000_000):
        memory = mem.add(f"note {n} of {worker} with words", user_id="ana").events[0].memory
        with lock:
            print(memory.id, flush=True)
        if n % 5 == 4:
            mem.update(memory.id, text=f"note {n} of {worker} changed")
        if n % 7 == 6:
            mem.add_batch([f"bulk {n} {i} of {worker}" for i in range(20)], user_id="ben")
for worker in range(3):
    threading.Thread(target=work, args=(worker,)).start()
"""
)


def integrity(path: str) -> str:
    connection = apsw.Connection(path)
    connection.set_busy_timeout(10_000)  # a thread of the memory may be copying the log
    try:
        connection.execute("INSERT INTO memories_fts (memories_fts, rank) VALUES ('integrity-check', 1)")
        return str(connection.pragma("integrity_check"))
    finally:
        connection.close()


@pytest.mark.parametrize("durability", ["full", "normal"])
@pytest.mark.posix("ends a program with SIGKILL")
def test_every_acknowledged_memory_survives_kill_9(path: str, opened: Opened, durability: Durability) -> None:
    acknowledged: list[str] = []
    for delay in (0.05, 0.15, 0.3):
        process = subprocess.Popen([sys.executable, "-c", ADDING, path, durability], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        acknowledged.append(process.stdout.readline().strip())  # it is at work
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout.read().split()
        process.wait(30)
        process.stdout.close()
        acknowledged = [id for id in acknowledged if len(id) == 36]  # the last line may be cut
        with opened(path) as mem:
            there = [m.id for m in mem.list(user_id="ana", limit=10_000)]
            assert set(acknowledged) <= set(there)
            assert len(mem.search("note", user_id="ana", k=1_000, using="vector")) == min(1_000, len(there))
            assert len(mem.search("note", user_id="ana", k=1_000, using="text")) == min(1_000, len(there))
            assert mem.stats(user_id="ben")["memories"] % 20 == 0  # a batch is there as a whole or not at all
        assert integrity(path) == "ok"
    assert len(acknowledged) > 3


LEAVING = (
    PROGRAM
    + """
mem = AgentMemory(path, embedder=HashEmbedder())
for n in range(20):
    mem.add(f"note {n}", user_id="ana")
mem.search("note", user_id="ana")
"""
)

LEAVING_ASYNC = (
    PROGRAM
    + """
import asyncio
mem = AgentMemory(path, embedder=HashEmbedder())
async def main():
    await asyncio.gather(*(mem.aadd(f"note {n}", user_id="ana") for n in range(20)))
    await mem.asearch("note", user_id="ana")
asyncio.run(main())
"""
)

LEAVING_BY_ERROR = LEAVING + "sys.exit(0 if mem.stats(user_id='ana')['memories'] == 20 else 1)\n"

LEAVING_BUSY = (
    LEAVING
    + """
threading.Thread(target=lambda: [mem.add(f"more {n}", user_id="ben") for n in range(10**6)], daemon=True).start()
mem.search("note", user_id="ana")
"""
)


@pytest.mark.parametrize("program", [LEAVING, LEAVING_ASYNC, LEAVING_BY_ERROR, LEAVING_BUSY], ids=["end", "async", "exit", "busy"])
def test_leaving_without_close_neither_hangs_nor_loses(path: str, opened: Opened, run_python: Run, program: str) -> None:
    run_python(program, path)
    mem = opened(path)
    assert sorted(m.text for m in mem.list(user_id="ana")) == sorted(f"note {n}" for n in range(20))
    assert len(mem.search("note", user_id="ana", k=100)) == 20


FULL_DISK = (
    PROGRAM
    + """
import resource, signal
from agentmem_integrations import StoreFullError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
mem = AgentMemory(path, embedder=HashEmbedder())
done = 0
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
try:
    for n in range(100_000):
        mem.add(f"note {n} " + "word " * 200, user_id="ana")
        done += 1
except StoreFullError as error:
    assert "note" not in str(error)
else:
    raise SystemExit("the disk was never full")
assert len(mem.list(user_id="ana", limit=10_000)) == done  # reading goes on
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
mem.add("there is room again", user_id="ana")  # and so does writing, once there is room
print(done + 1)
"""
)


@pytest.mark.posix("limits the size of files")
def test_a_full_disk_is_an_error_and_loses_nothing(path: str, opened: Opened, run_python: Run) -> None:
    done = int(run_python(FULL_DISK, path))
    mem = opened(path)
    assert len(mem.list(user_id="ana", limit=10_000)) == done
    mem.close()
    assert integrity(path) == "ok"


def test_what_was_stored_is_there_after_reopening(path: str, opened: Opened) -> None:
    with opened(path) as mem:
        mem.add("green tea", id="m", user_id="ana", metadata={"a": [1]}, name="Ana", timestamp="2026-05-02")
        mem.update("m", text="black tea")
        before, history, hits = mem.get("m"), mem.history("m"), mem.search("tea", user_id="ana")
    again = opened(path)
    assert again.get("m") == before
    assert again.history("m") == history
    assert again.search("tea", user_id="ana") == hits


def test_a_memory_in_ram_is_gone_when_it_is_closed(opened: Opened) -> None:
    with opened("memory://") as mem:
        mem.add("tea", user_id="ana")
        other = opened("memory://")
        assert other.list(user_id="ana") == []
    assert opened("memory://").list(user_id="ana") == []


def test_a_memory_in_ram_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Opened) -> None:
    monkeypatch.chdir(tmp_path)
    opened("memory://").add("tea", user_id="ana")
    assert list(tmp_path.iterdir()) == []


def test_changing_the_folder_does_not_change_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Opened) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    mem = opened("memory.db")
    monkeypatch.chdir(tmp_path / "elsewhere")
    mem.add("tea", user_id="ana")
    for result in _in_new_threads(lambda: len(mem.search("tea", user_id="ana"))):
        assert result == 1
    assert list((tmp_path / "elsewhere").iterdir()) == []
    mem.close()
    assert opened(tmp_path / "memory.db").list(user_id="ana")


def _in_new_threads(work: Callable[[], int]) -> Iterator[int]:
    """Run `work` in threads that overlap, so that each needs a connection of its own."""
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    barrier = Barrier(4)

    def started() -> int:
        barrier.wait(30)
        return sum(work() for _ in range(20)) // 20

    with ThreadPoolExecutor(4) as pool:
        yield from pool.map(lambda _: started(), range(4))
