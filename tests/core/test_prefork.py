"""Servers that open the store and then fork: gunicorn, process pools, Celery's."""

import http.client
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from long.crashes import is_sound

from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.embedders import HashEmbedder

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

Opened = Callable[..., AgentMemory]
Run = Callable[..., str]

APP = """
import json, os
from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.embedders import HashEmbedder

mem = AgentMemory("memory.db", embedder=HashEmbedder(), durability="normal")
mem.add("before the fork", user_id="ana")
mem.search("fork", user_id="ana")
master = os.getpid()
connections = mem._engine.store._connections
of_master = connections._writer

def app(environ, start_response):
    name = environ["QUERY_STRING"]
    for n in range(10):  # side by side with the other workers: with a connection of the parent's, locks would be missing
        mem.add(f"part {n} of {name}", user_id="parts")
    mem.add(f"note {name}", user_id="ana", id=name)
    found = [hit.memory.id for hit in mem.search(f"note {name}", user_id="ana", using="text", k=3)]
    own = connections._writer is not of_master
    body = json.dumps({"found": name in found, "pid": os.getpid(), "forked": os.getpid() != master, "own": own}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""


@contextmanager
def gunicorn(folder: Path, *options: str) -> Iterator[int]:
    """Serve the app from forked workers; give the port."""
    (folder / "served.py").write_text(APP)
    command = [sys.executable, "-m", "gunicorn", "--preload", "--bind", "127.0.0.1:0", "--graceful-timeout", "20", *options, "served:app"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield _port(folder / "log", server)
        server.send_signal(signal.SIGTERM)
        assert server.wait(40) == 0, (folder / "log").read_text()
    finally:
        server.kill()
        server.wait()


def _port(log: Path, server: "subprocess.Popen[bytes]") -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        if said := re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", log.read_text()):
            return int(said[1])
        time.sleep(0.02)
    raise AssertionError(f"gunicorn did not start: {log.read_text()}")


def ask(port: int, name: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", f"/?{name}")
        answer = connection.getresponse()
        body = answer.read().decode()
        assert answer.status == 200, body
        return body
    finally:
        connection.close()


@pytest.mark.parametrize("worker", [["--worker-class", "sync"], ["--worker-class", "gthread", "--threads", "4"]], ids=["sync", "gthread"])
def test_workers_forked_by_gunicorn_add_and_search(tmp_path: Path, opened: Opened, worker: list[str]) -> None:
    with gunicorn(tmp_path, "--workers", "3", *worker) as port, ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: ask(port, f"n{n}"), range(60)))
    told = [json.loads(answer) for answer in answers]
    assert all(answer["found"] and answer["forked"] and answer["own"] for answer in told)
    assert len({answer["pid"] for answer in told}) > 1
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    assert "timeout" not in log.lower()
    mem = opened(tmp_path / "memory.db")
    assert sorted(m.text for m in mem.list(user_id="ana")) == sorted(["before the fork", *(f"note n{n}" for n in range(60))])
    assert len(mem.search("note", user_id="ana", k=100, using="vector")) == 61
    assert len(mem.list(user_id="parts", limit=1_000)) == 600
    is_sound(str(tmp_path / "memory.db"))


POOL = """
import sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python's own warning of a fork beside threads
from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.embedders import HashEmbedder

mem = AgentMemory(sys.argv[1], embedder=HashEmbedder(), durability="normal")
mem.add("before the fork", user_id="ana")
mem.search("fork", user_id="ana")

def task(n):
    for part in range(10):
        mem.add(f"part {part} of {n}", user_id="parts")
    mem.add(f"note {n}", user_id="ana", id=f"n{n}")
    return [h.memory.id for h in mem.search(f"note {n}", user_id="ana", using="text", k=100)].count(f"n{n}")

if sys.argv[2] == "billiard":
    from billiard import get_context
else:
    from multiprocessing import get_context
pool = get_context("fork").Pool(3, maxtasksperchild=5)
assert sum(pool.map(task, range(40), chunksize=2)) == 40
mem.add("beside the children", user_id="ana")
pool.close()
pool.join()
mem.close()
"""


@pytest.mark.parametrize("kind", ["multiprocessing", "billiard"])
def test_a_pool_of_forked_processes_adds_and_searches(path: str, opened: Opened, run_python: Run, kind: str) -> None:
    if kind == "billiard":
        pytest.importorskip("billiard", exc_type=ImportError)
    assert "fork" in multiprocessing.get_all_start_methods()
    run_python(POOL, path, kind, timeout=120)
    mem = opened(path, embedder=HashEmbedder())
    expected = ["before the fork", "beside the children", *(f"note {n}" for n in range(40))]
    assert sorted(m.text for m in mem.list(user_id="ana")) == sorted(expected)
    assert len(mem.search("note", user_id="ana", k=100, using="vector")) == 42
    assert len(mem.list(user_id="parts", limit=1_000)) == 400
    is_sound(path)
