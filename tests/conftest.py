"""No network, one Hypothesis profile, and the memories that tests work on."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.embedders import HashEmbedder

QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("short", deadline=None, max_examples=60, suppress_health_check=QUIET, print_blob=True)
settings.register_profile("long", deadline=None, max_examples=5_000, stateful_step_count=100, suppress_health_check=QUIET, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))

LOCAL = ("127.", "::1", "localhost")
_attempts: list[str] = []


def _guard(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        return
    target = arguments[0] if event == "socket.getaddrinfo" else arguments[-1]
    host = target[0] if isinstance(target, tuple) else target
    if isinstance(target, tuple) or event == "socket.getaddrinfo":  # else the path of a socket in the file system
        text = host.decode() if isinstance(host, bytes) else host
        if text is not None and not str(text).startswith(LOCAL):
            _attempts.append(f"{event} {host}")
            raise ConnectionRefusedError(f"tests have no network: {event} {host}")


sys.addaudithook(_guard)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip on Windows what is marked `posix`, for the reason that the mark gives."""
    mark = item.get_closest_marker("posix")
    if mark is not None and os.name != "posix":
        pytest.skip(f"Windows has no such thing: the test {mark.args[0]}")


@pytest.fixture(autouse=True)
def network_attempts() -> Iterator[list[str]]:
    """Fail the test that reaches for the network, even if the error was caught."""
    _attempts.clear()
    yield _attempts
    assert not _attempts, f"the test reached for the network: {_attempts}"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "memory.db")


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, path: str) -> str:
    """A file, and in RAM: both obey the same contract."""
    return path if request.param == "file" else "memory://"


@pytest.fixture
def opened() -> Iterator[Callable[..., AgentMemory]]:
    """Open memories that are closed when the test is over."""
    memories: list[AgentMemory] = []

    def open_memory(url: str, **options: Any) -> AgentMemory:
        memories.append(AgentMemory(url, **{"embedder": HashEmbedder(), **options}))
        return memories[-1]

    yield open_memory
    for memory in memories:
        memory.close()


@pytest.fixture
def mem(url: str, opened: Callable[..., AgentMemory]) -> AgentMemory:
    return opened(url)


@pytest.fixture
def run_python(tmp_path: Path) -> Callable[..., str]:
    """Run a program in a process of its own and return what it printed."""

    def run(program: str, *arguments: str, timeout: float = 60, **options: Any) -> str:
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=tmp_path, check=False, **options)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    return run
