"""After purge no byte is left. Every column of every table takes part: one without an entry here fails the first test.

`PLANTERS` has, for each column that can hold what a user said or is called, a function that puts something recognisable
there; `HOLDS_NOTHING` has the other columns, each with the reason.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.fingerprint import embedding_key, fingerprint
from agentmem_integrations.models import Identity, Memory, Scope
from agentmem_integrations.pipeline.write_stages.debts import Debts
from agentmem_integrations.ports import Defer, Entrust, Insert, Learned, Resolve, Selection, Update
from agentmem_integrations.storage.sqlite.rows import seal
from agentmem_integrations.storage.sqlite.store import SqliteStore
from agentmem_integrations.testing.embedders import FailingEmbedder, HashEmbedder

Opened = Callable[..., AgentMemory]

USER, AGENT, SESSION = "qzjxowner@example.org", "qzjxagent", "qzjxsession"
FIELDS: dict[str, Any] = {"agent_id": AGENT, "session_id": SESSION, "metadata": {"planted": True}}
SCOPE = Scope("default", USER, AGENT, SESSION)
POISON = "poisoned"  # a text with this word gets no vector, so that one is owed


@dataclass
class Ground:
    """The file that is planted in, and what was planted."""

    mem: AgentMemory
    store: SqliteStore
    path: str
    ids: list[str] = field(default_factory=list)

    def add(self, text: str, **fields: Any) -> Memory:
        memory = self.mem.add(text, user_id=USER, **{**FIELDS, **fields}).events[0].memory
        self.ids.append(memory.id)
        return memory

    def change(self, id: str, **changes: Any) -> None:
        """Change what the public API does not change yet."""
        self.store.apply([Update(Selection("default", SCOPE, (id,)), changes)])


Planter = Callable[[Ground], list[bytes]]
PLANTERS: dict[tuple[str, str], Planter] = {}


def plants(table: str, column: str) -> Callable[[Planter], Planter]:
    """Register a planter: it returns the bytes that are in the column then, and nowhere after a purge."""

    def register(planter: Planter) -> Planter:
        PLANTERS[table, column] = planter
        return planter

    return register


@plants("scopes", "owner")
def plant_the_owner(ground: Ground) -> list[bytes]:
    ground.add("something")
    return [USER.encode()]


@plants("memories", "id")
def plant_an_id(ground: Ground) -> list[bytes]:
    ground.add("an id of one's own", id="qzjxidentity")
    return [b"qzjxidentity"]


@plants("memories", "text")
def plant_texts(ground: Ground) -> list[bytes]:
    ground.add("the qzjxtextword")
    ground.add("long " + "qzjxlongtext " * 5_000)  # over many pages
    deleted = ground.add("the qzjxdeletedtext")
    ground.mem.delete(deleted.id, user_id=USER)
    ground.add("the qzjxexpiredtext", expires_at="2000-01-01")
    ground.mem.flush()
    items = [{"text": f"bulk qzjxbulk{n:03}", "id": f"bulk {n}"} for n in range(200)]
    ground.ids += [r.events[0].memory.id for r in ground.mem.add_batch(items, user_id=USER, **FIELDS)]
    return [b"qzjxtextword", b"qzjxlongtext", b"qzjxdeletedtext", b"qzjxexpiredtext", *(f"qzjxbulk{n:03}".encode() for n in range(200))]


@plants("memories", "lexical")
def plant_words_without_spaces(ground: Ground) -> list[bytes]:
    ground.add("我的密码藏在花园里")
    ground.add("รหัสผ่านของฉัน", name="ผู้พูด")
    return ["密码 码藏".encode(), "รห หส".encode()]


@plants("memories", "context")
def plant_a_speaker_and_a_date(ground: Ground) -> list[bytes]:
    ground.add("said by somebody", name="Qzjxcontext", timestamp="1987-06-05")
    return [b"Qzjxcontext 5 June 1987"]


@plants("memories", "twin")
def plant_a_fingerprint(ground: Ground) -> list[bytes]:
    return [fingerprint(ground.add("the fingerprint of this"))]


@plants("memories", "agent_id")
def plant_an_agent(ground: Ground) -> list[bytes]:
    ground.add("told to an agent", agent_id="qzjxotheragent")
    return [AGENT.encode(), b"qzjxotheragent"]


@plants("memories", "session_id")
def plant_a_session(ground: Ground) -> list[bytes]:
    ground.add("told in a session")
    return [SESSION.encode()]


@plants("memories", "role")
def plant_a_role(ground: Ground) -> list[bytes]:
    ground.add("told in a role", role="qzjxrole")
    return [b"qzjxrole"]


@plants("memories", "name")
def plant_a_name(ground: Ground) -> list[bytes]:
    ground.add("told by name", name="Qzjxname")
    return [b"Qzjxname"]


@plants("memories", "superseded_by")
def plant_a_successor(ground: Ground) -> list[bytes]:
    ground.add("the successor", id="qzjxsuccessor")
    ground.change(ground.add("the predecessor").id, superseded_by="qzjxsuccessor")
    return [b"qzjxsuccessor"]


@plants("memories", "metadata")
def plant_metadata(ground: Ground) -> list[bytes]:
    ground.add("with metadata", metadata={"planted": True, "qzjxkey": {"deep": ["qzjxvalue", "qzjxlong " * 3_000]}})
    changed = ground.add("with metadata that changed", metadata={"planted": True, "before": "qzjxbefore"})
    ground.mem.update(changed.id, user_id=USER, metadata={"planted": True, "after": "qzjxafter"})
    return [b"qzjxkey", b"qzjxvalue", b"qzjxlong", b"qzjxafter"]


@plants("memories", "provenance")
def plant_provenance(ground: Ground) -> list[bytes]:
    ground.change(ground.add("with provenance").id, provenance={"from": "qzjxprovenance"})
    return [b"qzjxprovenance"]


@plants("memories", "value")
def plant_a_value(ground: Ground) -> list[bytes]:
    now = datetime.now(UTC)
    memory = Memory("an item", "an item", metadata={"planted": True}, user_id=USER, agent_id=AGENT, session_id=SESSION,
                    occurred_at=now, created_at=now, updated_at=now, value={"text": "qzjxitem"})  # fmt: skip
    ground.store.apply([Insert(memory, SCOPE)])
    ground.ids.append(memory.id)
    return [b"qzjxitem"]


@plants("vectors", "vector")
def plant_vectors(ground: Ground) -> list[bytes]:
    texts = [f"a vector of {n}" for n in range(20)]
    for text in texts:
        ground.add(text)
    rewritten = ground.add("a vector of old")
    ground.mem.update(rewritten.id, user_id=USER, text="a vector of new")
    whole = [v.tobytes() for v in FailingEmbedder(failing=False).embed_documents([*texts, "a vector of new"])]
    # A change of the embedder that was interrupted: its vectors lie beside the others
    following = HashEmbedder(96, "next")
    with pytest.raises(InterruptedError):
        ground.mem.reembed(following, progress=_interrupted)
    whole += [v.tobytes() for v in following.embed_documents([*texts, "a vector of new"])]
    return [v[start : start + 16] for v in whole for start in range(0, len(v), 64)]  # nor a piece of one


@plants("vectors", "seal")
def plant_seals(ground: Ground) -> list[bytes]:
    texts = [f"a seal of {n}" for n in range(20)]
    for text in texts:
        ground.add(text)
    vectors = FailingEmbedder(failing=False).embed_documents(texts)
    return [seal(text, None, vector.tobytes()) for text, vector in zip(texts, vectors, strict=True)]


def _interrupted(done: int) -> None:
    raise InterruptedError


@plants("history", "old_text")
def plant_history(ground: Ground) -> list[bytes]:
    id = ground.add("the qzjxfirst words").id
    ground.mem.update(id, user_id=USER, text="the qzjxsecond words")
    ground.mem.update(id, user_id=USER, text="the third words")
    replaced = ground.add("the qzjxreplaced words")
    ground.add("in their place", id=replaced.id)
    return [b"qzjxfirst", b"qzjxsecond", b"qzjxreplaced"]


@plants("history", "provenance")
def plant_history_of_provenance(ground: Ground) -> list[bytes]:
    ground.change(ground.add("decided by somebody").id, provenance={"decided": "qzjxdecision"})
    return [b"qzjxdecision"]


@plants("jobs", "error")
def plant_the_error_of_a_job(ground: Ground) -> list[bytes]:
    memory = ground.add(f"{POISON}: the qzjxowed text")
    (job,) = [d.job for d in ground.store.debts("default", 100, due_only=False) if d.text == memory.text]
    ground.store.apply([Defer(job, datetime(2100, 1, 1, tzinfo=UTC), "qzjxerror")])
    return [b"qzjxerror"]


@plants("jobs", "id")
def plant_an_extraction(ground: Ground) -> list[bytes]:
    now = datetime.now(UTC)
    for id in ("told and owed", "told and deleted"):
        memory = Memory(id, id, metadata={"planted": True}, user_id=USER, agent_id=AGENT, session_id=SESSION, occurred_at=now,
                        created_at=now, updated_at=now)  # fmt: skip
        (outcome,) = ground.store.apply([Entrust([Insert(memory, SCOPE)], f"qzjxjob of {id}", now)])
        assert not isinstance(outcome, Exception)
        ground.ids.append(id)
    ground.mem.delete("told and deleted", user_id=USER)
    return [b"qzjxjob"]


@plants("replies", "reply")
def plant_replies(ground: Ground) -> list[bytes]:
    told = [Learned(b"qzjxkey %d" % n, f"qzjxreply {n}") for n in range(50)]
    (outcome,) = ground.store.apply([Resolve(SCOPE, (), ground.store.revision(SCOPE), told)])
    assert outcome == []
    assert set(ground.store.learned(SCOPE, [told[7].key])) == {told[7].key}
    return [b"qzjxreply"]


@plants("replies", "key")
def plant_the_keys_of_replies(ground: Ground) -> list[bytes]:
    plant_replies(ground)
    return [b"qzjxkey"]


@plants("jobs", "payload")
def plant_the_payload_of_a_job(ground: Ground) -> list[bytes]:
    memory = ground.add(f"{POISON}: something for a job")
    connection = apsw.Connection(ground.path)  # nothing of this version writes a payload
    connection.execute("UPDATE jobs SET payload = '[\"qzjxpayload\"]' WHERE memory = (SELECT no FROM memories WHERE id = ?)", (memory.id,))
    assert connection.changes() == 1
    connection.close()
    return [b"qzjxpayload"]


@plants("memories_fts_data", "block")
def plant_words(ground: Ground) -> list[bytes]:
    ground.add("jjqzjxword Ççéñqzjx")  # FTS5 leaves out what a word shares with the one before it; these share nothing
    ground.mem.delete(ground.add("vvqzjxdeleted").id, user_id=USER)
    ground.mem.update(ground.add("uuqzjxold").id, user_id=USER, text="xxqzjxnew")
    return [b"jjqzjxword", b"ccenqzjx", b"xxqzjxnew"]


@plants("embedding_cache", "key")
def plant_the_keys_of_what_was_embedded(ground: Ground) -> list[bytes]:
    identity = Identity("hash", "1", 64)
    ground.mem.update(ground.add("embedded before").id, user_id=USER, text="embedded since")
    ground.mem.delete(ground.add("embedded and deleted").id, user_id=USER)
    ground.mem.search("embedded to ask", user_id=USER)
    ground.add("embedded after the question was kept")
    passages = [embedding_key(identity, "passage", f"embedded {what}") for what in ("before", "since", "and deleted")]
    return [*passages, embedding_key(identity, "query", "embedded to ask")]


@plants("embedding_cache", "vector")
def plant_what_was_embedded(ground: Ground) -> list[bytes]:
    ground.mem.update(ground.add("a vector of before").id, user_id=USER, text="a vector of since")
    ground.mem.delete(ground.add("a vector that was deleted").id, user_id=USER)
    ground.mem.search("a vector to ask", user_id=USER)
    ground.add("a vector made after that of the question was kept")
    texts = ["a vector of before", "a vector of since", "a vector that was deleted", "a vector to ask"]
    whole = [v.tobytes() for v in FailingEmbedder(failing=False).embed_documents(texts)]
    return [v[start : start + 16] for v in whole for start in range(0, len(v), 64)]


@plants("memories_fts_idx", "term")
def plant_more_words_than_fit_a_page(ground: Ground) -> list[bytes]:
    for some in range(20):  # in turn with Ben's, so that each page has words of both
        ground.add(" ".join(f"zz{n:06}" for n in range(some, 6_000, 40)))
        ground.mem.add(" ".join(f"zz{n:06}" for n in range(some + 20, 6_000, 40)), user_id="ben")
    connection = apsw.Connection(ground.path)
    terms = b" ".join(bytes(row[0]) for row in connection.execute("SELECT CAST(term AS BLOB) FROM memories_fts_idx"))
    connection.close()
    found = [word for word in re.findall(rb"zz\d{6}", terms) if int(word[2:]) % 40 < 20]
    assert found, "no word became a page's first"
    return found


NUMBER = "a number of this file"
TIME = "a time, known from elsewhere"
OF_ALL = "of the whole file or collection, not of a user"
COPY = "stores nothing: shows columns that have their own planter"
CHOICE = "one of a few fixed words"

HOLDS_NOTHING = {
    **{("meta", c): OF_ALL for c in ("key", "value")},
    **{("collections", c): OF_ALL for c in ("no", "name", "twins", "embedder", "revision", "dim", "created_at")},
    **{("collections", c): OF_ALL for c in ("generation", "last_generation", "next_embedder", "next_revision", "next_dim")},
    **{("collections", c): OF_ALL for c in ("next_behind", "leftovers")},
    **{("scopes", c): NUMBER for c in ("no", "collection", "epoch")},
    ("scopes", "kind"): CHOICE,
    **{("memories", c): NUMBER for c in ("no", "scope", "importance")},
    **{("memories", c): TIME for c in ("occurred_at", "created_at", "updated_at", "expires_at", "valid_from", "valid_to", "deleted_at")},
    ("memories", "kind"): CHOICE,
    **{("vectors", c): NUMBER for c in ("no", "scope", "memory", "generation")},
    ("vectors", "field"): CHOICE,
    **{("history", c): NUMBER for c in ("no", "memory", "scope")},
    ("history", "event"): CHOICE,
    ("history", "at"): TIME,
    **{("jobs", c): NUMBER for c in ("no", "scope", "memory", "attempts")},
    **{("jobs", c): CHOICE for c in ("kind", "state")},
    **{("jobs", c): TIME for c in ("due_at", "leased_until", "created_at")},
    **{("job_memories", c): NUMBER for c in ("memory", "job")},
    **{("replies", c): NUMBER for c in ("no", "scope")},
    ("replies", "created_at"): TIME,
    **{("reembedding", c): NUMBER for c in ("memory", "collection")},
    **{("memories_embeddable", c): COPY for c in ("no", "scope", "collection", "text", "name")},
    **{("memories_lexical", c): COPY for c in ("no", "scope", "body", "context")},
    **{("memories_fts", c): COPY for c in ("scope", "body", "context", "memories_fts", "rank")},
    ("memories_fts_data", "id"): NUMBER,
    **{("memories_fts_idx", c): NUMBER for c in ("segid", "pgno")},
    **{("memories_fts_docsize", c): "how many words a memory has" for c in ("id", "sz")},
    **{("memories_fts_config", c): OF_ALL for c in ("k", "v")},
    **{("sqlite_sequence", c): NUMBER for c in ("name", "seq")},
    **{("embedding_cache", c): NUMBER for c in ("ends", "scope", "memory")},
    **{("item_changes", c): NUMBER for c in ("no", "memory")},
}


@pytest.fixture
def ground(path: str, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> Ground:
    monkeypatch.setattr(Debts, "soon", lambda *_, **__: None)  # a job that is tried meanwhile loses what was planted in it
    mem = opened(path, embedder=FailingEmbedder(failing=False, poison=POISON))
    for n in range(100):
        mem.add(f"note {n} of somebody else", user_id="ben", id=f"ben {n}")
    return Ground(mem, SqliteStore(path), path)


def plant_everything(ground: Ground) -> dict[tuple[str, str], list[bytes]]:
    """Plant in every column, with somebody else's memories in between, and return what was planted."""
    planted = {}
    for number, (place, planter) in enumerate(PLANTERS.items()):
        planted[place] = planter(ground)
        for n in range(10):
            ground.mem.add(f"more {number} {n} of somebody else", user_id="ben")
    ground.mem.search("qzjxtextword", user_id=USER)
    ground.store.close()
    return planted


