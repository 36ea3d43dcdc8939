"""Forgetting a person is one call, and it is whole: every collection, every trace, also of what is only owed."""

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from agentmem_integrations import SHARED, AgentMemory, InvalidInputError, ScopeError, StoreBusyError
from agentmem_integrations.models import Scope
from agentmem_integrations.ports import Selection, Update
from agentmem_integrations.storage.sqlite.store import SqliteStore
from agentmem_integrations.testing.embedders import FailingEmbedder, HashEmbedder
from agentmem_integrations.testing.faulty_disks import PowerLossVFS

Opened = Callable[..., AgentMemory]


def remains(folder: Path, *words: str) -> list[str]:
    """Return which words are still in some byte of some file."""
    content = b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())
    return [word for word in words if word.encode() in content]


def ask(path: str, sql: str, *values: Any) -> Any:
    connection = apsw.Connection(path)
    try:
        return connection.execute(sql, values).get
    finally:
        connection.close()


# Every collection


@pytest.fixture
def three(url: str, opened: Opened) -> AgentMemory:
    """Ana and Ben in three collections: by vectors, by words only, and of documents."""
    mem = opened(url)
    others = [mem.collection("words", embedder=None), mem.collection("documents", embedder=HashEmbedder(dim=8), twins="keep")]
    for part in (mem, *others):
        for user in ("qzjxana", "ben", SHARED):
            part.add("a qzjxsecret" if user == "qzjxana" else "a note", user_id=user, id="same", session_id="s", metadata={"a": 1})
    mem.delete("same", user_id="qzjxana")
    return mem


def counts(mem: AgentMemory) -> list[list[int]]:
    parts = [mem, mem.collection("words", embedder=None), mem.collection("documents", embedder=HashEmbedder(dim=8))]
    users: list[Any] = ["qzjxana", "ben", SHARED]
    return [[sum(part.stats(user_id=user).values()) for user in users] for part in parts]


def test_purging_a_user_in_all_collections_is_one_call(three: AgentMemory) -> None:
    assert counts(three) == [[1, 1, 1]] * 3
    assert three.purge(user_id="qzjxana", collections="all") == 3
    assert counts(three) == [[0, 1, 1]] * 3
    assert three.purge(user_id="qzjxana", collections="all") == 0


async def test_it_is_one_call_in_async_code_as_well(three: AgentMemory) -> None:
    assert await three.apurge(user_id="qzjxana", collections="all") == 3
    assert counts(three) == [[0, 1, 1]] * 3


def test_without_it_the_other_collections_keep_the_user(three: AgentMemory) -> None:
    assert three.purge(user_id="qzjxana") == 1
    assert counts(three) == [[0, 1, 1], [1, 1, 1], [1, 1, 1]]


def test_any_collection_can_purge_all_of_them(three: AgentMemory) -> None:
    assert three.collection("words", embedder=None).purge(user_id="qzjxana", collections="all") == 3
    assert counts(three) == [[0, 1, 1]] * 3


def test_collections_that_this_program_never_opened_are_purged_too(path: str, opened: Opened, tmp_path: Path) -> None:
    with opened(path) as mem:
        mem.collection("elsewhere", embedder=HashEmbedder(dim=16)).add("a qzjxsecret", user_id="qzjxana")
        mem.add("another qzjxsecret", user_id="qzjxana")
        mem.add("a note", user_id="ben")
    mem = opened(path, embedder=None)
    assert mem.purge(user_id="qzjxana", collections="all") == 2
    assert remains(tmp_path, "qzjx") == []
    assert [m.text for m in mem.list(user_id="ben")] == ["a note"]


@pytest.mark.parametrize(
    "narrow", [{"session_id": "s"}, {"id": "same"}, {"filter": {"a": 1}}, {"kind": "episode"}, {"after": "2026-01-01"}]
)
def test_what_narrows_a_purge_narrows_it_in_every_collection(three: AgentMemory, narrow: dict[str, Any]) -> None:
    three.collection("words", embedder=None).add("kept", user_id="qzjxana", kind="core", timestamp="2001-01-01")
    assert three.purge(user_id="qzjxana", collections="all", **narrow) == 3
    assert counts(three) == [[0, 1, 1], [1, 1, 1], [0, 1, 1]]


