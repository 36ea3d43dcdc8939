"""`agentmem bench recall` and `agentmem bench fit`, on made-up files of each kind."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agentmem_integrations.bench.command import main
from agentmem_integrations.bench.recall.evidence import Case, cases
from agentmem_integrations.bench.recall.fit import ALLOWED, fit, written
from agentmem_integrations.bench.recall.questions import read, variants
from agentmem_integrations.bench.recall.report import chance, stages
from agentmem_integrations.pipeline.ranking.features import NAMES
from agentmem_integrations.pipeline.ranking.weights import COLUMNS, default_ranking

Capture = pytest.CaptureFixture[str]

PLACES = "harbour garden library museum bakery station castle bridge market tower".split()


def talk(number: int) -> dict[str, Any]:
    """A conversation in LoCoMo's form: what was done at a place is said in the turn after the place."""
    conversation: dict[str, Any] = {}
    for session in range(1, 5):
        conversation[f"session_{session}_date_time"] = f"1:56 pm on {session} May, 2023"
        conversation[f"session_{session}"] = [
            turn
            for n, place in enumerate(PLACES[number % 3 :: 3])
            for turn in (
                {"speaker": "Ana", "dia_id": f"D{session}:{2 * n}", "text": f"How was the {place} on day {session}?"},
                {
                    "speaker": "Ben",
                    "dia_id": f"D{session}:{2 * n + 1}",
                    "text": f"We saw {7 * session + n} birds.",
                    "blip_caption": "a bird",
                },
            )
        ]
    asked = [
        {"question": f"What did Ben see at the {place} on day {s}?", "evidence": [f"D{s}:{2 * n + 1}"], "category": 4}
        for s in (1, 3)
        for n, place in enumerate(PLACES[number % 3 :: 3])
    ]
    without_answer = {"question": "What did Eve see?", "evidence": [], "category": 5}
    return {"sample_id": f"{number}", "conversation": conversation, "qa": [*asked, without_answer]}


def chat(number: int) -> dict[str, Any]:
    turns = [
        {
            "id": n,
            "batch": n // 6,
            "date": "March-15-2024",
            "role": ("user", "assistant")[n % 2],
            "text": f"About the {place}, plan {number}.",
        }
        for n, place in enumerate(PLACES)
    ]
    asked = [{"type": "recall", "question": f"Which plan for the {place}?", "evidence": [n]} for n, place in enumerate(PLACES)]
    return {"conv": number, "turns": turns, "questions": [*asked, {"type": "abstention", "question": "Who?", "evidence": []}]}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """One file of each kind."""
    documents = {
        "docs": [{"id": n, "text": f"the {place} is old"} for n, place in enumerate(PLACES)],
        "queries": [{"id": n, "text": f"old {place}", "relevant": [n]} for n, place in enumerate(PLACES)],
    }
    contents = {
        "talks.json": json.dumps([talk(n) for n in range(5)]),
        "chats.jsonl": "\n".join(json.dumps(chat(n)) for n in range(5)),
        "pages.json": json.dumps(documents),
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    return [tmp_path / name for name in contents]


def test_each_kind_of_file_is_read(files: list[Path]) -> None:
    talks, chats, pages = (read(path) for path in files)
    assert [told.source for told in talks] == ["talks"] * 5
    assert [told.source for told in chats[:2]] == ["chats", "chats, user turns"]
    assert [told.fold for told in talks] == [0, 1, 2, 3, 4]
    assert pages[0].fold is None
    assert talks[0].items[1] == {
        "role": "user", "name": "Ben", "content": "We saw 7 birds. [shares a photo of a bird]", "session_id": "session_1",
        "timestamp": "2023-05-01T13:56:00+00:00", "metadata": {"turn": "D1:1"},
    }  # fmt: skip


def test_questions_that_nothing_answers_are_left_out(files: list[Path]) -> None:
    talks, chats, _ = (read(path) for path in files)
    assert all(one.answers for told in (*talks, *chats) for one in told.asked)
    assert {one.kind for told in chats for one in told.asked} == {"recall"}
    assert len(chats[1].asked) == len(PLACES) / 2  # what the assistant said answers nothing where only the user is heard


def test_variants_tell_the_same_otherwise_and_stay_in_their_fold(files: list[Path]) -> None:
    (told, *_) = read(files[0])
    found = list(variants(told))
    assert {variant.fold for variant in found} == {told.fold}
    assert all(variant.weight < 1 for variant in found)
    roles = next(v for v in found if "roles" in v.source)
    assert {(item["role"], "name" in item) for item in roles.items} == {("user", False), ("assistant", False)}
    notes = next(v for v in found if "notes" in v.source)
    assert not {"session_id", "role", "name"} & set(notes.items[0])
    assert list(variants(read(files[2])[0])) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [("bad.json", "{}"), ("bad.json", "[1]"), ("bad.json", "["), ("bad.jsonl", '{"turns": 1}'), ("bad.jsonl", "{"), ("none.json", None)],
)
def test_a_file_that_is_none_of_these_is_named(tmp_path: Path, capsys: Capture, name: str, content: str | None) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    assert main(["recall", str(path)]) == 1
    assert "agentmem bench:" in capsys.readouterr().err


