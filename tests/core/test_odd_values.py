"""Values that once came through as somebody else's exception, or as a hang: each is an error of ours that names it."""

import io
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from agentmem_integrations import (
    AgentMemory,
    EmbeddingError,
    FilterError,
    InvalidInputError,
    NotFoundError,
    SchemaError,
    StoreFullError,
    TextError,
    VectorError,
)
from agentmem_integrations.errors import shown
from agentmem_integrations.testing.embedders import HashEmbedder

Opened = Callable[..., AgentMemory]


class Unspeakable:
    """Has no repr."""

    def __repr__(self) -> str:
        raise RuntimeError


class Noon(tzinfo):
    """A zone that answers with words."""

    def utcoffset(self, dt: datetime | None) -> Any:
        return "noon"


def test_a_message_shows_any_value_shortly() -> None:
    doubling: Any = 1
    for _ in range(40):
        doubling = [doubling, doubling]
    for value in (10**100_000, "x" * 10**6, doubling, Unspeakable(), {"k" * 1_000: "v"}, np.zeros(10**5), object(), "\ud800"):
        assert 0 < len(shown(value)) < 1_000
    assert shown("tea") == "'tea'"
    assert shown(7) == "7"
    assert "Unspeakable" in shown(Unspeakable())
    assert "bits" in shown(-(10**5_000))


@pytest.mark.parametrize("value", [10**5_000, -(10**5_000), Unspeakable()], ids=["huge", "less than huge", "without repr"])
@pytest.mark.parametrize(
    "argument", ["user_id", "session_id", "role", "timestamp", "kind", "importance", "ttl", "expires_at", "id", "truncate"]
)
def test_a_value_that_cannot_be_printed_is_refused_by_name(mem: AgentMemory, argument: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=argument):
        mem.add("tea", **{"user_id": "ana", argument: value})
    assert mem.list(user_id="ana") == []


@pytest.mark.parametrize("ttl", [10**400, float("inf"), float("nan"), timedelta.max])
def test_a_time_to_live_beyond_all_dates_is_refused(mem: AgentMemory, ttl: Any) -> None:
    with pytest.raises(InvalidInputError, match="ttl"):
        mem.add("tea", user_id="ana", ttl=ttl)


def test_a_zone_that_answers_nonsense_is_no_time(mem: AgentMemory) -> None:
    with pytest.raises(InvalidInputError, match="timestamp"):
        mem.add("tea", user_id="ana", timestamp=datetime(2026, 1, 1, tzinfo=Noon()))


def test_a_long_text_is_no_time_and_is_not_repeated_in_the_message(mem: AgentMemory) -> None:
    with pytest.raises(InvalidInputError, match="100,000 characters") as caught:
        mem.add("tea", user_id="ana", timestamp="9" * 100_000)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("array", [np.zeros(2), np.array(["ana", "ben"])])
def test_an_array_is_no_user_no_kind_and_no_choice(mem: AgentMemory, array: Any) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: mem.add("tea", user_id=array), lambda: mem.add({"content": "tea", "user_id": array}, user_id="ana"),
        lambda: mem.add("tea", user_id="ana", kind=array), lambda: mem.add("tea", user_id="ana", mode=array),
        lambda: mem.search("tea", user_id="ana", using=array), lambda: mem.add_batch(["tea"], user_id="ana", on_error=array),
        lambda: mem.for_user("ana").list(user_id=array), lambda: mem.collection("x", embedder=array),
        lambda: mem.collection("x", mode=array),
        lambda: mem.purge(user_id="ana", collections=array), lambda: AgentMemory("memory://", durability=array),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(InvalidInputError):
            call()
    assert mem.list(user_id="ana") == []


@pytest.mark.parametrize("calls", [np.zeros(3), [], {}, None])
def test_whatever_stands_for_the_calls_of_a_message_is_no_trouble(mem: AgentMemory, calls: Any) -> None:
    assert mem.add({"content": "tea", "tool_calls": calls}, user_id="ana").status == "done"


def test_metadata_of_a_call_that_are_none_are_refused_also_beside_an_items_own(mem: AgentMemory) -> None:
    with pytest.raises(InvalidInputError, match="metadata is a int"):
        mem.add({"content": "tea", "metadata": {"a": 1}}, user_id="ana", metadata=5)  # type: ignore[arg-type]
    assert mem.add({"content": "tea", "metadata": {"a": 1}}, user_id="ana", metadata={"b": 2}).events[0].memory.metadata == {"a": 1, "b": 2}


