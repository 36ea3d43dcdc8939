"""Collections and embedders on the command line; `agentmem get` and `update`."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.cli import main
from agentmem_integrations.testing.embedders import HashEmbedder

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AGENTMEM_DB", "AGENTMEM_NAMESPACE", "AGENTMEM_EMBEDDER", "AGENTMEM_RERANKER"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def db(tmp_path: Path) -> str:
    """A file with two collections: `default` for the bundled embedder, `hashed` for one that no command line can name."""
    path = str(tmp_path / "memory.db")
    with AgentMemory(path) as mem:
        mem.add("I moved to Lisbon in May", user_id="ana", id="m1", metadata={"city": "Lisbon"})
        mem.collection("hashed", embedder=HashEmbedder()).add("Green tea, please", user_id="ana", id="h1")
    return path


def document(capsys: Capture) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("said", [["--namespace", "hashed"], []], ids=["option", "environment"])
def test_a_collection_is_named_by_option_or_environment(said: list[str], db: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    if not said:
        monkeypatch.setenv("AGENTMEM_NAMESPACE", "hashed")
    assert main(["list", "--user", "ana", "--json", "--db", db, *said]) == 0
    assert [memory["id"] for memory in document(capsys)] == ["h1"]


def test_the_option_wins_over_the_environment(db: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("AGENTMEM_NAMESPACE", "hashed")
    main(["--namespace", "default", "list", "--user", "ana", "--json", "--db", db])
    assert [memory["id"] for memory in document(capsys)] == ["m1"]


@pytest.mark.parametrize(
    "words",
    [
        ["list", "--user", "ana"], ["history", "h1"], ["get", "h1"], ["delete", "h1"], ["stats"], ["export", "-"], ["jobs"], ["verify"],
        ["purge", "h1", "--yes"], ["search", "tea", "--user", "ana", "--using", "text"], ["update", "h1", "--importance", "1"],
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_what_needs_no_embedder_works_whichever_made_the_vectors(words: list[str], db: str, capsys: Capture) -> None:
    assert main([*words, "--namespace", "hashed", "--db", db]) == 0, capsys.readouterr().err
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "words",
    [["add", "x", "--user", "ana"], ["search", "tea", "--user", "ana"], ["update", "h1", "--text", "x"], ["repair"]],
    ids=lambda words: words[0],
)
def test_what_needs_one_says_how_to_go_on(words: list[str], db: str, capsys: Capture) -> None:
    assert main([*words, "--namespace", "hashed", "--db", db]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    for way in ("holds vectors of hash", "static:", "agentmem reembed", "--embedder with that one", "--embedder none"):
        assert way in told.err
    assert main([*words, "--namespace", "hashed", "--db", db, "--embedder", "none"]) == 0, capsys.readouterr().err


def test_words_alone_find_what_another_embedder_made_vectors_of(db: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("AGENTMEM_EMBEDDER", "none")
    assert main(["search", "tea", "--user", "ana", "--namespace", "hashed", "--json", "--db", db]) == 0
    assert [hit["memory"]["id"] for hit in document(capsys)] == ["h1"]


@pytest.mark.parametrize("words", [["list", "--user", "ana"], ["search", "x", "--user", "ana"], ["stats"], ["reembed", "static"]], ids=str)
def test_a_mistyped_collection_is_reported_and_not_made(words: list[str], db: str, capsys: Capture) -> None:
    assert main([*words, "--namespace", "hasched", "--db", db]) == 2
    assert "there is no collection 'hasched'" in (error := capsys.readouterr().err)
    assert "'default', 'hashed'" in error
    with AgentMemory(db) as mem:
        assert list(mem.stats()["collections"]) == ["default", "hashed"]


def test_adding_makes_a_collection(db: str, capsys: Capture) -> None:
    assert main(["add", "x", "--user", "ana", "--namespace", "new", "--db", db]) == 0
    assert main(["stats", "--namespace", "new", "--json", "--db", db]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["namespace"] == "new"


def test_an_embedder_that_is_none_is_named(db: str, capsys: Capture) -> None:
    assert main(["search", "x", "--user", "ana", "--embedder", "nonsense", "--db", db]) == 2
    assert "embedder='nonsense' is unknown" in capsys.readouterr().err


def test_get_shows_everything_that_is_known(db: str, capsys: Capture) -> None:
    assert main(["get", "m1", "--db", db]) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[0] == "I moved to Lisbon in May"
    assert '{"city": "Lisbon"}' in told
    assert main(["get", "m1", "--user", "ana", "--json", "--db", db]) == 0
    assert document(capsys)["metadata"] == {"city": "Lisbon"}


@pytest.mark.parametrize("said", [["nope"], ["m1", "--user", "bob"], ["m1", "--shared"]], ids=str)
def test_get_of_nothing_or_of_somebody_elses_is_an_error(said: list[str], db: str, capsys: Capture) -> None:
    assert main(["get", *said, "--db", db]) == 2
    assert f"there is no memory '{said[0]}'" in capsys.readouterr().err


def test_update_changes_what_was_said_and_nothing_else(db: str, capsys: Capture) -> None:
    words = ["--metadata", '{"a": 1}', "--kind", "semantic", "--importance", "0.5", "--expires-at", "2999-01-01"]
    assert main(["update", "m1", *words, "--json", "--db", db]) == 0
    changed = document(capsys)
    assert (changed["text"], changed["metadata"], changed["kind"], changed["importance"]) == (
        "I moved to Lisbon in May", {"a": 1}, "semantic", 0.5,
    )  # fmt: skip
    assert changed["expires_at"].startswith("2999-01-01")
    assert main(["update", "m1", "--text", "I moved to Porto", "--db", db]) == 0
    capsys.readouterr()
    main(["search", "Porto", "--user", "ana", "-k", "1", "--using", "vector", "--json", "--db", db])
    assert document(capsys)[0]["memory"]["text"] == "I moved to Porto"
    main(["history", "m1", "--json", "--db", db])
    assert [event["event"] for event in document(capsys)] == ["ADD", "UPDATE", "UPDATE"]


def test_a_time_to_live_ends(db: str, capsys: Capture) -> None:
    assert main(["update", "m1", "--ttl", "3600", "--json", "--db", db]) == 0
    assert document(capsys)["expires_at"] is not None


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (["m1"], "changes nothing"),
        (["nope", "--text", "x"], "nope"),
        (["m1", "--user", "bob", "--text", "x"], "m1"),
        (["m1", "--importance", "7"], "importance=7"),
        (["m1", "--ttl", "1", "--expires-at", "2999-01-01"], "ttl"),
        (["m1", "--metadata", "[]"], "takes a JSON object"),
    ],
    ids=str,
)
def test_an_update_that_makes_no_sense_is_one_line(said: list[str], message: str, db: str, capsys: Capture) -> None:
    assert main(["update", *said, "--db", db]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.count("\n") == 1
