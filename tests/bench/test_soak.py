import json
from pathlib import Path

import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.bench.command import BENCHMARKS, main
from agentmem_integrations.bench.mixed_load import Latencies, Tally, Worker, compared, work
from agentmem_integrations.testing.embedders import HashEmbedder

CALLS = {"add_batch"}  # each worker begins with one; a busy machine comes no further in three seconds


def test_a_short_soak_reports_latencies_growth_errors_and_losses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "result.json"
    assert main(["soak", "--minutes", "0.05", "--dir", str(tmp_path), "--json", str(target), "--durability", "normal"]) == 0
    report = json.loads(target.read_text(encoding="utf-8"))
    figures = {figure["name"]: figure for figure in report["results"]["soak"]}
    assert report["sizes"]["soak_minutes"] == 0.05
    assert figures.keys() >= {"all calls", "RSS at the end", "growth of RSS in between"}
    made = CALLS & figures.keys()  # in three seconds a slow machine does not come to all of them
    assert made
    for call in made:
        assert 0 < figures[call]["value"] <= figures[call]["p95"] <= figures[call]["p99"], call
    assert 0 < figures["write-ahead log, longest"]["value"] < 90
    for failure in (
        "errors",
        "answers that contradict what was acknowledged",
        "acknowledged and lost",
        "deleted or purged and still there",
    ):
        assert figures[failure]["value"] == 0, failure
    assert "acknowledged and lost" in capsys.readouterr().out
    assert [path for path in tmp_path.iterdir() if path != target] == []


def test_the_soak_runs_only_when_named() -> None:
    assert "soak" not in BENCHMARKS


@pytest.mark.parametrize("minutes", ["0", "-1", "x", "nan"])
def test_minutes_that_are_none_are_refused(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["soak", "--minutes", minutes])
    assert exit.value.code == 2
    assert "--minutes" in capsys.readouterr().err


def test_a_loss_and_what_should_not_be_there_are_noticed() -> None:
    worker, tally, left = Worker(0, 2, 10, 1_000, ["green tea", "black coffee"], seed=1), Tally.empty(), iter(range(100))
    with AgentMemory("memory://", embedder=HashEmbedder()) as memory:
        work(memory, worker, tally, lambda: next(left, None) is None)
        assert not tally.errors
        assert not tally.strange
        assert compared(memory, [worker]) == (0, 0)
        user, live = next(iter(worker.live.items()))
        memory.delete(next(iter(live)), user_id=user)
        memory.add("nobody acknowledged this", user_id=user)
        lost, unexpected = compared(memory, [worker])
    assert lost > 0
    assert unexpected == 1


def test_an_answer_that_contradicts_is_counted() -> None:
    worker, tally, left = Worker(0, 1, 10, 1_000, ["green tea"], seed=1), Tally.empty(), iter(range(200))
    with AgentMemory("memory://", embedder=HashEmbedder()) as memory:

        def over() -> bool:
            memory.purge(user_id=next(iter(worker.live)))  # behind the worker's back
            return next(left, None) is None

        work(memory, worker, tally, over)
    assert tally.strange["search"] > 0
    assert tally.errors["update: NotFoundError"] > 0


def test_percentiles_are_exact_to_two_per_cent() -> None:
    latencies = Latencies()
    for number in range(1, 1_001):
        latencies.note(number / 1e3)
    figure = latencies.figure("x")
    assert (figure.n, figure.value, figure.p95, figure.p99) == (1_000, *(pytest.approx(ms, rel=0.02) for ms in (500, 950, 990)))
