"""A user's data is never returned to another, by any call."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem_integrations import SHARED, AgentMemory, ConflictError, NotFoundError, ScopeError
from agentmem_integrations.models import UserId
from agentmem_integrations.testing.embedders import HashEmbedder

Opened = Callable[..., AgentMemory]

AWKWARD = [
    "ana", "ana ", " ana", "Ana", "an", "anan", "a", "aa", "1", "10", "01", "1.0", "%", "_", "a%", "a_a", "*", "'", "''", '"', "\\",
    "/", "a/b", "a/b/c", "ana@example.org", "Ana@example.org", "é", "e\u0301", "ß", "ss", "ſ", "s", "İ", "i", "ı", "I", "K", "\u212a",
    "😀", "\u200b", "\u200bana", "null", "None", "SHARED", "shared", "user", '["ana"]', "default", "x" * 1_000, "x" * 999, "\n", "\t",
    "ana\n", "' OR 1=1 --", "$in", "{}",
]  # fmt: skip
letters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
ids = st.sampled_from(AWKWARD) | st.text(letters, min_size=1, max_size=8)
families = st.builds(
    lambda base, tails: [base, *(base + tail for tail in tails)], ids.filter(lambda i: len(i) < 900), st.lists(ids, max_size=3)
)
owners = st.lists(families, min_size=1, max_size=3).map(lambda f: list(dict.fromkeys(itertools.chain(*f))))


@pytest.fixture(scope="module", params=["file", "memory"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AgentMemory:
    url = str(tmp_path_factory.mktemp("house") / "memory.db") if request.param == "file" else "memory://"
    return AgentMemory(url, embedder=HashEmbedder(dim=8))


@given(owners=owners.filter(lambda o: all(len(i) <= 1_000 for i in o)))
def test_every_call_returns_only_what_is_the_callers(house: AgentMemory, owners: list[str]) -> None:
    everybody: list[UserId] = [*owners, SHARED]
    for owner in everybody:
        house.purge(user_id=owner)
    for number, owner in enumerate(everybody):  # the same ids and nearly the same words for everybody
        house.add(f"the secret {number}", id="same", user_id=owner, metadata={"owner": number, "common": 1}, session_id="s")
        house.add("the common secret", id=f"own {number}", user_id=owner)
    for number, owner in enumerate(everybody):
        expected = {f"the secret {number}", "the common secret"}
        assert {m.text for m in house.list(user_id=owner)} == expected
        for using in ("hybrid", "vector", "text"):
            hits = house.search("secret", user_id=owner, using=using, k=1_000)
            assert len(hits) == 2
            assert {h.memory.text for h in hits} == expected
            assert {h.memory.user_id for h in hits} == {None if owner is SHARED else owner}
        assert [m.text for m in house.list(user_id=owner, filter={"common": 1})] == [f"the secret {number}"]
        assert house.search("secret", user_id=owner, filter={"owner": {"$ne": number}, "common": 1}) == []
        assert house.get("same", user_id=owner) == house.list(user_id=owner, session_id="s")[0]
        assert house.get(f"own {number + 1}", user_id=owner) is None
        assert house.get(f"own {number - 1}", user_id=owner) is None
        assert [e.new_text for e in house.history("same", user_id=owner)] == [f"the secret {number}"]
        assert house.stats(user_id=owner)["memories"] == 2
    first, *others = everybody
    assert house.delete(user_id=first) == 2
    for owner in others:
        assert len(house.list(user_id=owner)) == 2


@pytest.fixture
def two(mem: AgentMemory) -> AgentMemory:
    mem.add("her secret", id="hers", user_id="ana", session_id="s", agent_id="x")
    mem.add("his secret", id="his", user_id="ben", session_id="s", agent_id="x")
    return mem


CALLS: dict[str, Callable[[Any], Any]] = {
    "get": lambda who: who("get", "hers"),
    "history": lambda who: who("history", "hers"),
    "delete": lambda who: who("delete", "hers"),
    "delete_several": lambda who: who("delete", ["hers"]),
    "delete_narrowed": lambda who: who("delete", "hers", session_id="s", agent_id="x"),
    "purge": lambda who: who("purge", "hers"),
}


@pytest.mark.parametrize("call", CALLS)
def test_anothers_id_is_not_found(two: AgentMemory, call: str) -> None:
    for owner in ("ben", "an", "anaa", "ANA", "nobody", SHARED):
        assert CALLS[call](lambda verb, *a, owner=owner, **k: getattr(two, verb)(*a, user_id=owner, **k)) in (None, [], 0)
    ben = two.for_user("ben")
    assert CALLS[call](lambda verb, *a, **k: getattr(ben, verb)(*a, **k)) in (None, [], 0)
    assert two.get("hers") is not None


def test_anothers_memory_cannot_be_changed(two: AgentMemory) -> None:
    for update in (two.for_user("ben").update, lambda *a, **k: two.update(*a, user_id="ben", **k)):
        with pytest.raises(NotFoundError):
            update("hers", text="mine now")
    assert two.get("hers", user_id="ana").text == "her secret"  # type: ignore[union-attr]


def test_anothers_id_is_no_cursor(two: AgentMemory) -> None:
    with pytest.raises(NotFoundError):
        two.list(user_id="ben", after="hers")


def test_anothers_id_can_be_used_for_ones_own(two: AgentMemory) -> None:
    assert two.add("mine", id="hers", user_id="ben").events[0].event == "ADD"
    assert two.get("hers", user_id="ana").text == "her secret"  # type: ignore[union-attr]
    assert two.get("hers", user_id="ben").text == "mine"  # type: ignore[union-attr]
    with pytest.raises(ConflictError, match="user_id"):
        two.get("hers")


def test_agent_and_session_do_not_open_another_users_memory(two: AgentMemory) -> None:
    assert two.list(agent_id="x") == two.list(session_id="s") == two.search("secret", agent_id="x", session_id="s") == []
    assert two.delete(session_id="s") == two.purge(agent_id="x") == 0
    assert [m.id for m in two.list(user_id="ana", session_id="s")] == ["hers"]


VIEWED = ["add", "add_batch", "search", "list", "get", "history", "stats", "update", "delete", "purge"]


@pytest.mark.parametrize("verb", VIEWED)
def test_a_view_refuses_to_reach_others(two: AgentMemory, verb: str) -> None:
    ana = two.for_user("ana")
    arguments: dict[str, tuple[Any, ...]] = {"add_batch": (["x"],), "list": (), "stats": (), "delete": (), "purge": ()}
    extra = {"text": "x"} if verb == "update" else {}
    for other in ("ben", SHARED):
        with pytest.raises(ScopeError, match="bound"):
            getattr(ana, verb)(*arguments.get(verb, ("his",)), user_id=other, **extra)
    assert two.get("his", user_id="ben").text == "his secret"  # type: ignore[union-attr]


def test_a_view_does_for_its_user_what_the_memory_does(two: AgentMemory) -> None:
    ana = two.for_user("ana")
    assert ana.user_id == "ana"
    assert ana.add("more", id="m").events[0].memory.user_id == "ana"
    assert [m.id for m in ana.list()] == ["hers", "m"]
    assert [h.memory.id for h in ana.search("secret", using="text")] == ["hers"]
    assert ana.update("m", text="even more").text == "even more"
    assert ana.stats()["memories"] == 2
    assert ana.delete() == 2
    assert ana.purge() == 2
    assert [m.id for m in two.list(user_id="ben")] == ["his"]


def test_a_view_has_no_way_to_the_whole(two: AgentMemory) -> None:
    ana = two.for_user("ana")
    for name in ("collection", "for_user", "close", "flush"):
        assert not hasattr(ana, name)


def test_an_item_cannot_leave_a_view(two: AgentMemory) -> None:
    ana = two.for_user("ana")
    with pytest.raises(ScopeError):
        ana.add({"text": "x", "user_id": "ben"})
    assert isinstance(ana.add_batch([{"text": "x", "user_id": "ben"}])[0].error, ScopeError)


def test_a_view_of_shared_memory_sees_no_user(two: AgentMemory) -> None:
    shared = two.for_user(SHARED)
    shared.add("for all", id="all")
    assert [m.id for m in shared.list()] == ["all"]
    assert shared.get("hers") is None


def test_the_same_user_in_another_collection_is_somebody_else(two: AgentMemory) -> None:
    other = two.collection("other", embedder=HashEmbedder())
    assert other.list(user_id="ana") == other.search("secret", user_id="ana") == []
    assert other.get("hers") is None
    assert other.delete("hers") == other.purge("hers") == 0


def test_twins_of_two_users_are_two_memories(mem: AgentMemory) -> None:
    events = [mem.add("the same words", user_id=user).events[0] for user in ("ana", "ben", SHARED)]
    assert [e.event for e in events] == ["ADD"] * 3
    assert len({e.memory.id for e in events}) == 3


def test_a_purged_users_name_and_memories_come_back_empty(two: AgentMemory) -> None:
    assert two.purge(user_id="ana") == 1
    two.add("new", user_id="carl")
    assert two.list(user_id="ana") == two.search("new secret", user_id="ana") == []
    assert two.stats(user_id="ana") == {"memories": 0, "deleted": 0, "owed_vectors": 0}


def test_error_messages_do_not_tell_a_memorys_text(mem: AgentMemory) -> None:
    mem.add("a secret", id="a", user_id="ana")
    mem.add("another", id="b", user_id="ana")
    with pytest.raises(ConflictError) as caught:
        mem.update("b", user_id="ana", text="a secret")
    assert "secret" not in str(caught.value)