def test_recall_shows_each_stage_and_each_kind_of_question(files: list[Path], capsys: Capture) -> None:
    assert main(["recall", *map(str, files)]) == 0
    out = capsys.readouterr().out
    for source in ("talks", "chats", "chats, user turns", "pages"):
        assert f"{source}: recall@10" in out
    for stage in stages(default_ranking()):
        assert out.count(f"  {stage}  ") >= 4
    assert "recall   " in out


def test_fit_prints_a_table_that_can_be_used(files: list[Path], tmp_path: Path, capsys: Capture) -> None:
    assert main(["fit", "--cv", str(files[0]), str(files[2])]) == 0
    out = capsys.readouterr().out
    assert "fitted without it" in out
    own = tomllib.loads((Path(__file__).parents[2] / "agentmem_integrations/pipeline/ranking/ranking.toml").read_text(encoding="utf-8"))
    score = "[score]\n" + "\n".join(f"{name} = {value}" for name, value in own["score"].items())
    (tmp_path / "mine.toml").write_text(f"{score}\n{out}")
    assert main(["recall", str(files[2]), "--ranker", str(tmp_path / "mine.toml")]) == 0


def test_weights_can_be_fitted_to_several_embedders_at_once(files: list[Path], capsys: Capture) -> None:
    assert main(["fit", "--embedder", "static", "--embedder", "static", str(files[2])]) == 0
    assert "# pages, static" in capsys.readouterr().out


def test_what_is_written_is_what_was_fitted() -> None:
    table = np.round(np.random.default_rng(1).normal(size=(len(COLUMNS), len(NAMES))), 2).astype(np.float32)
    read_back = tomllib.loads(written(table))["evidence"]
    np.testing.assert_allclose(np.array([read_back[name] for name in NAMES]).T, table, atol=1e-6)


def case(answer: int, evidence: np.ndarray[Any, Any], kind: int = 0) -> Case:
    answers = np.arange(len(evidence)) == answer
    return Case("made up", "kind", 0, 1.0, evidence, answers, 1, np.eye(len(COLUMNS), dtype=np.float32)[kind])


def test_a_fit_finds_the_evidence_that_tells() -> None:
    random = np.random.default_rng(1)
    telling = NAMES.index("coverage")
    made = []
    for _ in range(60):
        evidence = random.normal(size=(20, len(NAMES))).astype(np.float32)
        made.append(case(int(np.argmax(evidence[:, telling])), evidence))
    table = fit(made)
    assert int(np.argmax(np.abs(table[0]))) == telling
    assert np.mean([one.recall(table, 1) for one in made]) > 0.9
    assert np.mean([one.recall(np.zeros_like(table), 1) for one in made]) < 0.3


def test_a_fit_gives_texts_without_a_speaker_no_weight_for_conversations() -> None:
    random = np.random.default_rng(1)
    made = [case(0, random.normal(size=(9, len(NAMES))).astype(np.float32), kind) for kind in range(len(COLUMNS)) for _ in range(5)]
    assert not fit(made)[ALLOWED == 0].any()


def test_a_fit_is_the_same_each_time(files: list[Path]) -> None:
    gathered: Callable[[], list[Case]] = lambda: cases(read(files[2]))  # noqa: E731 - two runs of one line
    np.testing.assert_array_equal(fit(gathered()), fit(gathered()))


def test_chance_covers_no_difference_where_there_is_none() -> None:
    noise = np.random.default_rng(1).normal(size=200).astype(np.float32)
    low, high = chance(noise - noise.mean())
    assert low < 0 < high
    low, high = chance(np.full(50, 0.1, np.float32))
    assert low == pytest.approx(0.1)
    assert high == pytest.approx(0.1)
