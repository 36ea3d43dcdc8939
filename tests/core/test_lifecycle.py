"""Opening, sharing and closing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agentmem_integrations import AgentMemory, ClosedError, InvalidInputError
from agentmem_integrations.config import Using
from agentmem_integrations.testing.embedders import HashEmbedder

Opened = Callable[..., AgentMemory]


@pytest.mark.posix("looks at permission bits")
def test_a_new_file_is_readable_by_its_owner_alone(path: str, opened: Opened) -> None:
    opened(path).add("tea", user_id="ana")
    assert {p.stat().st_mode & 0o777 for p in Path(path).parent.iterdir()} == {0o600}


def test_a_path_object_will_do(tmp_path: Path, opened: Opened) -> None:
    opened(tmp_path / "memory.db").add("tea", user_id="ana")
    assert (tmp_path / "memory.db").stat().st_size


@pytest.mark.parametrize("name", ["with space.db", "ünï.db", "a'b\"c.db", "100%.db", "a?b#c.db", "file:x.db", "-dash.db"])
def test_any_file_name_will_do(tmp_path: Path, opened: Opened, name: str) -> None:
    with opened(tmp_path / name) as mem:
        mem.add("tea", user_id="ana")
    assert {p.name for p in tmp_path.iterdir()} == {name}
    assert opened(tmp_path / name).search("tea", user_id="ana")


def test_closing_leaves_one_file(path: str, opened: Opened) -> None:
    with opened(path) as mem:
        mem.add("tea", user_id="ana")
        mem.search("tea", user_id="ana")
    assert [p.name for p in Path(path).parent.iterdir()] == ["memory.db"]


def test_a_with_block_closes_even_after_an_error(path: str, opened: Opened) -> None:
    mem = opened(path)
    with pytest.raises(ZeroDivisionError), mem:
        1 / 0  # noqa: B018
    with pytest.raises(ClosedError):
        mem.list(user_id="ana")


async def test_an_async_with_block_closes_too(url: str) -> None:
    async with AgentMemory(url, embedder=HashEmbedder()) as mem:
        await mem.aadd("tea", user_id="ana")
        assert await mem.asearch("tea", user_id="ana")
    with pytest.raises(ClosedError):
        await mem.alist(user_id="ana")


def test_the_default_embedder_works_offline(path: str) -> None:
    with AgentMemory(path) as mem:
        mem.add_batch(["I moved to Lisbon in May", "The cat sleeps on the sofa", "Shares fell sharply"], user_id="ana")
        assert mem.search("where does she live now?", user_id="ana", k=1, using="vector")[0].memory.text == "I moved to Lisbon in May"
        assert mem.search("pets", user_id="ana", k=1, using="vector")[0].memory.text == "The cat sleeps on the sofa"


def test_normal_durability_stores_as_well(path: str, opened: Opened) -> None:
    with opened(path, durability="normal") as mem:
        mem.add("tea", user_id="ana")
    assert opened(path).list(user_id="ana")


@pytest.mark.parametrize("mode", ["fast", "batch"])
def test_modes_that_ask_no_model_are_there(url: str, opened: Opened, mode: str) -> None:
    mem = opened(url, mode=mode)
    assert mem.add("tea", user_id="ana").status == "done"
    assert mem.add("milk", user_id="ana", mode="batch").status == "done"


def test_a_mode_that_needs_a_model_says_so(mem: AgentMemory) -> None:
    with pytest.raises(InvalidInputError, match="intelligent"):
        mem.add("tea", user_id="ana", mode="intelligent")
    assert mem.list(user_id="ana") == []


def test_statistics_tell_counts_and_versions(mem: AgentMemory, url: str) -> None:
    mem.add("tea", id="a", user_id="ana")
    mem.add("milk", id="b", user_id="ben")
    mem.delete("b")
    mem.search("tea", user_id="ana")
    stats = mem.stats()
    assert (stats["memories"], stats["deleted"], stats["owners"], stats["jobs"]) == (1, 1, 1, {})
    assert (stats["file_bytes"] > 0) == (url != "memory://")
    assert {"schema", "sqlite", "sqlite_vec"} <= stats["versions"].keys()
    assert mem.stats(user_id="ben") == {"memories": 0, "deleted": 1, "owed_vectors": 0}


@pytest.mark.parametrize("using", ["vector", "text"])
def test_a_small_budget_for_vectors_changes_no_answer(path: str, opened: Opened, using: Using) -> None:
    """A hybrid search does depend on it: without the owner's words in RAM it cannot see what was said around a memory."""
    with opened(path) as mem:
        mem.add_batch([f"note {n} about tea" for n in range(200)], user_id="ana")
        mem.delete([m.id for m in mem.list(user_id="ana", limit=10)])
        rich = [mem.search(f"note {n} tea", user_id="ana", k=50, using=using) for n in range(0, 200, 20)]
    poor = opened(path, matrix_budget=0)
    for n, hits in zip(range(0, 200, 20), rich, strict=True):
        found = poor.search(f"note {n} tea", user_id="ana", k=50, using=using)
        assert [h.memory.id for h in found] == [h.memory.id for h in hits]
        assert [h.score for h in found] == pytest.approx([h.score for h in hits], abs=1e-5)


def test_the_network_guard_guards(network_attempts: list[str]) -> None:
    import socket

    with pytest.raises(ConnectionRefusedError, match="no network"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    assert network_attempts
    network_attempts.clear()
