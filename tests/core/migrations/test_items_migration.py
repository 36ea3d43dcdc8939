"""A file of schema 5 may have items in its text index; from schema 6 on they are not there."""

import apsw

from agentmem_integrations import AgentMemory
from agentmem_integrations.models import ItemGet
from agentmem_integrations.storage.sqlite.file.schema import APPLICATION_ID
from agentmem_integrations.storage.sqlite.statements import migrations

ROW = "INSERT INTO memories (id, scope, kind, text, occurred_at, created_at, updated_at, value) VALUES (?, ?, 'episode', ?, 1, 1, 1, ?)"


def test_items_leave_the_text_index_and_memories_stay(path: str) -> None:
    old = apsw.Connection(path)
    for script in migrations()[:5]:
        old.execute(script).fetchall()
    old.execute("INSERT INTO collections (no, name, twins, created_at) VALUES (1, 'items', 'merge', 1)")
    old.execute("INSERT INTO scopes (no, collection, kind, owner) VALUES (1, 1, 'path', '[\"users\",\"ana\"]'), (2, 1, 'user', 'ana')")
    for row in (("item", 1, "quokka in the index", '{"n":1}'), ("memory", 2, "a wombat", None)):
        old.execute(ROW, row)
    old.execute("INSERT INTO memories_fts (rowid, scope, body, context) SELECT no, scope, body, context FROM memories_lexical")
    old.execute(f"PRAGMA application_id={APPLICATION_ID}").fetchall()
    old.execute("PRAGMA user_version=5").fetchall()
    old.close()

    with AgentMemory(path, namespace="items", embedder=None) as mem:
        (item,) = mem.items(embedder=None).batch([ItemGet(("users", "ana"), "item")])
        assert item is not None
        assert item.value == {"n": 1}  # type: ignore[union-attr]  # it is an item
        assert [hit.memory.id for hit in mem.search("wombat", user_id="ana", using="text")] == ["memory"]
        assert [finding.kind for finding in mem.verify().findings if finding.kind.startswith("text")] == []

    file = apsw.Connection(path)
    assert file.execute("SELECT rowid FROM memories_fts WHERE memories_fts MATCH 'quokka'").fetchall() == []
    file.execute("INSERT INTO memories_fts (memories_fts, rank) VALUES ('integrity-check', 1)")
    file.close()
