"""Vectors that callers bring: to store, to search with, and to get back."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from agentmem_integrations import (
    AgentMemory,
    ConflictError,
    EmbedderMismatchError,
    EmbeddingError,
    GivenVectors,
    InvalidInputError,
    ScopeError,
    TextError,
    VectorError,
)
from agentmem_integrations.testing.embedders import HashEmbedder

Opened = Callable[..., AgentMemory]
EAST, NORTH, NORTH_EAST = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]


@pytest.fixture
def compass(url: str, opened: Opened) -> AgentMemory:
    mem = opened(url, embedder=GivenVectors(3), twins="keep")
    items = {"east": EAST, "north": NORTH, "north-east": NORTH_EAST, "west": [-1, 0, 0]}
    mem.add_batch([{"text": f"going {name}", "id": name, "vector": vector} for name, vector in items.items()])
    return mem


def ids(hits: list) -> list[str]:
    return [hit.memory.id for hit in hits]


def test_a_question_may_be_a_vector_alone(compass: AgentMemory) -> None:
    for nothing in (None, "", "  "):
        hits = compass.search(nothing, vector=EAST, k=3)
        assert ids(hits) == ["east", "north-east", "north"]
        assert [round(hit.score, 4) for hit in hits] == [1.0, 0.7071, 0.0]
        assert all("text" not in hit.parts for hit in hits)


def test_the_length_of_a_question_vector_does_not_count(compass: AgentMemory) -> None:
    short, long = (compass.search(vector=[x * scale for x in NORTH_EAST]) for scale in (1e-30, 1e30))
    assert short == long
    assert ids(short)[0] == "north-east"


def test_words_count_beside_a_given_vector(compass: AgentMemory) -> None:
    assert ids(compass.search(vector=EAST)) == ["east", "north-east", "north", "west"]
    assert ids(compass.search("west", vector=EAST)) == ["west", "east", "north-east", "north"]
    assert ids(compass.search("west", vector=EAST, k=1, using="vector")) == ["east"]
    assert ids(compass.search("west", vector=EAST, using="text")) == ["west"]


def test_a_given_vector_is_searched_with_in_place_of_the_embedders(url: str, opened: Opened) -> None:
    mem = opened(url)
    mem.add_batch(["tea in Lisbon", "a red bicycle"], user_id="ana")
    bicycle = HashEmbedder().embed_query("a red bicycle").tolist()
    assert [h.memory.text for h in mem.search("tea", vector=bicycle, using="vector", k=1, user_id="ana")] == ["a red bicycle"]


@pytest.mark.parametrize("vector", [[1.0, 2.0], [0.0, 0.0, 0.0], [float("nan"), 0, 1], [float("inf"), 0, 1], "abc", [[1.0, 0, 0]], []])
def test_a_question_vector_that_cannot_be_compared_is_refused(compass: AgentMemory, vector: object) -> None:
    with pytest.raises(VectorError):
        compass.search(vector=vector)


def test_a_question_without_words_and_without_a_vector_is_refused(compass: AgentMemory) -> None:
    with pytest.raises(TextError):
        compass.search()
    with pytest.raises(TextError):
        compass.search(None, vector=EAST, using="text")


def test_a_vector_for_a_collection_without_an_embedder_is_refused(url: str, opened: Opened) -> None:
    with pytest.raises(VectorError, match="no embedder"):
        opened(url, embedder=None).search(vector=EAST, user_id="ana")


async def test_the_async_face_takes_a_vector_as_well(compass: AgentMemory) -> None:
    assert ids(await compass.asearch(vector=NORTH, k=1)) == ["north"]
    assert list((await compass.avectors("north"))["north"]) == NORTH


def test_where_callers_bring_the_vectors_an_item_without_one_is_refused(compass: AgentMemory) -> None:
    with pytest.raises(VectorError, match="come from its callers"):
        compass.add("going nowhere")
    results = compass.add_batch(["going nowhere", {"text": "going east again", "vector": EAST}])
    assert [type(result.error) for result in results] == [VectorError, type(None)]
    with pytest.raises(VectorError, match="add the new text"):
        compass.update("east", text="going elsewhere")
    assert compass.update("east", metadata={"far": True}).metadata == {"far": True}
    assert compass.flush() == 0


def test_where_callers_bring_the_vectors_a_question_is_not_embedded(compass: AgentMemory) -> None:
    with pytest.raises(EmbeddingError, match="vector="):
        compass.search("east")
    assert ids(compass.search("east", using="text")) == ["east", "north-east"]


def test_the_dimension_is_recorded(path: str, opened: Opened) -> None:
    opened(path, embedder=GivenVectors(3), namespace="a", twins="keep").close()
    with pytest.raises(EmbedderMismatchError, match="3 dimensions"):
        opened(path, embedder=GivenVectors(4), namespace="a")
    with pytest.raises(EmbedderMismatchError):
        opened(path, embedder=GivenVectors(3, "another"), namespace="a")
    again = opened(path, embedder=GivenVectors(), namespace="a")
    assert again.identity is not None
    assert (again.identity.name, again.identity.dim) == ("given", 3)
    again.add({"text": "east", "vector": EAST})


def test_the_vectors_of_a_named_embedder_can_be_brought_by_somebody_who_has_them(path: str, opened: Opened) -> None:
    with opened(path) as mem:
        mem.add("tea", user_id="ana")
        recorded = mem.identity
    brought = opened(path, embedder=GivenVectors())
    vector = HashEmbedder().embed_query("tea")
    assert brought.identity == recorded
    assert brought.search(vector=vector, user_id="ana")[0].score > 0.99


def test_an_unknown_dimension_leaves_the_words(path: str, opened: Opened) -> None:
    mem = opened(path, embedder=GivenVectors(), twins="keep")
    assert mem.identity is None
    with pytest.raises(VectorError):
        mem.add({"text": "east", "vector": EAST})
    assert mem.search("east", using="text") == []


@pytest.mark.parametrize("dim", [0, -1, 70_000, "3", True, 2.0])
def test_a_dimension_that_is_none_is_refused(dim: object) -> None:
    with pytest.raises(InvalidInputError, match="dim"):
        GivenVectors(dim)  # type: ignore[arg-type]


def test_vectors_come_back_by_id_of_unit_length(compass: AgentMemory) -> None:
    compass.add({"text": "far east", "id": "far", "vector": [10.0, 0, 0]})
    found = compass.vectors(["far", "north-east", "nobody"])
    assert sorted(found) == ["far", "north-east"]
    assert list(found["far"]) == EAST
    assert abs(np.linalg.norm(found["north-east"]) - 1) < 1e-6
    assert compass.vectors([]) == {}


def test_vectors_are_read_within_the_owners_memories(url: str, opened: Opened) -> None:
    mem = opened(url)
    mem.add("tea", user_id="ana", id="x")
    mem.add("coffee", user_id="ben", id="x")
    mem.delete("x", user_id="ben")
    assert list(mem.vectors("x")) == ["x"]
    mem.add("coffee", user_id="ben", id="x")
    with pytest.raises(ConflictError, match="several owners"):
        mem.vectors("x")
    assert mem.for_user("cleo").vectors("x") == {}
    with pytest.raises(ScopeError):
        mem.for_user("cleo").vectors("x", user_id="ben")


def test_the_same_ids_again_replace_text_vector_and_metadata_in_bulk(compass: AgentMemory) -> None:
    events = [
        result.events[0].event
        for result in compass.add_batch(
            [{"text": f"now {name}", "id": name, "vector": NORTH, "metadata": {"new": 1}} for name in ("east", "west", "up")]
        )
    ]
    assert events == ["UPDATE", "UPDATE", "ADD"]
    assert {m.text: m.metadata for m in compass.list(id=["east", "west", "up"])} == {f"now {n}": {"new": 1} for n in ("east", "west", "up")}
    assert set(ids(compass.search(vector=NORTH, k=4))) == {"east", "west", "up", "north"}
    assert compass.search("going", using="text", id=["east", "west"]) == []
    assert compass.verify().ok


def test_one_id_twice_in_a_batch_means_the_last(compass: AgentMemory) -> None:
    compass.add_batch([{"text": f"text {n}", "id": "same", "vector": [1, n, 0]} for n in range(3)])
    assert [m.text for m in compass.list(id="same")] == ["text 2"]
    assert np.allclose(compass.vectors("same")["same"], np.array([1, 2, 0]) / np.sqrt(5))
    assert compass.verify().ok


def test_ids_narrow_a_search_and_a_list(compass: AgentMemory) -> None:
    assert ids(compass.search(vector=EAST, id=["north", "west"])) == ["north", "west"]
    assert ids(compass.search(vector=EAST, id="west")) == ["west"]
    assert compass.search(vector=EAST, id=[]) == []
    assert [m.id for m in compass.list(id=["west", "east", "nobody"])] == ["east", "west"]


def test_alpha_weighs_meaning_against_words(compass: AgentMemory) -> None:
    def best(alpha: float) -> str:
        return ids(compass.search("west", vector=EAST, alpha=alpha, k=1))[0]

    assert best(1.0) == "east"
    assert best(0.0) == "west"
    for hit in compass.search("west", vector=EAST, alpha=0.25):
        assert abs(hit.score - (0.25 * max(hit.parts["similarity"], 0) + 0.75 * hit.parts["text"])) < 1e-9
    with pytest.raises(InvalidInputError, match="alpha"):
        compass.search("west", vector=EAST, using="vector", alpha=0.5)
    with pytest.raises(InvalidInputError, match="alpha"):
        compass.search("west", vector=EAST, alpha=1.5)


def test_a_frameworks_own_value_comes_back_as_it_was(compass: AgentMemory) -> None:
    value = {"relations": [1, None, {"a": "b"}]}
    compass.add({"text": "with a value", "id": "v", "vector": EAST, "value": value})
    found = compass.get("v")
    assert found is not None
    assert found.value == value
    with pytest.raises(InvalidInputError, match="value"):
        compass.add({"text": "with a value", "id": "w", "vector": EAST, "value": {"bad": object()}})


def test_many_callers_may_bring_vectors_at_once(compass: AgentMemory) -> None:
    async def crowd() -> None:
        await asyncio.gather(*(compass.aadd({"text": f"point {n}", "id": f"p{n}", "vector": [1, n, 1]}) for n in range(50)))

    asyncio.run(crowd())
    assert len(compass.vectors([f"p{n}" for n in range(50)])) == 50
