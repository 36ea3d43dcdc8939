"""`agentmem demo`: what a newcomer sees first."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.cli import main
from agentmem_integrations.cli.demo import QUESTIONS, conversation

Capture = pytest.CaptureFixture[str]

ANSWERS = {
    "In which city does Nora live now?": "Porto",
    "What is her cat called?": "Pixel now",
    "When is the stipend application due now?": "5 December",
    "When is the trip to Iceland?": "to June",
    "Does she eat fish?": "into fish",
    "Can we go climbing in the mountains?": "Heights make me dizzy",
    "Which sport is fine despite her injury?": "allows swimming",
    "Which novel did the assistant suggest?": "Independent People",
}
BEFORE = {
    "In which city does Nora live now?": "Ghent",
    "What is her cat called?": "Biscuit",
    "When is the stipend application due now?": "14 November",
    "When is the trip to Iceland?": "for February",
    "Does she eat fish?": "no meat and no fish",
}


@pytest.fixture
def db(tmp_path: Path) -> str:
    return str(tmp_path / "demo.db")


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The texts found for each question."""
    path = str(tmp_path_factory.mktemp("demo") / "demo.db")
    command = [sys.executable, "-W", "error", "-m", "agentmem_integrations", "demo", "--db", path, "--json"]
    shown = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    return {asked["question"]: [hit["memory"]["text"] for hit in asked["hits"]] for asked in shown["questions"]}


def record(db: str, capsys: Capture) -> Any:
    assert main(["demo", "--db", db, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_eight_questions_are_asked() -> None:
    assert [question for question, _ in QUESTIONS] == list(ANSWERS)


@pytest.mark.parametrize("question", ANSWERS)
def test_the_first_memory_found_is_the_answer(question: str, answers: dict[str, list[str]]) -> None:
    assert ANSWERS[question] in answers[question][0]


@pytest.mark.parametrize("question", BEFORE)
def test_where_something_changed_the_old_statement_is_shown_as_well(question: str, answers: dict[str, list[str]]) -> None:
    """Not always as the second: what was said right beside the new one may come before it."""
    assert any(BEFORE[question] in text for text in answers[question])


@pytest.mark.parametrize("question", [question for question, note in QUESTIONS if note == "not in these words"])
def test_an_answer_in_other_words_shares_no_word_with_its_question(question: str) -> None:
    (answer,) = [turn["content"] for turn in conversation() if ANSWERS[question] in turn["content"]]
    small = {"we", "is", "in", "the", "can", "which"}
    asked, said = ({word.strip(".,:?!") for word in text.lower().split()} for text in (question, answer))
    assert not (asked - small) & said


@pytest.mark.parametrize("question", ANSWERS)
def test_the_printed_line_still_shows_the_answer(question: str, db: str, capsys: Capture) -> None:
    main(["demo", "--db", db])
    lines = capsys.readouterr().out.splitlines()
    below = next(number for number, line in enumerate(lines) if question in line) + 1
    assert ANSWERS[question].split()[-1] in lines[below]


def test_the_conversation_has_sixty_turns_in_six_dated_sessions() -> None:
    turns = conversation()
    times = [turn["timestamp"] for turn in turns]
    assert (len(turns), len({turn["session_id"] for turn in turns})) == (60, 6)
    assert times == sorted(times)
    assert all(set(turn) == {"session_id", "timestamp", "role", "name", "content"} for turn in turns)


def test_the_first_run_stores_every_turn(db: str, capsys: Capture) -> None:
    main(["demo", "--db", db])
    assert "Stored all 60 turns" in capsys.readouterr().out
    with AgentMemory(db) as mem:
        assert len(mem.list(user_id="nora")) == 60


def test_the_second_run_finds_what_the_first_one_stored(db: str, capsys: Capture) -> None:
    first, second = record(db, capsys), record(db, capsys)
    assert (first["already_there"], second["already_there"]) == (0, 60)
    assert second["memories"] == 60
    assert [q["hits"][0]["memory"]["id"] for q in first["questions"]] == [q["hits"][0]["memory"]["id"] for q in second["questions"]]


def test_the_second_run_says_that_it_knew_everything(db: str, capsys: Capture) -> None:
    main(["demo", "--db", db])
    capsys.readouterr()
    main(["demo", "--db", db])
    assert "60 of 60 turns were already there" in capsys.readouterr().out


def test_a_turn_that_was_missing_is_stored_again(db: str, capsys: Capture) -> None:
    hit = record(db, capsys)["questions"][0]["hits"][0]["memory"]["id"]
    main(["delete", hit, "--db", db])
    capsys.readouterr()
    main(["demo", "--db", db])
    assert "59 of 60 turns were already there: stored the other 1 now" in capsys.readouterr().out


def test_output_fits_80_columns(db: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(Path(db).parent)
    main(["demo"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_the_demonstration_stays_out_of_real_memory(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path(db).with_name("memory.db")
    monkeypatch.setenv("AGENTMEM_DB", str(real))
    monkeypatch.chdir(real.parent)
    main(["demo"])
    assert (real.exists(), Path(db).exists()) == (False, True)


def test_nothing_is_written_but_the_file(db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    main(["demo", "--db", db])
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["demo.db"]
