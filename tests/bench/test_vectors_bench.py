"""`agentmem bench vectors`, in small."""

import json
from pathlib import Path

from agentmem_integrations.bench.command import BENCHMARKS, main


def test_the_vector_stores_are_measured_side_by_side(tmp_path: Path) -> None:
    target = tmp_path / "figures.json"
    assert main(["vectors", "--quick", "--json", str(target), "--dir", str(tmp_path)]) == 0
    found = {figure["name"]: figure for figure in json.loads(target.read_text())["results"]["vectors"]}
    for name in ("AgentMemVectorStore", "SimpleVectorStore"):
        assert found[f"300 nodes x 384 into {name}"]["value"] > 0
        assert found[f"{name}: on disk"]["value"] > 0.4  # the vectors alone
        for way in ("no filter", "a filter that is asked again", "a filter asked for the first time"):
            assert found[f"{name}, {way}"]["n"] == 3


def test_it_runs_only_when_named() -> None:
    assert "vectors" not in BENCHMARKS
