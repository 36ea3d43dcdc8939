"""What is exported comes back the same, and nothing that is damaged gets in."""

import base64
import inspect
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem_integrations import (
    SHARED,
    AgentMemory,
    ClosedError,
    ConflictError,
    EmbedderMismatchError,
    InvalidInputError,
    Memory,
    StoreFullError,
    UserMemory,
)
from agentmem_integrations.models import ItemPut, Scope
from agentmem_integrations.ports import End, Insert, Resolve, Selection, TouchItems
from agentmem_integrations.testing.embedders import FailingEmbedder, HashEmbedder

Opened = Callable[..., AgentMemory]

EXPORTING = """
import sys
from agentmem_integrations import AgentMemory
path, target = sys.argv[1:]
print("ready", flush=True)
AgentMemory(path, embedder=None).export(target, progress=lambda done: print(done, flush=True))
"""


def exported(mem: AgentMemory, **options: Any) -> bytes:
    target = io.BytesIO()
    mem.export(target, **options)
    return target.getvalue()


def imported(mem: AgentMemory, content: bytes, **options: Any) -> int:
    return mem.import_(io.BytesIO(content), **options)


def lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def joined(objects: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(o).encode() + b"\n" for o in objects)


def put_item(mem: AgentMemory, path: tuple[str, ...], key: str, text: str, *fields: str) -> None:
    """Store an item as an adapter would: a path as its owner, a value, a vector for each of its indexed fields."""
    now = datetime.now(UTC)
    memory = Memory(key, text, value={"text": text, "n": [1, None]}, occurred_at=now, created_at=now, updated_at=now)
    vectors = {field: HashEmbedder().embed_query(text if field == "text" else f"{field} of it") for field in fields}
    mem._room.engine.store.apply([Insert(memory, Scope("default", path=path), vectors)])


def fill(mem: AgentMemory) -> None:
    mem.add("I like tea", user_id="ana", id="m", name="Ana", metadata={"b": 1, "a": [1.5, None, {"x": "é"}]}, importance=0.25)
    mem.update("m", user_id="ana", text="I like green tea")
    mem.add("I like milk", user_id="ben", id="m", session_id="s", agent_id="a", role="user", timestamp="2020-02-29T12:00:00.000001Z")
    mem.delete(mem.add("forget this", user_id="ben", id="gone").events[0].memory.id, user_id="ben")
    mem.add("for all of us", user_id=SHARED, expires_at="2999-01-01", kind="core")
    mem.add("said before", user_id="ben", id="back")
    mem.delete("back", user_id="ben")
    mem.add("said again", user_id="ben", id="back")
    put_item(mem, ("users", "ana/é"), "key", "a pot of tea", "text", "title")
    put_item(mem, ("users",), "unindexed", "")


def seen(mem: AgentMemory) -> Any:
    """Return everything a caller can find out."""
    users = [{"user_id": user} for user in ("ana", "ben", SHARED)]
    found = [mem.list(**who) for who in users]
    histories = [mem.history(m.id, **who) for who, ms in zip(users, found, strict=True) for m in [*ms, Memory("gone", "")]]
    hits = [mem.search("tea milk said", **who) for who in users]
    return found, histories, hits


@pytest.mark.parametrize("vectors", [False, True])
def test_what_was_exported_and_imported_is_exported_the_same(mem: AgentMemory, opened: Opened, url: str, vectors: bool) -> None:
    fill(mem)
    first = exported(mem, vectors=vectors)
    other = opened("memory://")
    assert imported(other, first) == 7
    assert exported(other, vectors=vectors) == first
    assert seen(other) == seen(mem)
    assert exported(other, vectors=True) == exported(mem, vectors=True)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=30)
