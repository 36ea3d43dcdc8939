"""Programs that go on after Ctrl-C, an alarm or a stop button: an interrupt may come between any two lines."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.storage.sqlite.file.connections import Connections


def lines_of(function: Any) -> list[tuple[str, int]]:
    """Return file and number of each line of a function's body."""
    code = inspect.unwrap(function).__code__
    return sorted({(code.co_filename, line) for _, _, line in code.co_lines() if line is not None and line > code.co_firstlineno + 1})


def interrupted(place: tuple[str, int], work: Callable[[], Any]) -> bool:
    """Do some work, and interrupt it the first time it comes to a line; say whether it came there."""
    came = False

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal came
        if event == "line" and (frame.f_code.co_filename, frame.f_lineno) == place:
            sys.settrace(None)
            came = True
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return came


@pytest.mark.parametrize("function", [Connections.write, Connections.read])
def test_a_memory_works_after_an_interrupt_at_any_line_of_a_transaction(function: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "memory.db")
    came = 0
    with AgentMemory(path, embedder=None) as mem, AgentMemory(path, embedder=None) as other:
        for place in lines_of(function):
            came += interrupted(place, lambda: mem.add("tea", user_id="ana", kind="semantic") and mem.list(user_id="ana"))
            for one in (mem, other):
                said = f"milk {place} {one is mem}"
                one.add(said, user_id="ana")
                assert said in [memory.text for memory in mem.list(user_id="ana")]
        assert mem.verify().ok
    assert came > 4
