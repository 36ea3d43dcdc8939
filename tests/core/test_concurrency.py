"""Threads, tasks, processes and forks on one memory."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apsw
import pytest

from agentmem_integrations import AgentMemError, AgentMemory, ClosedError, ConflictError, InvalidInputError, StorageError
from agentmem_integrations.testing.embedders import BlockingEmbedder, HashEmbedder

Opened = Callable[..., AgentMemory]
Run = Callable[..., str]


def numbers(mem: AgentMemory, user: str) -> list[str]:
    return [m.text for m in mem.list(user_id=user, limit=10_000)]


def test_many_threads_add_search_and_delete_at_once(mem: AgentMemory) -> None:
    def work(worker: int) -> None:
        user = f"user {worker}"
        for n in range(60):
            id = mem.add(f"note {n}", user_id=user).events[0].memory.id
            assert {h.memory.user_id for h in mem.search("note", user_id=user, k=1_000)} == {user}
            if n % 3 == 0:
                assert mem.delete(id, user_id=user) == 1
            elif n % 3 == 1:
                mem.update(id, user_id=user, text=f"note {n} changed")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    for worker in range(8):
        expected = [f"note {n}" + " changed" * (n % 3 == 1) for n in range(60) if n % 3]
        assert numbers(mem, f"user {worker}") == expected
        assert len(mem.search("note", user_id=f"user {worker}", k=1_000, using="vector")) == len(expected)


async def test_hundreds_of_tasks_add_and_find(mem: AgentMemory) -> None:
    results = await asyncio.gather(*(mem.aadd(f"note {n}", user_id=f"user {n % 7}") for n in range(700)))
    assert {r.events[0].event for r in results} == {"ADD"}
    counts = await asyncio.gather(*(mem.asearch("note", user_id=f"user {n}", k=1_000) for n in range(7)))
    assert [len(hits) for hits in counts] == [100] * 7


async def test_every_verb_works_when_awaited(mem: AgentMemory) -> None:
    result = await mem.aadd("green tea", id="m", user_id="ana")
    assert result.events[0].event == "ADD"
    assert [r.status for r in await mem.aadd_batch(["milk", "water"], user_id="ana")] == ["done", "done"]
    assert (await mem.asearch("tea", user_id="ana"))[0].memory.id == "m"
    assert (await mem.aupdate("m", text="black tea")).text == "black tea"
    memory = await mem.aget("m")
    assert memory is not None
    assert memory.text == "black tea"
    assert len(await mem.alist(user_id="ana")) == 3
    assert [e.event for e in await mem.ahistory("m")] == ["ADD", "UPDATE"]
    assert (await mem.astats(user_id="ana"))["memories"] == 3
    assert await mem.adelete("m") == 1
    assert await mem.apurge(user_id="ana") == 3
    assert await mem.aflush() == 0


async def test_bad_input_is_the_same_error_when_awaited(mem: AgentMemory) -> None:
    for call in (mem.aadd("", user_id="ana"), mem.asearch("tea", user_id="ana", k=0), mem.aadd_batch("tea", user_id="ana")):
        with pytest.raises(InvalidInputError):
            await call  # type: ignore[misc]


async def test_an_event_loop_is_not_held_up_by_a_slow_embedder(url: str, opened: Opened) -> None:
    embedder = BlockingEmbedder()
    mem = opened(url, embedder=embedder)
    adding = asyncio.create_task(mem.aadd("slow", user_id="ana"))
    assert await asyncio.to_thread(embedder.entered.wait, 30)
    assert await mem.alist(user_id="ana") == []  # the loop turns, reads and deletes go through
    assert await mem.adelete(user_id="ana") == 0
    assert not adding.done()
    embedder.released.set()
    assert (await adding).status == "done"


async def test_a_cancelled_caller_leaves_a_whole_change_or_none(mem: AgentMemory) -> None:
    tasks = [asyncio.create_task(mem.aadd([f"one {n}", f"two {n}"], user_id="ana")) for n in range(50)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await mem.aflush()
    texts = set(numbers(mem, "ana"))
    assert all((f"one {n}" in texts) == (f"two {n}" in texts) for n in range(50))
    assert {f"one {n}" for n in range(1, 50, 2)} <= texts


def test_several_event_loops_share_a_memory(mem: AgentMemory) -> None:
    async def work(worker: int) -> None:
        await asyncio.gather(*(mem.aadd(f"note {worker} {n}", user_id="ana") for n in range(30)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda worker: asyncio.run(work(worker)), range(4)))
    assert mem.stats(user_id="ana")["memories"] == 120


async def test_one_bad_write_does_not_fail_its_batch_mates(url: str, opened: Opened) -> None:
    embedder = BlockingEmbedder()
    mem = opened(url, embedder=embedder)
    vector = [1.0] * 64
    mem.add([{"text": "tea", "id": "a", "vector": vector}, {"text": "milk", "id": "b", "vector": vector}], user_id="ana")
    first = asyncio.create_task(mem.aadd("first", user_id="ana"))
    assert await asyncio.to_thread(embedder.entered.wait, 30)
    waiting: list[Any] = [mem.aadd(f"note {n}", user_id="ana") for n in range(20)]  # these gather into one batch
    waiting.insert(7, mem.aadd("tea", id="b", user_id="ana"))
    waiting.insert(13, mem.aupdate("b", text="tea"))
    tasks = [asyncio.create_task(w) for w in waiting]
    await asyncio.sleep(0)
    embedder.released.set()
    results = await asyncio.gather(first, *tasks, return_exceptions=True)
    bad = [r for r in results if isinstance(r, BaseException)]
    assert [type(r) for r in bad] == [ConflictError, ConflictError]
    assert sorted(numbers(mem, "ana")) == sorted(["tea", "milk", "first", *(f"note {n}" for n in range(20))])


async def test_a_write_that_the_file_refuses_does_not_fail_its_batch_mates(path: str, opened: Opened) -> None:
    embedder = BlockingEmbedder()
    mem = opened(path, embedder=embedder)
    connection = apsw.Connection(path)
    connection.execute("CREATE TRIGGER fault BEFORE INSERT ON memories WHEN new.text = 'poison' BEGIN SELECT RAISE(ABORT, 'injected'); END")
    connection.close()
    first = asyncio.create_task(mem.aadd("first", user_id="ana"))
    assert await asyncio.to_thread(embedder.entered.wait, 30)
    tasks = [asyncio.create_task(mem.aadd("poison" if n == 7 else f"note {n}", user_id="ana")) for n in range(20)]
    await asyncio.sleep(0)
    embedder.released.set()
    results = await asyncio.gather(first, *tasks, return_exceptions=True)
    assert [type(r) for r in results if isinstance(r, BaseException)] == [StorageError]
    assert isinstance(results[8], StorageError)
    assert sorted(numbers(mem, "ana")) == sorted(["first", *(f"note {n}" for n in range(20) if n != 7)])
    assert len(mem.search("note", user_id="ana", using="vector", k=100)) == 20


def test_waiting_writes_are_embedded_as_one_batch(url: str, opened: Opened) -> None:
    embedder = BlockingEmbedder()
    mem = opened(url, embedder=embedder)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(mem.add, "first", user_id="ana")
        assert embedder.entered.wait(30)
        others = [pool.submit(mem.add, f"note {n}", user_id="ana") for n in range(8)]
        deadline = time.monotonic() + 30
        while pool._work_queue.qsize() and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.05)  # each has been taken up by a thread; let them reach the queue
        embedder.released.set()
        assert {f.result(30).status for f in (first, *others)} == {"done"}
    assert len(embedder.batches) <= 4
    assert sum(map(len, embedder.batches)) == 9


def test_two_memories_on_one_file_see_each_others_changes(path: str, opened: Opened) -> None:
    one, two = opened(path), opened(path)
    one.add("green tea", id="m", user_id="ana")
    for using in ("text", "vector", "hybrid"):
        assert two.search("green tea", user_id="ana", using=using)[0].memory.text == "green tea"
    two.update("m", text="black coffee")
    assert one.search("black coffee", user_id="ana", using="vector")[0].score == pytest.approx(1, abs=1e-5)
    one.delete("m")
    assert two.search("black coffee", user_id="ana") == []
    one.add("green tea", id="m", user_id="ana")
    assert two.search("green tea", user_id="ana", using="vector")[0].score == pytest.approx(1, abs=1e-5)
    two.purge(user_id="ana")
    one.add("other", user_id="ana")
    assert [h.memory.text for h in two.search("green tea", user_id="ana", using="vector")] == ["other"]


def test_a_user_who_searches_never_sees_another_while_memories_come_and_go(mem: AgentMemory) -> None:
    stop = threading.Event()

    def churn(user: str) -> None:
        while not stop.is_set():
            mem.add(f"secret of {user}", user_id=user)
            mem.purge(user_id=user)

    others = [threading.Thread(target=churn, args=(user,)) for user in ("ben", "carl")]
    for thread in others:
        thread.start()
    try:
        for n in range(150):
            mem.add(f"secret of ana {n}", user_id="ana")
            assert {h.memory.user_id for h in mem.search("secret", user_id="ana")} == {"ana"}
            mem.purge(user_id="ana")
            assert {h.memory.user_id for h in mem.search("secret", user_id="ben")} <= {"ben"}
    finally:
        stop.set()
        for thread in others:
            thread.join(30)


def test_closing_while_others_write_leaves_nobody_waiting(url: str) -> None:
    for _ in range(5):
        mem = AgentMemory(url, embedder=HashEmbedder(dim=8))
        unexpected: list[BaseException] = []

        def work(worker: int, mem: AgentMemory = mem, unexpected: list[BaseException] = unexpected) -> None:
            try:
                for n in range(100_000):
                    mem.add(f"{worker} {n}", user_id="ana")
                    mem.search("x", user_id="ana", k=1)
            except ClosedError:
                pass
            except BaseException as error:  # noqa: BLE001 - whatever it was, the test must tell
                unexpected.append(error)

        threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(6)]
        for thread in threads:
            thread.start()
        time.sleep(0.03)
        mem.close()
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads)
        assert unexpected == []


async def test_closing_while_tasks_wait_leaves_nobody_waiting(url: str) -> None:
    for _ in range(5):
        mem = AgentMemory(url, embedder=HashEmbedder(dim=8))

        async def work(worker: int, mem: AgentMemory = mem) -> None:
            for n in range(100_000):
                await mem.aadd(f"{worker} {n}", user_id="ana")
                await mem.asearch("x", user_id="ana", k=1)

        tasks = [asyncio.create_task(work(n)) for n in range(20)]
        await asyncio.sleep(0.05)
        await mem.aclose()
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)
        assert {type(r) for r in results} == {ClosedError}


def test_what_was_queued_when_it_was_closed_is_stored_or_refused(path: str, opened: Opened) -> None:
    embedder = BlockingEmbedder()
    mem = AgentMemory(path, embedder=embedder)
    outcomes: dict[int, str] = {}

    def add(n: int) -> None:
        try:
            outcomes[n] = mem.add(f"note {n}", user_id="ana").status
        except AgentMemError as error:
            outcomes[n] = type(error).__name__

    threads = [threading.Thread(target=add, args=(n,), daemon=True) for n in range(6)]
    for thread in threads:
        thread.start()
    assert embedder.entered.wait(30)
    time.sleep(0.05)
    closing = threading.Thread(target=mem.close, daemon=True)
    closing.start()
    time.sleep(0.05)
    embedder.released.set()
    for thread in (closing, *threads):
        thread.join(30)
        assert not thread.is_alive()
    stored = numbers(opened(path), "ana")
    assert sorted(stored) == sorted(f"note {n}" for n, outcome in outcomes.items() if outcome == "done")
    assert set(outcomes.values()) <= {"done", "ClosedError"}


# Processes

WORKER = """
import sys
from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.embedders import HashEmbedder
path, worker = sys.argv[1:]
with AgentMemory(path, embedder=HashEmbedder(dim=8)) as mem:
    for n in range(60):
        assert mem.add(f"note {n} of {worker}", user_id=worker).events[0].event == "ADD"
        mem.add(f"shared note {n}", user_id="all")
        assert len(mem.search("note", user_id=worker, k=1000)) == n + 1
    mem.add_batch([f"bulk {n} of {worker}" for n in range(200)], user_id=worker)
