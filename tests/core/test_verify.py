"""`verify` names every kind of damage and nothing else; `repair` mends it and nothing else."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest
from damages import CASES, Case, no_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agentmem_integrations import DIFFERENCES, SHARED, AgentMemory, Report
from agentmem_integrations.models import Memory, Scope
from agentmem_integrations.ports import Insert, Selection, Update
from agentmem_integrations.storage.sqlite.integrity.words import in_place
from agentmem_integrations.testing.embedders import FailingEmbedder, HashEmbedder

Opened = Callable[..., AgentMemory]


def fill(mem: AgentMemory) -> None:
    """Store some of everything: several owners, languages, collections, changed, deleted and expired memories, items."""
    mem.add("The green tea is in the tin", id="tea", user_id="ana")
    mem.add("我喜欢喝绿茶", id="chinese", user_id="ana", name="安娜", timestamp="2026-05-02")
    mem.add("Ana moved to Lisbon", id="moved", user_id="ana", session_id="s1", agent_id="a1")
    mem.update("moved", user_id="ana", text="Ana moved to Porto", metadata={"city": "Porto", "n": [1, {"x": None}]})
    mem.update("moved", user_id="ana", importance=0.5)
    mem.add("Ana has a secret", id="buried", user_id="ana")
    mem.delete("buried", user_id="ana")
    mem.add("this is over", id="over", user_id="ana", expires_at="2000-01-01")
    mem.add_batch([{"text": f"note {n} of Ana", "id": f"note {n}"} for n in range(20)], user_id="ana", session_id="s2")
    mem.add_batch([{"text": f"note {n} of Ben, café ＡＢＣ", "id": f"ben {n}", "name": "Ben"} for n in range(20)], user_id="ben")
    mem.add("nobody's", user_id=SHARED, id="shared")
    mem.add("x" * 100, user_id="ana", kind="semantic", metadata={"key": "é" * 100})
    mem.add("é" * 40_000, user_id="ana")  # a word that the text index cuts
    mem.purge("shared", user_id=SHARED)
    docs = mem.collection("docs", embedder=None, twins="keep")
    docs.add_batch(["the same text", "the same text", "another text"])
    other = mem.collection("other", embedder=HashEmbedder(dim=32, name="other"))
    other.add("The green tea is in the tin", id="tea of another collection", user_id="ana")
    store, scope = mem._room.engine.store, Scope("default", path=("users", "ana"))
    memory = mem.get("tea", user_id="ana")
    assert memory is not None
    item = Memory(
        "item", "an item", occurred_at=memory.occurred_at, created_at=memory.created_at, updated_at=memory.updated_at, value={"a": 1}
    )
    store.apply([Insert(item, scope, {"a": HashEmbedder().embed_query("one")})])
    store.apply([Update(Selection("default", Scope("default", "ben"), ("ben 3",)), {"superseded_by": "ben 4"})])


@pytest.fixture
def sound(path: str, opened: Opened) -> str:
    """A file with some of everything, closed."""
    with opened(path) as mem:
        fill(mem)
    return path


def outside(path: str, inflict: Callable[[apsw.Connection], None]) -> None:
    """Change a file as another program would."""
    file = apsw.Connection(path)
    inflict(file)
    file.close()


def kinds(report: Report) -> dict[str, int]:
    return {finding.kind: finding.count for finding in report.findings}


def works(mem: AgentMemory) -> None:
    """Search, add, change and forget, in a file that is said to be sound."""
    for using in ("hybrid", "vector", "text"):
        assert mem.search("green tea tin", user_id="ana", k=1, using=using)[0].memory.text == "The green tea is in the tin"  # type: ignore[arg-type]
    assert [h.memory.id for h in mem.search("绿茶", user_id="ana", using="text")] == ["chinese"]
    added = mem.add("A new memory about whales", user_id="ana").events[0].memory
    assert mem.search("whales", user_id="ana", k=1)[0].memory == added
    mem.purge(added.id, user_id="ana")
    assert mem.add("The green tea is in the tin", user_id="ana").events[0].event == "NONE"


def soundness(path: str) -> None:
    """What SQLite itself says."""
    file = apsw.Connection(path)
    file.set_busy_timeout(10_000)  # a thread of the memory may be copying the log
    file.execute("INSERT INTO memories_fts (memories_fts, rank) VALUES ('integrity-check', 1)")
    assert file.pragma("integrity_check") == "ok"
    assert file.pragma("foreign_key_check") is None
    file.close()


def test_a_sound_file_is_sound(sound: str, opened: Opened) -> None:
    mem = opened(sound)
    report = mem.verify()
    assert report.findings == []
    assert report.ok
    assert report.checked["memories"] == report.checked["words"] > 50
    assert report.checked["vectors"] > 40
    assert report.checked["history"] > 5
    assert mem.repair() == report
    for user in ("ana", "ben", SHARED, "nobody"):
        assert mem.verify(user_id=user).findings == []
    assert mem.verify(user_id="ana").checked["memories"] > mem.verify(user_id="ben").checked["memories"] == 20
    assert mem.verify(user_id="nobody").checked["memories"] == 0


def test_what_is_stored_in_ram_is_sound(mem: AgentMemory) -> None:
    fill(mem)
    assert mem.verify().findings == []
    assert mem.repair().ok


def test_an_empty_file_is_sound(mem: AgentMemory) -> None:
    assert mem.verify().findings == []


@pytest.mark.parametrize("name", CASES)
def test_damage_is_named_and_mended(sound: str, opened: Opened, name: str) -> None:
    case = CASES[name]
    outside(sound, case.inflict)
    mem = opened(sound)
    before = mem.verify()
    assert kinds(before) == {case.kind: case.count}
    assert not before.ok
    assert all(finding.mendable for finding in before.findings)
    assert kinds(mem.verify()) == kinds(before), "verify changes nothing"
    repaired = mem.repair()
    assert repaired.ok, repaired
    assert kinds(repaired)[case.kind] == case.count
    if not case.whole:
        assert set(kinds(repaired)) == {case.kind}, "mended as it is, and not by making more anew"
    assert repaired.mended >= case.count
    assert mem.verify().findings == []
    works(mem)
    mem.close()
    soundness(sound)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.whole])
def test_damage_of_one_user_is_nobody_elses(sound: str, opened: Opened, name: str) -> None:
    case = CASES[name]
    outside(sound, case.inflict)
    mem = opened(sound)
    assert kinds(mem.verify(user_id="ana")) == {case.kind: case.count}
    assert mem.for_user("ben").verify().findings == []
    assert mem.for_user("ben").repair().findings == []
    assert mem.collection("other", embedder=HashEmbedder(dim=32, name="other")).verify(user_id="ana").findings == []
    assert kinds(mem.verify()) == {case.kind: case.count}
    assert mem.for_user("ana").repair().ok
    assert mem.verify().findings == []


def test_words_in_another_order_never_fold_into_the_same_number() -> None:
    texts = [[b"%d" % (n * 7 + m) for m in range(7)] for n in range(2_000)]
    folded = [sum(in_place(word, "body", place) for place, word in enumerate(words)) for words in texts]
    turned = [sum(in_place(word, "body", place) for place, word in enumerate(reversed(words))) for words in texts]
    assert not any(one == other for one, other in zip(folded, turned, strict=True))


def test_every_kind_is_damaged_by_some_test() -> None:
    elsewhere = {"vector_unsealed", "memory_unreadable", "owner_missing", "file_damaged"}
    assert {case.kind for case in CASES.values()} | elsewhere == set(DIFFERENCES)


def test_ids_name_memories_and_never_owners(sound: str, opened: Opened) -> None:
    outside(sound, CASES["a_vector_is_missing_and_nobody_owes_it"].inflict)
    outside(sound, CASES["the_text_index_has_words_of_a_memory_that_never_was"].inflict)
    found = {finding.kind: finding.ids for finding in opened(sound).verify().findings}
    assert found == {"vector_missing": ["tea"], "text_orphaned": ["#1000000"]}


def test_words_changed_underneath_are_seen_in_all_that_follows_from_them(sound: str, opened: Opened) -> None:
    outside(sound, lambda file: file.execute("UPDATE memories SET text = 'The black coffee is in the jar' WHERE id = 'tea'"))
    mem = opened(sound)
    assert kinds(mem.verify()) == {"text_stale": 1, "vector_stale": 1, "twin_wrong": 1}
    assert mem.repair().ok
    assert mem.verify().findings == []
    for using in ("vector", "text"):
        assert mem.search("black coffee jar", user_id="ana", k=1, using=using)[0].memory.id == "tea"  # type: ignore[arg-type]
    assert mem.add("The black coffee is in the jar", user_id="ana").events[0].event == "NONE"


def test_a_reader_that_keeps_vectors_in_ram_sees_what_was_repaired(sound: str, opened: Opened) -> None:
    mem = opened(sound)
    outside(sound, CASES["a_vector_is_that_of_other_words"].inflict)
    assert mem.search("green tea tin", user_id="ana", k=1, using="vector")[0].memory.id != "tea"
    opened(sound).repair()
    assert mem.search("green tea tin", user_id="ana", k=1, using="vector")[0].memory.id == "tea"


def test_a_misplaced_vector_is_put_back_and_not_thrown_away(sound: str, opened: Opened) -> None:
    def move(file: apsw.Connection) -> None:
        file.execute("UPDATE vectors SET scope = scope + 1 WHERE memory = ?", (no_of(file, "tea"),))

    outside(sound, move)
    embedder = HashEmbedder()
    mem = opened(sound, embedder=embedder)
    assert kinds(mem.verify()) == {"vector_misplaced": 1, "vector_missing": 1}
    mem.repair()
    assert mem.verify().findings == []
    works(mem)


def test_a_vector_that_nobody_can_make_is_reported_and_kept(path: str, opened: Opened) -> None:
    mem = opened(path, embedder=None)
    memory = mem.add("brought along", user_id="ana", id="brought").events[0].memory
    store, vector = mem._room.engine.store, HashEmbedder().embed_query("something")
    store.apply([Update(Selection("default", Scope("default", "ana"), (memory.id,)), {}, {"text": vector})])
    assert mem.verify().findings == []
    broken = vector.copy()
    broken[0] += 1e-4
    outside(path, lambda file: file.execute("UPDATE vectors SET vector = ?", (broken.tobytes(),)))
    report = mem.repair()
    (finding,) = report.findings
    assert (finding.kind, finding.count, finding.mendable, finding.mended) == ("vector_damaged", 1, False, 0)
    assert "nobody here can make this vector" in finding.advice
    assert not report.ok
    file = apsw.Connection(path)
    assert file.execute("SELECT vector FROM vectors").get == broken.tobytes()
    file.close()


def test_a_vector_of_another_field_of_an_item_is_reported_and_kept(sound: str, opened: Opened) -> None:
    outside(sound, lambda file: file.execute("UPDATE vectors SET vector = zeroblob(256) WHERE field = 'a'"))
    (finding,) = opened(sound).repair().findings
    assert (finding.kind, finding.ids, finding.mendable) == ("vector_damaged", ["item"], False)


def test_vectors_of_an_older_file_are_sealed_by_repair(sound: str, opened: Opened) -> None:
    outside(sound, lambda file: file.execute("UPDATE vectors SET seal = NULL"))
    mem = opened(sound)
    before = mem.verify()
    assert kinds(before) == {"vector_unsealed": before.checked["vectors"]}
    assert before.ok, "nothing is wrong with them"
    assert mem.repair().mended == before.checked["vectors"]
    assert mem.verify().findings == []
    outside(sound, CASES["a_bit_of_a_vector_has_flipped"].inflict)
    assert kinds(mem.verify()) == {"vector_damaged": 1}


def test_a_vector_without_a_seal_as_in_files_of_schema_1_is_checked_and_sealed(path: str, opened: Opened) -> None:
    with opened(path) as mem:
        mem.add("The green tea is in the tin", id="tea", user_id="ana")

    def back(file: apsw.Connection) -> None:
        file.execute("UPDATE vectors SET seal = NULL")

    outside(path, back)
    mem = opened(path)
    assert kinds(mem.verify()) == {"vector_unsealed": 1}
    assert mem.repair().ok
    assert mem.verify().findings == []


def test_a_memory_that_says_what_another_says_is_not_mended_but_named(sound: str, opened: Opened) -> None:
    def repeat(file: apsw.Connection) -> None:
        row = file.execute("SELECT text, lexical, context, session_id FROM memories WHERE id = 'note 1'").fetchall()[0]
        file.execute("UPDATE memories SET text = ?, lexical = ?, context = ?, session_id = ? WHERE id = 'note 2'", row)

    outside(sound, repeat)
    mem = opened(sound)
    report = mem.repair()
    assert not report.ok
    (left,) = [finding for finding in report.findings if not finding.mendable]
    assert (left.kind, left.ids) == ("twin_wrong", ["note 2"])
    assert kinds(mem.verify()) == {"twin_wrong": 1}
    mem.delete("note 1", user_id="ana")
    assert mem.repair().ok
    assert mem.verify().findings == []


def test_a_unique_index_that_cannot_be_is_left_with_a_way_out(sound: str, opened: Opened) -> None:
    def repeat(file: apsw.Connection) -> None:
        file.execute("DROP INDEX memories_id; UPDATE memories SET id = 'note 1' WHERE id = 'note 2'")

    outside(sound, repeat)
    report = opened(sound).repair()
    (finding,) = report.findings
    assert (finding.kind, finding.ids, finding.mendable, finding.mended) == ("schema_differs", ["memories_id"], False, 0)
    assert "export what can be read" in finding.advice
    assert not report.ok


def test_readers_notice_when_a_line_of_history_is_erased_and_its_number_used_again(path: str, opened: Opened) -> None:
    reader, mem = opened(path), opened(path)
    mem.add_batch([{"text": "green tea", "id": "tea"}, {"text": "black coffee", "id": "coffee"}], user_id="ana")
    mem.update("coffee", user_id="ana", importance=1)
    outside(path, CASES["a_line_of_history_is_of_no_memory"].inflict)
    assert reader.search("green tea", user_id="ana", k=1, using="vector")[0].memory.id == "tea"
    mem.repair()
    mem.update("coffee", user_id="ana", text="yellow bus")
    assert reader.search("yellow bus", user_id="ana", k=1, using="vector")[0].score > 0.9


def test_what_is_no_json_is_kept_where_it_can_be_read(sound: str, opened: Opened) -> None:
    outside(sound, CASES["metadata_are_no_json"].inflict)
    mem = opened(sound)
    mem.repair()
    memory = mem.get("tea", user_id="ana")
    assert memory is not None
    assert memory.metadata == {"unreadable": '{"city": "Lis'}


def test_bytes_that_are_no_text_are_named(sound: str, opened: Opened) -> None:
    outside(sound, lambda file: file.execute("UPDATE memories SET text = CAST(x'ff00fe' AS TEXT) WHERE id = 'note 7'"))
    mem = opened(sound)
    report = mem.repair()
    (finding,) = report.findings
    assert (finding.kind, finding.count, finding.mendable) == ("memory_unreadable", 1, False)
    assert "restore a backup" in finding.advice
    assert not report.ok


def test_a_time_that_is_none_is_named(sound: str, opened: Opened) -> None:
    outside(sound, lambda file: file.execute("UPDATE memories SET updated_at = 1 << 62 WHERE id = 'note 7'"))
    (finding,) = opened(sound).verify().findings
    assert (finding.kind, finding.ids) == ("memory_unreadable", ["note 7"])


def test_memories_of_a_lost_owner_are_named(sound: str, opened: Opened) -> None:
    outside(sound, lambda file: file.execute("DELETE FROM scopes WHERE owner = 'ben'"))
    (finding,) = opened(sound).repair().findings
    assert (finding.kind, finding.count, finding.mendable) == ("owner_missing", 20, False)


def test_a_page_of_the_memories_that_is_damaged_is_named(path: str, opened: Opened) -> None:
    with opened(path) as mem:
        mem.add_batch([f"note {n} " + "x" * 500 for n in range(300)], user_id="ana")
    file = apsw.Connection(path)
    file.pragma("journal_mode", "delete")
    page = file.execute("SELECT pageno FROM dbstat WHERE name = 'memories' AND pagetype = 'leaf' LIMIT 1 OFFSET 5").get
    file.close()
    with Path(path).open("r+b") as raw:
        raw.seek((page - 1) * 8_192)
        raw.write(bytes(8_192))
    mem = opened(path)
    for report in (mem.verify(), mem.repair()):
        assert not report.ok
        damaged = [finding for finding in report.findings if finding.kind == "file_damaged"]
        assert damaged
        assert all("restore a backup" in finding.advice and not finding.mendable for finding in damaged)


def test_the_vectors_can_be_gone_as_a_whole(sound: str, opened: Opened) -> None:
    outside(sound, lambda file: file.execute("DROP TABLE vectors"))
    mem = opened(sound)
    assert set(kinds(mem.verify())) == {"schema_differs"}
    repaired = mem.repair()
    assert repaired.ok
    assert repaired.owed == 1, "the other collection's, whose embedder is not here"
    works(mem)
    mem.collection("other", embedder=HashEmbedder(dim=32, name="other")).repair()
    assert mem.verify().owed == 0


def test_repair_touches_what_differs_and_nothing_else(path: str, opened: Opened) -> None:
    mem = opened(path, embedder="static")
    mem.add_batch([f"note {n} about topic {n % 37}" for n in range(20_000)], user_id="ana")
    words = "SELECT 'delete', no, scope, body, context FROM memories_lexical"
    outside(
        path, lambda file: file.execute(f"INSERT INTO memories_fts (memories_fts, rowid, scope, body, context) {words} WHERE no % 20 = 0")
    )
    told: list[int] = []
    writer = mem._room.engine.store._connections._writer  # type: ignore[attr-defined]  # what SQLite counts
    changes = writer.total_changes()
    report = mem.repair(progress=told.append)
    assert kinds(report) == {"text_missing": 1_000}
    assert report.mended == told[-1] == 1_000
    assert told == sorted(told)
    assert writer.total_changes() - changes < 3_000, "rebuilding would write all 20,000"
    assert mem.verify().ok

    def put_in(file: apsw.Connection) -> None:
        file.execute(f"INSERT INTO memories_fts (memories_fts, rowid, scope, body, context) {words} WHERE no <= 300")
        file.execute("INSERT INTO memories_fts (rowid, scope, body) SELECT no, scope, 'running dogs' FROM memories WHERE no <= 300")
        file.execute("INSERT INTO memories_fts (rowid, scope, body) SELECT no + 100000, scope, text FROM memories WHERE no <= 300")

    outside(path, put_in)
    changes = writer.total_changes()
    report = mem.repair()
    assert kinds(report) == {"text_stale": 300, "text_orphaned": 300}
    assert report.mended == 600
    assert writer.total_changes() - changes < 100, "nothing was made anew as a whole"
    assert mem.verify().ok


def test_verify_tells_how_far_it_is(sound: str, opened: Opened) -> None:
    told: list[int] = []
    report = opened(sound).verify(progress=told.append)
    assert told[-1] == report.checked["memories"]


def test_repair_owes_what_the_embedder_cannot_make(sound: str, opened: Opened) -> None:
    outside(sound, CASES["a_vector_is_that_of_other_words"].inflict)
    embedder = FailingEmbedder()
    mem = opened(sound, embedder=embedder, embedding_cache_bytes=0)  # else the vector would be taken from there
    repaired = mem.repair()
    assert (repaired.ok, repaired.owed) == (True, 1)
    assert mem.verify().ok
    assert mem.verify().owed == 1
    embedder.failing = False
    assert mem.flush() == 0
    works(mem)


def test_verify_finds_nothing_while_others_write(path: str, opened: Opened) -> None:
    mem, stop = opened(path), threading.Event()

    def write() -> None:
        n = 0
        while not stop.is_set():
            mem.add(f"note {n}", id=f"{n % 50}", user_id="ana")
            if n % 7 == 0:
                mem.delete(f"{n % 50}", user_id="ana")
            if n % 31 == 0:
                mem.purge(f"{n % 50}", user_id="ana")
            n += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(10):
            assert mem.verify().findings == []
            assert mem.repair().findings == []
    finally:
        stop.set()
        writer.join()


def test_repair_mends_while_others_write(path: str, opened: Opened) -> None:
    mem, stop = opened(path), threading.Event()
    mem.add_batch([{"text": f"note {n} of old", "id": f"{n}"} for n in range(600)], user_id="ana")

    def damage(file: apsw.Connection) -> None:
        file.execute("INSERT INTO memories_fts (rowid, scope, body) SELECT no + 100000, scope, text FROM memories")
        file.execute("UPDATE vectors SET seal = zeroblob(16) WHERE memory % 2")
        file.execute("UPDATE memories SET twin = NULL WHERE no % 3 = 0")

    outside(path, damage)

    def write() -> None:
        n = 0
        while not stop.is_set():
            mem.update(f"{n % 600}", user_id="ana", text=f"note {n} of new")
            n += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        mem.repair()
    finally:
        stop.set()
        writer.join()
    assert mem.repair().ok
    assert mem.verify().findings == []
    mem.close()
    soundness(path)


OWED_AFTER_ALL = {"a_job_is_for_a_vector_that_is_there", "a_vector_is_missing_and_nobody_owes_it"}
"""Two damages that undo each other: a vector is missing, and a job owes it."""


@settings(max_examples=25)
@given(names=st.lists(st.sampled_from(sorted(CASES)), min_size=2, max_size=6, unique=True))
def test_damage_of_many_kinds_is_mended(tmp_path_factory: Any, names: list[str]) -> None:
    assume(set(names) != OWED_AFTER_ALL)
    path = str(tmp_path_factory.mktemp("damaged") / "memory.db")
    with AgentMemory(path, embedder=HashEmbedder()) as mem:
        fill(mem)
    for name in names:
        inflict_if_possible(path, CASES[name])
    with AgentMemory(path, embedder=HashEmbedder()) as mem:
        assert not mem.verify().ok
        repaired = mem.repair()
        assert repaired.ok, repaired
        assert mem.verify().findings == []
        works(mem)
    soundness(path)


def inflict_if_possible(path: str, case: Case) -> None:
    """What was damaged before may leave nothing to damage."""
    try:
        outside(path, case.inflict)
    except (apsw.Error, IndexError, TypeError):
        return


async def test_the_async_twins_do_the_same(sound: str, opened: Opened) -> None:
    outside(sound, CASES["a_memory_is_missing_from_the_text_index"].inflict)
    mem = opened(sound)
    assert kinds(await mem.averify()) == {"text_missing": 1}
    assert (await mem.arepair()).ok
    assert (await mem.averify(user_id="ana")).findings == []


def test_purging_a_successor_leaves_no_trace_of_its_id(path: str, opened: Opened) -> None:
    mem = opened(path)
    mem.add("old", id="old", user_id="ana")
    mem.add("new", id="qzjxnew", user_id="ana")
    mem._room.engine.store.apply([Update(Selection("default", Scope("default", "ana"), ("old",)), {"superseded_by": "qzjxnew"})])
    mem.purge("qzjxnew", user_id="ana")
    assert mem.verify().findings == []
    mem.close()
    assert b"qzjxnew" not in Path(path).read_bytes()


def test_seals_tell_words_from_numbers() -> None:
    from agentmem_integrations.storage.sqlite.rows import HALF, seal

    vector = np.ones(4, "<f4").tobytes()
    base = seal("text", "Ana", vector)
    assert len(base) == 2 * HALF
    assert seal("text", None, vector)[:HALF] != base[:HALF] != seal("other", "Ana", vector)[:HALF]
    assert seal("other", "Ana", vector)[HALF:] == base[HALF:] != seal("text", "Ana", bytes(16))[HALF:]


def cut_short(path: str) -> None:
    with Path(path).open("r+b") as raw:
        raw.truncate(16_384)


def overwritten(path: str) -> None:
    with Path(path).open("r+b") as raw:
        raw.write(b"something else " * 1_000)


def of_a_newer_version(path: str) -> None:
    outside(path, lambda file: file.execute("PRAGMA user_version=99"))


@pytest.mark.parametrize("spoil", [cut_short, overwritten, of_a_newer_version])
def test_a_file_that_is_spoilt_while_it_is_open_is_reported(sound: str, opened: Opened, spoil: Callable[[str], None]) -> None:
    mem = opened(sound)
    spoil(sound)
    for report in (mem.verify(), mem.repair(), mem.verify(user_id="ana")):
        assert not report.ok
        damaged = [finding for finding in report.findings if finding.kind == "file_damaged"]
        assert damaged
        assert not any(finding.mendable for finding in damaged)