def remains(path: str, wanted: list[bytes]) -> list[str]:
    """Return what some byte of the files still tells, and where."""
    wanted = [w for w in dict.fromkeys(wanted) if not any(other != w and other in w for other in wanted)]  # the rest follows
    found = []
    for file in sorted(Path(path).parent.iterdir()):
        content = file.read_bytes()
        found += [f"{w!r} in {file.name}, page {content.index(w) // 8_192 + 1}" for w in wanted if w in content]
    return found


def test_every_column_has_a_planter_or_a_reason(path: str, opened: Opened) -> None:
    opened(path).close()
    connection = apsw.Connection(path)
    columns = connection.execute(
        "SELECT s.name, c.name FROM sqlite_schema s JOIN pragma_table_xinfo(s.name) c WHERE s.type IN ('table', 'view')"
    ).fetchall()
    connection.close()
    assert sorted(columns) == sorted([*PLANTERS, *HOLDS_NOTHING])
    assert not set(PLANTERS) & set(HOLDS_NOTHING)


def test_every_planter_plants_where_it_says(ground: Ground) -> None:
    planted = plant_everything(ground)
    connection = apsw.Connection(ground.path)
    for (table, column), markers in planted.items():
        for marker in markers[:50]:
            found = connection.execute(f"SELECT count(*) FROM {table} WHERE instr(CAST({column} AS BLOB), ?)", (marker,)).get
            assert found, (table, column, marker)
    assert connection.execute("SELECT count(*) FROM meta").get == 0
    connection.close()


