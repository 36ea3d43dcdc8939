"""What lies in the file: readable from outside, and gone when purged."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
import sqlite_vec

from agentmem_integrations import AgentMemory
from agentmem_integrations.testing.embedders import FailingEmbedder, HashEmbedder

Opened = Callable[..., AgentMemory]

SECRETS = ["zyxwvsecret", "qqmetavalue", "qqmetakey", "uuowner", "aaagent", "sssession", "nnspeaker", "iiidentity", "Zyxwv", "zyxwv"]


def outside(path: str) -> apsw.Connection:
    """Return a connection as any other program would open it."""
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    connection.enable_load_extension(True)
    connection.load_extension(sqlite_vec.loadable_path())
    return connection


def test_vectors_are_readable_from_outside_with_sqlite_vec(path: str, opened: Opened) -> None:
    mem = opened(path)
    mem.add_batch(["green tea", "black coffee", "cold milk"], user_id="ana")
    connection = outside(path)
    assert str(connection.execute("SELECT vec_version()").get).startswith("v0.1")
    rows = connection.execute(
        "SELECT m.text, vec_distance_cosine(v.vector, ?), vec_length(v.vector), vec_distance_L2(v.vector, ?) FROM vectors v "
        "JOIN memories m ON m.no = v.memory WHERE v.field = 'text' ORDER BY 2",
        (HashEmbedder().embed_query("black coffee").tobytes(), bytes(4 * 64)),
    ).fetchall()
    connection.close()
    assert rows[0][0] == "black coffee"
    assert rows[0][1] == pytest.approx(0, abs=1e-5)
    assert [r[2] for r in rows] == [64] * 3
    assert [r[3] for r in rows] == pytest.approx([1.0] * 3, abs=1e-5)
    similarities = {h.memory.text: h.parts["similarity"] for h in mem.search("black coffee", user_id="ana", using="vector")}
    assert {text: 1 - distance for text, distance, *_ in rows} == pytest.approx(similarities, abs=1e-5)


def test_there_is_one_vector_for_every_live_memory_and_none_for_others(path: str, opened: Opened) -> None:
    mem = opened(path)
    mem.add_batch([{"text": f"note {n}", "id": f"{n}"} for n in range(6)], user_id="ana")
    mem.update("0", text="changed")
    mem.update("1", importance=1)
    mem.delete("2")
    mem.purge("3")
    mem.add("note 2", id="2", user_id="ana")
    connection = outside(path)
    counted = connection.execute(
        "SELECT m.id, count(v.no) FROM memories m LEFT JOIN vectors v ON v.memory = m.no AND v.scope = m.scope GROUP BY m.id ORDER BY 1"
    ).fetchall()
    orphans = connection.execute("SELECT count(*) FROM vectors WHERE memory NOT IN (SELECT no FROM memories)").get
    connection.close()
    assert counted == [("0", 1), ("1", 1), ("2", 1), ("4", 1), ("5", 1)]
    assert orphans == 0


def remains(path: str) -> set[str]:
    """Return the secrets that some byte of the files still tells."""
    content = b"".join(p.read_bytes() for p in Path(path).parent.iterdir() if p.is_file())
    return {secret for secret in SECRETS if secret.encode() in content}


def fill(mem: AgentMemory, owner: str = "uuowner") -> None:
    fields: dict[str, Any] = {
        "user_id": owner, "agent_id": "aaagent", "session_id": "sssession", "name": "nnspeaker", "metadata": {"qqmetakey": "qqmetavalue"},
    }  # fmt: skip
    mem.add("the zyxwvsecret of somebody", id="iiidentity", **fields)
    mem.update("iiidentity", user_id=owner, text="another zyxwvsecret")
    mem.add("a deleted zyxwvsecret", id="iiidentity2", **fields)
    mem.delete("iiidentity2", user_id=owner)
    mem.add("long zyxwvsecret " + "zyxwvsecret " * 5_000, **fields)
    mem.add_batch([{"text": f"zyxwvsecret {n}", **{k: v for k, v in fields.items() if k != "user_id"}} for n in range(300)], user_id=owner)
    mem.search("zyxwvsecret", user_id=owner)


def test_purge_leaves_no_byte_of_a_user(path: str, opened: Opened) -> None:
    mem = opened(path)
    mem.add_batch([f"public note {n}" for n in range(300)], user_id="ben")
    fill(mem)
    assert remains(path) >= {"zyxwvsecret", "uuowner"}
    assert mem.purge(user_id="uuowner") == 303
    assert remains(path) == set()
    mem.close()
    assert remains(path) == set()
    assert len(opened(path).search("public", user_id="ben", k=1_000)) == 300


def test_purge_leaves_no_byte_of_single_memories(path: str, opened: Opened) -> None:
    mem = opened(path)
    fill(mem, "ben")
    assert mem.purge(filter={"qqmetakey": "qqmetavalue"}, user_id="ben") == 303
    assert remains(path) == set()


def test_purge_leaves_no_byte_of_what_was_owed_or_refused(path: str, opened: Opened) -> None:
    mem = opened(path, embedder=FailingEmbedder())
    mem.add("the zyxwvsecret", user_id="uuowner")
    mem.flush()
    mem.purge(user_id="uuowner")
    assert remains(path) == set()


def test_purge_leaves_no_byte_of_what_expired(path: str, opened: Opened) -> None:
    mem = opened(path)
    mem.add("the zyxwvsecret", user_id="uuowner", expires_at="2000-01-01")
    assert mem.purge(user_id="uuowner") == 1
    mem.add("the zyxwvsecret", user_id="uuowner", expires_at="2000-01-01")
    mem.flush()
    assert mem.purge(user_id="uuowner") == 1
    assert remains(path) == set()


def test_purge_reaches_what_an_earlier_program_wrote(path: str, opened: Opened) -> None:
    with opened(path) as mem:
        fill(mem)
    mem = opened(path)
    mem.purge(user_id="uuowner")
    assert remains(path) == set()


def test_the_file_stays_sound_under_all_that(path: str, opened: Opened) -> None:
    mem = opened(path)
    for _ in range(3):
        fill(mem)
        mem.purge(user_id="uuowner", kind="episode")
        fill(mem, "ben")
        mem.delete(user_id="ben")
    mem.close()
    connection = apsw.Connection(path)
    connection.execute("INSERT INTO memories_fts (memories_fts, rank) VALUES ('integrity-check', 1)")
    assert connection.pragma("integrity_check") == "ok"
    assert connection.pragma("foreign_key_check") is None
    connection.close()


def test_deleting_alone_keeps_the_words_in_history(path: str, opened: Opened) -> None:
    mem = opened(path)
    mem.add("the zyxwvsecret", id="m", user_id="ana")
    mem.delete("m")
    assert mem.history("m")[-1].old_text == "the zyxwvsecret"