WORDS = TEXT.filter(lambda text: not text.isspace())
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
METADATA = st.dictionaries(TEXT, st.recursive(LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXT, v, max_size=3)), max_size=3)
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.sampled_from([None, UTC]))  # noqa: DTZ001
FUTURE = st.datetimes(datetime(2500, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
OWNERS = st.sampled_from(["ana", "zoë", "a/b\u2028c", SHARED])
IDS = st.sampled_from(["1", "2", "\u2028 3", "4\r"])
FIELDS = {
    "metadata": METADATA, "agent_id": TEXT, "session_id": TEXT, "role": TEXT, "name": TEXT, "timestamp": MOMENTS, "expires_at": FUTURE,
    "importance": st.floats(0, 1), "kind": st.sampled_from(["episode", "semantic"]),
}  # fmt: skip
ADD = st.tuples(
    st.just("add"), OWNERS, IDS | st.none(), WORDS | st.sampled_from(["tea", "milk"]), st.fixed_dictionaries({}, optional=FIELDS)
)
UPDATE = st.tuples(st.just("update"), OWNERS, IDS, WORDS, st.fixed_dictionaries({}, optional={"metadata": METADATA, "expires_at": FUTURE}))
DELETE = st.tuples(st.just("delete"), OWNERS, IDS, st.none(), st.none())
ITEM = st.tuples(st.just("item"), st.lists(TEXT, max_size=3), IDS, st.text(), st.lists(st.sampled_from(["text", "title"]), unique=True))


def perform(mem: AgentMemory, steps: list[Any]) -> None:
    for verb, owner, id, text, more in steps:
        try:
            if verb == "add":
                mem.add(text, user_id=owner, id=id, **more)
            elif verb == "update":
                mem.update(id, user_id=owner, text=text, **more)
            elif verb == "delete":
                mem.delete(id, user_id=owner)
            else:
                put_item(mem, tuple(owner), id, text.replace("\x00", ""), *more)
        except (ConflictError, LookupError):  # the same words under two ids, or an id that is not there
            continue


@given(steps=st.lists(ADD | ADD | UPDATE | DELETE | ITEM, max_size=20), vectors=st.booleans())
def test_whatever_was_stored_comes_back_exactly(steps: list[Any], vectors: bool) -> None:
    with AgentMemory("memory://", embedder=HashEmbedder()) as mem, AgentMemory("memory://", embedder=HashEmbedder()) as other:
        perform(mem, steps)
        first = exported(mem, vectors=vectors)
        assert imported(other, first) == first.count(b"\n") - 1
        assert exported(other, vectors=vectors) == first
        assert imported(other, first) == 0
        assert exported(other, vectors=True) == exported(mem, vectors=True)
        for owner in ("ana", "zoë", SHARED):
            assert other.list(user_id=owner) == mem.list(user_id=owner)


def test_importing_twice_changes_nothing_and_embeds_nothing(mem: AgentMemory, opened: Opened, tmp_path: Path) -> None:
    fill(mem)
    content = exported(mem)
    embedder = HashEmbedder()
    other = opened(str(tmp_path / "other.db"), embedder=embedder)
    imported(other, content)
    before, asked = exported(other, vectors=True), len(embedder.batches)
    assert imported(other, content) == 0
    assert exported(other, vectors=True) == before
    assert len(embedder.batches) == asked


def test_a_chunk_is_embedded_in_one_pass(mem: AgentMemory, opened: Opened) -> None:
    mem.add_batch([f"note {n}" for n in range(1_500)], user_id="ana")
    embedder = HashEmbedder()
    other = opened("memory://", embedder=embedder, queue=(1_000, 0))
    assert imported(other, exported(mem)) == 1_500
    assert [len(batch) for batch in embedder.batches] == [1_000, 500]


def test_with_vectors_nothing_is_embedded(mem: AgentMemory, opened: Opened) -> None:
    fill(mem)
    other = opened("memory://", embedder=FailingEmbedder())
    assert imported(other, exported(mem, vectors=True)) == 7
    assert other.stats()["jobs"] == {}


def test_where_the_embedder_fails_the_vectors_are_owed(mem: AgentMemory, opened: Opened) -> None:
    fill(mem)
    embedder = FailingEmbedder()
    other = opened("memory://", embedder=embedder)
    imported(other, exported(mem))
    assert other.stats()["jobs"] == {"embed.waiting": 5}
    embedder.failing = False
    assert other.flush() == 0
    assert exported(other, vectors=True) == exported(mem, vectors=True)


def test_an_owed_vector_is_owed_where_it_is_imported(path: str, opened: Opened) -> None:
    mem = opened(path, embedder=FailingEmbedder())
    mem.add("tea", user_id="ana")
    content = exported(mem, vectors=True)
    other = opened("memory://")
    imported(other, content)
    assert exported(other, vectors=True) == content
    assert other.stats()["jobs"] == {"embed.waiting": 1}
    assert other.flush() == 0
    assert other.search("tea", user_id="ana", using="vector")


def test_a_collection_without_an_embedder_is_embedded_where_it_is_imported(path: str, opened: Opened) -> None:
    mem = opened(path, embedder=None)
    mem.add("tea", user_id="ana")
    for vectors in (False, True):
        other = opened("memory://")
        imported(other, exported(mem, vectors=vectors))
        assert other.search("tea", user_id="ana", using="vector")


def test_vectors_of_another_embedder_are_refused(mem: AgentMemory, opened: Opened) -> None:
    fill(mem)
    for embedder in (HashEmbedder(name="other"), HashEmbedder(32), None):
        other = opened("memory://", embedder=embedder)
        with pytest.raises(EmbedderMismatchError, match=r"line 1: .*hash \(revision 1, 64\).*without vectors"):
            imported(other, exported(mem, vectors=True))
        assert other.stats()["memories"] == 0


def test_without_vectors_another_embedder_makes_its_own(mem: AgentMemory, opened: Opened) -> None:
    mem.add("green tea", user_id="ana")
    other = opened("memory://", embedder=HashEmbedder(32, "other"))
    assert imported(other, exported(mem)) == 1
    assert other.search("green tea", user_id="ana", using="vector")[0].parts["similarity"] == pytest.approx(1, abs=1e-5)


def test_the_order_is_kept_beside_what_is_there(mem: AgentMemory, opened: Opened) -> None:
    mem.add_batch([{"text": f"note {n}", "id": f"{n}"} for n in (3, 1, 2)], user_id="ana")
    other = opened("memory://")
    other.add("first", id="0", user_id="ana")
    imported(other, exported(mem))
    assert [m.id for m in other.list(user_id="ana")] == ["0", "3", "1", "2"]


def test_only_one_owners_memories_are_exported_if_one_is_named(mem: AgentMemory) -> None:
    fill(mem)
    owners = {None: 7, "ana": 1, "ben": 3, SHARED: 1, "nobody": 0}
    for user, count in owners.items():
        content = exported(mem, user_id=user)
        assert (lines(content)[0]["memories"], content.count(b"\n") - 1) == (count, count)
        if isinstance(user, str):
            assert {line["user_id"] for line in lines(content)[1:]} <= {user}


def test_each_collection_is_exported_by_itself(mem: AgentMemory, opened: Opened) -> None:
    mem.add("mine", user_id="ana")
    documents = mem.collection("documents", embedder=HashEmbedder(), twins="keep")
    documents.add_batch(["a page", "a page"])
    target = io.BytesIO()
    assert documents.export(target) == 2
    assert lines(target.getvalue())[0] | {"package": ""} == {
        "format": "agentmem-export", "version": 1, "package": "", "namespace": "documents", "twins": "keep", "memories": 2,
        "embedder": {"name": "hash", "revision": "1", "dim": 64}, "vectors": False,
    }  # fmt: skip
    other = opened("memory://")
    with pytest.raises(ConflictError, match=r"line 1: .*twins='keep'"):
        imported(other, target.getvalue())
    assert other.collection("archive", embedder=HashEmbedder(), twins="keep").import_(io.BytesIO(target.getvalue())) == 2


def test_one_users_view_can_neither_export_nor_import() -> None:
    assert not {name for name, _ in inspect.getmembers(UserMemory) if "export" in name or "import" in name}


def test_what_has_expired_is_exported_as_deleted(mem: AgentMemory, opened: Opened) -> None:
    mem.add("old", user_id="ana", expires_at="2000-01-01")
    first = exported(mem)
    assert "deleted_at" in lines(first)[1]
    other = opened("memory://")
    imported(other, first)
    assert exported(mem) == exported(other) == first


def test_the_fingerprint_of_a_memory_that_took_its_new_words_from_another_time_is_kept(mem: AgentMemory, opened: Opened) -> None:
    mem.add("tea", id="m", user_id="ana", timestamp="2020-01-01")
    mem.add("milk", id="m", user_id="ana")
    mem.add("milk", user_id="ana", timestamp="2020-01-01")
    other = opened("memory://")
    count = mem.stats()["memories"]
    assert imported(other, exported(mem)) == count
    assert exported(other) == exported(mem)


# Conflicts


def test_a_memory_that_is_not_the_same_is_a_conflict_and_its_chunk_is_not_stored(mem: AgentMemory, opened: Opened) -> None:
    mem.add_batch([{"text": f"note {n}", "id": f"{n}"} for n in range(1_010)], user_id="ana")
    other = opened("memory://")
    other.add("another note", id="1005", user_id="ana")
    with pytest.raises(ConflictError, match=r"^line 1007: memory '1005' .* nothing behind line 1001 was stored$") as caught:
        imported(other, exported(mem))
    assert "another note" not in str(caught.value)
    assert other.stats()["memories"] == 1_001
    other.purge("1005")
    assert imported(other, exported(mem)) == 10


def test_a_line_that_contradicts_another_can_be_taken_out_of_the_file(mem: AgentMemory, opened: Opened) -> None:
    mem.add("tea", id="m", user_id="ana")
    header, line = lines(exported(mem))
    other = opened("memory://")
    with pytest.raises(ConflictError, match=r'^line 3: .*taking the line out of the file \(and "memories" out of the first line\)'):
        imported(other, joined([header | {"memories": 2}, line, line | {"text": "milk"}]))
    del header["memories"]
    assert imported(other, joined([header, line])) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", "other"), ("kind", "core"), ("metadata", {"a": 2}), ("metadata", {"a": True}), ("metadata", {"a": 1.0}), ("role", "x"),
        ("updated_at", "2026-01-01T00:00:00.000001+00:00"), ("deleted_at", "2999-01-01T00:00:00+00:00"), ("importance", 1),
        ("history", []), ("superseded_by", "x"), ("valid_to", "2999-01-01T00:00:00+00:00"), ("value", 1),
    ],
)  # fmt: skip
def test_whatever_differs_is_a_conflict(mem: AgentMemory, field: str, value: Any) -> None:
    mem.add("tea", id="m", user_id="ana", metadata={"a": 1})
    mem.update("m", text="milk")
    header, line = lines(exported(mem))
    with pytest.raises(ConflictError, match="line 2: memory 'm'"):
        imported(mem, joined([header, line | {field: value}]))
    assert lines(exported(mem)) == [header, line]


