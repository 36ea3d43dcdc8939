import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from agentmem_integrations.bench.callers import in_tasks, in_threads, one_by_one
from agentmem_integrations.bench.command import BENCHMARKS, main
from agentmem_integrations.bench.results import in_turn, latency, ratios, typical
from agentmem_integrations.bench.texts import Conversation, Lines, questions
from agentmem_integrations.bench.three_stores import ThreeStores

PROMISED = {
    "fast": {
        "one thread",
        "8 threads",
        "asyncio, 100 in flight",
        "asyncio, 1,000 in flight",
        "8 threads, one commit per add",
        "one thread, three stores",
        "8 threads, three stores",
        "latency of one add, one thread",
        "8 threads: grouped commits / one commit per add",
        "one thread: one file / three stores",
        "8 threads: one file / three stores",
    },
    "batch": {
        *(f"batch of {size}" for size in (10, 100)),
        *(f"{size} single adds" for size in (10, 100)),
        *(f"batch of {size} / single adds" for size in (10, 100)),
    },
    "search": {
        *(
            f"{size} in scope, {what}"
            for size in ("100", "1,000")
            for what in ("first search after opening", "hybrid", "vector", "text", "hybrid, filter on metadata")
        ),
        "one of 100 users, never searched before",
        "one of 100 users, searched before",
        "one of 100 users, asyncio, 50 in flight",
    },
    "storage": {
        "100 users x 20: file, with its log, after close",
        "100 users x 20: per memory",
        "100 users x 20: text per memory",
        "100 users x 20: file / (text + 4 x 256 bytes of vector)",
        "100 users x 20: time to make it, 1,000 adds in flight",
        "100 users x 20: adds per second meanwhile",
        "import agentmem_integrations",
        "import agentmem_integrations: modules loaded",
        "import of AgentMemory",
        "import of AgentMemory: modules loaded",
        "import of AgentMemory: frameworks loaded",
        "process that does nothing",
        "process that opens memory:// and adds once",
        "peak RSS, process that does nothing",
        "peak RSS, process that opens memory:// and adds once",
        "peak RSS, process that searches 100 of 100 users",
    },
    "embed": {
        *(f"static: {what}" for what in ("one by one", "batches of 100", "sorted batches of 64", "one load through the queue")),
        *(f"static: {callers} callers, {how}" for callers in (1, 20, 100) for how in ("queue", "no queue", "queue / no queue")),
        *(f"static: search, {what}" for what in ("idle", "beside a load", "beside a load / idle, p95")),
        *(f"static: load of 1,000, {what}" for what in ("alone", "beside searches")),
        "CUDA",
    },
}
NOUGHT = {"import of AgentMemory: frameworks loaded", "CUDA"}  # the first always, the second where there is no GPU


