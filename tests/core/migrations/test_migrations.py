"""Files of every schema open; a migration is there as a whole or not at all; what is newer is left alone."""

import gzip
import hashlib
import json
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from agentmem_integrations import AgentMemory, SchemaError, StorageError, StoreFullError
from agentmem_integrations.storage.sqlite.file import connections, schema
from agentmem_integrations.storage.sqlite.statements import migrations
from agentmem_integrations.testing.embedders import FailingEmbedder, HashEmbedder
from agentmem_integrations.testing.faulty_disks import FailingVFS, PowerLossVFS

Opened = Callable[..., AgentMemory]
Run = Callable[..., str]

HERE = Path(__file__).parent
FIXTURES = sorted(HERE.glob("schema-*.db.gz"))
DIM, WIDE = 16, 24  # of the embedders in make_fixture.py


def named(fixture: Path) -> str:
    return fixture.name.removesuffix(".db.gz")


def number(fixture: Path) -> int:
    return int(named(fixture).removeprefix("schema-"))


@pytest.fixture(params=FIXTURES, ids=named)
def fixture(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def old(fixture: Path, path: str) -> str:
    """A file of an older schema, unpacked."""
    Path(path).write_bytes(gzip.decompress(fixture.read_bytes()))
    return path


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def looked_into(path: str) -> apsw.Connection:
    return apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)


def shape(path: str) -> dict[str, Any]:
    """All that makes a file's schema: statements without their layout, columns as SQLite has them, settings of the text index."""
    connection = looked_into(path)
    try:
        statements = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").fetchall()
        return {
            "statements": [
                (*names, None if sql is None else re.sub(r"\s+", " ", re.sub(r"--[^\n]*", "", sql))) for *names, sql in statements
            ],
            "columns": {name: connection.execute(f"PRAGMA table_xinfo({name})").fetchall() for _, name, *_ in statements},
            "indexes": {name: connection.execute(f"PRAGMA index_xinfo({name})").fetchall() for _, name, *_ in statements},
            # FTS5 raises its `version` by itself, with the first word that is deleted securely
            "text index": connection.execute("SELECT k, v FROM memories_fts_config WHERE k != 'version' ORDER BY k").fetchall(),
            **{p: connection.pragma(p) for p in ("user_version", "application_id", "page_size", "journal_mode", "encoding", "auto_vacuum")},
        }
    finally:
        connection.close()


def soundness(path: str) -> str:
    connection = apsw.Connection(path)
    try:
        connection.execute("INSERT INTO memories_fts (memories_fts, rank) VALUES ('integrity-check', 1)")
        assert connection.pragma("foreign_key_check") is None
        return str(connection.pragma("integrity_check"))
    finally:
        connection.close()


def lines_of(path: str, namespace: str) -> list[Any]:
    target = Path(path).with_name(f"{namespace}.jsonl")
    with AgentMemory(path, embedder=None, namespace=namespace) as mem:
        mem.export(target, vectors=True, overwrite=True)
    return [json.loads(line) for line in target.read_bytes().splitlines()]


def test_the_fixtures_are_small_and_each_has_what_was_in_it() -> None:
    assert number(FIXTURES[0]) == 1
    assert all(f.stat().st_size < 100_000 and f.with_name(f"{named(f)}.json.gz").exists() for f in FIXTURES)


def test_a_migrated_file_has_the_schema_of_a_fresh_one(old: str, tmp_path: Path) -> None:
    AgentMemory(old, embedder=None).close()
    fresh = str(tmp_path / "fresh.db")
    AgentMemory(fresh, embedder=None).close()
    assert shape(old) == shape(fresh)
    assert soundness(old) == "ok"


def test_nothing_is_lost(old: str, fixture: Path) -> None:
    told = json.loads(gzip.decompress(fixture.with_name(f"{named(fixture)}.json.gz").read_bytes()))
    for namespace, (header, *lines) in told.items():
        header_now, *lines_now = lines_of(old, namespace)
        assert {k: v for k, v in header_now.items() if k in header and k not in ("package", "version")} == {
            k: v for k, v in header.items() if k not in ("package", "version")
        }
        # A later version may tell more of a memory, and must tell all of this
        assert [{k: v for k, v in now.items() if k in then} for now, then in zip(lines_now, lines, strict=True)] == lines