def test_the_same_id_of_another_owner_is_no_conflict(mem: AgentMemory, opened: Opened) -> None:
    mem.add("tea", id="m", user_id="ana")
    other = opened("memory://")
    other.add("milk", id="m", user_id="ben")
    other.add("milk", id="m", user_id=SHARED)
    assert imported(other, exported(mem)) == 1


def test_an_utterance_that_is_known_under_another_id_stays_one_memory(mem: AgentMemory, opened: Opened) -> None:
    mem.add_batch(["tea", "milk"], user_id="ana")
    other = opened("memory://")
    known = other.add("tea", user_id="ana").events[0].memory
    assert imported(other, exported(mem)) == 1
    assert [m.text for m in other.list(user_id="ana")] == ["tea", "milk"]
    assert other.list(user_id="ana")[0] == known


def test_the_same_line_twice_is_one_memory(mem: AgentMemory, opened: Opened) -> None:
    fill(mem)
    header, *rest = lines(exported(mem))
    assert imported(opened("memory://"), joined([header | {"memories": None}, *rest, *rest])) == 7


# What expires


def about_to_expire(content: bytes) -> bytes:
    """Return an export whose first memory has expired since it was made."""
    header, first, *rest = lines(content)
    return joined([header, first | {"expires_at": "2020-01-01T00:00:00+00:00"}, *rest])


