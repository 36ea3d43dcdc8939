"""What `AgentMemStore` is told when it is opened, and what its file remembers."""

import asyncio
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langgraph.store.base import InvalidNamespaceError, ListNamespacesOp, MatchCondition, PutOp, SearchOp

from agentmem_integrations import AgentMemory, ConflictError, EmbedderMismatchError, EmbeddingError, InvalidInputError
from agentmem_integrations.langchain import AgentMemStore, escape_label, unescape_label
from agentmem_integrations.testing.embedders import HashEmbedder
from agentmem_integrations.testing.langgraph_store import DIMS, WordEmbeddings

Opened = Callable[..., AgentMemory]


def tea_and_car(store: AgentMemStore) -> None:
    store.put(("a",), "car", {"text": "a red car on the road"})
    store.put(("a",), "tea", {"text": "green tea in a tin"})


# Index


def test_without_any_option_items_are_found_by_meaning(url: str) -> None:
    with AgentMemStore(url) as store:
        store.put(("a",), "vehicle", {"text": "He repairs cars"})
        store.put(("a",), "drink", {"text": "She drinks espresso"})
        found = store.search(("a",), query="coffee")
        assert [item.key for item in found] == ["drink", "vehicle"]
        assert found[0].score is not None
        assert found[1].score is not None
        assert found[0].score > found[1].score


def test_an_open_memory_shares_its_embedder(mem: AgentMemory) -> None:
    store = AgentMemStore(mem)
    tea_and_car(store)
    assert store.search(("a",), query="tea")[0].key == "tea"
    assert store._items.identity is not None
    assert store._items.identity.name == "hash"


def test_a_memory_without_an_embedder_gives_a_store_without_an_index(opened: Opened) -> None:
    store = AgentMemStore(opened("memory://", embedder=None))
    tea_and_car(store)
    assert [(item.key, item.score) for item in store.search(("a",), query="tea")] == [("car", None), ("tea", None)]


def test_index_false_embeds_nothing_and_ranks_nothing(url: str) -> None:
    with AgentMemStore(url, index=False) as store:
        store.put(("a",), "car", {"text": "a red car"}, index=["text"])
        store.put(("a",), "tea", {"text": "green tea"})
        assert [(item.key, item.score) for item in store.search(("a",), query="tea")] == [("car", None), ("tea", None)]


def vectors_of(texts: list[str]) -> list[list[float]]:
    return [HashEmbedder(DIMS).embed_query(text).tolist() for text in texts]


async def avectors_of(texts: list[str]) -> list[list[float]]:
    await asyncio.sleep(0)
    return vectors_of(texts)


@pytest.mark.parametrize(
    "embed", [WordEmbeddings(), vectors_of, avectors_of, HashEmbedder(DIMS), "static"], ids=lambda e: getattr(e, "__name__", str(e)[:20])
)
@pytest.mark.parametrize("dims", [DIMS, None])
async def test_whatever_can_embed_is_taken_and_serves_both_faces(embed: Any, dims: int | None) -> None:
    index = {"embed": embed, "fields": ["text"]} | ({} if dims is None else {"dims": dims})
    store = AgentMemStore("memory://", index=index)
    await asyncio.to_thread(tea_and_car, store)
    await store.aput(("a",), "sky", {"text": "the blue sky"})
    assert [item.key for item in await store.asearch(("a",), query="green tea")][:1] == ["tea"]
    assert [item.key for item in await asyncio.to_thread(lambda: store.search(("a",), query="blue sky"))][:1] == ["sky"]
    await store.aclose()


class Named(Embeddings):
    def __init__(self, model: str) -> None:
        self.model = model

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return vectors_of(texts)

    def embed_query(self, text: str) -> list[float]:
        return vectors_of([text])[0]


def test_the_file_remembers_the_model_and_its_dims(path: str) -> None:
    with AgentMemStore(path, index={"embed": Named("small"), "dims": DIMS}) as store:
        tea_and_car(store)
    for embed, dims in ((Named("large"), DIMS), (Named("small"), DIMS * 2), ("static", None)):
        with pytest.raises(EmbedderMismatchError):
            AgentMemStore(path, index={"embed": embed, "dims": dims})
    with AgentMemStore(path, index={"embed": Named("small")}) as store:
        assert store.search(("a",), query="green tea in a tin")[0].key == "tea"
    with AgentMemStore(path, index=False) as store:
        assert len(store.search(("a",))) == 2