def test_an_old_file_is_searched_and_added_to(old: str, opened: Opened) -> None:
    mem = opened(old, embedder=FailingEmbedder(dim=DIM, failing=False))
    assert mem.stats()["jobs"] == {"embed.waiting": 1}
    assert mem.search("turn 20 about tea number 20", user_id="ana", using="vector")[0].memory.id == "turn 20"
    assert [h.memory.id for h in mem.search("味噌", user_id="ana", using="text")] == ["chinese"]
    assert mem.search("water", user_id="ana", using="text")[0].memory.id == "turn 1"
    assert [(e.event, e.old_text) for e in mem.history("turn 1")] == [
        ("ADD", None), ("UPDATE", "turn 1 about tea number 1"), ("UPDATE", "turn 1 about coffee instead"),
    ]  # fmt: skip
    assert [e.event for e in mem.history("turn 4")] == ["ADD", "DELETE"]
    assert mem.get("turn 4") is None
    assert mem.add("turn 7 about tea number 7", user_id="ana", name="Ana", timestamp="2026-05-02T10:07:00Z", session_id="s1",
                   agent_id="planner", role="user").events[0].event == "NONE"  # fmt: skip
    assert mem.add("new words", user_id="ana", id="new").status == "done"
    mem.update("new", text="newer words")
    assert mem.search("newer words", user_id="ana")[0].memory.id == "new"
    assert mem.flush() == 0
    assert mem.search("an unembeddable sentence", user_id="ben", using="vector")[0].memory.id == "owed"
    assert mem.purge(user_id="ana") > 20
    documents = mem.collection("documents", embedder=HashEmbedder(WIDE, "wide"))
    assert len(documents.search("the same paragraph", using="vector")) == 3
    assert documents.reembed(HashEmbedder(DIM, "narrow")) == 3
    assert documents.search("another one", using="vector")[0].memory.metadata == {"page": 3}
    mem.close()
    assert soundness(old) == "ok"


# A migration that fails

BROKEN = {
    "in its first statement": "CREATE TABLE memories (no INTEGER);",
    "in the middle": "ALTER TABLE vectors ADD COLUMN half INTEGER; DELETE FROM memories WHERE id = 'turn 0'; SELECT * FROM nowhere;",
    "at the end": "DROP TABLE meta; INSERT INTO collections (no) VALUES (NULL);",
}


def is_still(old: str, version: int, before: dict[str, Any]) -> None:
    """The file is of the old schema, whole, and opens as ever once the migration is sound."""
    assert shape(old) == before
    assert before["user_version"] == version
    connection = looked_into(old)
    assert connection.pragma("integrity_check") == "ok"
    connection.close()
    with AgentMemory(old, embedder=None) as mem:
        assert mem.get("turn 0") is not None
    assert soundness(old) == "ok"


