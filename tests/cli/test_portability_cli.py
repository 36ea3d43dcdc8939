"""`agentmem export`, `import` and `backup`."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.cli import main

Capture = pytest.CaptureFixture[str]
COMMAND = [sys.executable, "-W", "error", "-m", "agentmem_integrations"]


@pytest.fixture
def db(tmp_path: Path) -> str:
    path = str(tmp_path / "memory.db")
    with AgentMemory(path, embedder="static") as mem:
        mem.add("I moved to Lisbon in May", user_id="ana", id="m1")
        mem.add("Peanuts are dangerous for me", user_id="ben", id="m2")
        mem.delete("m2")
    return path


@pytest.fixture
def run(capsys: Capture) -> Callable[..., Any]:
    """Run the command and return the status with what was printed."""

    def call(*words: str) -> tuple[int, str, str]:
        status = main(words)
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def test_out_and_in_again_is_the_same(db: str, tmp_path: Path, run: Callable[..., Any]) -> None:
    first, second, other = (str(tmp_path / name) for name in ("a.jsonl", "b.jsonl", "other.db"))
    for options in ([], ["--vectors", "--overwrite"]):
        assert run("export", first, "--db", db, *options) == (0, f"exported 2 memories to {first}\n", "")
        status, out, _ = run("import", first, "--db", other)
        assert (status, out) == (0, "imported 0 memories, 2 were known\n" if options else "imported 2 memories\n")
        run("export", second, "--db", other, *options)
        assert Path(second).read_bytes() == Path(first).read_bytes()


def test_results_are_json_if_asked(db: str, tmp_path: Path, run: Callable[..., Any]) -> None:
    lines, copy, other = (str(tmp_path / name) for name in ("a.jsonl", "copy.db", "other.db"))
    said = [
        json.loads(run(*words, "--json")[1])
        for words in (
            ("export", lines, "--db", db, "--user", "ana"), ("import", lines, "--db", other), ("import", lines, "--db", other),
            ("backup", copy, "--db", db),
        )
    ]  # fmt: skip
    assert said[:3] == [{"exported": 1, "file": lines}, {"imported": 1, "known": 0}, {"imported": 0, "known": 1}]
    assert said[3] == {"file": copy, "bytes": Path(copy).stat().st_size}


def test_a_backup_opens_like_the_original(db: str, tmp_path: Path, run: Callable[..., Any]) -> None:
    copy = str(tmp_path / "copy.db")
    status, out, _ = run("backup", copy, "--db", db)
    assert (status, out) == (0, f"copied {db} to {copy}, {Path(copy).stat().st_size:,} bytes\n")
    assert "Lisbon" in run("search", "Lisbon", "--user", "ana", "--db", copy)[1]
    assert run("backup", copy, "--db", db, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["export", "DB"], "is there already"), (["backup", "DB"], "is there already"), (["export", "-", "--json"], "--json and -"),
        (["import", "missing.jsonl"], "there is no file"), (["import", "DB"], "line 1: this is no export"),
        (["export", "x.jsonl", "--user", "ana", "--shared"], "contradict"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line(db: str, run: Callable[..., Any], words: list[str], reason: str) -> None:
    status, out, err = run(*(db if word == "DB" else word for word in words), "--db", db)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert reason in err


@pytest.mark.parametrize("command", ["export", "backup"])
def test_a_mistyped_path_makes_no_file(tmp_path: Path, run: Callable[..., Any], command: str) -> None:
    assert run(command, str(tmp_path / "out"), "--db", str(tmp_path / "mistyped.db"))[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_carries_memories_from_one_file_to_another(db: str, tmp_path: Path) -> None:
    other = str(tmp_path / "other.db")
    sent = subprocess.run([*COMMAND, "--db", db, "export", "-"], capture_output=True, check=True, timeout=60)
    got = subprocess.run([*COMMAND, "--db", other, "import", "-"], input=sent.stdout, capture_output=True, check=True, timeout=60)
    assert (got.stdout, sent.stderr + got.stderr) == (b"imported 2 memories\n", b"")
    again = subprocess.run([*COMMAND, "--db", other, "export", "-"], capture_output=True, check=True, timeout=60)
    assert again.stdout == sent.stdout


def test_a_reader_that_goes_away_is_no_error(db: str) -> None:
    with AgentMemory(db) as mem:
        mem.add_batch([f"note {n} {'x' * 200}" for n in range(2_000)], user_id="ana")
    with subprocess.Popen([*COMMAND, "--db", db, "export", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait(60)) == (b"", 0)
