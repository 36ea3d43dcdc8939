"""`agentmem purge`: asks, erases, counts."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.cli import main
from agentmem_integrations.testing.embedders import HashEmbedder

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A file of another embedder than the command's, with two collections."""
    path = tmp_path / "memory.db"
    with AgentMemory(path, embedder=HashEmbedder()) as mem:
        for part in (mem, mem.collection("notes", embedder=None)):
            for n in range(3):
                part.add(f"the qzjxsecret {n}", user_id="ana", id=f"m{n}", session_id=f"s{n % 2}", metadata={"n": n})
            part.add("kept", user_id="ben", id="his")
        mem.delete("m2", user_id="ana")
    return path


@pytest.fixture
def run(db: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str) -> tuple[int, str, str]:
        status = main(["purge", *words, "--db", str(db)])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call


def answer(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """Let a person sit at a terminal and answer."""
    stdin: Any = io.StringIO(f"{said}\n")
    stdin.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", stdin)


def left(db: Path) -> list[int]:
    with AgentMemory(db, embedder=None) as mem:
        parts = (mem, mem.collection("notes", embedder=None))
        return [sum(part.stats(user_id=user).values()) for part in parts for user in ("ana", "ben")]


def test_a_user_is_purged_with_deleted_memories_and_counted(run: Run, db: Path) -> None:
    assert run("--user", "ana", "--yes") == (0, "erased 3 memories\n", "")
    assert left(db) == [0, 1, 3, 1]


def test_all_collections_are_purged_at_once_and_no_byte_is_left(run: Run, db: Path) -> None:
    status, out, _ = run("--user", "ana", "--all-collections", "--yes", "--json")
    assert (status, json.loads(out)) == (0, {"purged": 6})
    assert left(db) == [0, 1, 0, 1]
    assert b"qzjxsecret" not in b"".join(file.read_bytes() for file in db.parent.iterdir())


NARROWED: list[tuple[list[str], int]] = [
    (["m0"], 1), (["m0", "m1", "m0"], 2), (["m0", "--user", "ana"], 1), (["--user", "ana", "--session", "s0"], 2),
    (["--user", "ana", "--filter", '{"n": {"$gte": 1}}'], 2),
]  # fmt: skip


@pytest.mark.parametrize(("words", "count"), NARROWED)
def test_ids_sessions_and_filters_narrow(run: Run, db: Path, words: list[str], count: int) -> None:
    assert run(*words, "--yes")[:2] == (0, "erased 1 memory\n" if count == 1 else f"erased {count} memories\n")
    assert left(db) == [3 - count, 1, 3, 1]


@pytest.mark.parametrize(("said", "status", "ana"), [("y", 0, 0), ("yes", 0, 0), ("n", 1, 3), ("", 1, 3), ("yess", 1, 3)])
def test_a_person_is_asked_first(run: Run, db: Path, monkeypatch: pytest.MonkeyPatch, said: str, status: int, ana: int) -> None:
    answer(monkeypatch, said)
    got, _, err = run("--user", "ana", "--all-collections")
    assert got == status
    assert "Erase all memories of ana in every collection of" in err
    assert ("nothing was erased" in err) == (status == 1)
    assert left(db) == [ana, 1, ana, 1]


def test_a_script_must_say_yes(run: Run, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    for words in (["--user", "ana"], ["m0"]):
        status, _, err = run(*words)
        assert status == 2
        assert "pass --yes" in err
    assert left(db) == [3, 1, 3, 1]


@pytest.mark.parametrize("words", [[], ["--all-collections"], ["m0", "--all-collections"]])
def test_nobody_named_is_refused(run: Run, db: Path, words: list[str]) -> None:
    status, _, err = run(*words, "--yes")
    assert status == 2
    assert "whose memory" in err
    assert left(db) == [3, 1, 3, 1]


def test_ids_that_are_not_there_are_told(run: Run, db: Path) -> None:
    for words in (["nothing"], ["m0", "--user", "ben"]):
        status, out, err = run(*words, "--yes")
        assert (status, out) == (2, "erased 0 memories\n")
        assert "not" in err
    assert left(db) == [3, 1, 3, 1]


def test_a_mistyped_path_makes_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["purge", "--user", "ana", "--yes", "--db", str(tmp_path / "none.db")]) == 2
    assert "there is no memory file" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
