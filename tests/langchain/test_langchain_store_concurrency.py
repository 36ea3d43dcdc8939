"""Threads, event loops, processes, forks and kills; and the sweeper, which is a thread of its own."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import GetOp, PutOp

from agentmem_integrations import AgentMemory
from agentmem_integrations.langchain import AgentMemStore
from agentmem_integrations.testing.embedders import HashEmbedder


def crowd(work: Callable[[int], None], count: int) -> list[BaseException]:
    """Run the work in so many threads; return what went wrong."""
    errors: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - all of them are what the tests are about
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_six_threads_of_puts_and_gets_on_one_file_meet_no_error(path: str) -> None:
    with AgentMemStore(path) as store:

        def work(number: int) -> None:
            for n in range(50):
                put = PutOp(("t", str(number)), f"k{n}", {"text": f"tea {n} of {number}"})
                _, before = store.batch([put, GetOp(("t", str(number)), f"k{n - 1}")])
                assert before is not None or n == 0, "what was acknowledged is seen"

        assert crowd(work, 6) == []
        assert len(store.search(("t",), limit=1_000)) == 300
        assert store._memory.verify().findings == []


def test_six_stores_on_one_file_meet_no_error(path: str) -> None:
    def work(number: int) -> None:
        with AgentMemStore(path) as store:
            for n in range(20):
                store.batch([PutOp(("t", str(number)), f"k{n}", {"text": f"tea {n}"}), GetOp(("t", "0"), "k0")])

    assert crowd(work, 6) == []
    with AgentMemStore(path) as store:
        assert len(store.search(("t",), limit=1_000)) == 120


def test_what_one_store_writes_the_other_finds_at_once(path: str) -> None:
    """The vectors that are kept in RAM follow what others put, replace, delete, purge and let expire."""
    with AgentMemStore(path) as writer, AgentMemStore(path) as reader:

        def keys() -> list[str]:
            return [item.key for item in reader.search(("a",), query="green tea")]

        writer.put(("a",), "car", {"text": "a red car"})
        assert keys() == ["car"]
        writer.put(("a",), "tea", {"text": "green tea"})
        assert keys() == ["tea", "car"]
        writer.put(("a",), "car", {"text": "green tea green tea"}, index=["text"])
        writer.put(("a",), "tea", {"text": "a blue bicycle"})
        assert keys() == ["car", "tea"]
        writer.delete(("a",), "car")
        assert keys() == ["tea"]
        writer.put(("a", "deep"), "new", {"text": "green tea"})
        assert keys() == ["new", "tea"]
        assert writer.purge(("a", "deep")) == 1
        assert keys() == ["tea"]
        for n in range(60):  # more dead rows than living ones
            writer.put(("a",), "tea", {"text": f"cup {n}"})
            assert keys() == ["tea"]


def test_readers_with_old_pictures_catch_up_with_thousands_of_changes(path: str) -> None:
    index = {"embed": HashEmbedder(256), "fields": ["text"]}
    with AgentMemStore(path, index=index) as writer, AgentMemStore(path, index=index) as reader:
        writer.batch([PutOp(("a",), f"k{n}", {"text": f"word{n}"}) for n in range(300)])
        assert reader.search(("a",), query="word7")[0].key == "k7"
        writer.put(("a",), "k7", {"text": "changed first"})
        for turn in range(36):  # 10,764 changes more: the first is not noted any longer
            writer.batch([PutOp(("a",), f"k{n}", {"text": f"turn{turn} word{n}"}) for n in range(300) if n != 7])
        assert reader.search(("a",), query="changed first")[0].key == "k7"
        assert reader.search(("a",), query="turn35 word9")[0].key == "k9"
        assert _count(writer._memory, "item_changes") <= 10_001


def test_what_another_store_purged_is_not_kept_in_ram(path: str) -> None:
    with AgentMemStore(path) as writer, AgentMemStore(path) as reader:
        writer.batch([PutOp((user,), "k", {"text": "tea"}) for user in ("ana", "ben")])
        assert len(reader.search((), query="tea")) == 2
        assert writer.purge(("ana",)) == 1
        assert len(reader.search((), query="tea")) == 1
        blocks = reader._memory._engine.store._item_vectors._blocks.values()  # type: ignore[attr-defined]  # of SqliteStore
        assert [block.rows.used for states in blocks for block in states] == [1]


def test_with_its_last_item_the_name_of_a_namespace_goes(path: str) -> None:
    with AgentMemStore(path, index=False) as store:
        store.batch([PutOp(("qzjxana",), key, {"n": 1}) for key in "ab"])
        store.put(("qzjxben",), "short", {"n": 1}, ttl=0.0001)
        store.delete(("qzjxana",), "a")
        assert _count(store._memory, "scopes") == 2
        store.delete(("qzjxana",), "b")
        time.sleep(0.02)
        assert store.sweep_ttl() == 1
        assert _count(store._memory, "scopes") == 0


async def test_sync_methods_work_inside_a_running_loop() -> None:
    with AgentMemStore("memory://") as store:
        store.put(("a",), "key", {"text": "tea"})
        assert store.search(("a",), query="tea")[0].key == "key"
        assert (await store.aget(("a",), "key")) is not None


def test_one_store_serves_several_event_loops(path: str) -> None:
    async def work(store: AgentMemStore, number: int) -> int:
        await asyncio.gather(*(store.aput(("loop", str(number)), f"k{n}", {"text": f"tea {n}"}) for n in range(25)))
        return len(await store.asearch(("loop", str(number)), query="tea", limit=99))

    with AgentMemStore(path) as store:
        counts: list[int] = []
        assert crowd(lambda number: counts.append(asyncio.run(work(store, number))), 4) == []
        assert counts == [25] * 4
        assert asyncio.run(work(store, 0)) == 25


PUTTING = """
import sys
from agentmem_integrations.langchain import AgentMemStore
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = AgentMemStore(path, ttl={"default_ttl": 60})
for n in range(count):
    store.put(("p", name), f"k{n}", {"text": f"tea {n}", "both": [n, n]}, index=["text", "both[*]"])
    print(n, flush=True)