@pytest.mark.parametrize("broken", BROKEN)
def test_a_failing_migration_leaves_the_file_as_it_was(old: str, fixture: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    before, bytes_before = shape(old), digest(old)
    scripts = [*migrations(), BROKEN[broken]]
    with monkeypatch.context() as patch:
        patch.setattr(schema, "migrations", lambda: scripts)
        patch.setattr(connections, "migrations", lambda: scripts)
        with pytest.raises(StorageError):
            AgentMemory(old, embedder=None)
    assert digest(old) == bytes_before
    assert [p.name for p in Path(old).parent.iterdir()] == [Path(old).name]
    is_still(old, number(fixture), before)


@pytest.mark.parametrize("operation", ["write", "sync"])
def test_a_disk_that_fails_at_any_point_of_a_migration_leaves_the_file_as_it_was(
    old: str, fixture: Path, tmp_path: Path, operation: Any
) -> None:
    before, untouched = shape(old), Path(old).read_bytes()
    points = 0
    for nth in range(1, 10_000):
        target = tmp_path / f"{nth}"
        target.mkdir()
        (target / "memory.db").write_bytes(untouched)
        path = str(target / "memory.db")
        with FailingVFS() as disk:
            disk.fail(operation, nth=nth)
            try:
                AgentMemory(path, embedder=None).close()
            except StoreFullError:
                points += 1
            failed = disk.failed
            disk.mend()
        if not failed:
            break
        if shape(path)["user_version"] == number(fixture):  # else it failed after the commit, in the log's move into the file
            is_still(path, number(fixture), before)
        else:
            assert soundness(path) == "ok"
    assert points > 0


def test_a_power_cut_at_any_point_of_a_migration_leaves_one_schema_or_the_other(old: str, fixture: Path, tmp_path: Path) -> None:
    rng, cuts = random.Random(1), list[Path]()

    def cut(operation: int) -> None:
        if operation % 2:
            folder = tmp_path / f"cut {operation}"
            folder.mkdir()
            cuts.append(folder)
            disk.lose(folder, rng)

    before = shape(old)
    with PowerLossVFS(before=cut) as disk:
        AgentMemory(old, embedder=None).close()
    seen = set[int]()
    for folder in cuts:
        path = str(folder / "memory.db")
        seen.add(version := int(shape(path)["user_version"]))
        if version == number(fixture):
            is_still(path, version, before)
        with AgentMemory(path, embedder=None) as mem:
            assert len(mem.list(user_id="ana", limit=1_000)) == 30
        assert soundness(path) == "ok"
    assert seen == {number(fixture), len(migrations())}


KILLED = """
import os, signal, sys
from agentmem_integrations import AgentMemory
from agentmem_integrations.storage.sqlite.file import connections, schema
whole = schema.migrate
def migrate(connection, path):
    whole(connection, path)
    os.kill(os.getpid(), signal.SIGKILL)   # all is written, nothing is committed
connections.migrate = migrate
AgentMemory(sys.argv[1], embedder=None)
"""


@pytest.mark.posix("ends a program with SIGKILL")
def test_a_killed_migration_leaves_the_file_as_it_was(old: str, fixture: Path) -> None:
    before = shape(old)
    done = subprocess.run([sys.executable, "-c", KILLED, old], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    is_still(old, number(fixture), before)


# Newer files, and many at once


@pytest.fixture
def newer(old: str) -> Iterator[str]:
    connection = apsw.Connection(old)
    connection.execute(f"PRAGMA user_version={len(migrations()) + 1}")
    connection.close()
    assert not Path(f"{old}-wal").exists()
    return old


def test_a_newer_file_is_refused_and_left_untouched(newer: str) -> None:
    before = digest(newer)
    with pytest.raises(SchemaError, match=rf"schema {len(migrations()) + 1}, .*knows {len(migrations())}: upgrade"):
        AgentMemory(newer)
    assert digest(newer) == before
    assert [p.name for p in Path(newer).parent.iterdir()] == [Path(newer).name]


OPENING = """
import sys, time
from agentmem_integrations import AgentMemory
from agentmem_integrations.storage.sqlite.file import connections, schema
ran = 0
whole = connections.migrate
def migrate(connection, path):
    global ran
    ran += schema.version(connection, path) < len(schema.migrations())
    whole(connection, path)
connections.migrate = migrate
print("ready", flush=True)
sys.stdin.readline()
with AgentMemory(sys.argv[1], embedder=None) as mem:
    print(ran, len(mem.list(user_id="ana")), flush=True)
"""


def test_of_several_processes_that_open_an_old_file_one_migrates_it(old: str) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", OPENING, old], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate(timeout=60)[0].split() for process in processes]
    assert sorted(ran for ran, _ in told) == ["0", "0", "0", "1"]
    assert {count for _, count in told} == {"30"}
    assert shape(old)["user_version"] == len(migrations())
    assert soundness(old) == "ok"