@pytest.mark.parametrize("flag", ["no", 1, None, np.bool_(True)])
def test_a_flag_is_true_or_false_and_nothing_like_it(mem: AgentMemory, flag: Any) -> None:
    for call in (
        lambda: mem.add("tea", user_id="ana", truncate=flag), lambda: mem.search("tea", user_id="ana", explain=flag),
        lambda: mem.export(io.BytesIO(), vectors=flag), lambda: mem.export("x.jsonl", overwrite=flag),
        lambda: mem.backup("x.db", overwrite=flag), lambda: mem.add_batch(["tea"], user_id="ana", progress=flag),
    ):  # fmt: skip
        with pytest.raises(InvalidInputError, match="pass True"):
            call()
    assert mem.list(user_id="ana") == []


def test_an_endless_vector_is_refused_before_it_is_read(mem: AgentMemory) -> None:
    for vector in (range(10**12), range(10**30)):
        with pytest.raises(VectorError):
            mem.add({"content": "tea", "vector": vector}, user_id="ana")


def test_a_vector_of_numbers_beyond_float64_is_refused(mem: AgentMemory) -> None:
    with pytest.raises(VectorError, match="not finite"):
        mem.add({"content": "tea", "vector": np.full(64, np.finfo(np.longdouble).max)}, user_id="ana")


def test_a_list_of_anything_is_refused_at_its_first_element(mem: AgentMemory) -> None:
    with pytest.raises(TextError, match="int"):
        mem.add(range(10**12), user_id="ana")


# Files


