"""What callers pass is data: no id, filter, question, key or path is ever read as SQL, FTS5 syntax or a pattern."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from agentmem_integrations import SHARED, AgentMemory, FilterError, InvalidInputError, NotFoundError
from agentmem_integrations.testing.embedders import HashEmbedder

Opened = Callable[..., AgentMemory]

SQL = [
    "' OR '1'='1", "' OR 1=1 --", '" OR ""="', "'); DROP TABLE memories; --", "ana' --", "ana'/*", "\\'; --", "ana\\", "1; SELECT 1", "?",
    "?1", ":a", "@a", "$a", "%", "_", "an%", "a_a", "*", "a*", "[a-z]na", "ana OR ben", "{where}", "%s", "{0}", "NULL", "x'616e61'",
    "||'ana",
    "ana\u2019 OR 1=1", "ana\uff07 OR 1=1",
]  # fmt: skip
FTS = [
    '"', '""', '"secret', 'secret"', "secret*", "sec*", "^secret", "-decoy", "NOT decoy", "decoy OR secret", "secret AND decoy",
    "secret NEAR decoy", "NEAR(secret decoy, 5)", "NEAR(", "body:secret", "context : secret", "{body context} : secret", "- scope : 1",
    'scope : "2"', 'x" OR scope : "2', ') OR scope : "2" AND (secret', "secret + decoy", "secret'", "secret;--", "(", ")", "((secret))",
    "\\",
    "rank:bm25(1)", "memories_fts : secret", "AND", "OR", "NOT", "secret\n\"", "column:*", "\ufeffsecret",
]  # fmt: skip


@pytest.fixture
def two(opened: Opened) -> AgentMemory:
    """Ana's secret, Ben's decoy, and what belongs to nobody. In RAM: the statements are the same, and nothing waits for a disk."""
    mem = opened("memory://")
    mem.add("ana has a secret", user_id="ana", id="hers", session_id="s1", agent_id="a1", metadata={"city": "Lisbon", "a'b": 1})
    mem.add("ben has a decoy and a secret", user_id="ben", id="his", session_id="s1", agent_id="a1", metadata={"city": "Porto"})
    mem.add("nobody has a secret", user_id=SHARED, id="theirs", metadata={"city": "Faro"})
    return mem


def intact(mem: AgentMemory) -> bool:
    owners: list[Any] = ["ana", "ben", SHARED]
    return [[m.id for m in mem.list(user_id=owner)] for owner in owners] == [["hers"], ["his"], ["theirs"]]


@pytest.mark.parametrize("text", SQL)
def test_sql_in_a_user_id_is_a_user_of_that_name(two: AgentMemory, text: str) -> None:
    assert two.list(user_id=text) == two.search("secret", user_id=text) == []
    assert two.get("hers", user_id=text) is None
    assert two.history("hers", user_id=text) == []
    assert two.stats(user_id=text) == {"memories": 0, "deleted": 0, "owed_vectors": 0}
    assert two.delete(user_id=text) == two.purge(user_id=text, collections="all") == two.delete("hers", user_id=text) == 0
    two.add("my own secret", user_id=text, id="mine")
    assert [h.memory.id for h in two.search("secret", user_id=text)] == ["mine"]
    assert intact(two)


@pytest.mark.parametrize("text", SQL)
@pytest.mark.parametrize("what", ["agent_id", "session_id"])
def test_sql_in_an_agent_or_session_narrows_to_that_one(two: AgentMemory, what: str, text: str) -> None:
    narrow: dict[str, Any] = {"user_id": "ana", what: text}
    assert two.list(**narrow) == two.search("secret", **narrow) == []
    assert two.delete(**narrow) == two.purge(**narrow) == 0
    two.add("another secret", id="other", **narrow)
    assert [m.id for m in two.list(**narrow)] == ["other"]
    assert two.purge(**narrow) == 1
    assert intact(two)


@pytest.mark.parametrize("text", SQL)
def test_sql_in_a_memory_id_finds_that_id_alone(two: AgentMemory, text: str) -> None:
    assert two.get(text) is None
    assert two.history(text) == []
    assert two.delete([text, "nobody's"]) == two.purge(text) == 0
    with pytest.raises(NotFoundError):
        two.update(text, text="changed")
    two.add("odd", user_id="ana", id=text)
    assert two.purge(text) == 1
    assert intact(two)


@pytest.mark.parametrize("text", SQL)
def test_sql_in_a_cursor_is_no_id_of_the_scope(two: AgentMemory, text: str) -> None:
    with pytest.raises(NotFoundError, match="after"):
        two.list(user_id="ana", after=text)


@pytest.mark.parametrize("text", SQL)
def test_sql_in_a_namespace_is_a_collection_of_that_name(two: AgentMemory, text: str) -> None:
    other = two.collection(text, embedder=HashEmbedder())
    assert other.list(user_id="ana") == other.search("secret", user_id="ana") == []
    other.add("elsewhere", user_id="ana", id="hers")
    assert other.purge(user_id="ana") == 1
    assert intact(two)


@pytest.mark.parametrize("text", SQL)
def test_sql_in_a_kind_is_no_kind(two: AgentMemory, text: str) -> None:
    for call in (lambda: two.list(user_id="ana", kind=text), lambda: two.delete(user_id="ana", kind=[text])):
        with pytest.raises(InvalidInputError, match="kind"):
            call()


@pytest.mark.parametrize("text", SQL)
def test_sql_in_a_filter_is_a_key_or_a_value(two: AgentMemory, text: str) -> None:
    for condition in (
        {text if not text.startswith("$") else "x" + text: "Lisbon"}, {"city": text}, {"city": {"$in": [text]}}, {"city": {"$eq": text}},
        {"city": {"$in": [[text], {text: text}]}}, {"city": {"$eq": {text: [text]}}},
    ):  # fmt: skip
        assert two.list(user_id="ana", filter=condition) == two.search("secret", user_id="ana", filter=condition) == []
        assert two.purge(user_id="ana", filter=condition) == 0
    shown = two.list(user_id="ana", filter={"city": {"$contains": text}})
    assert [m.id for m in shown] == (["hers"] if text in "Lisbon" else [])
    assert len(two.list(user_id="ana", filter={"city": {"$ne": text}})) == 1
    with pytest.raises(FilterError, match="operator"):
        two.list(user_id="ana", filter={"city": {f"${text}": 1}})
    assert intact(two)


@pytest.mark.parametrize("text", [*SQL, "a.b", "$.city", "city", 'a"b', "a'b", "", "#", "[0]"])
def test_sql_and_json_paths_in_a_metadata_key_are_that_key(two: AgentMemory, text: str) -> None:
    two.add("keyed", user_id="cleo", id="k", metadata={text: 1, "plain": {"city": "Faro"}})
    memory = two.get("k", user_id="cleo")
    assert memory is not None
    assert memory.metadata == {text: 1, "plain": {"city": "Faro"}}
    if not text.startswith("$"):
        assert [m.id for m in two.list(user_id="cleo", filter={text: 1})] == ["k"]
        assert two.list(user_id="cleo", filter={text: 2}) == []
    assert two.list(user_id="cleo", filter={"plain.city": "Faro"}) == []
    assert intact(two)


@pytest.mark.parametrize("question", FTS)
@pytest.mark.parametrize("using", ["hybrid", "text"])
def test_full_text_syntax_in_a_question_is_words(two: AgentMemory, question: str, using: Any) -> None:
    hits = two.search(question, user_id="ana", using=using, k=100)
    assert {hit.memory.id for hit in hits} <= {"hers"}
    if using == "text":
        assert bool(hits) == ("secret" in question)
    assert {hit.memory.id for hit in two.search(question, user_id=SHARED, k=100)} <= {"theirs"}


@pytest.mark.parametrize("word", FTS)
def test_full_text_syntax_in_what_is_stored_is_words(two: AgentMemory, word: str) -> None:
    text = f"Cleo said {word} yesterday"
    two.add(text, user_id="cleo", name=f"Cleo {word}", id="said")
    assert [hit.memory.text for hit in two.search("yesterday", user_id="cleo", using="text")] == [text]
    two.update("said", user_id="cleo", text=f"she took {word} back")
    assert two.search("yesterday", user_id="cleo", using="text") == []
    assert two.purge(user_id="cleo") == 1
    assert intact(two)


@pytest.mark.parametrize("name", ["a'b.db", 'a"b.db', "a;b.db", "%61.db", "a?mode=ro", "file:a.db", "a#b.db", "-a.db", "a bé.db"])
def test_a_path_is_a_path_and_no_uri(tmp_path: Path, opened: Opened, name: str) -> None:
    mem = opened(tmp_path / name)
    mem.add("tea", user_id="ana")
    assert (tmp_path / name).stat().st_size > 0
    assert mem.export(tmp_path / f"{name}.jsonl") == 1
    assert mem.backup(tmp_path / f"{name}.copy") > 0
    mem.purge(user_id="ana")
    mem.close()
    assert {file.name for file in tmp_path.iterdir()} == {name, f"{name}.jsonl", f"{name}.copy"}
    assert opened(tmp_path / f"{name}.copy").list(user_id="ana")[0].text == "tea"


def test_the_file_is_whole_after_all_that(path: str, opened: Opened) -> None:
    mem = opened(path)
    for number, text in enumerate([*SQL, *FTS]):
        mem.add(f"note {text}", user_id=text, agent_id=text, session_id=text, role=text, name=text, id=text, metadata={text: text})
        assert mem.stats()["memories"] == number + 1
    for text in [*SQL, *FTS]:
        assert [m.metadata for m in mem.list(user_id=text, agent_id=text, session_id=text)] == [{text: text}]
        assert mem.purge(text, user_id=text, session_id=text) == 1
    mem.close()
    connection = apsw.Connection(path)
    assert connection.pragma("integrity_check") == "ok"
    assert connection.execute("SELECT count(*) FROM memories").get == 0
    assert connection.execute("SELECT count(*) FROM scopes").get == 0
    connection.close()