@pytest.mark.parametrize("benchmark_name", BENCHMARKS)
def test_a_quick_run_reports_every_promised_figure(benchmark_name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "result.json"
    assert main([benchmark_name, "--quick", "--dir", str(tmp_path), "--json", str(target), "--durability", "normal"]) == 0

    report = json.loads(target.read_text(encoding="utf-8"))
    assert list(report["results"]) == [benchmark_name]
    figures = {figure["name"]: figure for figure in report["results"][benchmark_name]}
    assert figures.keys() == PROMISED[benchmark_name]
    assert len(figures) == len(report["results"][benchmark_name]), "names are unique"
    for name, figure in figures.items():
        assert math.isfinite(figure["value"]), name
        assert figure["value"] > 0 or name in NOUGHT, name
        assert figure["unit"], name
        assert figure["n"] >= 1, name
        if figure["p95"] is not None:
            assert figure["value"] <= figure["p95"] <= figure["p99"], name
    table = capsys.readouterr().out
    assert all(name in table for name in figures)
    assert [path for path in tmp_path.iterdir() if path != target] == [], "the files of a run are removed"


def test_storage_finds_no_framework_and_a_file_that_holds_its_vectors(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    assert main(["storage", "--quick", "--json", str(target)]) == 0
    values = {figure["name"]: figure["value"] for figure in json.loads(target.read_text())["results"]["storage"]}
    assert values["import of AgentMemory: frameworks loaded"] == 0
    assert values["100 users x 20: per memory"] > values["100 users x 20: text per memory"] + 4 * 256
    assert values["process that opens memory:// and adds once"] > values["process that does nothing"]


def test_embed_measures_the_embedders_named_and_the_layouts_of_one_that_has_them(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    assert main(["embed", "--quick", "--embedder", "sleeping", "--embedder", "sleeping:2", "--tune", "--json", str(target)]) == 0
    values = {figure["name"]: figure for figure in json.loads(target.read_text())["results"]["embed"]}
    for spec in ("sleeping", "sleeping:2"):
        layouts = {name: f["value"] for name, f in values.items() if name.startswith(f"{spec}: ") and name.endswith("(sessions x threads)")}
        assert len(layouts) >= 1
        assert values[f"{spec}: best layout"]["value"] == max(layouts.values())
        assert values[f"{spec}: best layout"]["goal"] in max(layouts, key=lambda name: layouts[name])


def test_an_embedder_that_is_none_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embed", "--quick", "--embedder", "nonsense"]) == 1
    assert "embedder='nonsense' is unknown" in capsys.readouterr().err


def test_json_says_how_to_make_the_same_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", "--quick", "--seed", "5", "--json", "-"]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)  # nothing but the JSON is on stdout
    assert "batch of 100" in captured.err
    assert report["command"] == ["agentmem", "bench", "batch", "--quick", "--seed", "5", "--json", "-"]
    assert (report["seed"], report["durability"], report["embedder"]) == (5, "full", "static:minilm-256")
    assert report["versions"].keys() == {"agentmem_integrations", "python", "sqlite", "apsw", "sqlite_vec", "numpy"}
    assert report["machine"].keys() == {"cpus", "system", "architecture", "sync_ms"}
    assert report["sizes"]["batches"] == [10, 100]
    assert report["texts"] == "generated, seed 5"


def test_the_texts_of_a_file_are_used_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("Ana moved to Lisbon in May\n\nBen bought a bicycle\n" * 2, encoding="utf-8")
    assert main(["--quick", "--texts", str(lines), "batch"]) == 0
    assert "lines.txt" in capsys.readouterr().out


def test_an_unknown_benchmark_is_a_clear_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["fast", "speed"])
    assert exit.value.code == 2
    assert "unknown benchmark 'speed': choose from fast, batch, search, storage, embed" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--dir", "missing"], ["--json", "missing/result.json"], ["--texts", "missing.txt"], ["--texts", "empty.txt"]],
)
def test_a_file_that_cannot_be_used_is_said_before_anything_is_measured(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").touch()
    assert main(["batch", "--quick", *arguments]) == 1
    captured = capsys.readouterr()
    assert arguments[1] in captured.err
    assert captured.out == ""


def test_importing_the_command_loads_nothing_heavy() -> None:
    script = "import sys, agentmem_integrations.bench; print(*sorted({'numpy', 'apsw', 'tokenizers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_the_conversation_depends_on_the_seed_alone() -> None:
    assert Conversation(1).take(300) == Conversation(1).take(300)
    assert Conversation(1).take(300) != Conversation(2).take(300)


def test_the_conversation_never_repeats_itself_and_spreads_its_words() -> None:
    conversation = Conversation(3)
    texts = conversation.take(4_000) + conversation.take(1_000)
    assert len(set(texts)) == len(texts)
    words = [text.lower().replace(",", " ").replace(".", " ").replace("?", " ").split() for text in texts]
    assert 15 < sum(map(len, words)) / len(words) < 25
    found_in = Counter(word for text in words for word in set(text))
    shares = [count / len(texts) for count in found_in.values()]
    assert len(shares) > 2_500
    assert max(shares) > 0.5
    assert sum(0.001 < share < 0.1 for share in shares) > 300
    assert sum(share < 0.001 for share in shares) > 1_500


def test_questions_ask_for_words_of_the_texts() -> None:
    texts = Conversation(4).take(50)
    asked = questions(texts, 20, seed=1)
    assert asked == questions(texts, 20, seed=1)
    assert len(asked) == 20
    stored = " ".join(texts)
    assert all(question.split()[-1].rstrip("?") in stored for question in asked)


def test_lines_come_again_with_a_number(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("one\n two \n\none\n", encoding="utf-8")
    assert Lines(path).take(5) == ["one", "two", "one (2)", "two (2)", "one (3)"]


def test_three_stores_hold_what_they_acknowledged(tmp_path: Path) -> None:
    import apsw

    texts = Conversation(5).take(40)
    with ThreeStores(tmp_path, "normal") as stores:
        in_threads(lambda text: stores.add(text, "ana"), texts, 4)
    for file, table in (("rows", "memories"), ("vectors", "vectors"), ("words", "history"), ("words", "words")):
        connection = apsw.Connection(str(tmp_path / f"{file}.db"))
        assert connection.execute(f"SELECT count(*) FROM {table}").get == 40, table
        connection.close()


def test_tasks_keep_exactly_so_many_calls_in_flight() -> None:
    import asyncio

    flying, seen, done = 0, [], []

    async def call(item: int) -> None:
        nonlocal flying
        flying += 1
        seen.append(flying)
        await asyncio.sleep(0)
        flying -= 1
        done.append(item)

    assert in_tasks(call, range(100), 7) > 0
    assert max(seen) == 7
    assert sorted(done) == list(range(100))


def test_every_item_is_called_once_and_errors_are_not_swallowed() -> None:
    done: list[int] = []
    assert len(one_by_one(done.append, [1, 2])) == 2
    in_threads(done.append, list(range(3, 30)), 4)
    assert sorted(done) == [1, 2, *range(3, 30)]
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda item: 1 / item, [1, 0, 2], 2)


def test_figures_are_medians_of_rounds_that_take_turns() -> None:
    order: list[str] = []
    found = in_turn({name: lambda name=name: float(len(order.append(name) or order)) for name in "ab"}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert found == {"a": [1, 4, 5], "b": [2, 3, 6]}
    assert (typical("x", found["a"], "s").value, typical("x", found["a"], "s").low, typical("x", found["a"], "s").high) == (4, 1, 5)
    assert ratios("x", [2, 6, 9], [1, 2, 3]).value == 3
    assert latency("x", [0.001] * 99 + [1.0]).value == pytest.approx(1.0)