def test_dims_that_are_not_the_models_are_told_when_opening(path: str) -> None:
    with pytest.raises(EmbedderMismatchError, match=r"dims=1536.*256"):
        AgentMemStore(path, index={"embed": "static", "dims": 1536})


def test_vectors_of_another_length_than_promised_are_not_stored(url: str) -> None:
    with AgentMemStore(url, index={"embed": vectors_of, "dims": 7}) as store:
        with pytest.raises(EmbeddingError):
            store.put(("a",), "key", {"text": "tea"})
        assert store.search(("a",)) == []


@pytest.mark.parametrize(
    "index",
    [
        True, "static", {"embed": 5}, {"dims": 0}, {"dims": "many"}, {"fields": [1]}, {"fields": 5}, {"embedding": "static"},
        {"distance_type": "l2"}, {"fields": [""]},
    ],
    ids=str,
)  # fmt: skip
def test_an_index_that_makes_no_sense_is_refused(index: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"index|dims"):
        AgentMemStore("memory://", index=index)


@pytest.mark.parametrize(
    ("index", "told"),
    [
        ("static", "index='static': pass it in a dict, index={'embed': 'static'}"),
        (HashEmbedder(), "pass it in a dict, index={'embed': ...}"),
        (42, "index=42: pass a dict with some of dims, embed, "),
    ],
)
def test_an_embedder_in_place_of_an_index_is_told_where_it_goes(index: Any, told: str) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(told)):
        AgentMemStore("memory://", index=index)


def test_the_fields_may_be_told_as_sqlitestore_is_told_them() -> None:
    with AgentMemStore("memory://", index={"text_fields": "title"}) as store:
        store.put(("a",), "key", {"title": "green tea", "body": "red car"})
        assert store.search(("a",), query="green tea")[0].score == pytest.approx(1, abs=1e-4)


def test_an_index_of_a_put_that_makes_no_sense_is_refused() -> None:
    with AgentMemStore("memory://") as store:
        with pytest.raises(InvalidInputError, match="index"):
            store.put(("a",), "key", {"n": 1}, index="title")  # type: ignore[arg-type]  # what callers do
        assert store.search(("a",)) == []


def test_no_vector_is_made_inside_a_transaction(path: str) -> None:
    """While one put is being embedded, another store writes to the same file at once."""
    embedding, go_on = threading.Event(), threading.Event()

    def slow(texts: list[str]) -> list[list[float]]:
        embedding.set()
        assert go_on.wait(30)
        return vectors_of(texts)

    with AgentMemStore(path, index={"embed": slow, "dims": DIMS}) as store, AgentMemStore(path, index=False) as other:
        writer = threading.Thread(target=lambda: store.put(("a",), "slow", {"text": "tea"}))
        writer.start()
        assert embedding.wait(30)
        other.put(("a",), "quick", {"n": 1})
        assert [item.key for item in other.search(("a",))] == ["quick"]
        assert store.get(("a",), "quick") is not None
        go_on.set()
        writer.join()
        assert {item.key for item in other.search(("a",))} == {"quick", "slow"}


# Time to live


@pytest.mark.parametrize(
    "ttl", [{"default_ttl": -1}, {"default_ttl": "1"}, {"sweep_interval_minutes": 0}, {"refresh_on_read": "no"}, {"ttl": 5}, 5], ids=str
)
def test_a_ttl_that_makes_no_sense_is_refused(ttl: Any) -> None:
    with pytest.raises(InvalidInputError, match="ttl"):
        AgentMemStore("memory://", ttl=ttl)


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf"), True, "1", 10**12])
def test_minutes_that_are_none_are_refused(ttl: Any) -> None:
    with AgentMemStore("memory://") as store:
        with pytest.raises(InvalidInputError, match="ttl"):
            store.put(("a",), "key", {"n": 1}, ttl=ttl)
        assert store.search(("a",)) == []


def test_omit_expired_may_be_told_though_it_is_always_so() -> None:
    config = {"default_ttl": 5, "omit_expired": True, "refresh_on_read": True, "sweep_interval_minutes": 1}
    with AgentMemStore("memory://", ttl=config) as store:  # type: ignore[arg-type]  # a literal of these would be typed
        assert store.ttl_config == config


# The rest