def test_nobodys_memories_can_be_purged_everywhere_if_they_are_named(three: AgentMemory) -> None:
    assert three.purge(user_id=SHARED, collections="all") == 3
    assert counts(three) == [[1, 1, 0]] * 3


def test_a_purge_everywhere_needs_a_name_and_is_no_business_of_a_view(three: AgentMemory) -> None:
    for call in (
        lambda: three.purge(collections="all"), lambda: three.purge("same", collections="all"),
        lambda: three.purge(session_id="s", collections="all"),
        lambda: three.collection("documents", embedder=HashEmbedder(dim=8)).purge(collections="all"),
    ):  # fmt: skip
        with pytest.raises(ScopeError, match="user_id"):
            call()
    with pytest.raises(ScopeError, match="bound"):
        three.for_user("qzjxana").purge(collections="all")
    with pytest.raises(InvalidInputError, match="collections"):
        three.purge(user_id="qzjxana", collections="every")  # type: ignore[arg-type]
    assert counts(three) == [[1, 1, 1]] * 3


# What is owed, and what others say


def job(path: str, user: str, kind: str = "extract") -> None:
    """Write a job that is about no memory, as a later version will."""
    connection = apsw.Connection(path)
    connection.execute(
        "INSERT INTO jobs (kind, scope, payload, due_at, created_at) SELECT ?, no, '[\"qzjxpayload\"]', 0, 0 FROM scopes WHERE owner = ?",
        (kind, user),
    )
    assert connection.changes() == 1
    connection.close()


def test_jobs_about_no_memory_go_with_their_owner(path: str, opened: Opened, tmp_path: Path) -> None:
    mem = opened(path, embedder=FailingEmbedder())
    for user in ("qzjxana", "ben"):
        mem.add("tea", user_id=user)
        job(path, user)
    assert mem.purge(user_id="qzjxana") == 1
    assert ask(path, "SELECT count(*) FROM jobs") == 2  # Ben's, for a vector and for facts
    assert remains(tmp_path, "qzjxana") == []
    assert mem.purge(user_id="ben") == 1
    assert remains(tmp_path, "qzjx", "ben") == []


def test_an_owner_of_whom_only_a_job_is_left_is_forgotten_as_well(path: str, opened: Opened, tmp_path: Path) -> None:
    mem = opened(path)
    mem.add("tea", user_id="qzjxana")
    connection = apsw.Connection(path)
    connection.execute("INSERT INTO scopes (collection, kind, owner) SELECT no, 'user', 'qzjxowner' FROM collections")
    connection.close()
    job(path, "qzjxowner")
    assert mem.purge(user_id="qzjxowner", session_id="s") == 0
    assert ask(path, "SELECT count(*) FROM jobs") == 1  # whose session it is, nobody can tell
    assert mem.purge(user_id="qzjxowner") == 0
    assert remains(tmp_path, "qzjxowner", "qzjxpayload") == []
    assert [m.text for m in mem.list(user_id="qzjxana")] == ["tea"]


def test_jobs_stay_while_a_memory_of_their_owner_does(path: str, opened: Opened) -> None:
    mem = opened(path)
    mem.add(["tea", "milk"], user_id="ana")
    first, last = mem.list(user_id="ana")
    job(path, "ana")
    mem.purge(first.id)
    assert ask(path, "SELECT count(*) FROM jobs") == 1
    mem.purge(last.id)
    assert ask(path, "SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM scopes)") == 0


