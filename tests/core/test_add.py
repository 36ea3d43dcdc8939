"""Adding, getting, updating, deleting, purging: one memory at a time."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from agentmem_integrations import (
    KINDS,
    SHARED,
    AgentMemory,
    ConflictError,
    EmbeddingError,
    InvalidInputError,
    NotFoundError,
    ScopeError,
    TextError,
    VectorError,
)
from agentmem_integrations.ports import Matrix
from agentmem_integrations.testing.embedders import BlockingEmbedder, FailingEmbedder, Flaw, HashEmbedder, LyingEmbedder

Opened = Callable[..., AgentMemory]


def told(mem: AgentMemory, id: str) -> list[tuple[str, str | None, str | None]]:
    return [(e.event, e.old_text, e.new_text) for e in mem.history(id)]


def test_what_was_added_is_there_in_full(mem: AgentMemory) -> None:
    said_at = datetime(2026, 5, 2, 10, tzinfo=UTC)
    result = mem.add(
        "I moved to Lisbon", user_id="ana", agent_id="x", session_id="s", role="user", name="Ana", timestamp=said_at,
        metadata={"city": "Lisbon", "deep": {"list": [1, 2.5, None, True]}}, kind="semantic", importance=0.7, id="m1",
    )  # fmt: skip
    assert (result.status, result.error, [e.event for e in result.events]) == ("done", None, ["ADD"])
    found = mem.get("m1")
    assert found == result.events[0].memory
    assert found is not None
    assert (found.text, found.user_id, found.agent_id, found.session_id) == ("I moved to Lisbon", "ana", "x", "s")
    assert (found.role, found.name, found.kind, found.importance, found.occurred_at) == ("user", "Ana", "semantic", 0.7, said_at)
    assert found.metadata == {"city": "Lisbon", "deep": {"list": [1, 2.5, None, True]}}


def test_without_a_timestamp_it_was_said_when_it_was_added(mem: AgentMemory) -> None:
    before = datetime.now(UTC)
    memory = mem.add("tea", user_id="ana").events[0].memory
    assert memory.occurred_at == memory.created_at == memory.updated_at
    assert memory.created_at is not None
    assert before <= memory.created_at <= datetime.now(UTC)


def test_ids_of_ours_sort_by_time(mem: AgentMemory) -> None:
    first = mem.add("one", user_id="ana").events[0].memory.id
    time.sleep(0.002)
    second = mem.add("two", user_id="ana").events[0].memory.id
    assert first < second
    assert first[14] == "7"


def test_a_list_of_messages_is_stored_in_order(mem: AgentMemory) -> None:
    turns = [
        {"role": "user", "content": "Where did I leave it?", "name": "Ana", "timestamp": "2026-05-02T10:00:00Z"},
        {"role": "assistant", "content": "In Lisbon", "session_id": "s2", "metadata": {"tone": "dry"}},
        "Thanks",
    ]
    result = mem.add(turns, user_id="ana", session_id="s1", metadata={"source": "chat"})
    assert [e.memory.text for e in result.events] == ["Where did I leave it?", "In Lisbon", "Thanks"]
    one, two, three = mem.list(user_id="ana")
    assert (one.role, one.name, one.session_id, one.occurred_at) == ("user", "Ana", "s1", datetime(2026, 5, 2, 10, tzinfo=UTC))
    assert (two.role, two.session_id, two.metadata) == ("assistant", "s2", {"source": "chat", "tone": "dry"})
    assert (three.role, three.session_id, three.metadata) == (None, "s1", {"source": "chat"})


def test_a_message_of_parts_is_stored_as_its_text(mem: AgentMemory) -> None:
    mem.add({"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "image_url", "image_url": {}}, "two"]}, user_id="ana")
    assert mem.list(user_id="ana")[0].text == "one\ntwo"


def test_a_message_object_is_stored_with_its_role(mem: AgentMemory) -> None:
    question, answer = SimpleNamespace(type="human", content="hi", name=None), SimpleNamespace(type="ai", content="hello", name="Bot")
    mem.add([question, answer], user_id="ana")
    assert [(m.role, m.name, m.text) for m in mem.list(user_id="ana")] == [("user", None, "hi"), ("assistant", "Bot", "hello")]


def test_several_items_are_stored_together_or_not_at_all(mem: AgentMemory) -> None:
    with pytest.raises(TextError):
        mem.add(["good", "  ", "good too"], user_id="ana")
    assert mem.list(user_id="ana") == []


def test_items_that_contradict_what_is_stored_are_refused_together(mem: AgentMemory) -> None:
    mem.add("tea", id="a", user_id="ana")
    mem.add("milk", id="b", user_id="ana")
    with pytest.raises(ConflictError):
        mem.add(["new", {"id": "b", "text": "tea"}], user_id="ana")
    assert [m.text for m in mem.list(user_id="ana")] == ["tea", "milk"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_stored(mem: AgentMemory, kind: str) -> None:
    mem.add("tea", user_id="ana", kind=kind)
    assert [m.kind for m in mem.list(user_id="ana", kind=kind)] == [kind]


def test_shared_memory_belongs_to_nobody(mem: AgentMemory) -> None:
    mem.add("for all", user_id=SHARED)
    assert [(m.text, m.user_id) for m in mem.list(user_id=SHARED)] == [("for all", None)]
    assert mem.list(user_id="SHARED") == mem.list(user_id="shared") == []


def test_an_agent_or_a_session_is_enough_to_say_whose(mem: AgentMemory) -> None:
    mem.add("of the agent", agent_id="x")
    mem.add("of the session", session_id="s")
    assert [m.text for m in mem.list(agent_id="x")] == ["of the agent"]
    assert [m.text for m in mem.search("of", session_id="s", using="text") and mem.list(session_id="s")] == ["of the session"]


def test_an_item_of_another_user_is_refused(mem: AgentMemory) -> None:
    with pytest.raises(ScopeError):
        mem.add({"text": "tea", "user_id": "ben"}, user_id="ana")
    assert mem.add({"text": "tea", "user_id": "ana"}, user_id="ana").status == "done"


def test_one_id_for_several_items_is_refused(mem: AgentMemory) -> None:
    with pytest.raises(InvalidInputError, match="2 items"):
        mem.add(["a", "b"], id="x", user_id="ana")


# Update


def test_an_update_returns_the_memory_as_it_is_now(mem: AgentMemory) -> None:
    mem.add("tea", id="m", user_id="ana", metadata={"a": 1})
    memory = mem.update("m", user_id="ana", text="coffee", metadata={"b": 2}, kind="semantic", importance=0.1, ttl=3600)
    assert memory == mem.get("m")
    assert (memory.text, memory.metadata, memory.kind, memory.importance) == ("coffee", {"b": 2}, "semantic", 0.1)
    assert memory.created_at is not None
    assert memory.updated_at is not None
    assert memory.updated_at > memory.created_at


def test_a_new_text_is_found_and_the_old_one_is_not(mem: AgentMemory) -> None:
    mem.add("green tea", id="m", user_id="ana")
    mem.update("m", text="black coffee")
    for using in ("text", "vector"):
        (hit,) = mem.search("black coffee", user_id="ana", using=using)
        assert hit.memory.text == "black coffee"
    assert mem.search("green tea", user_id="ana", using="text") == []
    assert mem.search("green tea", user_id="ana", using="vector")[0].score < 0.5


def test_only_a_new_text_is_embedded_again(url: str, opened: Opened) -> None:
    embedder = HashEmbedder()
    mem = opened(url, embedder=embedder)
    mem.add("tea", id="m", user_id="ana", name="Ana")
    mem.update("m", metadata={"a": 1})
    assert embedder.batches == [["Ana: tea"]]
    mem.update("m", text="milk")
    assert embedder.batches[1:] == [["Ana: milk"]]


def test_a_memory_changed_without_an_embedder_does_not_keep_the_old_meaning(path: str, opened: Opened) -> None:
    with opened(path) as mem:
        mem.add("green tea", id="m", user_id="ana")
    with opened(path, embedder=None) as mem:
        mem.update("m", text="quantum physics")
    mem = opened(path)
    mem.flush()
    assert all(hit.score < 0.5 for hit in mem.search("green tea", user_id="ana", using="vector"))


def test_an_update_of_nothing_is_refused(mem: AgentMemory) -> None:
    mem.add("tea", id="m", user_id="ana")
    with pytest.raises(InvalidInputError, match="changes nothing"):
        mem.update("m")


def test_an_update_to_what_another_memory_says_is_refused(mem: AgentMemory) -> None:
    mem.add("tea", id="a", user_id="ana")
    mem.add("milk", id="b", user_id="ana")
    with pytest.raises(ConflictError, match="'a'"):
        mem.update("b", text="tea")
    assert told(mem, "b") == [("ADD", None, "milk")]


def test_what_is_not_there_cannot_be_updated(mem: AgentMemory) -> None:
    mem.add("tea", id="a", user_id="ana")
    mem.delete("a")
    for id in ("a", "b"):
        with pytest.raises(NotFoundError, match=id):
            mem.update(id, text="x")


# Delete and purge


def test_delete_by_id_by_ids_by_scope_by_filter_and_by_time(mem: AgentMemory) -> None:
    def fill() -> None:
        mem.purge(user_id="ana")
        for n in range(4):
            mem.add(f"note {n}", id=f"{n}", user_id="ana", session_id=f"s{n % 2}", metadata={"n": n}, timestamp=f"200{n}-01-01")

    calls: list[tuple[Callable[[], int], list[str]]] = [
        (lambda: mem.delete("2"), ["0", "1", "3"]),
        (lambda: mem.delete(["0", "3", "nobody"]), ["1", "2"]),
        (lambda: mem.delete(i for i in ["1"]), ["0", "2", "3"]),
        (lambda: mem.delete([]), ["0", "1", "2", "3"]),
        (lambda: mem.delete(["0", "1"], user_id="ana", session_id="s1"), ["0", "2", "3"]),
        (lambda: mem.delete(user_id="ana", session_id="s1"), ["0", "2"]),
        (lambda: mem.delete(user_id="ana", filter={"n": {"$gte": 2}}), ["0", "1"]),
        (lambda: mem.delete(user_id="ana", after="2001-01-01", before="2002-01-01"), ["0", "3"]),
        (lambda: mem.delete(user_id="ana", kind="core"), ["0", "1", "2", "3"]),
        (lambda: mem.delete(user_id="ana"), []),
    ]
    for call, expected in calls:
        fill()
        assert call() == 4 - len(expected)
        assert [m.id for m in mem.list(user_id="ana")] == expected


@pytest.mark.parametrize("verb", ["delete", "purge"])
def test_everything_of_everybody_cannot_be_meant_by_accident(mem: AgentMemory, verb: str) -> None:
    mem.add("tea", user_id="ana")
    documents = mem.collection("documents", embedder=None, twins="keep")
    documents.add("a page")
    for collection in (mem, documents):
        with pytest.raises(ScopeError):
            getattr(collection, verb)()
    with pytest.raises(ScopeError):
        getattr(mem, verb)(filter={"a": 1})
    assert len(mem.list(user_id="ana")) == len(documents.list()) == 1


@pytest.mark.parametrize("verb", ["delete", "purge"])
def test_an_id_that_several_owners_use_is_not_removed_from_all_of_them(mem: AgentMemory, verb: str) -> None:
    mem.add("hers", id="1", user_id="ana")
    mem.add("his", id="1", user_id="ben")
    with pytest.raises(ConflictError):
        mem.get("1")
    with pytest.raises(ConflictError):
        getattr(mem, verb)("1")
    assert getattr(mem, verb)("1", user_id="ana") == 1
    assert mem.list(user_id="ben")[0].text == "his"


def test_a_deleted_memory_is_gone_from_everything_but_history(mem: AgentMemory) -> None:
    mem.add("green tea", id="m", user_id="ana")
    assert mem.delete("m") == 1
    assert mem.get("m") is None
    assert mem.list(user_id="ana") == mem.search("green tea", user_id="ana") == []
    assert told(mem, "m") == [("ADD", None, "green tea"), ("DELETE", "green tea", None)]
    assert mem.delete("m") == 0


def test_history_has_old_and_new_text(mem: AgentMemory) -> None:
    mem.add("one", id="m", user_id="ana")
    mem.update("m", text="two")
    mem.update("m", importance=0.5)
    mem.add("three", id="m", user_id="ana")
    mem.delete("m")
    mem.add("four", id="m", user_id="ana")
    assert told(mem, "m") == [
        ("ADD", None, "one"), ("UPDATE", "one", "two"), ("UPDATE", "two", "two"), ("UPDATE", "two", "three"),
        ("DELETE", "three", None), ("ADD", None, "four"),
    ]  # fmt: skip
    times = [e.at for e in mem.history("m")]
    assert None not in times
    assert times == sorted(times, key=str)


def test_a_purged_memory_is_gone_from_history_too(mem: AgentMemory) -> None:
    mem.add("tea", id="m", user_id="ana")
    mem.update("m", text="milk")
    assert mem.purge("m") == 1
    assert mem.history("m") == []
    assert mem.purge("m") == 0


def test_a_deleted_memory_can_still_be_purged(mem: AgentMemory) -> None:
    mem.add("tea", id="m", user_id="ana")
    mem.delete("m")
    assert mem.purge(user_id="ana") == 1
    assert mem.history("m") == []


# Expiry


def test_an_expired_memory_is_invisible_at_once(mem: AgentMemory) -> None:
    mem.search("tea", user_id="ana")  # reads what searches keep in memory
    mem.add("green tea", id="m", user_id="ana", ttl=0.05)
    mem.add("other", id="o", user_id="ana", expires_at=datetime.now(UTC) + timedelta(days=1))
    assert len(mem.search("green tea", user_id="ana", using="vector")) == 2
    time.sleep(0.06)
    assert mem.get("m") is None
    assert [m.id for m in mem.list(user_id="ana")] == ["o"]
    for using in ("text", "vector", "hybrid"):
        assert "m" not in [h.memory.id for h in mem.search("green tea", user_id="ana", using=using)]
    with pytest.raises(NotFoundError):
        mem.update("m", text="x")
    assert mem.stats(user_id="ana")["memories"] == 1


def test_what_expired_is_swept_into_history(mem: AgentMemory) -> None:
    mem.add("tea", id="m", user_id="ana", ttl=0.01)
    time.sleep(0.02)
    mem.flush()
    assert told(mem, "m") == [("ADD", None, "tea"), ("DELETE", "tea", None)]


def test_an_expired_memory_does_not_stand_in_the_way_of_its_text(mem: AgentMemory) -> None:
    mem.add("tea", id="a", user_id="ana", ttl=0.01)
    mem.add("milk", id="b", user_id="ana")
    time.sleep(0.02)
    assert mem.update("b", text="tea").text == "tea"


def test_an_items_own_expiry_wins_over_the_calls(mem: AgentMemory) -> None:
    mem.add([{"text": "short", "ttl": timedelta(milliseconds=10)}, "long"], user_id="ana", expires_at="2999-01-01")
    time.sleep(0.02)
    assert [m.text for m in mem.list(user_id="ana")] == ["long"]


# Vectors


def test_a_callers_vector_is_used_as_it_is(mem: AgentMemory) -> None:
    direction = HashEmbedder().embed_query("coffee") * 3
    mem.add([{"text": "no common word", "vector": direction.tolist()}], user_id="ana")
    assert mem.search("coffee", user_id="ana", using="vector")[0].score == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "vector",
    [
        [0.0] * 64, [float("nan")] * 64, [float("inf")] + [0.0] * 63, [1.0] * 63, [1.0] * 65, [], [[1.0] * 64], "1" * 64, ["x"] * 64,
        ["1"] * 64,
    ],
    ids=["zero", "nan", "infinite", "short", "long", "empty", "nested", "text", "words", "digits"],
)  # fmt: skip
def test_a_callers_vector_that_is_none_is_refused(mem: AgentMemory, vector: Any) -> None:
    with pytest.raises(VectorError, match="vector"):
        mem.add({"text": "tea", "vector": vector}, user_id="ana")
    assert mem.list(user_id="ana") == []


def test_huge_numbers_in_a_vector_are_refused_or_scaled_without_a_warning(mem: AgentMemory) -> None:
    try:
        mem.add({"text": "tea", "vector": [1e200] * 64}, user_id="ana")
    except VectorError:
        assert mem.list(user_id="ana") == []


def test_a_vector_that_nothing_can_be_compared_with_is_refused(url: str, opened: Opened) -> None:
    mem = opened(url, embedder=None)
    with pytest.raises(VectorError, match="embedder"):
        mem.add({"text": "tea", "vector": [1.0, 0.0]}, user_id="ana")
    assert mem.list(user_id="ana") == []


def test_a_collection_without_an_embedder_is_searched_by_words(url: str, opened: Opened) -> None:
    mem = opened(url, embedder=None)
    mem.add("green tea", user_id="ana")
    assert len(mem.search("tea", user_id="ana", using="text")) == 1
    with pytest.raises(EmbeddingError, match="text"):
        mem.search("tea", user_id="ana", using="vector")


# Owed vectors


def test_words_are_kept_when_the_embedder_fails_and_the_vector_follows(url: str, opened: Opened) -> None:
    embedder = FailingEmbedder()
    mem = opened(url, embedder=embedder)
    result = mem.add("green tea", id="m", user_id="ana")
    assert (result.status, [e.event for e in result.events]) == ("queued", ["ADD"])
    assert mem.search("tea", user_id="ana", using="text")[0].memory.id == "m"
    with pytest.raises(EmbeddingError):
        mem.search("tea", user_id="ana")
    assert mem.flush() == 1
    embedder.failing = False
    assert mem.search("green tea", user_id="ana", using="vector") == []
    assert mem.flush() == 0
    assert mem.search("green tea", user_id="ana", using="vector")[0].score == pytest.approx(1, abs=1e-5)


def test_an_owed_vector_is_filled_after_reopening(path: str, opened: Opened) -> None:
    with opened(path, embedder=FailingEmbedder()) as mem:
        mem.add("green tea", user_id="ana", name="Ana")
    mem = opened(path)
    assert mem.search("green tea", user_id="ana", using="text")
    assert mem.flush() == 0
    assert mem.search("Ana: green tea", user_id="ana", using="vector")[0].score == pytest.approx(1, abs=1e-5)


def test_the_next_add_that_works_fills_what_is_owed(url: str, opened: Opened) -> None:
    embedder = FailingEmbedder()
    mem = opened(url, embedder=embedder)
    mem.add("green tea", user_id="ana")
    embedder.failing = False
    mem.add("milk", user_id="ana")
    deadline = time.monotonic() + 30
    while len(mem.search("green tea", user_id="ana", using="vector")) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(mem.search("green tea", user_id="ana", using="vector")) == 2


def test_closing_while_an_owed_vector_is_being_made_is_quiet(url: str) -> None:
    class Recovering(BlockingEmbedder):
        """Fails once, then works, and blocks when it is asked for what it failed at."""

        def embed_documents(self, texts: Sequence[str]) -> Matrix:
            if not self.batches:
                self.batches.append([])
                raise ConnectionError
            return super().embed_documents(texts) if texts == ["owed"] else HashEmbedder.embed_documents(self, texts)

    embedder = Recovering()
    mem = AgentMemory(url, embedder=embedder)
    mem.add("owed", user_id="ana")
    mem.add("milk", user_id="ana")
    assert embedder.entered.wait(30)
    filling = [t for t in threading.enumerate() if t.name == "agentmem-debts"]
    closing = threading.Thread(target=mem.close)
    closing.start()
    closing.join(0.2)
    embedder.released.set()
    for thread in (closing, *filling):
        thread.join(30)
        assert not thread.is_alive()


def test_flush_says_how_many_vectors_are_still_owed(url: str, opened: Opened) -> None:
    mem = opened(url, embedder=FailingEmbedder())
    mem.add_batch([f"note {n}" for n in range(300)], user_id="ana")
    assert mem.flush() == 300


def test_one_text_that_cannot_be_embedded_does_not_cost_the_others_their_vectors(url: str, opened: Opened) -> None:
    mem = opened(url, embedder=FailingEmbedder(failing=False, poison="poison"))
    results = mem.add_batch(["green tea", "a poisoned note", "milk"], user_id="ana")
    assert [r.status for r in results] == ["done", "queued", "done"]
    assert {h.memory.text for h in mem.search("green tea", user_id="ana", using="vector")} == {"green tea", "milk"}
    assert mem.flush() == 1


@pytest.mark.parametrize("flaw", ["zero", "nan", "infinite", "short", "few", "scalar"])
def test_a_flawed_vector_is_never_stored(url: str, opened: Opened, flaw: Flaw) -> None:
    embedder = LyingEmbedder(flaw)
    mem = opened(url, embedder=embedder)
    assert mem.add("green tea", user_id="ana").status == "queued"
    embedder.flaw = None
    assert mem.search("green tea", user_id="ana", using="vector") == []
    assert mem.flush() == 0
    assert mem.search("green tea", user_id="ana", using="vector")[0].score == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("flaw", ["zero", "nan", "infinite", "short", "scalar"])
def test_a_flawed_question_is_an_error(url: str, opened: Opened, flaw: Flaw) -> None:
    embedder = LyingEmbedder(None)
    mem = opened(url, embedder=embedder)
    mem.add("tea", user_id="ana")
    embedder.flaw = flaw
    with pytest.raises(EmbeddingError):
        mem.search("tea", user_id="ana")


def test_a_new_text_that_cannot_be_embedded_leaves_no_vector_of_the_old_one(url: str, opened: Opened) -> None:
    embedder = FailingEmbedder(failing=False)
    mem = opened(url, embedder=embedder)
    mem.add("green tea", id="m", user_id="ana")
    embedder.failing = True
    mem.update("m", text="black coffee")
    embedder.failing = False
    assert mem.search("green tea", user_id="ana", using="vector") == []
    assert mem.search("coffee", user_id="ana", using="text")[0].memory.id == "m"
    mem.flush()
    assert mem.search("black coffee", user_id="ana", using="vector")[0].score == pytest.approx(1, abs=1e-5)


def test_a_slow_embedder_does_not_hold_up_somebody_elses_delete(url: str, opened: Opened) -> None:
    embedder = BlockingEmbedder()
    mem = opened(url, embedder=embedder)
    mem.add({"text": "old", "id": "old", "vector": [1.0] * 64}, user_id="ben")
    slow = threading.Thread(target=mem.add, args=("slow",), kwargs={"user_id": "ana"})
    slow.start()
    try:
        assert embedder.entered.wait(30)
        assert mem.delete("old", user_id="ben") == 1  # returns while the embedder is still blocked
        assert mem.purge(user_id="ben") == 1
        assert mem.list(user_id="ana") == []
    finally:
        embedder.released.set()
        slow.join(30)
    assert [m.text for m in mem.list(user_id="ana")] == ["slow"]
