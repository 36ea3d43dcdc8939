"""`agentmem search --reranker`."""

import json
from pathlib import Path

import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.cli import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def stored(path: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("AGENTMEM_RERANKER", raising=False)
    with AgentMemory(path) as mem:
        mem.add_batch(["I moved to Lisbon in May", "the dog is called Rex", "we had tea"], user_id="ana")
    return path


def found(capsys: Capture, *words: str) -> list[dict[str, object]]:
    assert main(["search", "where does she live?", "--user", "ana", "--json", *words]) == 0
    hits: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return hits


def test_a_search_is_reranked_and_says_so(stored: str, cross_encoder: Path, capsys: Capture) -> None:
    plain = found(capsys, "--db", stored)
    hits = found(capsys, "--db", stored, "--reranker", f"fastembed:{cross_encoder}")
    assert all("rerank" in hit["parts"] for hit in hits)
    assert not any("rerank" in hit["parts"] for hit in plain)
    assert main(["search", "tea", "--user", "ana", "--db", stored, "--explain", "--reranker", f"fastembed:{cross_encoder}"]) == 0
    assert "rerank 0." in capsys.readouterr().out


def test_one_from_the_environment_leaves_pure_searches_alone(
    stored: str, cross_encoder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTMEM_RERANKER", f"fastembed:{cross_encoder}")
    assert "rerank" in found(capsys, "--db", stored)[0]["parts"]
    assert "rerank" not in found(capsys, "--db", stored, "--using", "vector")[0]["parts"]
    assert "rerank" not in found(capsys, "--db", stored, "--reranker", "none")[0]["parts"]
    monkeypatch.delenv("AGENTMEM_RERANKER")
    assert "rerank" in found(capsys, "--db", stored, "--using", "vector", "--reranker", f"fastembed:{cross_encoder}")[0]["parts"]


def test_a_reranker_that_nobody_knows_is_an_error(stored: str, capsys: Capture) -> None:
    assert main(["search", "tea", "--user", "ana", "--db", stored, "--reranker", "cohere"]) == 2
    assert "cohere" in capsys.readouterr().err


def test_config_tells_of_it(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTMEM_RERANKER", "openai:any")
    main(["config"])
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert lines["reranker"] == "openai:any  ($AGENTMEM_RERANKER)"
    assert lines["rerank_top"] == "30  (default)"