"""


def putting(path: str, name: str, count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", PUTTING, path, name, str(count)], stdout=subprocess.PIPE, text=True)


def test_two_processes_put_into_one_file(path: str) -> None:
    with AgentMemStore(path) as store:
        programs = [putting(path, name, 60) for name in ("x", "y")]
        for n in range(60):
            store.put(("p", "here"), f"k{n}", {"text": f"tea {n}"})
        for program in programs:
            program.communicate(timeout=60)
            assert program.returncode == 0
        assert len(store.search(("p",), limit=999)) == 180
        assert len(store.search(("p",), query="tea 7", limit=999)) == 180
        assert store.search(("p",), query="tea 7")[0].value["text"] == "tea 7"


@pytest.mark.parametrize("after", [1, 7, 23])
@pytest.mark.posix("ends a program with SIGKILL")
def test_a_killed_process_loses_nothing_that_was_acknowledged(path: str, after: int) -> None:
    program = putting(path, "x", 10_000)
    assert program.stdout is not None
    for _ in range(after):
        program.stdout.readline()
    program.send_signal(signal.SIGKILL)
    acknowledged = after + len(program.stdout.read().splitlines())
    program.wait()
    program.stdout.close()
    with AgentMemStore(path) as store:
        found = store.search(("p",), query="tea", limit=20_000)
        assert acknowledged <= len(found) <= acknowledged + 1
        assert {item.value["both"][0] for item in found} == set(range(len(found)))
        assert all(item.score is not None for item in found)
        assert store._memory.verify().findings == []


FORKING = """
import os, sys, threading, time
from agentmem_integrations.langchain import AgentMemStore
store = AgentMemStore(sys.argv[1], ttl={"sweep_interval_minutes": 0.001})
store.put(("a",), "before", {"text": "green tea"}, ttl=60)
assert store.search(("a",), query="tea")[0].key == "before"
pid = os.fork()
if pid == 0:
    store.put(("a",), "child", {"text": "green tea"}, ttl=0.001)
    assert [t.name for t in threading.enumerate()].count("agentmem-sweep") == 1
    time.sleep(0.5)
    assert store.sweep_ttl() == 0, "the child's own sweeper has been here"
    assert [item.key for item in store.search(("a",), query="tea")] == ["before"]
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert [item.key for item in store.search(("a",), query="tea")] == ["before"]
store.close()
print("both")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_forked_child_goes_on_with_the_store_and_sweeps_by_itself(path: str, run_python: Callable[..., str]) -> None:
    assert run_python(FORKING, path).strip() == "both"


# The sweeper


def _count(memory: AgentMemory, table: str = "memories") -> int:
    with memory._engine.store._connections.read() as connection:  # type: ignore[attr-defined]  # of SqliteStore
        return int(connection.execute(f"SELECT count(*) FROM {table}").get)


def until(met: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not met() and time.monotonic() < deadline:
        time.sleep(0.01)
    return met()


def sweepers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "agentmem-sweep"]


