"""What lies at the path of `--db`, or of a file to read or write, may be odd: the command says so and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import apsw
import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.cli import main

Capture = pytest.CaptureFixture[str]
COMMAND = [sys.executable, "-W", "error", "-m", "agentmem_integrations"]
QUESTIONS = ["search x --user ana", "list --user ana", "get m1", "history m1", "stats", "export out.jsonl", "backup copy.db"]
CHANGES = ["update m1 --importance 0.5", "delete m1", "purge m1 --yes", "repair", "reembed static", "jobs"]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AGENTMEM_DB", raising=False)


@pytest.fixture
def db() -> str:
    with AgentMemory("memory.db") as mem:
        mem.add_batch([f"note {number} about tea" for number in range(300)], user_id="ana")
    return "memory.db"


def refusal(words: str | list[str], capsys: Capture) -> str:
    """Return the one line that a command which fails says."""
    assert main(words.split() if isinstance(words, str) else words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("agentmem: ")
    assert err.count("\n") == 1
    return err


def there() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


@pytest.mark.parametrize("words", [*QUESTIONS, *CHANGES, "verify", "add x --user ana", "import all.jsonl"])
def test_a_store_that_ends_with_the_command_is_refused(words: str, db: str, capsys: Capture) -> None:
    main(["export", "all.jsonl"])
    capsys.readouterr()
    assert "memory:// lasts as long as its process" in refusal(f"{words} --db memory://", capsys)


def test_the_demonstration_may_be_kept_nowhere(capsys: Capture) -> None:
    assert main(["demo", "--db", "memory://"]) == 0
    told = capsys.readouterr().out
    assert "60 memories · kept nowhere" in told
    assert "--db memory://" not in told


@pytest.mark.parametrize("words", [*QUESTIONS, *CHANGES, "verify"])
def test_an_empty_file_is_not_taken_for_a_sound_one(words: str, capsys: Capture) -> None:
    Path("memory.db").touch()
    assert "'memory.db' is empty: restore a backup" in refusal(words, capsys)
    assert Path("memory.db").stat().st_size == 0


def test_an_empty_file_may_be_added_to() -> None:
    Path("memory.db").touch()
    assert main(["add", "x", "--user", "ana"]) == 0


@pytest.fixture
def special(request: pytest.FixtureRequest) -> str:
    if os.name == "nt":
        pytest.skip("files of POSIX")
    if request.param == "pipe":
        os.mkfifo("special")
    elif request.param == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("special")
    return "/dev/null" if request.param == "device" else "special"


@pytest.mark.parametrize("special", ["device", "pipe", "socket"], indirect=True)
def test_what_is_no_regular_file_is_refused(special: str, capsys: Capture) -> None:
    for words in ("add x --user ana", "list --user ana", "verify"):
        assert "is a device, a pipe or a socket" in refusal(f"{words} --db {special}", capsys)
    assert main(["doctor", "--db", special]) == 1
    assert f"problem  file: {special} is a device, a pipe or a socket: name another file with --db" in capsys.readouterr().out


@pytest.mark.parametrize("words", ["add x --user ana", "list --user ana", "verify"])
def test_a_directory_is_refused(words: str, capsys: Capture) -> None:
    Path("folder").mkdir()
    assert "folder is a directory" in refusal(f"{words} --db folder", capsys)


@pytest.mark.parametrize(
    "words", ["add x --user ana --db", "list --user ana --db", "demo --db", "add x --user ana --namespace", "stats --namespace"]
)
def test_an_option_that_is_empty_is_not_its_default(words: str, db: str, capsys: Capture) -> None:
    before = there()
    refusal([*words.split(), ""], capsys)
    assert there() == before


@pytest.mark.parametrize("words", ["verify", "repair", "list --user ana", "export out.jsonl"])
def test_a_file_that_cannot_be_used_is_an_error_and_no_finding(words: str, db: str, capsys: Capture) -> None:
    whole = Path(db).read_bytes()
    for length in (50, 8_192, 3 * 8_192):
        Path(db).write_bytes(whole[:length])
        assert "is damaged" in refusal(words, capsys)
        assert Path(db).read_bytes() == whole[:length]
    Path(db).write_bytes(whole)
    connection = apsw.Connection(db)
    connection.pragma("user_version", 99)
    connection.close()
    assert "has schema 99" in refusal(words, capsys)


@pytest.mark.parametrize("words", ["import nothere.jsonl", "import folder"])
def test_nothing_to_import_leaves_no_memory_file(words: str, capsys: Capture) -> None:
    Path("folder").mkdir()
    assert "there is no file" in refusal(words, capsys)
    assert there() == ["folder"]


@pytest.mark.parametrize("words", ["export there", "backup there"])
def test_a_file_that_is_there_is_replaced_only_if_the_option_says_so(words: str, db: str, capsys: Capture) -> None:
    Path("there").write_text("mine", encoding="utf-8")
    assert "pass --overwrite to replace it" in refusal(words, capsys)
    assert Path("there").read_text(encoding="utf-8") == "mine"
    assert main([*words.split(), "--overwrite"]) == 0


def test_advice_is_in_the_words_of_the_command(db: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert refusal(["add", "long " * 50_000, "--user", "ana"], capsys).endswith("the limit is 131,072: split it\n")
    told = refusal("reembed openai:text-embedding-3-small", capsys)
    assert told == "agentmem: no API key: set OPENAI_API_KEY, or OPENAI_BASE_URL for a server that needs none\n"


@pytest.mark.parametrize("package", ["numpy", "apsw", "cachetools", "tokenizers"])
def test_a_package_that_is_missing_is_named_in_one_line(package: str, run_python: Any) -> None:
    program = """
