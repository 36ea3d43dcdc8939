"""`agentmem bench intelligent` and `decisions`, in small."""

import json
from pathlib import Path

import pytest

from agentmem_integrations.bench.command import BENCHMARKS, main
from agentmem_integrations.bench.model_decisions import CASES
from agentmem_integrations.testing.openai_server import OpenAIServer


def figures(name: str, tmp_path: Path, *more: str) -> dict[str, dict[str, float]]:
    target = tmp_path / "result.json"
    assert main([name, "--quick", "--dir", str(tmp_path), "--json", str(target), *more]) == 0
    return {figure["name"]: figure for figure in json.loads(target.read_text(encoding="utf-8"))["results"][name]}


def test_rates_calls_and_savings_are_reported(tmp_path: Path) -> None:
    found = figures("intelligent", tmp_path)
    for crowd in ("one caller", "8 threads", "32 in flight", "200 in flight", "200 in flight, 50 % repeats", "200 in flight, 80 % repeats"):
        assert found[crowd]["value"] > 0
        assert found[f"{crowd}: latency"]["p95"] >= 50, "a call takes 50 ms"
    assert found["200 in flight: calls per add"]["value"] == 1
    assert found["200 in flight, 80 % repeats: adds without a call"]["value"] >= 79
    assert found["windows at once / one window"]["value"] > 0


def test_another_endpoint_can_be_measured(tmp_path: Path) -> None:
    from agentmem_integrations.bench.stub_model import answer

    with OpenAIServer(reply=answer) as server:
        figures("intelligent", tmp_path, "--base-url", server.base_url, "--model", "mine")
        assert {request.body["model"] for request in server.requests} == {"mine"}


def test_a_model_that_adds_everything_decides_nothing_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = figures("decisions", tmp_path)
    assert found["right in all"]["value"] == 0
    assert capsys.readouterr().err.count("wrong  ") == len(CASES)


def test_these_run_only_when_named() -> None:
    assert {"intelligent", "decisions"}.isdisjoint(BENCHMARKS)