"""


def test_several_processes_share_a_file(path: str, opened: Opened) -> None:
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, path, f"w{n}"], stderr=subprocess.PIPE) for n in range(3)]
    for worker in workers:
        _, complaints = worker.communicate(timeout=120)
        assert worker.returncode == 0, complaints.decode()
    mem = opened(path, embedder=HashEmbedder(dim=8))
    for n in range(3):
        expected = [f"note {i} of w{n}" for i in range(60)] + [f"bulk {i} of w{n}" for i in range(200)]
        assert numbers(mem, f"w{n}") == expected
    assert sorted(numbers(mem, "all")) == sorted(f"shared note {i}" for i in range(60))


FORKING = """
import os, sys, threading, time
from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.embedders import HashEmbedder

def fork(work):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return pid

def joined(pid):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return "hung"

mem = AgentMemory(sys.argv[1], embedder=HashEmbedder(dim=8))
mem.add("of the parent", user_id="ana")
mem.search("parent", user_id="ana")
"""

FORK = """
import asyncio
def child():
    assert [m.text for m in mem.list(user_id="ana")] == ["of the parent"]
    assert mem.add("of the child", user_id="ana").events[0].event == "ADD"
    assert len(mem.search("of the", user_id="ana")) == 2
    async def more():
        await asyncio.gather(*(mem.aadd(f"more {n}", user_id="child") for n in range(50)))
        return await mem.asearch("more", user_id="child", k=100)
    assert len(asyncio.run(more())) == 50
    mem.close()
