"""JSON that is too deep, too long or too wide is refused with its limit named, in good time, and nothing is stored."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from agentmem_integrations import AgentMemory, FilterError, InvalidInputError
from agentmem_integrations.config import FILTER_LIMIT, METADATA_LIMIT
from agentmem_integrations.filters import MAX_CONDITIONS, MAX_DEPTH


@pytest.fixture
def url() -> str:
    """What is refused never reaches the store: one kind of it will do."""
    return "memory://"


def nested(depth: int, wrap: Callable[[Any], Any], core: Any = 1) -> Any:
    for _ in range(depth):
        core = wrap(core)
    return core


def cyclic() -> dict[str, Any]:
    whole: dict[str, Any] = {}
    whole["self"] = whole
    return whole


TOO_DEEP, TOO_LARGE = f"deeper than {MAX_DEPTH} levels", f"{METADATA_LIMIT:,}"
BOMBS: dict[str, tuple[Callable[[], Any], str]] = {
    "100,000 dicts deep": (lambda: nested(100_000, lambda v: {"a": v}), TOO_DEEP),
    "100,000 lists deep": (lambda: {"a": nested(100_000, lambda v: [v])}, TOO_DEEP),
    "one level too deep": (lambda: nested(MAX_DEPTH + 1, lambda v: {"a": v}), TOO_DEEP),
    "holding itself": (cyclic, TOO_DEEP),
    "10 MB": (lambda: {"a": "x" * 10_000_000}, TOO_LARGE),
    "10 MB of key": (lambda: {"x" * 10_000_000: 1}, TOO_LARGE),
    "a million keys": (lambda: {f"k{n}": n for n in range(1_000_000)}, TOO_LARGE),
    "100,000 keys": (lambda: {f"key {n:06}": n for n in range(100_000)}, TOO_LARGE),
    "a million numbers": (lambda: {"a": list(range(1_000_000))}, TOO_LARGE),
    "twice itself, 28 times": (lambda: nested(28, lambda v: {"a": v, "b": v}), TOO_LARGE),
    "one byte too long": (lambda: {"a": "x" * (METADATA_LIMIT - 7)}, TOO_LARGE),
    "escapes": (lambda: {"a": "\x01" * (METADATA_LIMIT // 6)}, TOO_LARGE),
    "accents": (lambda: {"a": "é" * (METADATA_LIMIT // 2)}, TOO_LARGE),
    "long numbers": (lambda: {"a": [-2.2250738585072014e-308] * (METADATA_LIMIT // 24)}, TOO_LARGE),
    "an integer of 100,000 digits": (lambda: {"a": 10**100_000}, "beyond 64 bits"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_metadata_that_are_a_bomb_are_refused(mem: AgentMemory, bomb: str) -> None:
    make, limit = BOMBS[bomb]
    metadata = make()
    mem.add("tea", id="m", user_id="ana", metadata={"a": 1})
    calls: list[Callable[[], Any]] = [
        lambda: mem.add("milk", user_id="ana", metadata=metadata), lambda: mem.add({"text": "milk", "metadata": metadata}, user_id="ana"),
        lambda: mem.update("m", metadata=metadata),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(InvalidInputError, match=limit) as caught:
            call()
        assert len(str(caught.value)) < 500
    assert limit in str(mem.add_batch(["milk", {"text": "bread", "metadata": metadata}], user_id="ana")[1].error)
    assert [(m.text, m.metadata) for m in mem.list(user_id="ana")] == [("tea", {"a": 1}), ("milk", {})]


def test_metadata_at_the_limits_are_stored_and_given_back(mem: AgentMemory) -> None:
    for number, metadata in enumerate((
        {"a": "x" * (METADATA_LIMIT - 8)}, {"a": "é" * (METADATA_LIMIT // 2 - 4)}, nested(MAX_DEPTH, lambda v: {"a": v}),
        {f"k{n}": n for n in range(50_000)},
    )):  # fmt: skip
        mem.add(f"tea {number}", id="m", user_id="ana", metadata=metadata)
        memory = mem.get("m")
        assert memory is not None
        assert memory.metadata == metadata
        assert mem.list(user_id="ana", filter={"none": 1}) == []


WRITABLE = [
    b for b in BOMBS if "million" not in b and b not in ("holding itself", "twice itself, 28 times", "an integer of 100,000 digits")
]
PLAIN = ["100,000 dicts deep", "100,000 lists deep", "one level too deep", "10 MB", "100,000 keys"]


@pytest.mark.parametrize(("place", "bomb"), [*(("metadata", bomb) for bomb in WRITABLE), *(("provenance", bomb) for bomb in PLAIN)])
def test_an_import_holds_to_the_same_limits(mem: AgentMemory, bomb: str, place: str) -> None:
    make, limit = BOMBS[bomb]
    value = make()
    if "100,000" in bomb:  # json cannot write that either
        deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000 if "dicts" in bomb else b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        limit = "no JSON"
    else:
        deep = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    mem.add("tea", id="m", user_id="ana", metadata={"a": "in its place"})
    file = io.BytesIO()
    mem.export(file)
    lines = file.getvalue().replace(b'"metadata":{"a":"in its place"}', f'"{place}":'.encode() + deep)
    mem.purge("m")
    with pytest.raises(InvalidInputError, match=limit):
        mem.import_(io.BytesIO(lines))
    assert mem.list(user_id="ana") == []


def test_an_import_refuses_an_integer_of_any_length(mem: AgentMemory) -> None:
    for digits in (100, 5_000, 10_000_000):
        mem.add("tea", id="m", user_id="ana", metadata={"a": 1})
        file = io.BytesIO()
        mem.export(file)
        mem.purge("m")
        with pytest.raises(InvalidInputError, match="line 2"):
            mem.import_(io.BytesIO(file.getvalue().replace(b'{"a":1}', b'{"a":' + b"9" * digits + b"}")))
        assert mem.list(user_id="ana") == []


FILTERS: dict[str, tuple[Callable[[], Any], str]] = {
    "10,000 $not deep": (lambda: nested(10_000, lambda v: {"$not": v}, {"a": 1}), TOO_DEEP),
    "10,000 $and deep": (lambda: nested(10_000, lambda v: {"$and": [v]}, {"a": 1}), TOO_DEEP),
    "10,000 $not of a key deep": (lambda: {"a": nested(10_000, lambda v: {"$not": v}, {"$gt": 1})}, TOO_DEEP),
    "a value 10,000 deep": (lambda: {"a": nested(10_000, lambda v: [v])}, TOO_DEEP),
    "100,000 conditions": (lambda: {"$or": [{"a": n} for n in range(100_000)]}, f"{MAX_CONDITIONS:,} conditions"),
    "100,000 keys": (lambda: {f"k{n}": n for n in range(100_000)}, f"{MAX_CONDITIONS:,} conditions"),
    "one condition too many": (lambda: {f"k{n}": n for n in range(MAX_CONDITIONS + 1)}, f"{MAX_CONDITIONS:,} conditions"),
    "twice itself, 28 times": (lambda: nested(28, lambda v: {"$and": [v, v]}, {"a": 1}), f"{MAX_CONDITIONS:,} conditions"),
    "a value twice itself, 28 times": (lambda: {"a": nested(28, lambda v: [v, v])}, f"{FILTER_LIMIT:,}"),
    "an endless $in": (lambda: {"a": {"$in": range(10**12)}}, f"{FILTER_LIMIT:,}"),
    "a long text": (lambda: {"a": "x" * (FILTER_LIMIT + 1)}, f"{FILTER_LIMIT:,}"),
    "many long texts": (lambda: {f"k{n}": "x" * (FILTER_LIMIT // 50) for n in range(60)}, f"{FILTER_LIMIT:,}"),
}


@pytest.mark.parametrize("bomb", FILTERS)
def test_a_filter_that_is_a_bomb_is_refused(mem: AgentMemory, bomb: str) -> None:
    make, limit = FILTERS[bomb]
    condition = make()
    mem.add("tea", user_id="ana", metadata={"a": 1})
    for call in (mem.list, mem.purge, lambda **given: mem.search("tea", **given))[: 1 if "itself" in bomb else 3]:
        with pytest.raises(FilterError, match=limit):
            call(user_id="ana", filter=condition)
    assert len(mem.list(user_id="ana")) == 1


def test_filters_at_the_limits_work(mem: AgentMemory) -> None:
    mem.add("tea", user_id="ana", metadata={"a": 1, "id": "00000000-0000-0000-0000-000000099999"})
    for condition in (
        nested(MAX_DEPTH, lambda v: {"$not": v}, {"a": 1}), nested(MAX_DEPTH, lambda v: {"$and": [v]}, {"a": 1}),
        {"id": {"$in": [f"00000000-0000-0000-0000-{n:012}" for n in range(100_000)]}},
        {"$or": [{"a": n} for n in range(MAX_CONDITIONS)]},
    ):  # fmt: skip
        assert [m.text for m in mem.list(user_id="ana", filter=condition)] == ["tea"]
        assert [hit.memory.text for hit in mem.search("tea", user_id="ana", filter=condition)] == ["tea"]
