"""A collection changes between embedders that stand behind a queue and such that do not, with requests of both under way."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import apsw
import pytest

from agentmem_integrations import AgentMemory, EmbeddingError
from agentmem_integrations.embedding.bundled import BundledEmbedder
from agentmem_integrations.embedding.vector_cache import CachedEmbedder
from agentmem_integrations.pipeline import reembed as hallway
from agentmem_integrations.testing.embedders import BlockingEmbedder, HashEmbedder

Opened = Callable[..., AgentMemory]


@pytest.fixture(autouse=True)
def pages_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few memories take several transactions."""
    monkeypatch.setattr(hallway, "PAGE", 10)


def following() -> HashEmbedder:
    return HashEmbedder(24, "next")


def embedded(embedder: HashEmbedder) -> list[str]:
    return [text for batch in embedder.batches for text in batch]


def vectors(path: str) -> dict[str, bytes]:
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return dict(connection.execute("SELECT m.text, v.vector FROM vectors v JOIN memories m ON m.no = v.memory").fetchall())
    finally:
        connection.close()


def is_embedded_with(path: str, embedder: Any, texts: Sequence[str]) -> None:
    found = vectors(path)
    assert sorted(found) == sorted(texts)
    assert all(vector == embedder.embed_query(text).tobytes() for text, vector in found.items())


def background(work: Callable[[], Any]) -> "tuple[threading.Thread, list[Any]]":
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    return thread, results


class Passing(HashEmbedder):
    """Refuses one text always, and every text once it is `down`."""

    def __init__(self, poison: str) -> None:
        super().__init__(24, "next")
        self.poison = poison
        self.down = False

    def embed_documents(self, texts: Sequence[str]) -> Any:
        if self.down or self.poison in texts:
            raise ConnectionError("the embedding service is down")
        return super().embed_documents(texts)


# One place wires


def test_collections_of_one_model_share_its_queue(opened: Opened) -> None:
    embedder = HashEmbedder()
    mem = opened("memory://", embedder=embedder)
    notes, other = mem.collection("notes", embedder=embedder), mem.collection("other", embedder=HashEmbedder())
    mine, shared, own = (c._room.searching.embedder for c in (mem, notes, other))
    assert isinstance(mine, CachedEmbedder)
    assert shared is mine
    assert own is not mine


def test_reembed_opens_the_same_queue_as_a_collection_does(opened: Opened) -> None:
    new = following()
    mem = opened("memory://")
    notes = mem.collection("notes", embedder=new)
    mem.add_batch([f"note {n}" for n in range(25)], user_id="ana")
    mem.reembed(new)
    assert mem._room.searching.embedder is mem._room.writing.embedder is notes._room.searching.embedder


def test_the_bulk_of_a_reembed_goes_through_the_queue(opened: Opened) -> None:
    mem = opened("memory://", embedder="static", queue=(4, 0))
    mem.add_batch([f"note {n}" for n in range(25)], user_id="ana")
    assert "embedding_queue" not in mem.stats()
    new = following()
    assert mem.reembed(new) == 25
    assert mem.stats()["embedding_queue"]["texts"] == 25
    assert mem.stats()["embedding_queue"]["largest"] == max(len(batch) for batch in new.batches) == 4


# From one kind to the other


def test_an_immediate_embedder_takes_the_place_of_a_queued_one(path: str, opened: Opened) -> None:
    mem, texts = opened(path), [f"note {n}" for n in range(25)]
    mem.add_batch(texts, user_id="ana")
    assert mem.reembed("static") == 25
    assert isinstance(mem._room.searching.embedder, BundledEmbedder)
    assert mem.add("said since", user_id="ana").status == "done"
    assert mem.search("note 7", user_id="ana", using="vector")[0].memory.text == "note 7"
    is_embedded_with(path, BundledEmbedder(), [*texts, "said since"])


async def test_a_queued_embedder_takes_the_place_of_an_immediate_one(path: str, opened: Opened) -> None:
    mem, texts = opened(path, embedder="static"), [f"note {n}" for n in range(25)]
    await mem.aadd_batch(texts, user_id="ana")
    new = following()
    assert await mem.areembed(new) == 25
    results = await asyncio.gather(*(mem.aadd(f"said since {n}", user_id="ana") for n in range(20)))
    assert {result.status for result in results} == {"done"}
    assert [m.text for m in mem.list(user_id="ana", limit=100)][25:] == [f"said since {n}" for n in range(20)]
    assert (await mem.asearch("note 7", user_id="ana", using="vector"))[0].memory.text == "note 7"
    is_embedded_with(path, new, [*texts, *(f"said since {n}" for n in range(20))])


