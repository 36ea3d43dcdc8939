"""Writes the memory file that later versions must still be able to open, as the version at hand leaves it.

    python tests/core/migrations/make_fixture.py

makes `schema-NNNN.db.gz`, NNNN being the schema of this version, and `schema-NNNN.json.gz`, what was in it: the lines of an
export of each collection. Run it once for every schema, with the code that is released with it, and never again: a fixture is
evidence, and one made by later code proves nothing. `test_migrations.py` finds the files by their names.

There is a row of every kind: told once, changed, replaced, deleted, revived, expired, superseded; owed a vector; in Latin, CJK
and Thai script; with every field set, and with none; of users, of nobody, of a framework's items; in a collection that merges
twins, one that keeps them, and one without an embedder.
"""

import gzip
import io
import json
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

from agentmem_integrations import SHARED, AgentMemory
from agentmem_integrations.models import Memory, Scope
from agentmem_integrations.ports import Defer, Insert, Selection, Update
from agentmem_integrations.storage.sqlite.statements import migrations
from agentmem_integrations.testing.embedders import FailingEmbedder, HashEmbedder

HERE = Path(__file__).parent
DIM, WIDE = 16, 24
COLLECTIONS = ("default", "documents", "words")
SAID_AT = datetime(2026, 5, 2, 10, 0, tzinfo=UTC)


def fill(path: Path) -> None:
    """Write a row of every kind."""
    embedder = FailingEmbedder(dim=DIM, failing=False, poison="unembeddable")
    with AgentMemory(path, embedder=embedder) as mem:
        _conversation(mem)
        _changes(mem)
        _items(mem, embedder)
        owed = mem.add("an unembeddable sentence", user_id="ben", id="owed").events[0].memory
        (debt,) = [d for d in mem._engine.store.debts("default", 10, due_only=False) if d.text == owed.text]
        mem._engine.store.apply([Defer(debt.job, datetime(2026, 6, 1, tzinfo=UTC), "EmbeddingError")])
        documents = mem.collection("documents", embedder=HashEmbedder(WIDE, "wide"), twins="keep")
        documents.add_batch(["the same paragraph", "the same paragraph", {"text": "another one", "metadata": {"page": 3}}])
        words = mem.collection("words", embedder=None)
        words.add_batch(["found by its words alone", "and so is this"], user_id="ana")


def _conversation(mem: AgentMemory) -> None:
    mem.add_batch(
        [{"role": "user" if n % 2 else "assistant", "name": "Ana" if n % 2 else None, "content": f"turn {n} about tea number {n}",
          "timestamp": SAID_AT + timedelta(minutes=n), "id": f"turn {n}"} for n in range(30)],
        user_id="ana", agent_id="planner", session_id="s1",
    )  # fmt: skip
    mem.add("我的猫叫味噌", user_id="ana", id="chinese")
    mem.add("ฉันชอบชาเขียว", user_id="ana", id="thai")
    mem.add("das Äußere café naïve", user_id="ana@example.org/Zoë", id="latin")
    mem.add("the opening hours are nine to five", user_id=SHARED, id="hours")
    mem.add(
        "every field is set", user_id="ben", agent_id="planner", session_id="s2", role="user", name="Ben", timestamp=SAID_AT,
        metadata={"city": "Lisbon", "deep": {"list": [1, 2.5, None, True]}}, kind="semantic", importance=0.75,
        expires_at="2199-01-01T00:00:00Z", id="full",
    )  # fmt: skip


def _changes(mem: AgentMemory) -> None:
    mem.update("turn 1", text="turn 1 about coffee instead")
    mem.update("turn 1", text="turn 1 about water after all")
    mem.update("turn 2", metadata={"checked": True})
    mem.add("turn 3 in other words", user_id="ana", id="turn 3")
    mem.delete(["turn 4", "turn 5"], user_id="ana")
    mem.add("turn 5 came back", user_id="ana", id="turn 5")
    mem.purge("turn 6", user_id="ana")
    mem.add("gone by itself", user_id="ana", id="expired", expires_at="2000-01-01")
    mem.flush()
    mem.add("I live in Porto", user_id="ben", id="stale")
    mem.add("I live in Lisbon", user_id="ben", id="fresh")
    _apply(mem, Update(Selection("default", Scope("default", "ben"), ("stale",)), {"valid_to": SAID_AT, "superseded_by": "fresh"}))
    _apply(mem, Update(Selection("default", Scope("default", "ben"), ("fresh",)), {"provenance": {"model": "none", "from": ["stale"]}}))


def _items(mem: AgentMemory, embedder: HashEmbedder) -> None:
    now = datetime.now(UTC)
    for path, key, value, fields in (
        (("users", "ana"), "profile", {"title": "green tea", "body": "every morning"}, ("title", "body")),
        (("users", "ana"), "settings", {"theme": "dark"}, ()),
        (("users", "我"), "note", {"text": "an item of one text"}, ("text",)),
    ):
        text = str(value.get("text", value))
        item = Memory(key, text, occurred_at=now, created_at=now, updated_at=now, value=value)
        vectors = {field: embedder.embed_query(value[field]) for field in fields}
        _apply(mem, Insert(item, Scope("default", path=path), vectors))


def _apply(mem: AgentMemory, change: Any) -> None:
    (outcome,) = mem._engine.store.apply([change])
    assert isinstance(outcome, list), outcome


def told(path: Path) -> dict[str, list[Any]]:
    """Return what is in the file: the lines of an export of each collection."""
    found: dict[str, list[Any]] = {}
    for name in COLLECTIONS:
        with AgentMemory(path, embedder=None, namespace=name) as mem:
            target = io.BytesIO()
            mem.export(target, vectors=True)
        found[name] = [json.loads(line) for line in target.getvalue().splitlines()]
    return found


def main() -> int:
    """Write the fixture of this version's schema; refuse to replace one."""
    name = HERE / f"schema-{len(migrations()):04}"
    if name.with_suffix(".db.gz").exists():
        print(f"{name.name}.db.gz is there: a fixture is made once, with the code that was released", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memory.db"
        fill(path)
        lines = told(path)
        assert [p.name for p in Path(folder).iterdir()] == ["memory.db"], "closed, the file has no log beside it"
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        assert connection.pragma("integrity_check") == "ok"
        connection.close()
        name.with_suffix(".db.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        name.with_suffix(".json.gz").write_bytes(gzip.compress(json.dumps(lines, ensure_ascii=False).encode(), mtime=0))
    print(f"wrote {name.name}.db.gz and {name.name}.json.gz")
    return 0


if __name__ == "__main__":
    sys.exit(main())
