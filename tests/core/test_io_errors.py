"""A disk that is full or fails is a clear error, loses nothing, and is forgotten once it works again.

`testing.faulty_disks.FailingVFS` lies under SQLite and fails the n-th write, sync, ... of a call, for every n until the call gets by.
"""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from long.crashes import is_sound

from agentmem_integrations import AgentMemory, StoreFullError
from agentmem_integrations.models import Scope
from agentmem_integrations.ports import Change, Insert, Purge, Selection
from agentmem_integrations.storage.sqlite.file import write_ahead_log
from agentmem_integrations.storage.sqlite.store import SqliteStore
from agentmem_integrations.testing.embedders import HashEmbedder
from agentmem_integrations.testing.faulty_disks import FailingVFS, Operation
from agentmem_integrations.testing.store_contract_parts import insert

Opened = Callable[..., AgentMemory]
Texts = dict[str, str]
Call = Callable[[AgentMemory], Any]

BEFORE: Texts = {f"old {n}": f"note {n} from before" for n in range(6)}
LONG = "a long text " + "word " * 5_000

CALLS: dict[str, tuple[Call, Texts]] = {
    "add": (lambda mem: mem.add("tea", id="new", user_id="ana"), {**BEFORE, "new": "tea"}),
    "add long": (lambda mem: mem.add(LONG, id="new", user_id="ana"), {**BEFORE, "new": LONG}),
    "add for a new user": (lambda mem: mem.add("tea", user_id="ben"), BEFORE),
    "add_batch": (
        lambda mem: mem.add_batch([{"id": f"n{n}", "text": f"tea {n}"} for n in range(30)], user_id="ana"),
        {**BEFORE, **{f"n{n}": f"tea {n}" for n in range(30)}},
    ),
    "update": (lambda mem: mem.update("old 0", text="rain", user_id="ana"), {**BEFORE, "old 0": "rain"}),
    "delete": (lambda mem: mem.delete("old 0", user_id="ana"), {k: v for k, v in BEFORE.items() if k != "old 0"}),
    "purge": (lambda mem: mem.purge("old 0", user_id="ana"), {k: v for k, v in BEFORE.items() if k != "old 0"}),
    "purge all": (lambda mem: mem.purge(user_id="ana"), {}),
}
FAULTS: dict[str, tuple[Operation, ...]] = {
    "write": ("write",),
    "sync": ("sync", "truncate"),
    "read": ("read",),
    "open": ("open", "delete"),
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with some memories, which each attempt gets a copy of."""
    path = tmp_path_factory.mktemp("filled") / "memory.db"
    with AgentMemory(path, embedder=HashEmbedder()) as mem:
        for id, text in BEFORE.items():
            mem.add(text, id=id, user_id="ana")
    return path


def told(mem: AgentMemory) -> Texts:
    return {m.id: m.text for m in mem.list(user_id="ana", limit=1_000)}


def refusal(call: Callable[[], Any]) -> StoreFullError | None:
    """Return the error of a call that failed; any other error than this one is a defect."""
    try:
        call()
    except StoreFullError as error:
        return error if "note" not in str(error) else None
    return None


def works(mem: AgentMemory) -> None:
    """It stores and finds, by id, words and vector."""
    id = mem.add("there is room again", user_id="ana", id="again").events[0].memory.id
    for using in ("text", "vector", "hybrid"):
        assert mem.search("there is room again", user_id="ana", using=using)[0].memory.id == id  # type: ignore[arg-type]
    assert mem.purge(id, user_id="ana") == 1


@pytest.mark.parametrize("times", [1, 1_000_000], ids=["once", "until there is space"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", CALLS)
def test_a_call_on_a_failing_disk_is_done_or_undone(filled: Path, path: str, name: str, fault: str, times: int) -> None:
    call, after = CALLS[name]
    nth, fails = 0, 0
    while True:
        nth += 1
        shutil.copy(filled, path)
        with FailingVFS() as disk, AgentMemory(path, embedder=HashEmbedder()) as mem:
            assert told(mem) == BEFORE
            disk.fail(*FAULTS[fault], nth=nth, times=times)
            error = refusal(lambda: call(mem))
            disk.mend()
            fails += error is not None
            if error is None:
                assert told(mem) == after
            else:  # only a purge may be done all the same, if what failed was emptying the log behind it
                assert told(mem) in ([BEFORE, after] if "purge" in name else [BEFORE])
            now = told(mem)
            works(mem)
            failed = disk.failed
        with AgentMemory(path, embedder=HashEmbedder()) as mem:
            assert told(mem) == now
            works(mem)
        is_sound(path)
        if not failed:
            break
    assert fails or fault in ("read", "open")  # what is in SQLite's cache is not read


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("new", [True, False], ids=["new file", "old file"])
def test_opening_on_a_failing_disk_is_a_clear_error(filled: Path, path: str, fault: str, new: bool) -> None:
    nth, failed = 0, 1
    while failed:
        nth += 1
        for file in Path(path).parent.iterdir():
            file.unlink()
        if not new:
            shutil.copy(filled, path)
        with FailingVFS() as disk:
            disk.fail(*FAULTS[fault], nth=nth)
            refusal(lambda: AgentMemory(path, embedder=HashEmbedder()).close())
            failed = disk.failed
            disk.mend()
            with AgentMemory(path, embedder=HashEmbedder()) as mem:
                assert told(mem) == ({} if new else BEFORE)
                works(mem)
        is_sound(path)


@pytest.mark.parametrize("fault", FAULTS)
def test_closing_on_a_failing_disk_loses_nothing(filled: Path, path: str, fault: str) -> None:
    nth, failed = 0, 1
    while failed:
        nth += 1
        shutil.copy(filled, path)
        with FailingVFS() as disk:
            mem = AgentMemory(path, embedder=HashEmbedder())
            mem.add("tea", id="new", user_id="ana")
            disk.fail(*FAULTS[fault], nth=nth)
            mem.close()
            failed = disk.failed
        with AgentMemory(path, embedder=HashEmbedder()) as mem:
            assert told(mem) == {**BEFORE, "new": "tea"}
            works(mem)
        is_sound(path)


@pytest.mark.parametrize("fault", FAULTS)
def test_reading_on_a_failing_disk_is_a_clear_error(filled: Path, path: str, fault: str) -> None:
    nth, failed = 0, 1
    while failed:
        nth += 1
        shutil.copy(filled, path)
        with FailingVFS() as disk, AgentMemory(path, embedder=HashEmbedder()) as mem:
            disk.fail(*FAULTS[fault], nth=nth)
            for read in (lambda m: m.list(user_id="ana"), lambda m: m.search("note", user_id="ana"), lambda m: m.history("old 0")):
                try:
                    assert read(mem)
                except StoreFullError:
                    continue
            failed = disk.failed
            disk.mend()
            assert told(mem) == BEFORE
            works(mem)


def test_a_full_disk_fails_the_whole_crowd_and_nobody_who_was_acknowledged(path: str, opened: Opened) -> None:
    with FailingVFS() as disk:
        mem = opened(path)
        done: list[str] = []
        refused: list[BaseException] = []

        def work(worker: int) -> None:
            for n in range(40):
                try:
                    done.append(mem.add(f"note {worker} {n}", user_id="ana").events[0].memory.id)
                except StoreFullError as error:
                    refused.append(error)
                if len(refused) > 20:
                    disk.mend()

        mem.add("first", user_id="ana", id="first")
        disk.fail("write", nth=60)
        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        disk.mend()
        assert refused
        assert sorted(told(mem)) == sorted(["first", *done])
        works(mem)
        mem.close()
    is_sound(path)


def test_a_checkpoint_that_fails_costs_no_write_and_is_made_up_for(
    path: str, opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(write_ahead_log, "STEP_PAGES", 20)
    monkeypatch.setattr(write_ahead_log, "HARD_PAGES", 100)
    with FailingVFS() as disk:
        mem = opened(path)
        disk.fail("write", "sync", suffix=".db")  # the log can be written, the file cannot
        for n in range(60):
            mem.add(f"note {n}", user_id="ana")
        assert disk.failed
        assert "checkpoint failed" in caplog.text
        assert Path(f"{path}-wal").stat().st_size > 100 * 8_192
        disk.mend()
        for n in range(60, 90):
            mem.add(f"note {n}", user_id="ana")
        assert len(told(mem)) == 90
        assert mem.purge(user_id="ana") == 90
        assert Path(f"{path}-wal").stat().st_size == 0
        mem.close()
    is_sound(path)


class OneThreadsDisk(FailingVFS):
    """Does something to one thread only, before each of its operations."""

    def __init__(self, thread: str, before: Callable[[Operation], None]) -> None:
        super().__init__()
        self._thread = thread
        self._before = before

    def check(self, operation: Operation, path: str) -> None:
        if threading.current_thread().name == self._thread:
            self._before(operation)
        super().check(operation, path)


def test_the_thread_of_the_checkpoints_survives_a_disk_that_fails(path: str, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_ahead_log, "STEP_PAGES", 20)
    failing, failed = True, threading.Event()

    def fail(operation: Operation) -> None:
        if failing:
            failed.set()
            raise apsw.IOError("this thread's disk fails")

    with OneThreadsDisk("agentmem-checkpoint", fail):
        mem = opened(path)
        while not failed.is_set():
            mem.add_batch([f"note {n}" for n in range(20)], user_id="ana")
            mem.add("one more", user_id="ana")
        failing, before = False, Path(path).stat().st_size
        for n in range(200):
            mem.add_batch([f"more {n} {m}" for m in range(20)], user_id="ben")
            if Path(path).stat().st_size > before:
                break
        else:
            raise AssertionError("nothing is moved into the file any more")
        mem.close()
    is_sound(path)


def test_those_who_share_a_transaction_with_a_purge_are_not_told_that_it_failed(path: str) -> None:
    with FailingVFS() as disk:
        store = SqliteStore(path)
        store.open_collection("default", None, None)
        scope = Scope("default", "ana")
        store.apply([insert("old", "old")])
        changes: list[Change] = [insert("new", "new"), Purge(Selection("default", scope, ("old",)))]
        disk.fail("truncate", "write", suffix=".db")  # the transaction goes into the log; emptying the log fails
        outcomes = store.apply(changes)
        disk.mend()
        assert isinstance(outcomes[0], list)
        assert isinstance(outcomes[1], StoreFullError)
        assert [m.id for m in store.find(Selection("default", scope))] == ["new"]
        store.close()
    assert isinstance(changes[0], Insert)


def test_purge_waits_for_a_checkpoint_that_is_under_way(path: str, opened: Opened) -> None:
    entered, released = threading.Event(), threading.Event()

    def wait(operation: Operation) -> None:
        if operation == "write":
            entered.set()
            assert released.wait(30)

    def checkpoint() -> None:
        connection = apsw.Connection(path)
        connection.execute("SELECT count(*) FROM memories")  # before its first read, a connection knows of no log
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        connection.close()

    with OneThreadsDisk("another program", wait):
        mem = opened(path)
        mem.add("green tea", user_id="ana")
        other = threading.Thread(target=checkpoint, name="another program")
        other.start()
        assert entered.wait(30)
        later = threading.Timer(0.3, released.set)
        later.start()
        assert mem.purge(user_id="ana") == 1
        assert released.is_set()
        other.join()
        later.join()
        assert Path(f"{path}-wal").stat().st_size == 0
        mem.close()
