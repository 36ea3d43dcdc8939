"""What `stats` tells of a collection, its embedder, and the file it is in."""

import logging
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.embedders import HashEmbedder

Opened = Callable[..., AgentMemory]
HASH = {"name": "hash", "revision": "1", "dim": 64}


def test_the_embedder_is_told_as_the_file_records_it(path: str, opened: Opened) -> None:
    with opened(path, embedder=None) as mem:
        assert mem.stats()["embedder"] is None
    with opened(path) as mem:
        assert mem.stats()["embedder"] == HASH
    with opened(path, embedder=None) as mem:  # opened without, it has one all the same
        assert mem.stats()["embedder"] == HASH


def test_another_embedder_is_told_from_the_moment_it_counts(mem: AgentMemory) -> None:
    mem.add("tea", user_id="ana")
    mem.reembed(HashEmbedder(32, "other"))
    assert mem.stats()["embedder"] == {"name": "other", "revision": "1", "dim": 32}


def test_every_collection_of_the_file_is_told_in_the_order_they_were_made(mem: AgentMemory) -> None:
    docs = mem.collection("docs", embedder=None, twins="keep")
    assert mem.stats()["collections"] == docs.stats()["collections"] == {"default": HASH, "docs": None}
    assert [(s["namespace"], s["twins"]) for s in (mem.stats(), docs.stats())] == [("default", "merge"), ("docs", "keep")]


def test_the_log_is_told_beside_the_file_that_holds_it_too(url: str, path: str, opened: Opened) -> None:
    mem = opened(url)
    mem.add("tea", user_id="ana")
    stats = mem.stats()
    log = Path(f"{path}-wal")
    assert stats["log_bytes"] == (log.stat().st_size if url == path else 0)
    assert stats["file_bytes"] == (Path(path).stat().st_size + stats["log_bytes"] if url == path else 0)


def test_one_owner_is_told_nothing_of_others(mem: AgentMemory) -> None:
    mem.add("tea", user_id="ana")
    assert mem.stats(user_id="ana") == {"memories": 1, "deleted": 0, "owed_vectors": 0}


def test_a_file_that_is_brought_to_a_newer_schema_is_a_line_in_the_log(path: str, opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "agentmem")
    connection = apsw.Connection(path)
    scripts = Path(__file__).parents[2] / "agentmem_integrations" / "storage" / "sqlite" / "migrations"
    connection.execute((scripts / "0001_initial.sql").read_text(encoding="utf-8")).fetchall()
    connection.execute(f"PRAGMA application_id={0x61676D65}").fetchall()
    connection.execute("PRAGMA user_version=1").fetchall()
    connection.close()
    newest = opened(path).stats()["versions"]["schema"]
    assert [record.getMessage() for record in caplog.records] == [f"{path} was brought from schema 1 to {newest}"]
