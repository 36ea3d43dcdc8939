"""Bulk loads."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agentmem_integrations import AgentMemory, ClosedError, ConflictError, InvalidInputError, ScopeError, TextError
from agentmem_integrations.testing.embedders import HashEmbedder

Opened = Callable[..., AgentMemory]


def test_results_and_memories_keep_the_order(mem: AgentMemory) -> None:
    results = mem.add_batch([f"note {n}" for n in range(2_500)], user_id="ana")
    assert [r.events[0].memory.text for r in results] == [f"note {n}" for n in range(2_500)]
    assert [m.text for m in mem.list(user_id="ana", limit=10_000)] == [f"note {n}" for n in range(2_500)]


def test_a_generator_will_do(mem: AgentMemory) -> None:
    results = mem.add_batch((f"note {n}" for n in range(3)), user_id="ana")
    assert [r.status for r in results] == ["done"] * 3


def test_an_empty_batch_is_fine(mem: AgentMemory) -> None:
    assert mem.add_batch([], user_id="ana") == []


def test_a_batch_is_embedded_in_one_pass(url: str, opened: Opened) -> None:
    embedder = HashEmbedder()
    opened(url, embedder=embedder, queue=(100, 0)).add_batch([f"note {n}" for n in range(100)], user_id="ana")
    assert [len(batch) for batch in embedder.batches] == [100]


def test_a_bad_item_is_named_by_its_index_and_the_rest_is_stored(mem: AgentMemory) -> None:
    bad: dict[int, Any] = {1: "  ", 1_003: 7, 1_004: {"text": "x", "typo": 1}, 1_005: {"text": "x", "user_id": "ben"}, 1_006: None}
    results = mem.add_batch([bad.get(n, f"note {n}") for n in range(1_010)], user_id="ana")
    assert len(results) == 1_010
    errors = {n: r.error for n, r in enumerate(results) if r.error is not None}
    assert errors.keys() == bad.keys()
    assert all(f"item {n}:" in str(error) for n, error in errors.items())
    assert (type(errors[1]), type(errors[1_004]), type(errors[1_005])) == (TextError, InvalidInputError, ScopeError)
    assert all(results[n].events == [] and results[n].status == "nothing" for n in bad)
    assert [m.text for m in mem.list(user_id="ana", limit=2_000)] == [f"note {n}" for n in range(1_010) if n not in bad]


def test_an_item_that_contradicts_what_is_stored_is_answered_with_its_error(mem: AgentMemory) -> None:
    mem.add("tea", id="a", user_id="ana")
    mem.add("milk", id="b", user_id="ana")
    results = mem.add_batch(["one", {"id": "b", "text": "tea"}, "two"], user_id="ana")
    assert isinstance(results[1].error, ConflictError)
    assert "item 1" in str(results[1].error)
    assert (results[1].status, results[1].events) == ("nothing", [])
    assert [m.text for m in mem.list(user_id="ana")] == ["tea", "milk", "one", "two"]


@pytest.mark.parametrize("bad", ["", {"text": "tea", "id": "b"}], ids=["invalid", "conflict"])
def test_on_error_raise_stores_nothing(mem: AgentMemory, bad: Any) -> None:
    mem.add("tea", id="a", user_id="ana")
    mem.add("milk", id="b", user_id="ana")
    items = [f"note {n}" for n in range(1_500)]
    with pytest.raises((InvalidInputError, ConflictError), match="1200"):
        mem.add_batch([*items[:1_200], bad, *items[1_200:]], user_id="ana", on_error="raise")
    assert [m.text for m in mem.list(user_id="ana")] == ["tea", "milk"]


def test_on_error_raise_stores_everything_if_nothing_is_wrong(mem: AgentMemory) -> None:
    assert len(mem.add_batch([f"note {n}" for n in range(1_500)], user_id="ana", on_error="raise")) == 1_500
    assert mem.stats(user_id="ana")["memories"] == 1_500


def test_progress_is_reported_as_it_is_stored(mem: AgentMemory) -> None:
    seen: list[int] = []

    def report(done: int) -> None:
        assert mem.stats(user_id="ana")["memories"] >= done
        seen.append(done)

    mem.add_batch([f"note {n}" for n in range(2_100)], user_id="ana", progress=report)
    assert seen[-1] == 2_100
    assert seen == sorted(seen)
    assert 1_000 in seen


def test_progress_true_draws_a_bar_on_stderr(mem: AgentMemory, capsys: pytest.CaptureFixture[str]) -> None:
    mem.add_batch(["one", "two"], user_id="ana", progress=True)
    captured = capsys.readouterr()
    assert "2/2" in captured.err
    assert captured.out == ""


def test_what_is_common_holds_for_every_item_and_an_items_own_wins(mem: AgentMemory) -> None:
    mem.add_batch(["one", {"text": "two", "role": "assistant", "metadata": {"b": 2}}], user_id="ana", role="user", metadata={"a": 1})
    assert [(m.role, m.metadata) for m in mem.list(user_id="ana")] == [("user", {"a": 1}), ("assistant", {"a": 1, "b": 2})]


def test_twins_within_a_batch_are_one_memory(mem: AgentMemory) -> None:
    results = mem.add_batch(["tea", "milk", "tea"], user_id="ana")
    assert [r.events[0].event for r in results] == ["ADD", "ADD", "NONE"]
    assert results[2].events[0].memory.id == results[0].events[0].memory.id


def test_one_item_is_no_batch(mem: AgentMemory) -> None:
    for wrong in ("tea", {"text": "tea"}, 7, None):
        with pytest.raises(InvalidInputError, match="add"):
            mem.add_batch(wrong, user_id="ana")  # type: ignore[arg-type]


def test_an_exception_of_the_callers_generator_comes_through_and_loses_nothing_stored(mem: AgentMemory) -> None:
    def items() -> Iterator[str]:
        yield from (f"note {n}" for n in range(1_500))
        raise RuntimeError("the caller's own")

    with pytest.raises(RuntimeError, match="the caller's own"):
        mem.add_batch(items(), user_id="ana")
    mem.flush()
    assert mem.stats(user_id="ana")["memories"] in (0, 1_000)


def test_a_batch_into_a_closed_memory_is_refused(mem: AgentMemory) -> None:
    mem.close()
    with pytest.raises(ClosedError):
        mem.add_batch(["tea"], user_id="ana")


def test_the_names_of_the_original_system_still_work(mem: AgentMemory) -> None:
    assert mem.add_for_user("tea", "ana").status == "done"
    assert [r.status for r in mem.add_batch_optimized(["one", "two"], user_id="ana")] == ["done", "done"]
    assert len(mem.list(user_id="ana")) == 3