@pytest.mark.parametrize("name", ["a\ud800b", "x" * 5_000, "a\0b", ""])
def test_what_cannot_be_a_files_name_is_refused(mem: AgentMemory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    for call in (mem.export, mem.import_, mem.backup, AgentMemory):
        with pytest.raises(InvalidInputError, match="path"):
            call(name)


def test_a_name_that_is_too_long_for_the_file_system_is_told(mem: AgentMemory, tmp_path: Path) -> None:
    for call in (mem.import_, AgentMemory):
        with pytest.raises(StoreFullError):
            call(str(tmp_path / ("x" * 300)))


def test_a_backup_needs_a_name_that_sqlite_can_open(mem: AgentMemory, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="UTF-8"):
        mem.backup(str(tmp_path / "a\udcff.db"))
    assert not [file for file in tmp_path.iterdir() if "\udcff" in file.name]


@pytest.mark.parametrize("file", [io.StringIO("{}\n"), type("File", (), {"read": lambda *_: b""})()])
def test_a_file_object_must_be_a_binary_one(mem: AgentMemory, file: Any) -> None:
    with pytest.raises(InvalidInputError, match="binary"):
        mem.import_(file)
    if hasattr(file, "write"):
        with pytest.raises(InvalidInputError, match="binary"):
            mem.export(file)


def test_lines_that_are_no_bytes_are_refused(mem: AgentMemory) -> None:
    lines = type("Lines", (), {"read": lambda *_: "", "__iter__": lambda self: iter(["text"])})()
    with pytest.raises(InvalidInputError, match="'rb'"):
        mem.import_(lines)


def test_a_twin_that_is_null_in_an_export_is_taken_as_none(mem: AgentMemory, opened: Opened) -> None:
    mem.add_batch([{"text": "the old words", "id": "old"}, {"text": "the new words", "id": "new"}], user_id="ana")
    file = io.BytesIO()
    mem.export(file)
    lines = file.getvalue().replace(b'"text":"the old words"', b'"text":"the old words","twin":null')
    other = opened("memory://")
    assert other.import_(io.BytesIO(lines)) == 2
    again = io.BytesIO()
    other.export(again)
    assert again.getvalue() == lines


# Callers' own errors


class TheirsError(Exception):
    """What a caller's generator raises."""


def test_what_a_callers_iterator_raises_comes_through_as_it_is(mem: AgentMemory) -> None:
    def items() -> Any:
        yield "one"
        raise TheirsError

    for call in (
        lambda: mem.add(items(), user_id="ana"), lambda: mem.add_batch(items(), user_id="ana"),
        lambda: mem.add_batch(items(), user_id="ana", on_error="raise"), lambda: mem.delete(items(), user_id="ana"),
    ):  # fmt: skip
        with pytest.raises(TheirsError):
            call()
    assert mem.list(user_id="ana") == []


def test_what_a_callers_file_raises_comes_through_as_it_is(mem: AgentMemory) -> None:
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(ValueError, match="closed file"):
        mem.export(closed)
    mem.add("tea", user_id="ana")
    assert mem.search("tea", user_id="ana")


# Embedders


@pytest.mark.parametrize(("field", "value"), [("dim", "x"), ("dim", -1), ("dim", 0), ("dim", True), ("dim", 10**9), ("name", "a\0b"),
                                              ("name", "\ud800"), ("revision", "x" * 2_000)])  # fmt: skip
def test_an_embedder_that_says_nonsense_of_itself_is_refused(url: str, field: str, value: Any) -> None:
    embedder = HashEmbedder()
    strange = type("E", (), {"embed_documents": embedder.embed_documents, "embed_query": embedder.embed_query, field: value})()
    with pytest.raises(InvalidInputError, match="embedder"):
        AgentMemory(url, embedder=strange)


# Filters


@pytest.mark.parametrize("values", [[[n] for n in range(3_000)], [{"a": n} for n in range(3_000)], [None, True, False] * 2_000])
def test_a_long_list_of_any_kind_in_a_filter_works(mem: AgentMemory, values: list[Any]) -> None:
    mem.add("tea", user_id="ana", metadata={"k": values[7]})
    mem.add("milk", user_id="ana", metadata={"k": "other"})
    assert [m.text for m in mem.list(user_id="ana", filter={"k": {"$in": values}})] == ["tea"]
    assert [m.text for m in mem.list(user_id="ana", filter={"k": {"$nin": values}})] == ["milk"]


def test_an_operator_that_is_no_text_is_refused(mem: AgentMemory) -> None:
    for condition in ({"k": {"$not": {10**5_000: 1}}}, {10**5_000: 1}, {"k": {"$gt": 1, None: 2}}):
        with pytest.raises(FilterError):
            mem.list(user_id="ana", filter=condition)  # type: ignore[arg-type]


# Damaged files


def tampered(path: str, opened: Opened, *statements: str) -> AgentMemory:
    """Return a memory whose file somebody wrote into who should not have."""
    with opened(path) as mem:
        mem.add("tea", user_id="ana", id="m", metadata={"a": 1})
        mem.update("m", text="green tea", metadata={"a": 2})
    connection = apsw.Connection(path)
    connection.execute("PRAGMA writable_schema=ON")
    for statement in statements:
        connection.execute(statement).fetchall()
    connection.close()
    return opened(path)


@pytest.mark.parametrize("change", [
    "metadata = '{'", "metadata = '[1'", "text = CAST(x'ff' AS TEXT)", "name = CAST(x'ffff' AS TEXT)", "created_at = 9223372036854775807",
    "occurred_at = -9223372036854775807", "provenance = '\"'", "value = 'x'",
])  # fmt: skip
def test_a_row_that_cannot_be_read_is_told_as_damage(path: str, opened: Opened, change: str) -> None:
    mem = tampered(path, opened, f"UPDATE memories SET {change}")
    for call in (
        lambda: mem.list(user_id="ana"), lambda: mem.get("m"), lambda: mem.history("m"), lambda: mem.export(io.BytesIO()),
        lambda: mem.search("tea", user_id="ana", using="text"),
    ):  # fmt: skip
        with pytest.raises(SchemaError, match="damaged"):
            call()


@pytest.mark.parametrize("vector", ["x'00'", "zeroblob(0)", "CAST(replace(hex(zeroblob(32)), '00', x'0000c07f') AS BLOB)", "x'ffff7f7f'"])
def test_a_vector_that_is_none_is_told_as_damage(path: str, opened: Opened, vector: str) -> None:
    mem = tampered(path, opened, f"UPDATE vectors SET vector = {vector}")
    with pytest.raises(SchemaError, match="damaged"):
        mem.search("tea", user_id="ana", using="vector")
    assert mem.list(user_id="ana")


@pytest.mark.parametrize("number", [-5, 0])
def test_a_file_that_says_an_impossible_schema_is_told_as_damaged(path: str, opened: Opened, number: int) -> None:
    with pytest.raises(SchemaError, match="damaged"):
        tampered(path, opened, f"PRAGMA user_version={number}")


def test_a_history_that_cannot_be_read_is_told_as_damage(path: str, opened: Opened) -> None:
    mem = tampered(path, opened, "UPDATE history SET provenance = '{'")
    with pytest.raises(SchemaError, match="damaged"):
        mem.history("m")
    assert mem.get("m") is not None
    with pytest.raises(NotFoundError):
        mem.update("nobody's", text="x")


def test_an_embedder_that_fails_is_still_an_embedders_failure(url: str) -> None:
    broken = type("E", (), {"embed_documents": list, "embed_query": list})()
    with pytest.raises(EmbeddingError):
        AgentMemory(url, embedder=broken)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "holds nan"), (2**64, "holds an integer beyond 64 bits"), (np.True_, "holds a numpy.bool"),
        ({"deep": [object()]}, "holds a object"),
        (datetime(2026, 1, 1), "holds a datetime.datetime"), ("a\x00", "holds a NUL"), ("x" * 2_000_000, "is larger than"),  # noqa: DTZ001
    ],
)  # fmt: skip
def test_metadata_that_cannot_be_stored_are_refused_by_their_place(mem: AgentMemory, value: Any, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"^value 2 of the metadata {reason}"):
        mem.add("tea", user_id="ana", metadata={"size": 1, "colour": value})