PURGES: dict[str, Callable[[Ground], int]] = {
    "user": lambda ground: ground.mem.purge(user_id=USER),
    "user, everywhere": lambda ground: ground.mem.purge(user_id=USER, collections="all"),
    "session": lambda ground: ground.mem.purge(session_id=SESSION, user_id=USER),
    "agent and kind": lambda ground: (
        ground.mem.purge(agent_id=AGENT, user_id=USER, kind="episode") + ground.mem.purge(agent_id="qzjxotheragent", user_id=USER)
    ),
    "filter": lambda ground: ground.mem.purge(user_id=USER, filter={"planted": True}),
    "ids": lambda ground: ground.mem.purge(list(dict.fromkeys(ground.ids)), user_id=USER),
    "one id after the other": lambda ground: sum(ground.mem.purge(id, user_id=USER) for id in dict.fromkeys(ground.ids)),
    "bound view": lambda ground: ground.mem.for_user(USER).purge(),
    "another program": lambda ground: _from_another_memory(ground),
}


def _from_another_memory(ground: Ground) -> int:
    with AgentMemory(ground.path, embedder=None) as mem:
        return mem.purge(user_id=USER)


@pytest.mark.parametrize("way", PURGES)
def test_purge_leaves_no_byte_in_any_file(ground: Ground, opened: Opened, way: str) -> None:
    wanted = [marker for markers in plant_everything(ground).values() for marker in markers]
    wanted += [b"qzjx", b"Qzjx", "密码".encode(), "รห".encode()]  # nor a piece of anything; shorter ones turn up by chance
    before = {h.memory.id for h in ground.mem.search("note", user_id="ben", k=1_000, using="text")}
    assert len(remains(ground.path, wanted)) > 50
    assert PURGES[way](ground) == len(set(ground.ids))
    assert remains(ground.path, wanted) == []
    assert ground.mem.list(user_id=USER) == []
    assert ground.mem.history("qzjxidentity", user_id=USER) == []
    assert {h.memory.id for h in ground.mem.search("note", user_id="ben", k=1_000, using="text")} == before
    assert ground.mem.search("note 7 of somebody else", user_id="ben", using="vector")[0].memory.id == "ben 7"
    ground.mem.close()
    assert remains(ground.path, wanted) == []
    assert ground.mem is not opened(ground.path)  # opening it anew, what expired is swept
    assert remains(ground.path, wanted) == []
    assert soundness(ground.path) == "ok"