def test_options_for_opening_go_with_a_path_only(mem: AgentMemory, path: str) -> None:
    with pytest.raises(InvalidInputError, match="durability"):
        AgentMemStore(mem, durability="normal")
    AgentMemStore(path + "2", durability="normal").close()
    with pytest.raises(InvalidInputError, match="both"):
        AgentMemStore(path, embedder="static", index={"embed": "static"})
    with AgentMemStore(path + "3", embedder=HashEmbedder(DIMS)) as store:
        assert store._items.identity is not None
        assert store._items.identity.name == "hash"
    with pytest.raises(InvalidInputError, match="neither an open AgentMemory nor a path"):
        AgentMemStore(5)  # type: ignore[arg-type]


def test_a_shared_memory_stays_open_and_a_path_is_closed(mem: AgentMemory, path: str) -> None:
    with AgentMemStore(mem) as store:
        store.put(("a",), "key", {"n": 1})
    assert mem.stats()["memories"] == 0
    owned = AgentMemStore(path + "2")
    owned.close()
    owned.close()
    with pytest.raises(Exception, match="closed"):
        owned.get(("a",), "key")


def test_the_embedder_of_the_memories_is_not_the_stores_business(path: str, opened: Opened) -> None:
    with opened(path, embedder=HashEmbedder(32, "other")) as memory:
        memory.add("green tea", user_id="ana")
    with AgentMemStore(path) as store:
        tea_and_car(store)
    with opened(path, embedder=HashEmbedder(32, "other")) as memory:
        assert memory.search("tea", user_id="ana")[0].memory.text == "green tea"


def test_collections_of_items_know_nothing_of_each_other(mem: AgentMemory) -> None:
    one, other = AgentMemStore(mem), AgentMemStore(mem, collection="other", index=False)
    one.put(("a",), "key", {"n": 1})
    other.put(("a",), "key", {"n": 2})
    assert [item.value for item in one.search(())] == [{"n": 1}]
    assert other.purge() == 1
    assert one.get(("a",), "key") is not None


def test_any_id_can_be_made_a_label() -> None:
    ids = ["ana@example.org", "a%2Eb", "a.b", "100%", "", "a%b.c%25", "plain"]
    assert [unescape_label(escape_label(id)) for id in ids] == ids
    assert len({escape_label(id) for id in ids}) == len(ids)
    with AgentMemStore("memory://", index=False) as store:
        store.put(("users", escape_label("ana@example.org")), "key", {"n": 1})
        assert store.list_namespaces() == [("users", "ana@example%2Eorg")]
        with pytest.raises(InvalidNamespaceError):
            store.put(("users", "ana@example.org"), "key", {"n": 1})


@pytest.mark.parametrize(
    "value",
    [pytest.param({"n": object()}, id="an object"), {"n": float("nan")}, {1: "x"}, {"t": "a\x00b"}, {"n": 2**70}, [1], "text"],
    ids=str,
)
def test_a_value_that_is_no_json_is_refused_and_its_content_not_told(value: Any) -> None:
    with AgentMemStore("memory://") as store:
        with pytest.raises(InvalidInputError, match="value"):
            store.put(("a",), "key", value)
        assert store.search(()) == []


@pytest.mark.parametrize("op", [5, None, ("a",), "get"])
def test_what_is_no_operation_is_refused(op: Any) -> None:
    with AgentMemStore("memory://") as store, pytest.raises(ValueError, match="operation"):
        store.batch([PutOp(("a",), "key", {"n": 1}), op])


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.put("users", "key", {"n": 1}),
        lambda store: store.get("users", "key"),
        lambda store: store.search("users"),
        lambda store: store.list_namespaces(prefix="users"),
        lambda store: store.purge("users"),
    ],
)
def test_a_text_is_not_taken_for_a_namespace_letter_by_letter(call: Callable[[AgentMemStore], Any]) -> None:
    with AgentMemStore("memory://") as store, pytest.raises(InvalidNamespaceError, match=r"\('users',\)"):
        call(store)


@pytest.mark.parametrize("query", [" ", "?", "\ud800", "a\x00b", "🦄", "x" * 200_000])
def test_any_text_may_be_asked(query: str) -> None:
    with AgentMemStore("memory://") as store:
        tea_and_car(store)
        assert len(store.search(("a",), query=query)) == 2


def test_unknown_kinds_of_match_are_refused() -> None:
    with AgentMemStore("memory://") as store, pytest.raises(InvalidInputError, match="middle"):
        store.batch([ListNamespacesOp((MatchCondition("middle", ("a",)),))])  # type: ignore[arg-type]  # what callers do