@pytest.mark.parametrize("changed", [False, True])
def test_an_import_can_be_resumed_when_a_memory_in_it_has_expired_meanwhile(mem: AgentMemory, opened: Opened, changed: bool) -> None:
    mem.add_batch([{"text": f"note {n}", "id": f"{n}"} for n in range(1_010)], user_id="ana")
    if changed:
        mem.update("0", text="note nought", importance=0.5)
    content = about_to_expire(exported(mem))

    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    other = opened("memory://")
    with pytest.raises(KeyboardInterrupt):
        imported(other, content, progress=interrupt)
    other.flush()  # sweeps, as opening does
    assert imported(other, content) == 10
    assert lines(exported(other))[1]["history"][-1]["event"] == "DELETE"
    assert imported(other, content) == 0


def test_what_expired_may_be_swept_in_one_file_and_not_in_the_other_or_later(mem: AgentMemory, opened: Opened) -> None:
    mem.add("soon over", id="m", user_id="ana")
    alive, other, third = about_to_expire(exported(mem)), opened("memory://"), opened("memory://")
    imported(other, alive)
    imported(third, alive)
    buried = exported(other)  # an export sweeps
    assert "deleted_at" in lines(buried)[1]
    assert imported(third, buried) == 0
    assert exported(third) != buried, "each sweeps in its own time"
    assert imported(other, exported(third)) == imported(third, buried) == 0