import sys
sys.modules[sys.argv[1]] = None
from agentmem_integrations.cli import main
sys.stderr = sys.stdout
print(main(["add", "x", "--user", "ana", "--db", "x.db"]))
"""
    told, status = run_python(program, package).splitlines()
    assert (told.split(", which ")[0].split(", and ")[0], status) == (f"agentmem: {package} cannot be imported", "2")


@pytest.mark.parametrize("package", ["numpy", "apsw", "cachetools"])
def test_the_doctor_names_the_package_that_is_missing(package: str, run_python: Any) -> None:
    program = """
import sys
sys.modules[sys.argv[1]] = None
from agentmem_integrations.cli import main
print(main(["doctor", "--db", "x.db"]))
"""
    told = run_python(program, package)
    assert f"SQLite: cannot be looked at while {package} cannot be imported: pip install --force-reinstall {package}\n" in told
    assert told.endswith("\n1\n")


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX")
def test_the_doctor_says_that_its_folder_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(["doctor"]) == 1
    assert "problem  folder: the one that this was started in is gone: cd to one that is there\n" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_ctrl_c_during_an_import_exits_with_130_and_keeps_whole_memories(db: str) -> None:
    with AgentMemory("big.db", embedder=None) as mem:
        mem.add_batch([f"note {number} about tea" for number in range(20_000)], user_id="ana")
        mem.export("all.jsonl")
    with subprocess.Popen([*COMMAND, "import", "all.jsonl", "--db", "new.db"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not stored():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == (b"", b"\n")
    assert process.returncode == 130
    with AgentMemory("new.db") as mem:
        assert 0 < mem.stats()["memories"] < 20_000
        assert mem.verify().ok
    assert main(["import", "all.jsonl", "--db", "new.db"]) == 0
    with AgentMemory("new.db") as mem:
        assert mem.stats()["memories"] == 20_000


def stored() -> bool:
    """Say whether the import has committed something."""
    if not Path("new.db-wal").exists():
        return False
    try:
        connection = apsw.Connection("new.db", flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return bool(connection.execute("SELECT count(*) FROM memories").get)
        finally:
            connection.close()
    except apsw.Error:  # it is just being made
        return False
