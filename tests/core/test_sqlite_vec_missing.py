"""Where sqlite-vec cannot be had: the error is this library's, and names the platform and the way out."""

import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

from agentmem_integrations import AgentMemory, StorageError
from agentmem_integrations.storage.sqlite.file import extension


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlite_vec", None)


@pytest.mark.parametrize("url", ["memory://", "memory.db"])
def test_opening_a_memory_without_sqlite_vec_names_platform_and_way_out(
    url: str, not_installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError) as caught:
        AgentMemory(url)
    said = str(caught.value)
    assert f"sqlite-vec, which compares vectors, cannot be imported on {sysconfig.get_platform()}" in said
    assert "pip install --force-reinstall" in said
    assert isinstance(caught.value.__cause__, ImportError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"this is no shared library"], ids=["missing", "broken"])
def test_a_library_that_does_not_load_is_told_in_the_same_words(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = ModuleType("sqlite_vec")
    library = tmp_path / "vec0"
    if content is not None:
        for suffix in ("", ".so", ".dylib", ".dll"):
            library.with_suffix(suffix).write_bytes(content)
    broken.loadable_path = lambda: str(library)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sqlite_vec", broken)
    with pytest.raises(StorageError, match=r"cannot be loaded on .*: pip install --force-reinstall"):
        AgentMemory("memory://")


@pytest.mark.parametrize(
    ("abi", "platform", "named", "way"),
    [
        ("cpython-312-x86_64-linux-musl", "linux-x86_64", "on linux-x86_64 with musl", "use an image with glibc"),
        ("cp312-win_arm64", "win-arm64", "on win-arm64", "use a Python for x64"),
        ("cpython-312-x86_64-linux-gnu", "linux-x86_64", "on linux-x86_64 (", "pip install --force-reinstall"),
    ],
)
def test_the_way_out_is_that_of_the_platform(
    abi: str, platform: str, named: str, way: str, not_installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extension.sysconfig, "get_config_var", lambda name: abi)
    monkeypatch.setattr(extension.sysconfig, "get_platform", lambda: platform)
    with pytest.raises(StorageError) as caught:
        AgentMemory("memory://")
    assert named in str(caught.value)
    assert way in str(caught.value)


def test_importing_the_package_needs_no_sqlite_vec(run_python) -> None:  # type: ignore[no-untyped-def]
    program = """
import sys
sys.modules["sqlite_vec"] = None
from agentmem_integrations import AgentMemError, AgentMemory
try:
    AgentMemory("memory.db")
except AgentMemError as error:
    print(type(error).__name__)
"""
    assert run_python(program) == "StorageError\n"