def test_purging_a_successor_takes_its_id_out_of_those_it_replaced(path: str, opened: Opened, tmp_path: Path) -> None:
    mem, store = opened(path), SqliteStore(path)
    mem.add_batch([{"text": f"words {n}", "id": f"qzjxid{n}"} for n in range(3)] + [{"text": "old", "id": "old"}], user_id="ana")
    mem.add("of somebody else", user_id="ben", id="bens")
    for user in ("ana", "ben"):
        old = Selection("default", Scope("default", user), ("old" if user == "ana" else "bens",))
        store.apply([Update(old, {"superseded_by": "qzjxid1", "valid_to": mem.list(user_id="ana")[0].created_at})])
    store.close()
    mem.purge("qzjxid0", user_id="ana")
    before = mem.get("old")
    assert before is not None
    assert before.superseded_by == "qzjxid1"
    mem.purge("qzjxid1", user_id="ana")
    after = mem.get("old")
    assert after is not None
    assert after.superseded_by is None
    assert after.valid_to == before.valid_to
    assert mem.search("old", user_id="ana", using="text") == []  # what replaced it is gone; it is not true again
    his = mem.get("bens")
    assert his is not None
    assert his.superseded_by == "qzjxid1"  # another owner's, which only has the same id
    assert remains(tmp_path, "qzjxid0") == []
    file = io.BytesIO()
    mem.export(file, user_id="ana")
    assert opened("memory://").import_(io.BytesIO(file.getvalue())) == 2


# The disk


@pytest.mark.parametrize("keep", ["none", "some", "all"])
@pytest.mark.parametrize("durability", ["full", "normal"])
def test_a_power_cut_right_after_a_purge_brings_nothing_back(tmp_path: Path, opened: Opened, keep: str, durability: str) -> None:
    left, house = tmp_path / "left", tmp_path / "house"
    left.mkdir()
    house.mkdir()
    with PowerLossVFS() as disk:
        mem = opened(house / "memory.db", durability=durability)
        mem.add_batch([f"note {n}" for n in range(50)], user_id="ben")
        for seed in range(5 if keep == "some" else 2):
            mem.add(f"the qzjxsecret {seed}", user_id="qzjxana", id="qzjxid")
            mem.update("qzjxid", text=f"the qzjxother {seed}")
            disk.lose(left, random.Random(seed), keep)  # type: ignore[arg-type]
            assert keep == "none" or durability == "normal" or remains(left, "qzjxsecret")
            assert mem.purge(user_id="qzjxana") == 1
            disk.lose(left, random.Random(seed), keep)  # type: ignore[arg-type]
            assert remains(left, "qzjx") == []
            assert len(opened_and_listed(left, opened)) == 50
        mem.close()


def opened_and_listed(folder: Path, opened: Opened) -> list[Any]:
    with opened(folder / "memory.db") as after:
        return after.list(user_id="ben")


def test_a_purge_that_a_reader_holds_up_says_so_and_the_next_one_finishes_it(
    path: str, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentmem_integrations.storage.sqlite.file.connections.BUSY_TIMEOUT_S", 0.2)
    mem = opened(path)
    mem.add("the qzjxsecret", user_id="qzjxana")
    reader = apsw.Connection(path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM memories").fetchall()
    with pytest.raises(StoreBusyError, match="memories are erased"):
        mem.purge(user_id="qzjxana")
    assert mem.list(user_id="qzjxana") == []
    assert remains(tmp_path, "qzjxsecret")
    reader.execute("COMMIT")
    reader.close()
    assert mem.purge(user_id="qzjxana") == 0
    assert remains(tmp_path, "qzjx") == []


@pytest.mark.parametrize("verb", ["delete", "purge"])
def test_an_empty_filter_does_not_pass_for_naming_whose_memories_go(opened: Opened, verb: str) -> None:
    documents = opened("memory://", embedder=None, twins="keep")
    documents.add_batch(["tea", "milk"])
    with pytest.raises(ScopeError):
        getattr(documents, verb)(filter={})
    with pytest.raises(ScopeError):
        documents.replace([], filter={})
    assert len(documents.list()) == 2
