"""Many memories rewritten in one transaction: whatever the order, rows, words and vectors agree."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem_integrations import AgentMemory, ConflictError, GivenVectors

Opened = Callable[..., AgentMemory]
WORDS = ["tea", "coffee", "milk", "tea and milk", "绿茶"]

items = st.fixed_dictionaries(
    {
        "id": st.sampled_from("abcde"),
        "text": st.sampled_from(WORDS),
        "vector": st.sampled_from([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]),
        "metadata": st.sampled_from([{}, {"n": 1}]),
        "expires_at": st.sampled_from([None, None, "2000-01-01"]),
    }
)
steps = st.one_of(
    st.tuples(st.just("batch"), st.lists(items, min_size=1, max_size=9)),
    st.tuples(st.just("together"), st.lists(items, min_size=1, max_size=9)),
    st.tuples(st.just("delete"), st.lists(st.sampled_from("abcde"), max_size=3)),
    st.tuples(st.just("purge"), st.lists(st.sampled_from("abcde"), max_size=2)),
)


@pytest.mark.parametrize("twins", ["keep", "merge"])
@given(story=st.lists(steps, min_size=1, max_size=6))
def test_rows_words_and_vectors_agree_whatever_is_rewritten(twins: Any, story: list[tuple[str, list[Any]]]) -> None:
    with AgentMemory("memory://", embedder=GivenVectors(2), twins=twins) as mem:
        expected: dict[str, dict[str, Any]] = {}
        for what, given in story:
            if what in ("delete", "purge"):
                (mem.delete if what == "delete" else mem.purge)(given, user_id="ana")
                expected = {id: item for id, item in expected.items() if id not in given}
                continue
            try:
                mem.add_batch(given, user_id="ana", on_error="store" if what == "batch" else "raise")
            except ConflictError:  # twins: all of them were refused
                assert (twins, what) == ("merge", "together")
            expected |= {item["id"]: item for item in given}
        report = mem.verify()
        assert report.ok, report
        if twins == "keep":
            living = {id: item for id, item in expected.items() if item["expires_at"] is None}
            found = {m.id: (m.text, m.metadata) for m in mem.list(user_id="ana")}
            assert found == {id: (item["text"], item["metadata"]) for id, item in living.items()}
            for word in ("tea", "coffee", "绿茶"):
                hits = {hit.memory.id for hit in mem.search(word, user_id="ana", using="text")}
                assert hits == {id for id, item in living.items() if word in item["text"]}
            assert {id: v.tolist() for id, v in mem.vectors(list("abcde"), user_id="ana").items()} == {
                id: pytest.approx([x / sum(y * y for y in item["vector"]) ** 0.5 for x in item["vector"]]) for id, item in living.items()
            }


def test_words_that_come_back_after_a_refusal_leave_the_text_index_sound() -> None:
    def saying(id: str, text: str) -> dict[str, Any]:
        return {"id": id, "text": text, "vector": [1.0, 0.0]}

    with AgentMemory("memory://", embedder=GivenVectors(2)) as mem:
        with pytest.raises(ConflictError):
            mem.add_batch(
                [*(saying("a", "tea") for _ in range(5)), saying("a", "milk"), saying("b", "coffee"), saying("a", "coffee")],
                user_id="ana",
                on_error="raise",
            )
        mem.add_batch([saying("a", "tea"), saying("a", "coffee")], user_id="ana")
        assert mem.verify().ok  # SQLite 3.47 breaks the index here


def test_a_memory_that_changes_twice_in_one_transaction_has_one_line_for_each(opened: Opened, url: str) -> None:
    mem = opened(url, embedder=None)
    mem.add_batch([{"text": f"text {n}", "id": "a"} for n in range(4)] + [{"text": "other", "id": "b"}], user_id="ana")
    assert [(e.event, e.old_text, e.new_text) for e in mem.history("a", user_id="ana")] == [
        ("ADD", None, "text 0"), ("UPDATE", "text 0", "text 1"), ("UPDATE", "text 1", "text 2"), ("UPDATE", "text 2", "text 3"),
    ]  # fmt: skip
    assert mem.history("b", user_id="ana")[0].event == "ADD"
    assert mem.verify().ok


def test_new_metadata_for_the_same_words_leave_the_words_findable(opened: Opened, url: str) -> None:
    mem = opened(url)
    mem.add_batch([{"text": f"green tea {n}", "id": f"{n}"} for n in range(5)], user_id="ana")
    mem.add_batch([{"text": f"green tea {n}", "id": f"{n}", "metadata": {"n": n}} for n in range(5)], user_id="ana")
    assert len(mem.search("tea", user_id="ana", using="text", filter={"n": {"$gte": 0}})) == 5
    assert mem.verify().ok