def test_what_was_deleted_before_it_expired_is_not_the_same(mem: AgentMemory, opened: Opened) -> None:
    mem.add("tea", id="m", user_id="ana", expires_at="2999-01-01")
    content = exported(mem)
    mem.delete("m", user_id="ana")
    with pytest.raises(ConflictError, match="line 2: memory 'm'"):
        imported(mem, content)


def test_what_expired_and_differs_is_a_conflict(mem: AgentMemory) -> None:
    mem.add("tea", id="m", user_id="ana", expires_at="2000-01-01")
    header, line = lines(exported(mem))
    for change in ({"text": "milk"}, {"expires_at": "2001-01-01T00:00:00+00:00"}, {"history": [*line["history"], *line["history"]]}):
        with pytest.raises(ConflictError, match="line 2: memory 'm'"):
            imported(mem, joined([header, line | change]))


def test_an_item_that_lives_longer_since_it_was_read_is_the_same(mem: AgentMemory, opened: Opened) -> None:
    mem.items().batch([ItemPut(("users",), "drink", {"likes": "tea"}, ttl=60)])
    target = io.BytesIO()
    mem.collection("items", embedder=HashEmbedder()).export(target)
    other = opened("memory://")
    items = other.collection("items", embedder=HashEmbedder())
    assert imported(items, target.getvalue()) == 1
    other._room.engine.store.apply([TouchItems("items", [(("users",), "drink")], datetime.now(UTC) + timedelta(minutes=30))])
    assert imported(items, target.getvalue()) == 0


# Successors

OLD, NEW = "Ana lives in Porto", "Ana moved to Lisbon"


def superseding(mem: AgentMemory, *, late: bool, between: int = 0) -> None:
    """Store two facts of which one takes the place of the other; the older is stored later if it is told `late`."""
    facts = [(OLD, "old"), (NEW, "new")]
    for text, id in reversed(facts) if late else facts:
        mem.add(text, id=id, user_id="ana", kind="core", timestamp="2026-01-01")
        mem.add_batch([f"note {n}" for n in range(between)], user_id="ana")
    store, scope = mem._room.engine.store, Scope("default", "ana")
    end = End(Selection("default", scope, ("old",)), datetime(2026, 5, 9, tzinfo=UTC), "new")
    store.apply([Resolve(scope, [end], store.revision(scope))])


@pytest.mark.parametrize("between", [0, 1_000], ids=["one transaction", "two"])
@pytest.mark.parametrize("late", [False, True], ids=["successor last", "successor first"])
def test_a_successor_that_is_known_under_another_id_is_named_so(mem: AgentMemory, opened: Opened, late: bool, between: int) -> None:
    superseding(mem, late=late, between=between)
    content = exported(mem)
    other = opened("memory://")
    other.add(NEW, id="other", user_id="ana", kind="core", timestamp="2026-01-01")
    assert imported(other, content) == 1 + between
    old = other.get("old", user_id="ana")
    assert old is not None
    assert old.superseded_by == "other"
    assert other.verify().findings == []
    before = exported(other)
    assert imported(other, content) == 0
    assert exported(other) == before


