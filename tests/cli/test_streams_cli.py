"""The standard streams may be closed, full, or hold something else than text: one line says so, and the status is 2."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import agentmem_integrations
from agentmem_integrations import AgentMemory
from agentmem_integrations.cli import main

Capture = pytest.CaptureFixture[str]
COMMAND = [sys.executable, "-W", "error", "-m", "agentmem_integrations"]

posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
buffered = pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])


@pytest.fixture
def db(tmp_path: Path) -> str:
    path = str(tmp_path / "memory.db")
    with AgentMemory(path) as mem:
        mem.add_batch(["one", "two"], user_id="ana")
    return path


def redirected(db: str, words: str, how: str, *, unbuffered: str = "", **more: object) -> tuple[int, str, str]:
    """Run a command with its streams redirected as a shell does; return its status, and what it printed."""
    env = {**os.environ, "AGENTMEM_DB": db, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {how}', "sh", *COMMAND, *words.split()],
        capture_output=True, text=True, check=False, timeout=60, env=env, **more,  # type: ignore[call-overload]  # cwd alone
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def refusal(told: tuple[int, str, str]) -> str:
    """Return what a command that failed told, which is one line on stderr."""
    status, out, err = told
    assert (status, out) == (2, "")
    assert err.startswith("agentmem: ")
    assert err.count("\n") == 1
    return err


# stdout


@full
@buffered
@pytest.mark.parametrize(
    "words",
    [
        "verify", "stats", "list --user ana", "list --user ana --json", "search one --user ana", "doctor", "config", "export -",
        "completion bash", "add three --user ana",
    ],
)  # fmt: skip
def test_a_stdout_that_cannot_be_written_is_an_error(words: str, unbuffered: str, db: str) -> None:
    assert "stdout could not be written (No space left on device)" in refusal(redirected(db, words, ">/dev/full", unbuffered=unbuffered))


@full
@pytest.mark.parametrize("words", ["--help", "--version", "list --help"])
def test_help_that_cannot_be_written_is_an_error(words: str, db: str) -> None:
    assert "No space left on device" in refusal(redirected(db, words, ">/dev/full"))


@posix
@pytest.mark.parametrize("words", ["list --user ana", "verify", "export -", "config", "--help", "--version", "add three --user ana"])
def test_where_there_is_no_stdout_nothing_is_done(words: str, db: str) -> None:
    assert "stdout is closed, and nothing was done" in refusal(redirected(db, words, ">&-"))
    with AgentMemory(db) as mem:
        assert len(mem.list(user_id="ana")) == 2


@posix
@buffered
def test_a_reader_that_hangs_up_leaves_the_status_alone(unbuffered: str, db: str) -> None:
    script = 'bad=$1; shift; { printf "%s" "$bad" | "$@" add --jsonl --user ana; echo $? >&2; } | true'
    env = {**os.environ, "AGENTMEM_DB": db, "PYTHONUNBUFFERED": unbuffered}
    words = ["sh", "-c", script, "sh", '{"content": ""}', *COMMAND]
    told = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60, env=env).stderr
    assert told.splitlines() == ["agentmem: line 1: the text is empty: there is nothing to remember", "2"]


# stderr


@posix
@pytest.mark.parametrize("how", ["2>&-", pytest.param("2>/dev/full", marks=full)])
def test_where_no_error_can_be_told_the_status_does_it(how: str, db: str) -> None:
    assert redirected(db, "list", how) == (2, "", "")
    status, out, _ = redirected(db, "list --user ana --json", how)
    assert (status, out.count('"id"')) == (0, 2)


@posix
def test_without_any_stream_the_status_is_left(db: str) -> None:
    assert redirected(db, "list --user ana", ">&- 2>&- <&-") == (2, "", "")


def test_a_question_that_cannot_be_shown_is_not_answered(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    monkeypatch.setattr(sys, "stderr", Full())
    assert main(["delete", "--user", "ana", "--db", db]) == 2
    with AgentMemory(db) as mem:
        assert len(mem.list(user_id="ana")) == 2


def test_an_answer_that_is_no_text_is_no(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO(b"\xe9\n"), encoding="utf-8"))
    assert main(["delete", "--user", "ana", "--db", db]) == 1


# stdin


@posix
@pytest.mark.parametrize("words", ["add - --user ana", "add --jsonl --user ana", "import -"])
def test_a_closed_stdin_is_an_error(words: str, db: str, tmp_path: Path) -> None:
    assert "stdin is closed" in refusal(redirected(db, words, "<&-"))
    assert "stdin is closed" in refusal(redirected(str(tmp_path / "new.db"), words, "<&-"))
    assert not (tmp_path / "new.db").exists()


@posix
@pytest.mark.parametrize("words", ["add - --user ana", "import -"])
def test_a_stdin_that_cannot_be_read_is_an_error(words: str, db: str) -> None:
    assert "stdin could not be read" in refusal(redirected(db, words, "0>/dev/null"))


@posix
@pytest.mark.parametrize("words", ["delete --user ana", "purge --user ana"])
def test_a_closed_stdin_confirms_nothing(words: str, db: str) -> None:
    assert "pass --yes if that is what you want" in refusal(redirected(db, words, "<&-"))


def piped(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))


@pytest.mark.parametrize(("words", "content"), [(["-"], b"first\nsecond\n"), (["--jsonl"], b'{"content": "first"}\n"second"\n')])
def test_a_byte_order_mark_is_not_part_of_the_first_line(
    words: list[str], content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped(monkeypatch, b"\xef\xbb\xbf" + content)
    assert main(["add", *words, "--user", "ana", "--db", str(tmp_path / "new.db")]) == 0
    with AgentMemory(str(tmp_path / "new.db")) as mem:
        assert [memory.text for memory in mem.list(user_id="ana")] == ["first", "second"]


def test_an_export_with_a_byte_order_mark_is_imported_from_stdin(db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with AgentMemory(db) as mem:
        mem.export(tmp_path / "all.jsonl")
    piped(monkeypatch, b"\xef\xbb\xbf" + (tmp_path / "all.jsonl").read_bytes())
    assert main(["import", "-", "--db", str(tmp_path / "new.db")]) == 0
    with AgentMemory(str(tmp_path / "new.db")) as mem:
        assert len(mem.list(user_id="ana")) == 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"tea\nmilk\ncaf\xe9\n", "line 3 of stdin is not UTF-8 from its character 4 on: convert it; nothing was stored"),
        (b"x\n" * 20_000 + b"\xff", "line 20001 of stdin is not UTF-8 from its character 1 on: convert it; nothing was stored"),
        ("tea\n".encode("utf-16"), "stdin is UTF-16: convert it to UTF-8; nothing was stored"),
        ("\ufefftea\n".encode("utf-16-be"), "stdin is UTF-16: convert it to UTF-8; nothing was stored"),
    ],
    ids=["Latin-1", "far behind", "UTF-16", "UTF-16 of the other order"],
)
@pytest.mark.parametrize("words", [["-"], ["--jsonl"]], ids=["lines", "jsonl"])
def test_lines_that_are_not_utf8_are_named(
    words: list[str], content: bytes, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    piped(monkeypatch, content if words == ["-"] else content.replace(b"tea", b'"a"').replace(b"milk", b'"b"').replace(b"x\n", b"1\n"))
    assert main(["add", *words, "--user", "ana", "--db", str(tmp_path / "new.db")]) == 2
    assert capsys.readouterr().err == f"agentmem: {told}\n"
    assert not (tmp_path / "new.db").exists()


# What else the operating system refuses


@posix
@pytest.mark.parametrize("words", ["add x --user ana", "list --user ana", "verify", "demo --db d.db", "import a.jsonl", "export a.jsonl"])
def test_a_folder_that_is_gone_is_an_error(words: str, db: str, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    path = db if words == "export a.jsonl" else "memory.db"
    script = f'cd "{tmp_path / "gone"}" && rmdir ../gone && exec "$@"'
    env = {**os.environ, "AGENTMEM_DB": path, "PYTHONPATH": str(Path(agentmem_integrations.__file__).parents[1])}
    done = subprocess.run(
        ["sh", "-c", script, "sh", *COMMAND, *words.split()], capture_output=True, text=True, check=False, timeout=60, env=env
    )
    refusal((done.returncode, done.stdout, done.stderr))


def test_an_error_that_no_layer_has_told_names_its_file(db: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def refused(*words: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", "/srv/memories")

    monkeypatch.setattr("agentmem_integrations.cli.target.open_memory", refused)
    assert main(["list", "--user", "ana", "--db", db]) == 2
    assert capsys.readouterr().err == "agentmem: '/srv/memories': Permission denied\n"
