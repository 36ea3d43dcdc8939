"""Hits that differ from one another: maximal marginal relevance."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem_integrations import AgentMemory, GivenVectors, InvalidInputError
from agentmem_integrations.pipeline.ranking.diversify import diverse

Opened = Callable[..., AgentMemory]


def unit(*numbers: float) -> np.ndarray:
    return (np.array(numbers) / np.linalg.norm(numbers)).astype(np.float32)


@pytest.fixture
def crowded(url: str, opened: Opened) -> AgentMemory:
    """Three that say nearly the same, and one that says something else."""
    mem = opened(url, embedder=GivenVectors(3), twins="keep")
    vectors = {"a": [1, 0.1, 0], "b": [1, 0.12, 0], "c": [1, 0.14, 0], "d": [1, -0.9, 0.1], "far": [-1, 0, 0]}
    mem.add_batch([{"text": f"point {id}", "id": id, "vector": vector} for id, vector in vectors.items()])
    return mem


def found(mem: AgentMemory, **options: object) -> list[str]:
    return [hit.memory.id for hit in mem.search(vector=[1, 0, 0], **options)]


def test_no_more_are_chosen_than_were_fetched(crowded: AgentMemory) -> None:
    assert [len(found(crowded, k=4, mmr=0.5, fetch_k=fetch_k)) for fetch_k in (1, 2, 3, 4, 5)] == [1, 2, 3, 4, 4]
    assert len(found(crowded, k=4, offset=1, mmr=0.5, fetch_k=3)) == 2


def test_the_second_hit_says_something_else(crowded: AgentMemory) -> None:
    assert found(crowded, k=2) == ["a", "b"]
    assert found(crowded, k=2, mmr=0.5) == ["a", "d"]


def test_one_is_the_order_of_relevance(crowded: AgentMemory) -> None:
    assert found(crowded, k=5, mmr=1.0) == found(crowded, k=5)


def test_nothing_but_difference_begins_at_the_best(crowded: AgentMemory) -> None:
    assert found(crowded, k=2, mmr=0.0) == ["a", "far"]
    assert found(crowded, k=2, mmr=0.0, fetch_k=4) == ["a", "d"]


def test_only_the_best_are_chosen_from(crowded: AgentMemory) -> None:
    assert "d" in found(crowded, k=3, mmr=0.5)
    assert sorted(found(crowded, k=3, mmr=0.5, fetch_k=3)) == ["a", "b", "c"]


def test_pages_of_different_hits_do_not_overlap(crowded: AgentMemory) -> None:
    whole = found(crowded, k=4, mmr=0.5, fetch_k=5)
    assert found(crowded, k=2, mmr=0.5, fetch_k=5) + found(crowded, k=2, offset=2, mmr=0.5, fetch_k=5) == whole


def test_hits_keep_their_scores(crowded: AgentMemory) -> None:
    plain = {hit.memory.id: hit.score for hit in crowded.search(vector=[1, 0, 0])}
    for hit in crowded.search(vector=[1, 0, 0], mmr=0.3):
        assert hit.score == plain[hit.memory.id]


def test_hybrid_and_text_searches_can_be_diverse_too(crowded: AgentMemory) -> None:
    assert len(crowded.search("point", vector=[1, 0, 0], mmr=0.5, k=3)) == 3
    assert [h.memory.id for h in crowded.search("point", using="text", mmr=0.2, k=2)] == ["a", "far"]


async def test_the_async_face_is_diverse_as_well(crowded: AgentMemory) -> None:
    assert [h.memory.id for h in await crowded.asearch(vector=[1, 0, 0], k=2, mmr=0.5)] == ["a", "d"]


def test_what_makes_no_sense_is_refused(crowded: AgentMemory) -> None:
    for options in ({"mmr": 2}, {"mmr": -0.1}, {"mmr": True}, {"fetch_k": 5}, {"mmr": 0.5, "fetch_k": 0}, {"mmr": 0.5, "fetch_k": 1001}):
        with pytest.raises(InvalidInputError):
            crowded.search(vector=[1, 0, 0], **options)


def test_what_has_no_vector_is_like_no_other() -> None:
    same = unit(1, 0)
    assert diverse(np.array([0.9, 0.8, 0.7]), [same, same, None], 2, 0.5).tolist() == [0, 2]
    assert diverse(np.array([0.9, 0.8]), [None, None], 2, 0.5).tolist() == [0, 1]
    assert diverse(np.array([]), [], 3, 0.5).tolist() == []


def by_the_book(relevance: list[float], vectors: list[np.ndarray], count: int, balance: float) -> list[int]:
    """The definition, word for word."""
    chosen = [0]
    while len(chosen) < min(count, len(relevance)):
        rest = [i for i in range(len(relevance)) if i not in chosen]
        chosen.append(max(rest, key=lambda i: balance * relevance[i] - (1 - balance) * max(float(vectors[i] @ vectors[c]) for c in chosen)))
    return chosen


@given(st.lists(st.tuples(*[st.integers(-9, 9)] * 3).filter(any), min_size=1, max_size=12), st.integers(1, 12), st.floats(0, 1))
def test_the_order_is_that_of_the_definition(points: list[tuple[int, int, int]], count: int, balance: float) -> None:
    vectors = [unit(*point) for point in points]
    relevance = sorted((float(v[0]) for v in vectors), reverse=True)
    vectors.sort(key=lambda v: -float(v[0]))
    ours = diverse(np.array(relevance), vectors, count, balance).tolist()

    def worth(order: list[int], turn: int) -> float:
        i = order[turn]
        return balance * relevance[i] - (1 - balance) * max((float(vectors[i] @ vectors[c]) for c in order[:turn]), default=0.0)

    assert sorted(set(ours)) == sorted(ours)
    for turn in range(1, len(ours)):  # where two are worth the same, either may come first
        best = max(worth([*ours[:turn], i], turn) for i in range(len(points)) if i not in ours[:turn])
        assert worth(ours, turn) >= best - 1e-5
    assert len(ours) == len(by_the_book(relevance, vectors, count, balance))
