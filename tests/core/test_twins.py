"""The same utterance told twice is one memory."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest

from agentmem_integrations import AddResult, AgentMemory
from agentmem_integrations.testing.embedders import HashEmbedder

Opened = Callable[..., AgentMemory]

TOLD: dict[str, Any] = {
    "user_id": "ana", "agent_id": "x", "session_id": "s", "role": "user", "name": "Ana", "timestamp": "2026-05-02T10:00:00Z",
}  # fmt: skip


def test_a_twin_is_answered_with_the_memory_that_is_there(mem: AgentMemory) -> None:
    first = mem.add("I moved to Lisbon", metadata={"a": 1}, **TOLD)
    again = mem.add("I moved to Lisbon", metadata={"a": 2}, **TOLD)
    assert (again.status, [e.event for e in again.events]) == ("done", ["NONE"])
    assert again.events[0].memory == first.events[0].memory
    assert [e.event for e in mem.history(first.events[0].memory.id)] == ["ADD"]
    assert len(mem.list(user_id="ana")) == 1


@pytest.mark.parametrize("text", ["I  moved \n to Lisbon ", "\tI moved to\u00a0Lisbon", "I moved to Lisbon\u3000"])
def test_white_space_makes_no_difference(mem: AgentMemory, text: str) -> None:
    mem.add("I moved to Lisbon", **TOLD)
    assert mem.add(text, **TOLD).events[0].event == "NONE"


def test_two_ways_to_write_an_accent_are_one(mem: AgentMemory) -> None:
    mem.add("caf\u00e9", user_id="ana")
    assert mem.add("cafe\u0301", user_id="ana").events[0].event == "NONE"


@pytest.mark.parametrize("text", ["i moved to Lisbon", "I moved to Lisbon!", "I moved toLisbon", "I moved to Líssbon"])
def test_case_signs_and_letters_make_a_difference(mem: AgentMemory, text: str) -> None:
    mem.add("I moved to Lisbon", **TOLD)
    assert mem.add(text, **TOLD).events[0].event == "ADD"


@pytest.mark.parametrize("field", ["user_id", "agent_id", "session_id", "role", "name", "timestamp"])
def test_whoever_told_it_where_and_when_makes_a_difference(mem: AgentMemory, field: str) -> None:
    mem.add("I moved to Lisbon", **TOLD)
    other = {**TOLD, field: "2026-05-02T10:00:01Z" if field == "timestamp" else "other"}
    assert mem.add("I moved to Lisbon", **other).events[0].event == "ADD"
    without = {k: v for k, v in TOLD.items() if k != field}
    assert mem.add("I moved to Lisbon", **without).events[0].event == "ADD"


def test_the_same_instant_in_another_zone_is_the_same(mem: AgentMemory) -> None:
    mem.add("I moved to Lisbon", **TOLD)
    assert mem.add("I moved to Lisbon", **{**TOLD, "timestamp": "2026-05-02T12:00:00+02:00"}).events[0].event == "NONE"


def test_without_a_timestamp_the_time_of_adding_makes_no_difference(mem: AgentMemory) -> None:
    mem.add("I moved to Lisbon", user_id="ana")
    assert mem.add("I moved to Lisbon", user_id="ana").events[0].event == "NONE"


def test_fields_cannot_be_shifted_into_one_another(mem: AgentMemory) -> None:
    tellings = [{"agent_id": "a', 'b"}, {"agent_id": "a", "session_id": "b"}, {"role": "a", "name": "b"}, {"name": "a\x1fb"}, {}]
    assert [mem.add("x", user_id="ana", **t).events[0].event for t in tellings] == ["ADD"] * 5  # type: ignore[arg-type]


def test_the_same_words_under_the_same_id_again_change_nothing(mem: AgentMemory) -> None:
    for collection in (mem, mem.collection("documents", embedder=HashEmbedder(), twins="keep")):
        first = collection.add("tea", id="m", user_id="ana", metadata={"a": 1}).events[0]
        again = collection.add("tea", id="m", user_id="ana", metadata={"a": 1}).events[0]
        assert (again.event, again.memory) == ("NONE", first.memory)
        assert [e.event for e in collection.history("m")] == ["ADD"]


def test_the_same_words_under_the_same_id_take_new_metadata(mem: AgentMemory) -> None:
    mem.add("tea", id="m", user_id="ana", metadata={"a": 1})
    assert mem.add("tea", id="m", user_id="ana", metadata={"a": 2}).events[0].event == "UPDATE"
    assert [m.metadata for m in mem.list(user_id="ana")] == [{"a": 2}]
    assert mem.add("tea", user_id="ana").events[0].event == "NONE"


def test_a_deleted_memory_has_no_twin(mem: AgentMemory) -> None:
    first = mem.add("tea", user_id="ana").events[0].memory
    mem.delete(first.id)
    again = mem.add("tea", user_id="ana").events[0]
    assert (again.event, again.memory.id == first.id) == ("ADD", False)


def test_an_updated_memory_is_a_twin_by_its_new_text(mem: AgentMemory) -> None:
    mem.add("tea", id="m", user_id="ana")
    mem.update("m", text="milk")
    assert mem.add("milk", user_id="ana").events[0].event == "NONE"
    assert mem.add("tea", user_id="ana").events[0].event == "ADD"


def test_a_revived_memory_is_still_a_twin_after_an_update(mem: AgentMemory) -> None:
    mem.add("tea", id="m", user_id="ana")
    mem.delete("m")
    mem.add("tea", id="m", user_id="ana")
    mem.update("m", metadata={"a": 1})
    assert mem.add("tea", user_id="ana").events[0].event == "NONE"


def test_a_replaced_memory_is_still_a_twin_after_an_update(mem: AgentMemory) -> None:
    mem.add("tea", id="m", user_id="ana", timestamp="2020-01-01")
    mem.add("milk", id="m", user_id="ana")
    mem.update("m", metadata={"a": 1})
    before = mem.add("milk", user_id="ana").events[0].event, mem.add("milk", user_id="ana", timestamp="2020-01-01").events[0].event
    assert sorted(before) == ["ADD", "NONE"]


def test_twins_survive_reopening(path: str, opened: Opened) -> None:
    with opened(path) as mem:
        mem.add("tea", **TOLD)
    assert opened(path).add("tea", **TOLD).events[0].event == "NONE"


def test_a_document_collection_keeps_identical_texts(mem: AgentMemory) -> None:
    documents = mem.collection("documents", embedder=HashEmbedder(), twins="keep")
    results = [documents.add("a page"), documents.add("a page"), *documents.add_batch(["a page", "a page"])]
    assert [r.events[0].event for r in results] == ["ADD"] * 4
    assert len({m.id for m in documents.list()}) == 4
    documents.update(documents.list()[0].id, text="another page")
    documents.update(documents.list()[1].id, text="another page")


def check(results: list[AddResult]) -> None:
    events = [e for r in results for e in r.events]
    assert sorted(e.event for e in events) == ["ADD"] + ["NONE"] * (len(events) - 1)
    assert len({e.memory.id for e in events}) == 1


def test_eight_threads_telling_the_same_at_once_store_it_once(url: str, opened: Opened) -> None:
    mem = opened(url)
    barrier = Barrier(8)

    def tell(text: str) -> AddResult:
        barrier.wait(30)
        return mem.add(text, user_id="ana")

    with ThreadPoolExecutor(8) as pool:
        for n in range(10):
            check(list(pool.map(tell, [f"note {n}"] * 8)))
    assert mem.stats(user_id="ana")["memories"] == 10


async def test_many_tasks_telling_the_same_at_once_store_it_once(mem: AgentMemory) -> None:
    check(await asyncio.gather(*(mem.aadd("tea", user_id="ana") for _ in range(100))))


def test_two_memories_on_one_file_telling_the_same_store_it_once(path: str, opened: Opened) -> None:
    pair = opened(path), opened(path)
    barrier = Barrier(2)

    def tell(mem: AgentMemory) -> list[AddResult]:
        barrier.wait(30)
        return [mem.add(f"note {n}", user_id="ana", timestamp=datetime(2026, 1, 1, tzinfo=UTC)) for n in range(50)]

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(tell, pair)
    for a, b in zip(one, two, strict=True):
        check([a, b])