def test_an_interrupted_import_leaves_no_successor_in_the_air_once_it_is_resumed(mem: AgentMemory, opened: Opened) -> None:
    superseding(mem, late=False, between=1_000)
    other = opened("memory://")
    other.add(NEW, id="other", user_id="ana", kind="core", timestamp="2026-01-01")

    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        imported(other, exported(mem), progress=interrupt)
    imported(other, exported(mem))
    old = other.get("old", user_id="ana")
    assert old is not None
    assert old.superseded_by == "other"
    assert other.verify().findings == []


def test_a_successor_of_another_owner_is_not_named(mem: AgentMemory, opened: Opened) -> None:
    superseding(mem, late=False)
    other = opened("memory://")
    other.add(NEW, id="other", user_id="ben", kind="core", timestamp="2026-01-01")
    assert imported(other, exported(mem)) == 2
    assert exported(other, user_id="ana") == exported(mem)


def test_a_memory_that_another_one_took_the_place_of_here_is_not_the_same(mem: AgentMemory) -> None:
    superseding(mem, late=False)
    mem.add("Ana lives in Faro", id="faro", user_id="ana", kind="core")
    header, old, *rest = lines(exported(mem))
    with pytest.raises(ConflictError, match="line 2: memory 'old'"):
        imported(mem, joined([header, old | {"superseded_by": "faro"}, *rest]))


# Damage

GOOD: dict[str, Any] = {
    "id": "m", "text": "tea", "kind": "episode", "user_id": "ana", "occurred_at": "2026-01-01T00:00:00+00:00",
    "created_at": "2026-01-01T00:00:00+00:00", "updated_at": "2026-01-01T00:00:00+00:00",
}  # fmt: skip
VECTOR = np.eye(1, 64, dtype="<f4")[0]


def encoded(vector: Any) -> str:
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": None}, "id is missing"), ({"id": ""}, "id has 0 characters"), ({"id": "x" * 1_001}, "1001 characters"), ({"id": 1}, "id=1"),
        ({"text": None}, "text is no text"), ({"text": " "}, "empty"), ({"text": "a\x00"}, "NUL"), ({"text": "\ud800"}, "surrogate"),
        ({"text": "x" * 131_073}, "text_limit=131073"), ({"kind": "nonsense"}, "kind="), ({"user_id": None}, "user_id is missing"),
        ({"shared": True}, "whose memory"), ({"path": ["a"]}, "whose memory"), ({"created_at": "yesterday"}, "created_at="),
        ({"created_at": 5}, "created_at="), ({"updated_at": None}, "updated_at is missing"), ({"metadata": []}, "metadata"),
        ({"metadata": {"a": float("nan")}}, "nan"), ({"metadata": {"a": 2**64}}, "64 bits"), ({"importance": 2}, "importance"),
        ({"provenance": []}, "provenance"), ({"value": {"a": "\x00"}}, "NUL"), ({"colour": "red"}, "unknown key 'colour'"),
        ({"history": {}}, "history is no list"), ({"history": ["ADD"]}, "history is no list"), ({"twin": "00"}, "16 bytes"),
        ({"history": [{"event": "NONE", "at": "2026-01-01"}]}, "event"), ({"history": [{"event": "ADD"}]}, "at is missing"),
        ({"history": [{"event": "ADD", "at": "2026-01-01", "old_text": 1}]}, "old_text"), ({"twin": 1}, "16 bytes"),
        ({"history": [{"event": "ADD", "at": "2026-01-01", "by": 1}]}, "unknown key 'by'"), ({"vectors": []}, "vectors is no object"),
        ({"vectors": {"text": "????"}}, "256 bytes"), ({"vectors": {"text": encoded(VECTOR[:-1])}}, "256 bytes"),
        ({"vectors": {"text": encoded(VECTOR * 0)}}, "unit length"), ({"vectors": {"text": encoded(VECTOR * np.nan)}}, "unit length"),
        ({"vectors": {"": encoded(VECTOR)}}, "field has 0"), ({"deleted_at": "never"}, "deleted_at="),
        ({"vectors": {"text": 1}}, "256 bytes"),
    ],
)  # fmt: skip
def test_a_damaged_line_is_named_and_nothing_of_it_is_stored(mem: AgentMemory, change: dict[str, Any], reason: str) -> None:
    header = lines(exported(mem))[0] | {"memories": None}
    with pytest.raises(InvalidInputError, match=rf"(?s)^line 3: .*{re.escape(reason)}.*nothing behind line 1 was stored$"):
        imported(mem, joined([header, GOOD | {"id": "good"}, GOOD | change]))
    assert mem.stats()["memories"] == 0
    assert imported(mem, joined([header, GOOD])) == 1