assert joined(fork(child)) == 0
assert len(mem.search("of the", user_id="ana")) == 2
mem.add("of the parent again", user_id="ana")
mem.close()
assert len(AgentMemory(sys.argv[1], embedder=HashEmbedder(dim=8)).list(user_id="ana")) == 3
"""

FORK_WHILE_WRITING = """
stop = threading.Event()
def work(worker):
    n = 0
    while not stop.is_set():
        mem.add(f"{n} of {worker}", user_id="busy")
        mem.search("of", user_id="busy", k=3)
        n += 1
threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(4)]
for thread in threads:
    thread.start()
def child(number):
    for n in range(3):
        mem.add(f"{n} of child {number}", user_id=f"child {number}")
    assert len(mem.search("child", user_id=f"child {number}")) == 3
children = []
for number in range(6):
    time.sleep(0.02)
    children.append(fork(lambda: child(number)))
codes = [joined(pid) for pid in children]
stop.set()
for thread in threads:
    thread.join(20)
assert codes == [0] * 6, codes
mem.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("program", [FORK, FORK_WHILE_WRITING], ids=["idle", "while_writing"])
def test_a_forked_child_can_add_and_search(path: str, opened: Opened, run_python: Run, program: str) -> None:
    run_python(FORKING + program, path, timeout=170)
    assert len(opened(path, embedder=HashEmbedder(dim=8)).list(user_id="ana")) in (1, 3)


