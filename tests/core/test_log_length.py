"""The write-ahead log stays short beside readers that never pause, and is cut when a long one has gone."""

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.storage.sqlite.file import write_ahead_log
from agentmem_integrations.storage.sqlite.file.connections import PAGE_SIZE
from agentmem_integrations.testing.embedders import HashEmbedder

Opened = Callable[..., AgentMemory]

STEP, HARD = 60, 250
BOUND = 2 * HARD * PAGE_SIZE  # the limit, and room for the transaction that passes it

READER = """
import sys, threading, time
import apsw
path, threads, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
def read():
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(10_000)
    while True:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM scopes").fetchall()
        begun.release()
        time.sleep(seconds)
        connection.execute("ROLLBACK")
begun = threading.Semaphore(0)
for number in range(threads):
    threading.Thread(target=read, daemon=True).start()
    time.sleep(min(seconds, 1) / threads)
    begun.acquire()
print("reading", flush=True)
sys.stdin.read()
"""


@contextmanager
def reader(path: str, threads: int, seconds: float) -> Iterator[None]:
    """Have a process of so many threads read, each in transactions of so many seconds, one right after the other."""
    with subprocess.Popen(
        [sys.executable, "-c", READER, path, str(threads), str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"reading\n"
        try:
            yield
        finally:
            process.kill()


def log_bytes(path: str) -> int:
    return os.path.getsize(f"{path}-wal")


def write(mem: AgentMemory, path: str, rounds: range) -> int:
    """Write batches; return the greatest length of the log, in bytes."""
    longest = 0
    for number in rounds:
        texts = [f"note {number} {n} " + " ".join(f"word{number * n}x{i}" for i in range(40)) for n in range(60)]
        mem.add_batch(texts, user_id=f"user {number % 5}")
        longest = max(longest, log_bytes(path))
    return longest


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the log short: the same course of things with less to write."""
    monkeypatch.setattr(write_ahead_log, "STEP_PAGES", STEP)
    monkeypatch.setattr(write_ahead_log, "HARD_PAGES", HARD)
    monkeypatch.setattr(write_ahead_log, "LOOK_AGAIN_S", 0.05)


@pytest.fixture
def mem(path: str, opened: Opened, short: None) -> AgentMemory:
    mem = opened(path, embedder=HashEmbedder(dim=256))
    mem.add("tea", user_id="ana")
    return mem


@pytest.mark.parametrize("seconds", [0.002, 0.03])
def test_readers_that_never_pause_do_not_let_the_log_grow(path: str, mem: AgentMemory, seconds: float) -> None:
    with reader(path, 4, seconds), reader(path, 4, seconds):
        longest = write(mem, path, range(40))
    assert longest < BOUND
    assert os.path.getsize(path) > BOUND  # so much was written that the log began anew again and again


def test_searches_in_many_threads_do_not_let_the_log_grow(path: str, mem: AgentMemory) -> None:
    stop = threading.Event()

    def search() -> None:
        while not stop.is_set():
            mem.search("note word1x1 tea", user_id="user 1", k=100)
            mem.list(user_id="user 2", limit=1_000)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        longest = write(mem, path, range(10))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert longest < BOUND


def test_a_long_reader_stops_no_writer_and_its_log_is_cut_when_it_has_gone(path: str, mem: AgentMemory) -> None:
    with reader(path, 1, 3_600):
        longest = write(mem, path, range(10, 25))
        assert longest > BOUND  # what the reader may still ask for is in the file's old pages: the log cannot begin anew
        assert mem.stats()["memories"] == 1 + 15 * 60
    assert cut(path)


def test_a_log_that_a_long_reader_left_is_cut_by_writers_too(path: str, mem: AgentMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_ahead_log, "LOOK_AGAIN_S", 3_600)
    with reader(path, 1, 3_600):
        write(mem, path, range(10))
    grown = log_bytes(path)
    longest = write(mem, path, range(10, 25))
    assert longest < 2 * grown + BOUND


def test_an_export_stops_no_writer_and_its_log_is_cut_afterwards(path: str, mem: AgentMemory) -> None:
    write(mem, path, range(10))
    before = mem.stats()["memories"]

    class Slow(io.BytesIO):
        longest = 0

        def write(self, data: Any) -> int:
            if not self.longest:  # the header is written, and the snapshot taken
                self.longest = write(mem, path, range(10, 25))
            return super().write(data)

    target = Slow()
    assert mem.export(target) == before
    assert target.longest > BOUND
    assert mem.stats()["memories"] == before + 15 * 60
    assert cut(path)


def cut(path: str) -> bool:
    """Wait until the log is cut; say whether it was."""
    deadline = time.monotonic() + 30
    while log_bytes(path) > BOUND and time.monotonic() < deadline:
        time.sleep(0.01)
    return log_bytes(path) <= BOUND