@pytest.mark.parametrize("line", [b"{", b"[]", b"\xff", b'{"id": "m"} {}', b"[" * 100_000, b"null"])
def test_a_line_that_is_no_json_object_is_named(mem: AgentMemory, line: bytes) -> None:
    with pytest.raises(InvalidInputError, match=r"^line 2: the line is no"):
        imported(mem, exported(mem) + line)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no export"), (b"\n", "no export"), (b"{}", "no export"), (b"SQLite format 3\x00\xff", "no export"), (b"[]", "no export"),
        (b'{"format": "agentmem-export"}', "no export"), (b'{"format": "agentmem-export", "version": true}', "no export"),
        (b'{"format": "agentmem-export", "version": 2}', "version 2.*upgrade"), (b'{"format": "agentmem-export", "version": 1}', "damaged"),
        (b'{"format": "agentmem-export", "version": 1, "twins": "merge", "namespace": "a", "embedder": {}}', "embedder"),
    ],
)  # fmt: skip
def test_what_is_no_export_or_a_newer_one_is_refused(mem: AgentMemory, content: bytes, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=f"(?s)^line 1: .*{reason}"):
        imported(mem, content)


def test_an_export_that_was_copied_in_part_is_noticed(mem: AgentMemory, opened: Opened) -> None:
    fill(mem)
    content = b"".join(exported(mem).splitlines(keepends=True)[:-1])
    other = opened("memory://")
    with pytest.raises(InvalidInputError, match="has 6 memories and its first line says 7"):
        imported(other, content)
    assert imported(other, exported(mem)) == 1


def test_a_byte_order_mark_and_blank_lines_do_no_harm(mem: AgentMemory, opened: Opened) -> None:
    fill(mem)
    content = b"\xef\xbb\xbf" + exported(mem).replace(b"\n", b"\r\n\r\n")
    other = opened("memory://")
    assert imported(other, content) == 7
    assert exported(other) == exported(mem)


# Files


@pytest.mark.posix("looks at permission bits")
def test_the_file_is_whole_private_and_alone(mem: AgentMemory, tmp_path: Path, opened: Opened) -> None:
    fill(mem)
    folder = tmp_path / "out"
    folder.mkdir()
    assert mem.export(folder / "a.jsonl") == 7
    assert [p.name for p in folder.iterdir()] == ["a.jsonl"]
    assert (folder / "a.jsonl").stat().st_mode & 0o777 == 0o600
    assert (folder / "a.jsonl").read_bytes() == exported(mem)
    assert opened("memory://").import_(str(folder / "a.jsonl")) == 7


def test_a_file_is_only_replaced_if_asked(mem: AgentMemory, tmp_path: Path) -> None:
    target = tmp_path / "a.jsonl"
    target.write_text("mine")
    with pytest.raises(InvalidInputError, match="overwrite=True"):
        mem.export(target)
    assert target.read_text() == "mine"
    mem.export(target, overwrite=True)
    assert target.read_bytes() == exported(mem)


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_the_memory_file_itself_is_never_replaced(path: str, opened: Opened, suffix: str) -> None:
    mem = opened(path)
    mem.add("tea", user_id="ana")
    with pytest.raises(InvalidInputError):
        mem.export(path + suffix, overwrite=True)
    assert len(opened(path).list(user_id="ana")) == 1


