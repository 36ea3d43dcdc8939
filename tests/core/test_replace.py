"""`replace`: what goes and what comes are one change."""

from collections.abc import Callable

import pytest

from agentmem_integrations import AgentMemory, InvalidInputError, ScopeError, TextError
from agentmem_integrations.ports import Insert, Replace, Selection
from agentmem_integrations.testing.embedders import HashEmbedder

Open = Callable[..., AgentMemory]


def texts(mem: AgentMemory, **options: str) -> list[str]:
    return [memory.text for memory in mem.list(**options)]


def test_what_is_selected_goes_and_the_items_come(mem: AgentMemory) -> None:
    mem.add(["one", "two"], user_id="ana", session_id="s1")
    mem.add("three", user_id="ana", session_id="s2")
    result = mem.replace(["four", "five"], user_id="ana", session_id="s1")
    assert [event.event for event in result.events] == ["ADD", "ADD"]
    assert texts(mem, user_id="ana") == ["three", "four", "five"]
    assert [hit.memory.text for hit in mem.search("one two", user_id="ana", using="text")] == []
    assert "five" in [hit.memory.text for hit in mem.search("five", user_id="ana", using="vector")]


def test_a_filter_narrows_what_goes(mem: AgentMemory) -> None:
    mem.add([{"content": "keep", "metadata": {"n": 1}}, {"content": "go", "metadata": {"n": 2}}], user_id="ana")
    mem.replace([], user_id="ana", filter={"n": 2})
    assert texts(mem, user_id="ana") == ["keep"]


def test_other_owners_are_not_touched(mem: AgentMemory) -> None:
    mem.add("hers", user_id="ana")
    mem.add("his", user_id="ben")
    mem.replace(["new"], user_id="ana")
    assert texts(mem, user_id="ben") == ["his"]


def test_a_text_that_is_deleted_and_added_again_stays(mem: AgentMemory) -> None:
    mem.add(["tea", "milk"], user_id="ana")
    mem.replace(["tea"], user_id="ana")
    assert texts(mem, user_id="ana") == ["tea"]


def test_a_bad_item_deletes_nothing(mem: AgentMemory) -> None:
    mem.add("here", user_id="ana")
    with pytest.raises(InvalidInputError):
        mem.replace(["fine", "  "], user_id="ana")
    with pytest.raises(TextError, match="list"):
        mem.replace("word", user_id="ana")  # type: ignore[arg-type]  # what is tested
    assert texts(mem, user_id="ana") == ["here"]


def test_an_item_that_the_store_refuses_deletes_nothing(mem: AgentMemory) -> None:
    mem.add("here", user_id="ana")
    room = mem._room
    item = {"content": "new", "vector": [1.0] + [0.0] * (HashEmbedder().dim - 1)}
    write = room.adding.replace(
        Selection(room.namespace, mem._scope("ana", None, None)),
        [item],
        mem._scope("ana", None, None),
        mem._common({}, mem._scope("ana", None, None), False),
    )
    (change,) = write.changes
    assert isinstance(change, Replace)
    (insert,) = change.inserts
    assert isinstance(insert, Insert)
    insert.made_by = type(insert.made_by)("another", "", 3) if insert.made_by else None  # as after another process's reembed
    with pytest.raises(Exception, match="another"):
        room.writing.run(write)
    assert texts(mem, user_id="ana") == ["here"]


def test_deleting_everybodys_needs_a_name(opened: Open, url: str) -> None:
    mem = opened(url, twins="keep")
    mem.add("nobody's")
    with pytest.raises(ScopeError):
        mem.replace([])
    assert len(mem.list()) == 1


async def test_the_async_twin_does_the_same(mem: AgentMemory) -> None:
    await mem.aadd("old", user_id="ana")
    await mem.areplace(["new"], user_id="ana")
    assert [memory.text for memory in await mem.alist(user_id="ana")] == ["new"]


def test_a_view_replaces_its_users_only(mem: AgentMemory) -> None:
    mem.add("his", user_id="ben")
    ana = mem.for_user("ana")
    ana.replace(["hers"])
    assert [m.text for m in ana.list()] == ["hers"]
    assert texts(mem, user_id="ben") == ["his"]


def test_a_collection_of_words_is_opened_once(mem: AgentMemory) -> None:
    first = mem.collection("notes", embedder=None, twins="keep")
    assert mem.collection("notes", embedder=None, twins="keep")._room is first._room
    assert len(mem._engine.open_rooms()) == 2