@pytest.mark.parametrize("new", [HashEmbedder(24, "next"), "static"])
def test_what_waited_in_the_old_ones_queue_gets_a_vector_of_the_new(path: str, opened: Opened, new: Any) -> None:
    old = BlockingEmbedder()
    mem = opened(path, embedder=old)
    thread, results = background(lambda: mem.add("on its way", user_id="ana"))
    try:
        assert old.entered.wait(30)
        assert mem.reembed(new) == 0
        late, later = background(lambda: mem.add("said later", user_id="ben"))
    finally:
        old.released.set()
    thread.join(30)
    late.join(30)
    assert [event.event for result in [*results, *later] for event in result.events] == ["ADD", "ADD"]
    assert mem.flush() == 0
    is_embedded_with(path, BundledEmbedder() if new == "static" else new, ["on its way", "said later"])


def test_flush_waits_for_what_is_still_in_the_old_ones_queue(path: str, opened: Opened) -> None:
    old = BlockingEmbedder()
    mem = opened(path, embedder=old)
    thread, _ = background(lambda: mem.add("on its way", user_id="ana"))
    assert old.entered.wait(30)
    mem.reembed("static")
    flushing, owed = background(mem.flush)
    flushing.join(0.2)
    assert flushing.is_alive()
    old.released.set()
    flushing.join(30)
    thread.join(30)
    assert owed == [0]
    is_embedded_with(path, BundledEmbedder(), ["on its way"])


class SlowToAsk(HashEmbedder):
    """Waits inside `embed_query` until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.released = threading.Event(), threading.Event()

    def embed_query(self, text: str) -> Any:
        self.entered.set()
        assert self.released.wait(30)
        return super().embed_query(text)


@pytest.mark.parametrize("new", [HashEmbedder(24, "next"), "static"])
def test_a_question_in_the_old_ones_queue_is_asked_again(opened: Opened, new: Any) -> None:
    old = SlowToAsk()
    mem = opened("memory://", embedder=old)
    mem.add_batch([f"note {n}" for n in range(25)], user_id="ana")
    thread, results = background(lambda: mem.search("note 7", user_id="ana", using="vector"))
    try:
        assert old.entered.wait(30)
        mem.reembed(new)
    finally:
        old.released.set()
    thread.join(30)
    assert results[0][0].memory.text == "note 7"
    assert results[0][0].parts["similarity"] == pytest.approx(1, abs=1e-5)


# What is kept


def test_nothing_that_the_old_one_made_is_found_for_the_new(path: str, opened: Opened) -> None:
    mem, new = opened(path), HashEmbedder(64, "next")  # of the same length, so that nothing else would tell
    texts = [f"note {n}" for n in range(25)]
    mem.add_batch(texts, user_id="ana")
    mem.search("note 7", user_id="ana")
    mem.reembed(new)
    assert sorted(embedded(new)) == sorted(texts)
    mem.search("note 7", user_id="ana")
    mem.add("note 7", user_id="ben")
    assert new.queries == ["note 7"]
    mem.purge(user_id="ben")
    is_embedded_with(path, new, texts)


def test_who_changes_back_finds_what_was_kept(path: str, opened: Opened) -> None:
    old = HashEmbedder()
    mem, texts = opened(path, embedder=old), [f"note {n}" for n in range(25)]
    mem.add_batch(texts, user_id="ana")
    mem.reembed("static")
    mem.close()
    again = HashEmbedder()
    mem = opened(path, embedder=None)
    assert mem.reembed(again) == 25
    assert embedded(again) == []
    is_embedded_with(path, old, texts)


def test_purge_after_a_reembed_covers_what_the_old_one_left(path: str, opened: Opened) -> None:
    mem = opened(path)
    mem.add_batch([f"secret {n}" for n in range(15)], user_id="ana")
    mem.search("a secret question", user_id="ana")
    mem.add("other", user_id="ben")
    mem.reembed(following())
    assert mem.stats()["embedding_cache"]["file"]["entries"] == 17
    mem.purge(user_id="ana")
    assert mem.stats()["embedding_cache"]["file"]["entries"] == 1


# Failures


def test_a_service_that_goes_down_is_not_taken_for_alive_by_what_is_kept(path: str, opened: Opened) -> None:
    mem, new = opened(path), Passing("note 3")
    mem.add_batch([f"note {n}" for n in range(35)], user_id="ana")

    def go_down(done: int) -> None:
        new.down = done >= 9

    with pytest.raises(EmbeddingError, match="9 of 35 memories"):
        mem.reembed(new, progress=go_down)
    assert mem.search("note 7", user_id="ana", using="vector")[0].memory.text == "note 7"
    new.down = False
    assert mem.reembed(new) == 25
    assert mem.stats()["jobs"] == {"embed.waiting": 1}