@pytest.mark.parametrize("name", ["", ".", "/", None, 5, "a\x00b"])
def test_what_is_no_file_name_is_refused(mem: AgentMemory, name: Any) -> None:
    with pytest.raises(InvalidInputError):
        mem.export(name)
    with pytest.raises(InvalidInputError):
        mem.import_(name)


def test_a_missing_folder_or_file_is_told(mem: AgentMemory, tmp_path: Path) -> None:
    with pytest.raises(StoreFullError, match="could not be written"):
        mem.export(tmp_path / "nowhere" / "a.jsonl")
    for missing in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(InvalidInputError, match="there is no file"):
            mem.import_(missing)


def test_a_failing_export_leaves_nothing_behind(mem: AgentMemory, tmp_path: Path) -> None:
    fill(mem)

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(KeyboardInterrupt):
        mem.export(folder / "a.jsonl", progress=stop)
    assert list(folder.iterdir()) == []
    mem.add("still usable", user_id="ana")
    assert mem.export(folder / "a.jsonl") == 8


@pytest.mark.posix("ends a program with SIGKILL")
def test_a_killed_export_leaves_no_half_file(path: str, opened: Opened, tmp_path: Path) -> None:
    with opened(path, embedder=None) as mem:
        mem.add_batch([f"note {n} {'x' * 500}" for n in range(20_000)], user_id="ana")
    target = tmp_path / "a.jsonl"
    process = subprocess.Popen([sys.executable, "-c", EXPORTING, path, str(target)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline() == "ready\n"
        assert said.readline() == "1000\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not target.exists()
    assert opened(path, embedder=None).export(target) == 20_000


def test_an_export_is_one_instant_while_writers_go_on(path: str, opened: Opened) -> None:
    mem, writer = opened(path), opened(path)
    mem.add_batch([{"text": f"note {n}", "id": f"{n}"} for n in range(2_000)], user_id="ana")
    expected = exported(mem)

    def meddle(done: int) -> None:
        writer.add(f"after {done}", user_id="ana")
        writer.update("1999", text=f"changed {done}")
        writer.delete("1500")

    assert exported(mem, progress=meddle) == expected
    assert exported(mem) != expected


@pytest.mark.posix("forks")
def test_a_fork_does_not_wait_for_the_end_of_an_export(path: str, opened: Opened) -> None:
    mem = opened(path, embedder=None)
    mem.add_batch([f"note {n}" for n in range(1_000)], user_id="ana")
    took: list[float] = []

    def fork(done: int) -> None:
        started = time.monotonic()
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        took.append(time.monotonic() - started)

    mem.export(io.BytesIO(), progress=fork)
    assert max(took) < 9  # the gate gives up waiting after 10 s


def test_progress_is_told_to_the_end(mem: AgentMemory, opened: Opened) -> None:
    mem.add_batch([f"note {n}" for n in range(1_500)], user_id="ana")
    told: list[int] = []
    content = exported(mem, progress=told.append)
    imported(opened("memory://"), content, progress=told.append)
    assert told == [1_000, 1_500, 1_000, 1_500]


async def test_the_async_twins_do_the_same(mem: AgentMemory, opened: Opened, tmp_path: Path) -> None:
    fill(mem)
    assert await mem.aexport(tmp_path / "a.jsonl", vectors=True) == 7
    other = opened("memory://")
    assert await other.aimport_(tmp_path / "a.jsonl") == 7
    assert exported(other, vectors=True) == (tmp_path / "a.jsonl").read_bytes()


def test_a_closed_memory_neither_exports_nor_imports(mem: AgentMemory, tmp_path: Path) -> None:
    mem.close()
    for call in (mem.export, mem.import_, mem.backup):
        with pytest.raises(ClosedError):
            call(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_times_are_exact_to_the_microsecond(mem: AgentMemory, opened: Opened) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=1)
    mem.add("tea", user_id="ana", id="m", timestamp=at)
    other = opened("memory://")
    imported(other, exported(mem))
    found = other.get("m")
    assert found is not None
    assert found == mem.get("m")
    assert found.occurred_at == at