def test_ten_thousand_namespaces_are_searched_by_a_handful_of_statements(path: str) -> None:
    with AgentMemStore(path) as store:
        store.batch([PutOp(("users", f"u{n}", "notes"), "k", {"text": f"note {n}", "n": n}) for n in range(10_000)])
        store.search(("users",), query="note")
        for op in (SearchOp(("users",), query="note 77"), SearchOp(("users",)), SearchOp(("users",), {"n": {"$gte": 9_990}})):
            assert statements_of(store, op) < 25
        assert len(store.list_namespaces(limit=10_001)) == 10_000


def statements_of(store: AgentMemStore, op: SearchOp) -> int:
    """Count the statements that a search runs."""
    connections = store._memory._engine.store._connections  # type: ignore[attr-defined]  # of SqliteStore
    seen: list[str] = []
    for connection in [*connections._pool]:
        connection.trace_v2(1, lambda event: seen.append(event["sql"]))  # SQLITE_TRACE_STMT
    assert len(store.batch([op])[0]) == 10  # type: ignore[arg-type]
    assert seen, "another connection was used: the test is blind"
    return len(seen)


def test_importing_the_package_of_adapters_brings_in_no_framework(run_python: Callable[..., str]) -> None:
    program = "import sys, agentmem_integrations.langchain; print(sorted(m for m in sys.modules if m.startswith('lang')))"
    assert run_python(program).strip() == "[]"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="does not exist"):
        AgentMemStore(tmp_path / "nowhere" / "store.db")


# What else the file can do with items


def test_items_are_exported_and_imported_with_their_times(path: str, opened: Opened, tmp_path: Path) -> None:
    with AgentMemStore(path) as store:
        tea_and_car(store)
        store.put(("b",), "fields", {"title": "blue sky", "text": "red"}, index=["title", "text"])
        store.put(("b",), "short", {"n": 1}, ttl=60)
        before = store.search((), limit=99)
    for vectors in (False, True):
        target = tmp_path / f"items-{vectors}.jsonl"
        with AgentMemory(path, embedder=None) as memory:
            assert memory.collection("items").export(target, vectors=vectors) == 4
        with AgentMemory("memory://", embedder=None) as memory:
            assert memory.collection("items").import_(target) == 4
            store = AgentMemStore(memory, index={"embed": "static"})
            assert store.search((), limit=99) == before
            assert store.search(("a",), query="green tea")[0].key == "tea"
            assert store.search(("b",), query="blue sky")[0].key == "fields"
            assert memory.collection("items").import_(target) == 0


def test_items_found_by_one_text_can_be_given_another_embedder(path: str) -> None:
    with AgentMemStore(path, index={"fields": ["text"]}) as store:
        tea_and_car(store)
        store.put(("a",), "hidden", {"n": 1}, index=False)
    with AgentMemory(path, namespace="items", embedder=None) as memory:
        assert memory.reembed(HashEmbedder(DIMS)) == 2
    with AgentMemStore(path, index={"embed": HashEmbedder(DIMS), "fields": ["text"]}) as store:
        assert [item.key for item in store.search(("a",), query="green tea in a tin")] == ["tea", "car", "hidden"]
        assert store.search(("a",), query="green tea in a tin")[0].score == pytest.approx(1, abs=1e-4)
        store.put(("a",), "two", {"x": "tea", "y": "car"}, index=["x", "y"])
    with AgentMemory(path, namespace="items", embedder=None) as memory, pytest.raises(ConflictError, match="several fields"):
        memory.reembed("static")


def test_items_pass_verify_and_a_lost_vector_is_made_again(path: str) -> None:
    with AgentMemStore(path) as store:
        tea_and_car(store)
        store.put(("b",), "chinese", {"text": "我的密码藏在花园里"})
        memory = store._memory
        assert memory.verify().findings == []
        connection = memory._engine.store._connections  # type: ignore[attr-defined]  # of SqliteStore
        with connection.write() as c:
            c.execute("UPDATE vectors SET vector = zeroblob(length(vector)) WHERE memory = (SELECT no FROM memories WHERE id = 'tea')")
        assert [finding.kind for finding in memory.verify().findings] == ["vector_damaged"]
        assert memory.repair().ok
        items = memory.collection("items")
        memory.flush()
        assert memory.verify().findings == []
        assert items.stats()["memories"] == 3
        assert store.search(("a",), query="green tea in a tin")[0].key == "tea"