FORKED_MEMORY = """
def child():
    try:
        mem.list(user_id="ana")
    except Exception as error:
        assert "fork" in str(error)
    else:
        raise SystemExit("it worked")
assert joined(fork(child)) == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_memory_in_ram_says_that_it_cannot_be_forked(run_python: Run) -> None:
    run_python(FORKING + FORKED_MEMORY, "memory://")


INTERRUPTED = """
import signal, sys, threading
from agentmem_integrations import AgentMemory

class Interrupted(BaseException):
    pass

def interrupt(number, frame):
    if frame.f_code.co_name == "result" and frame.f_code.co_filename.endswith("batching.py"):
        raise Interrupted  # as Ctrl-C does, while the caller waits for his turn

mem = AgentMemory(sys.argv[1])
def write(user):
    for n in range(400):
        mem.add(f"memory {n}", user_id=user)
threads = [threading.Thread(target=write, args=(f"user {n}",), daemon=True) for n in range(6)]
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.0007)
for thread in threads:
    thread.start()
interrupted = n = 0
while any(thread.is_alive() for thread in threads) and n < 20_000:
    try:
        n += 1
        mem.add(f"memory {n}", user_id="main")
    except Interrupted:
        interrupted += 1
signal.setitimer(signal.ITIMER_REAL, 0)
for thread in threads:
    thread.join(30)
    assert not thread.is_alive(), "a caller waits for ever"
print(interrupted)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_a_caller_who_is_interrupted_does_not_leave_the_others_waiting(path: str, opened: Opened, run_python: Run) -> None:
    assert int(run_python(INTERRUPTED, path, timeout=120)) > 0
    mem = opened(path, embedder=None)
    assert all(len(mem.list(user_id=f"user {n}", limit=1_000)) == 400 for n in range(6))