@pytest.mark.parametrize("seed", range(3))
def test_purge_leaves_nothing_on_pages_that_others_share(path: str, opened: Opened, seed: int) -> None:
    """Rows of all sizes with random ids grow, shrink and move between pages, and leave copies where they lay."""
    rng, mem = random.Random(seed), opened(path)
    users, ids = ("ana", "ben", "cem"), {user: list[str]() for user in ("ana", "ben", "cem")}

    def words(user: str) -> str:
        return " ".join(f"qzjx{user}{rng.randrange(10**6):06}" for _ in range(rng.choice((1, 3, 10, 40, 120, 400))))

    for _ in range(8):
        for user in rng.sample(users, 3):
            items = [{"text": words(user), "id": f"qzjx{user}{rng.randrange(10**12):012}"} for _ in range(rng.randrange(1, 40))]
            ids[user] += [
                r.events[0].memory.id for r in mem.add_batch(items, user_id=user, name=f"qzjx{user}", metadata={"n": f"qzjx{user}"})
            ]
            for id in rng.sample(ids[user], min(len(ids[user]), 8)):
                mem.update(id, user_id=user, text=words(user))
            for id in rng.sample(ids[user], min(len(ids[user]), 3)):
                ids[user].remove(id)
                rng.choice((mem.delete, mem.purge))(id, user_id=user)
    mem.purge(user_id="ana")
    assert remains(path, [b"qzjxana"]) == []
    mem.purge(ids["ben"][: len(ids["ben"]) // 2], user_id="ben")
    assert remains(path, [id.encode() for id in ids["ben"][: len(ids["ben"]) // 2]]) == []
    mem.purge(user_id="cem")
    assert remains(path, [b"qzjxcem", b"qzjxana"]) == []
    mem.close()
    assert soundness(path) == "ok"


def test_purging_some_memories_leaves_nothing_of_these_alone(ground: Ground) -> None:
    kept = ground.mem.add("the kept qzjxmine words", user_id=USER, id="kept").events[0].memory
    wanted = [m for (table, column), markers in plant_everything(ground).items() if column != "owner" for m in markers]
    ground.mem.purge(session_id=SESSION, user_id=USER)
    assert remains(ground.path, wanted) == []
    assert ground.mem.list(user_id=USER) == [kept]
    assert [h.memory.id for h in ground.mem.search("qzjxmine", user_id=USER, using="text")] == ["kept"]


def soundness(path: str) -> str:
    connection = apsw.Connection(path)
    connection.set_busy_timeout(10_000)  # a thread of the memory may be copying the log
    try:
        connection.execute("INSERT INTO memories_fts (memories_fts, rank) VALUES ('integrity-check', 1)")
        assert connection.pragma("foreign_key_check") is None
        return str(connection.pragma("integrity_check"))
    finally:
        connection.close()
