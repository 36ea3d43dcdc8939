"""The `agentmem` command, on real files."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agentmem_integrations import SHARED, AgentMemory, __version__
from agentmem_integrations.cli import main

Capture = pytest.CaptureFixture[str]
COMMAND = [sys.executable, "-W", "error", "-m", "agentmem_integrations"]


class Stdin(io.StringIO):
    """What is typed or piped in."""

    def __init__(self, text: str, *, terminal: bool = False) -> None:
        super().__init__(text)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture
def db(tmp_path: Path) -> str:
    return str(tmp_path / "memory.db")


@pytest.fixture
def ana(db: str) -> list[str]:
    """The options of a user with three memories."""
    with AgentMemory(db) as mem:
        mem.add("I moved to Lisbon in May", user_id="ana", id="m1", name="Ana", timestamp="2026-05-02", metadata={"city": "Lisbon"})
        mem.add("Peanuts are dangerous for me", user_id="ana", id="m2", session_id="s1", timestamp="2026-05-03")
        mem.add("My sister plays the cello", user_id="ana", id="m3", kind="semantic", timestamp="2026-05-04")
    return ["--db", db, "--user", "ana"]


def document(capsys: Capture) -> Any:
    return json.loads(capsys.readouterr().out)


def ids(capsys: Capture) -> list[str]:
    return [record.get("memory", record)["id"] for record in document(capsys)]


def error(capsys: Capture) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("agentmem: ")
    assert captured.err.count("\n") == 1
    return captured.err


def shell(*words: str, stdin: str = "", **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], input=stdin, capture_output=True, text=True, check=False, timeout=60, **more)


# Adding


def test_what_was_added_is_found(db: str, capsys: Capture) -> None:
    assert main(["add", "I moved to Lisbon in May", "--user", "ana", "--db", db]) == 0
    assert main(["search", "Lisbon", "--user", "ana", "--db", db]) == 0
    assert capsys.readouterr().out.count("I moved to Lisbon in May") == 2


def test_several_texts_are_several_memories(db: str, capsys: Capture) -> None:
    main(["add", "one", "two", "--user", "ana", "--db", db, "--json"])
    assert [result["events"][0]["memory"]["text"] for result in document(capsys)] == ["one", "two"]


def test_telling_twice_says_that_it_is_known(ana: list[str], capsys: Capture) -> None:
    for _ in range(2):
        main(["add", "I sing", "--timestamp", "2026-05-05", *ana])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[::2]] == ["added", "known"]


def test_what_is_said_about_a_text_is_stored_with_it(db: str, capsys: Capture) -> None:
    said = ["--role", "user", "--name", "Ana", "--timestamp", "2026-05-02T10:00:00Z", "--kind", "semantic"]
    whose = ["--user", "ana", "--agent", "a", "--session", "s"]
    main(["add", "I moved", *said, "--metadata", '{"city": "Lisbon"}', *whose, "--db", db, "--json"])
    memory = document(capsys)[0]["events"][0]["memory"]
    expected = {
        "role": "user", "name": "Ana", "occurred_at": "2026-05-02T10:00:00+00:00", "kind": "semantic", "metadata": {"city": "Lisbon"},
        "user_id": "ana", "agent_id": "a", "session_id": "s",
    }  # fmt: skip
    assert {name: memory[name] for name in expected} == expected


def test_one_bad_text_of_the_command_line_keeps_all_out(db: str, capsys: Capture) -> None:
    assert main(["add", "good", " ", "--user", "ana", "--db", db]) == 2
    assert "empty" in error(capsys)
    main(["list", "--user", "ana", "--db", db, "--json"])
    assert document(capsys) == []


def test_a_dash_reads_one_memory_per_line(db: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin("first\n\n  second  \n"))
    assert main(["add", "-", "--user", "ana", "--db", db]) == 0
    assert capsys.readouterr().out == "2 added\n"
    main(["list", "--user", "ana", "--db", db, "--json"])
    assert [record["text"] for record in document(capsys)] == ["first", "second"]


def test_jsonl_items_keep_their_fields(db: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin('{"content": "I moved", "name": "Ana", "timestamp": "2026-05-02", "session_id": "s9"}\n'))
    main(["add", "--jsonl", "--user", "ana", "--db", db])
    capsys.readouterr()
    main(["list", "--user", "ana", "--session", "s9", "--db", db, "--json"])
    (memory,) = document(capsys)
    assert (memory["text"], memory["name"], memory["occurred_at"]) == ("I moved", "Ana", "2026-05-02T00:00:00+00:00")


def test_a_bad_item_is_named_by_its_line_and_the_rest_is_stored(db: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin('{"content": "good"}\n\n{"content": ""}\n'))
    assert main(["add", "--jsonl", "--user", "ana", "--db", db]) == 2
    captured = capsys.readouterr()
    assert captured.out == "1 added, 1 refused\n"
    assert captured.err == "agentmem: line 3: the text is empty: there is nothing to remember\n"


def test_a_line_that_is_no_json_keeps_the_whole_input_out(db: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin('{"content": "good"}\nnonsense\n'))
    assert main(["add", "--jsonl", "--user", "ana", "--db", db]) == 2
    assert "line 2 of stdin is not JSON" in error(capsys)
    assert not Path(db).exists()


def test_stdin_that_is_not_utf8_is_a_user_error(db: str) -> None:
    done = subprocess.run(
        [*COMMAND, "add", "-", "--user", "ana", "--db", db], input=b"caf\xe9\n", capture_output=True, check=False, timeout=60,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(b"agentmem: ")
    assert b"Traceback" not in done.stderr


def test_there_is_no_progress_bar_where_nobody_looks(db: str) -> None:
    done = shell("add", "-", "--user", "ana", "--db", db, stdin="one\ntwo\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "2 added\n", "")


def test_nothing_to_add_is_an_error(db: str, capsys: Capture) -> None:
    assert main(["add", "--user", "ana", "--db", db]) == 2
    assert "what should be remembered?" in error(capsys)


# Finding


def test_another_users_memory_is_not_found(ana: list[str], capsys: Capture) -> None:
    assert main(["search", "Lisbon", "--user", "bob", *ana[:2]]) == 0
    assert capsys.readouterr().out == "nothing found in the memory of bob\n"


def test_shared_memory_is_apart_from_every_users(ana: list[str], capsys: Capture) -> None:
    with AgentMemory(ana[1]) as mem:
        mem.add("The office closes at six", user_id=SHARED, id="shared")
    main(["list", "--shared", *ana[:2], "--json"])
    assert ids(capsys) == ["shared"]


def test_search_prints_score_text_date_and_id(ana: list[str], capsys: Capture) -> None:
    main(["search", "Lisbon", "-k", "1", *ana])
    first, second = capsys.readouterr().out.splitlines()
    score, text = first.split("  ", 1)
    assert score == f"{float(score):.3f}"
    assert (text, second.split()) == ("I moved to Lisbon in May", ["2026-05-02", "·", "Ana", "·", "m1"])


def test_search_prints_hits_as_one_json_document(ana: list[str], capsys: Capture) -> None:
    main(["search", "Lisbon", "-k", "1", *ana, "--json"])
    (hit,) = document(capsys)
    assert set(hit) == {"score", "parts", "memory", "sources"}
    assert hit["memory"]["occurred_at"] == "2026-05-02T00:00:00+00:00"


def test_explain_shows_what_the_score_is_made_of(ana: list[str], capsys: Capture) -> None:
    main(["search", "Lisbon", "-k", "1", *ana, "--explain"])
    assert "meaning 0." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-k", "3", "--offset", "2"], 1),
        (["--kind", "semantic"], ["m3"]),
        (["--kind", "semantic", "--kind", "core"], ["m3"]),
        (["--filter", '{"city": "Lisbon"}'], ["m1"]),
        (["--session", "s1"], ["m2"]),
        (["--after", "2026-05-04"], ["m3"]),
        (["--before", "2026-05-02"], ["m1"]),
        (["--using", "text"], ["m1"]),
        (["--min-score", "0.999", "--using", "vector"], []),
        (["--at", "2026-06-01", "-k", "1"], ["m1"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_options_of_search_narrow_it(options: list[str], expected: list[str] | int, ana: list[str], capsys: Capture) -> None:
    assert main(["search", "Lisbon", *options, *ana, "--json"]) == 0
    found = ids(capsys)
    assert (len(found) if isinstance(expected, int) else found) == expected


def test_list_pages_through_all_memories(ana: list[str], capsys: Capture) -> None:
    main(["list", "--limit", "2", *ana])
    assert capsys.readouterr().out.splitlines()[-1].endswith("--after m2")
    main(["list", "--limit", "2", "--after", "m2", *ana, "--json"])
    assert ids(capsys) == ["m3"]


def test_history_shows_every_version_and_the_deletion(ana: list[str], capsys: Capture) -> None:
    with AgentMemory(ana[1]) as mem:
        mem.update("m1", text="I moved to Porto")
        mem.delete("m1")
    main(["history", "m1", *ana])
    shown = [line.split(None, 2)[2].split(None, 1) for line in capsys.readouterr().out.splitlines()]
    assert shown == [["ADD", "I moved to Lisbon in May"], ["UPDATE", "I moved to Porto"], ["DELETE", "I moved to Porto"]]


def test_history_of_somebody_elses_memory_is_not_found(ana: list[str], capsys: Capture) -> None:
    assert main(["history", "m1", "--user", "bob", *ana[:2]]) == 2
    assert "there is no memory 'm1' for bob" in error(capsys)


def test_stats_count_a_user_and_the_file(ana: list[str], capsys: Capture) -> None:
    main(["stats", *ana, "--json"])
    main(["stats", *ana[:2]])
    one, rest = capsys.readouterr().out.split("\n", 1)
    assert json.loads(one)["memories"] == 3
    assert dict(line.rsplit(None, 1) for line in rest.splitlines())["owners"] == "1"


@pytest.mark.parametrize("words", [["search", "x"], ["list"], ["history", "m1"], ["stats"], ["delete", "m1"]], ids=lambda words: words[0])
def test_a_missing_file_is_reported_and_not_made(words: list[str], db: str, capsys: Capture) -> None:
    assert main([*words, "--user", "ana", "--db", db]) == 2
    assert "there is no memory file" in error(capsys)
    assert not Path(db).exists()


# Deleting


def test_delete_by_id_says_how_many(ana: list[str], capsys: Capture) -> None:
    assert main(["delete", "m1", "m2", *ana]) == 0
    assert capsys.readouterr().out == "deleted 2 memories\n"


def test_deleting_an_unknown_id_is_an_error(ana: list[str], capsys: Capture) -> None:
    assert main(["delete", "nope", *ana]) == 2
    assert "'nope' was not found" in error(capsys)


def test_a_named_user_must_own_what_is_deleted(ana: list[str], capsys: Capture) -> None:
    assert main(["delete", "m1", "--user", "bob", *ana[:2]]) == 2
    capsys.readouterr()
    main(["list", *ana, "--json"])
    assert "m1" in ids(capsys)


@pytest.mark.parametrize(
    ("answer", "status", "left"),
    [("y\n", 0, 0), ("YES\n", 0, 0), ("n\n", 1, 3), ("\n", 1, 3), ("", 1, 3)],
    ids=["y", "YES", "n", "enter", "end"],
)
def test_deleting_everything_asks_first(
    answer: str, status: int, left: int, ana: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(answer, terminal=True))
    assert main(["delete", *ana]) == status
    assert capsys.readouterr().err.startswith("Delete 3 memories of ana? [y/N] ")
    with AgentMemory(ana[1]) as mem:
        assert len(mem.list(user_id="ana")) == left


def test_deleting_everything_is_refused_where_nobody_can_be_asked(ana: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin("y\n"))
    assert main(["delete", *ana]) == 2
    assert "would delete 3 memories of ana: pass --yes" in error(capsys)


def test_yes_deletes_without_asking_what_the_filter_selects(ana: list[str], capsys: Capture) -> None:
    assert main(["delete", "--filter", '{"city": "Lisbon"}', "--yes", *ana, "--json"]) == 0
    assert document(capsys) == {"deleted": 1}


def test_deleting_without_ids_needs_an_owner(ana: list[str], capsys: Capture) -> None:
    assert main(["delete", "--yes", *ana[:2]]) == 2
    assert "whose memory?" in error(capsys)


# The command line itself


def test_common_options_may_stand_before_the_command(ana: list[str], capsys: Capture) -> None:
    main([*ana, "--json", "list"])
    assert ids(capsys) == ["m1", "m2", "m3"]


def test_the_file_may_come_from_the_environment(ana: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("AGENTMEM_DB", ana[1])
    main(["list", "--user", "ana", "--json"])
    assert len(document(capsys)) == 3


def test_the_file_is_memory_db_in_this_folder_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGENTMEM_DB", raising=False)
    monkeypatch.chdir(tmp_path)
    main(["add", "hello", "--user", "ana"])
    assert (tmp_path / "memory.db").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list"], "whose memory? Pass --user"),
        (["list", "--user", "ana", "--shared"], "contradict"),
        (["list", "--user", ""], "user_id"),
        (["search", "x", "--user", "ana", "-k", "0"], "k=0"),
        (["search", " ", "--user", "ana"], "empty"),
        (["search", "x", "--user", "ana", "--filter", "{"], "--filter is not JSON"),
        (["search", "x", "--user", "ana", "--filter", "[]"], "takes a JSON object"),
        (["search", "x", "--user", "ana", "--filter", '{"$near": 1}'], "unknown operator"),
        (["search", "x", "--user", "ana", "--at", "tomorrow"], "tomorrow"),
        (["list", "--user", "ana", "--after", "nope"], "nope"),
        (["add", "x", "--jsonl", "--user", "ana"], "--jsonl reads stdin"),
        (["--user", "ana", "bench"], "bench has options of its own"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_user_error_is_one_line_and_status_2(words: list[str], message: str, ana: list[str], capsys: Capture) -> None:
    assert main(["--db", ana[1], *words]) == 2
    assert message in error(capsys)


def test_a_file_that_is_no_database_is_a_user_error(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ana, this is not a database. " * 50)
    done = shell("list", "--user", "ana", "--db", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not a memory file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_usage_error_exits_with_status_2() -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["frobnicate"])
    assert exit_.value.code == 2


def test_no_command_prints_the_help_on_stderr(capsys: Capture) -> None:
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "agentmem demo" in captured.err


def test_version_prints_the_version(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert (exit_.value.code, capsys.readouterr().out) == (0, f"agentmem {__version__}\n")


def test_bench_gets_its_own_options(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["bench", "--help"])
    assert exit_.value.code == 0
    assert "usage: agentmem bench" in capsys.readouterr().out


def test_a_memory_cannot_send_commands_to_the_terminal(db: str, capsys: Capture) -> None:
    main(["add", "red \x1b[31mtext\nand \x9b2J more", "--user", "ana", "--db", db])
    assert not {"\x1b", "\x9b"} & set(capsys.readouterr().out)


def test_a_long_text_is_shortened_for_people_and_whole_in_json(db: str, capsys: Capture) -> None:
    text = "many words " * 200
    main(["add", text, "--user", "ana", "--db", db])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) <= 100
    main(["list", "--user", "ana", "--db", db, "--json"])
    assert document(capsys)[0]["text"] == text


def test_text_of_any_script_survives_a_pipe(db: str) -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shell("add", "私は東京に住んでいます 🏯", "--user", "ana", "--db", db)
    done = subprocess.run([*COMMAND, "list", "--user", "ana", "--db", db, "--json"], capture_output=True, check=True, timeout=60, env=env)
    assert json.loads(done.stdout.decode("utf-8"))[0]["text"] == "私は東京に住んでいます 🏯"


def test_colour_is_for_terminals_only(ana: list[str]) -> None:
    assert "\x1b" not in shell("search", "Lisbon", *ana).stdout


def test_importing_the_command_loads_no_numpy() -> None:
    code = "import sys, agentmem_integrations.cli; sys.exit('numpy' in sys.modules or 'apsw' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX pipes")
def test_a_reader_that_hangs_up_is_no_error(db: str) -> None:
    with AgentMemory(db) as mem:
        mem.add_batch([f"line {number} {'x' * 500}" for number in range(400)], user_id="ana")
    command = [*COMMAND, "list", "--user", "ana", "--limit", "400", "--db", db]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_ctrl_c_exits_with_130_and_no_traceback(db: str) -> None:
    ready = "import sys; from agentmem_integrations.cli import main; print('ready', flush=True); sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", ready, "add", "-", "--user", "ana", "--db", db]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdin.write(b"one line\n" * 20_000)  # more than a pipe holds: once it is written, the command has begun to read
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 130
