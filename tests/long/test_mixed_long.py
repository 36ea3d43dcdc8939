"""Tens of thousands of mixed calls by processes of threads: minutes, so only when asked for (`make test-long`)."""

import os

import pytest
from long.crashes import EMBEDDER
from long.mixed import check, check_file, run, run_processes

from agentmem_integrations import AgentMemory

pytestmark = pytest.mark.skipif(os.environ.get("AGENTMEM_LONG") != "1", reason="takes minutes: set AGENTMEM_LONG=1")


def test_four_processes_of_eight_threads_leave_what_was_acknowledged(path: str) -> None:
    calls = check_file(path, run_processes(path, 4, 8, 0, calls=625, seed=11))
    print(f"{calls} calls")
    assert calls == 20_000


def test_four_processes_of_threads_and_tasks_leave_what_was_acknowledged(path: str) -> None:
    assert check_file(path, run_processes(path, 4, 4, 4, calls=300, seed=12)) == 9_600


@pytest.mark.parametrize("files", [1, 2])
def test_one_process_of_threads_and_tasks_leaves_what_was_acknowledged(path: str, files: int) -> None:
    memories = [AgentMemory(path, embedder=EMBEDDER) for _ in range(files)]
    told = run(memories, 0, threads=8, tasks=8, calls=400, seed=13)
    for mem in memories:
        assert check(mem, told) == 6_400
        mem.close()
    check_file(path, told)


def test_eight_threads_on_a_memory_in_ram_leave_what_was_acknowledged() -> None:
    with AgentMemory("memory://", embedder=EMBEDDER) as mem:
        assert check(mem, run([mem], 0, threads=8, tasks=8, calls=400, seed=14)) == 6_400