def test_what_has_expired_is_deleted_without_anybody_asking(path: str) -> None:
    with AgentMemStore(path, ttl={"sweep_interval_minutes": 0.001}) as store:
        store.put(("a",), "stays", {"n": 1})
        assert sweepers() == [], "nothing expires, so nobody sweeps"
        store.put(("b",), "goes", {"n": 1}, ttl=0.002)
        assert len(sweepers()) == 1
        assert until(lambda: _count(store._memory) == 1)
    assert sweepers() == []


def test_a_file_with_something_that_expires_is_swept_by_whoever_opens_it(path: str) -> None:
    with AgentMemStore(path) as store:
        store.put(("b",), "goes", {"n": 1}, ttl=0.004)
    with AgentMemStore(path, ttl={"sweep_interval_minutes": 0.001}) as store:
        assert len(sweepers()) == 1
        assert until(lambda: _count(store._memory) == 0)


def test_stores_that_share_a_memory_share_the_sweeper(path: str) -> None:
    with AgentMemory(path) as memory:
        for _ in range(3):
            AgentMemStore(memory).put(("a",), "key", {"n": 1}, ttl=60)
        assert len(sweepers()) == 1
    assert sweepers() == []


def test_sweeping_now_tells_how_much_has_gone(path: str) -> None:
    with AgentMemStore(path) as store:
        store.batch([PutOp(("a",), f"k{n}", {"text": f"tea {n}"}, None, 0.001) for n in range(1_500)])
        store.put(("a",), "stays", {"text": "tea"})
        time.sleep(0.1)
        assert store.sweep_ttl() == 1_500
        assert asyncio.run(store.asweep_ttl()) == 0
        assert [item.key for item in store.search(("a",), query="tea")] == ["stays"]


def test_reading_again_and_again_does_not_write_each_time(path: str) -> None:
    with AgentMemStore(path) as store:
        store.put(("a",), "key", {"n": 1}, ttl=60)
        first = _expiry(store)
        for _ in range(50):
            store.get(("a",), "key")
        store._memory.flush()
        assert _expiry(store) == first, "a hundredth of its time must have gone before that is worth a write"


def _expiry(store: AgentMemStore) -> Any:
    with store._memory._engine.store._connections.read() as connection:  # type: ignore[attr-defined]  # of SqliteStore
        return connection.execute("SELECT expires_at FROM memories").get


# Purge


@pytest.mark.parametrize("way", ["prefix", "label", "everything", "async"])
def test_purge_leaves_no_byte_of_items(path: str, tmp_path: Path, way: str) -> None:
    with AgentMemStore(path, index={"fields": ["note", "more[*]"]}) as store:
        for n in range(40):
            note = f"qzjxnote{n} " * (n + 1)
            store.put(("users", "qzjxana", "notes"), f"qzjxkey{n}", {"note": note, "more": ["qzjxmore", note]}, ttl=60 if n % 2 else None)
            store.put(("users", "ben", "notes"), f"key{n}", {"note": f"note {n}"})
            store.put(("users", "qzjxana", "notes"), f"qzjxkey{n // 2}", {"note": f"qzjxagain {n}"}, index=False)
        store.delete(("users", "qzjxana", "notes"), "qzjxkey3")
        store.search(("users", "qzjxana"), query="qzjxquestion")
        assert traces(tmp_path) > 0
        before = [item.value for item in store.search(("users", "ben"), query="note 7", limit=99)]
        purges: dict[str, Callable[[], int]] = {
            "prefix": lambda: store.purge(("users", "qzjxana")),
            "label": lambda: store.purge(label="qzjxana"),
            "everything": lambda: store.purge(()) - 40,
            "async": lambda: asyncio.run(store.apurge(("users",), label="qzjxana")),
        }
        assert purges[way]() == 39
        assert traces(tmp_path) == 0
        assert store.list_namespaces() == ([] if way == "everything" else [("users", "ben", "notes")])
        if way != "everything":
            assert [item.value for item in store.search(("users", "ben"), query="note 7", limit=99)] == before
        assert store._memory.verify().findings == []
    assert traces(tmp_path) == 0


def traces(folder: Path) -> int:
    return sum(file.read_bytes().count(b"qzjx") for file in folder.iterdir() if file.is_file())


def test_forgetting_a_user_of_the_memory_leaves_items_alone(path: str) -> None:
    with AgentMemory(path) as memory:
        store = AgentMemStore(memory)
        memory.add("tea", user_id="ana")
        store.put(("users", "ana"), "key", {"n": 1})
        assert memory.purge(user_id="ana", collections="all") == 1
        assert store.get(("users", "ana"), "key") is not None
        assert store.purge(label="ana") == 1
