"""`agentmem reembed`: a file whose embedder is no longer to be had gets another one."""

import json
from pathlib import Path

import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.cli import main
from agentmem_integrations.testing.embedders import HashEmbedder


@pytest.fixture
def db(tmp_path: Path) -> str:
    path = str(tmp_path / "memory.db")
    with AgentMemory(path, embedder=HashEmbedder()) as mem:
        mem.add_batch(["green tea", "an overdue invoice"], user_id="ana")
    return path


def test_the_error_names_the_command_and_the_command_helps(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    search = ["search", "green tea", "--user", "ana", "--using", "vector", "--json", "--db", db]
    assert main(search) == 2
    assert "agentmem reembed" in capsys.readouterr().err
    assert main(["reembed", "static", "--db", db]) == 0
    told = capsys.readouterr()
    assert told.out == "embedded 2 memories with static\n"
    assert told.err == ""
    assert main(search) == 0
    assert json.loads(capsys.readouterr().out)[0]["memory"]["text"] == "green tea"


def test_what_has_that_embedder_already_is_left_alone(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["reembed", "static", "--db", db])
    capsys.readouterr()
    assert main(["reembed", "static", "--db", db]) == 0
    assert capsys.readouterr().out == "nothing to do: all have their vector of static\n"
    assert main(["--json", "reembed", "static", "--db", db]) == 0
    assert json.loads(capsys.readouterr().out) == {"embedded": 0, "embedder": "static"}


def test_a_mistyped_embedder_or_file_is_named(db: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reembed", "nonsense", "--db", db]) == 2
    assert "embedder='nonsense' is unknown" in capsys.readouterr().err
    assert main(["reembed", "static", "--db", str(tmp_path / "no.db")]) == 2
    assert "no.db" in capsys.readouterr().err
    assert not (tmp_path / "no.db").exists()
