"""Many workers with all verbs at once: nothing fails, nothing is lost, nothing is there twice. Long form: `make test-long`."""

from collections.abc import Callable

from long.crashes import EMBEDDER
from long.mixed import check, check_file, run, run_processes

from agentmem_integrations import AgentMemory

Opened = Callable[..., AgentMemory]


def test_processes_of_threads_and_tasks_leave_what_was_acknowledged(path: str) -> None:
    assert check_file(path, run_processes(path, 2, 3, 3, calls=50, seed=1)) == 600


def test_threads_and_tasks_on_two_memories_of_one_file_leave_what_was_acknowledged(path: str, opened: Opened) -> None:
    memories = [opened(path, embedder=EMBEDDER) for _ in range(2)]
    told = run(memories, 0, threads=4, tasks=4, calls=80, seed=2)
    for mem in memories:
        assert check(mem, told) == 640
        mem.close()
    check_file(path, told)


def test_eight_threads_on_a_memory_in_ram_leave_what_was_acknowledged(opened: Opened) -> None:
    mem = opened("memory://", embedder=EMBEDDER)
    assert check(mem, run([mem], 0, threads=8, tasks=0, calls=80, seed=3)) == 640
