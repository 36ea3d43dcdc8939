"""`agentmem bench langgraph`, in small."""

import json
from pathlib import Path

from agentmem_integrations.bench.command import BENCHMARKS, main


def test_searches_and_puts_are_measured(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    assert main(["langgraph", "--quick", "--dir", str(tmp_path), "--json", str(target)]) == 0
    found = {figure["name"]: figure["value"] for figure in json.loads(target.read_text(encoding="utf-8"))["results"]["langgraph"]}
    for what in ("search over 1,000 items", "search in one of 20 namespaces", "the same, with a filter", "get", "single puts, 6 threads"):
        assert found[f"AgentMemStore, {what}"] > 0


def test_it_runs_only_when_named() -> None:
    assert "langgraph" not in BENCHMARKS
