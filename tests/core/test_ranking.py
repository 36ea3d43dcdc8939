"""Hybrid search: what was said around a memory, who said it, how much it matters, and what holds now."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem_integrations import AgentMemory, GivenVectors, Hit, InvalidInputError
from agentmem_integrations.pipeline.ranking.features import NAMES, OF_TEXT
from agentmem_integrations.pipeline.ranking.score import rank
from agentmem_integrations.pipeline.ranking.weights import COLUMNS, GROUPS, default_ranking, mixture, read_ranking
from agentmem_integrations.ports import Survey
from agentmem_integrations.storage.sqlite.statements import statements
from agentmem_integrations.testing.embedders import HashEmbedder

Opened = Callable[..., AgentMemory]

NOW = datetime(2026, 6, 1, tzinfo=UTC)
TALK = [
    ("Ana", "Hi Ben, long time no see!"),
    ("Ben", "Hey! What have you been up to?"),
    ("Ana", "I took up pottery, there is a studio near the harbour."),
    ("Ben", "How often do you go?"),
    ("Ana", "Every Tuesday, right after work."),
    ("Ben", "Nice. I bought a red bicycle."),
    ("Ana", "Where do you ride it?"),
    ("Ben", "Mostly along the river."),
]


def texts(hits: list[Hit]) -> list[str]:
    return [hit.memory.text for hit in hits]


@pytest.fixture
def talk(url: str, opened: Opened) -> AgentMemory:
    mem = opened(url, embedder="static")
    for n, (name, text) in enumerate(TALK):
        mem.add(text, user_id="ana", session_id="s", name=name, timestamp=f"2026-05-02T10:{n:02}:00Z")
    for n in range(60):
        mem.add(f"Remark {n} on the weather, which was fair.", user_id="ana", session_id=f"w{n // 6}", name=("Ana", "Ben")[n % 2])
    return mem


# What was said around it


def test_an_answer_is_found_by_the_question_before_it(talk: AgentMemory) -> None:
    asked = "How often does Ana go to pottery?"
    assert "Every Tuesday, right after work." in texts(talk.search(asked, user_id="ana", k=4))
    assert not any("Tuesday" in text for text in texts(talk.search("pottery?", user_id="ana", k=4, using="text")))


def test_turns_of_other_sessions_are_no_neighbours(talk: AgentMemory) -> None:
    """Inserted right behind, but said elsewhere."""
    first = talk.search("Where does Ben ride his bicycle?", user_id="ana", k=3, explain=True)
    assert "Mostly along the river." in texts(first)
    around = {hit.memory.text: hit.parts["around"] for hit in talk.search("river bicycle", user_id="ana", k=100, explain=True)}
    assert around["Remark 0 on the weather, which was fair."] < around["Where do you ride it?"]


def test_who_is_named_in_the_question_is_preferred_and_nobody_is_left_out(talk: AgentMemory) -> None:
    said = {name: texts(talk.search(f"What did {name} say about the weather?", user_id="ana", k=20)) for name in ("Ana", "Ben")}
    assert all(int(text.split()[1]) % 2 == 0 for text in said["Ana"][:10])
    assert all(int(text.split()[1]) % 2 == 1 for text in said["Ben"][:10])
    assert len(talk.search("What did Ana say?", user_id="ana", k=100)) == len(TALK) + 60


def test_what_is_deleted_is_nobodys_neighbour(talk: AgentMemory) -> None:
    asked = "How often does Ana go to pottery?"
    before = talk.search(asked, user_id="ana", k=100, explain=True)
    talk.delete([m.id for m in talk.list(user_id="ana") if "pottery" in m.text or "How often" in m.text])
    after = talk.search(asked, user_id="ana", k=100, explain=True)

    def around(hits: list[Hit]) -> float:
        return next(hit.parts["around"] for hit in hits if hit.memory.text.startswith("Every Tuesday"))

    assert around(after) < around(before)


def test_what_is_expired_is_nobodys_neighbour(url: str, opened: Opened) -> None:
    mem = opened(url)
    for text, expires in (("pottery is what I do", "2020-01-01T00:00:00Z"), ("every Tuesday", None), ("the weather is fair", None)):
        mem.add(text, user_id="ana", session_id="s", expires_at=expires) if expires else mem.add(text, user_id="ana", session_id="s")
    hits = mem.search("pottery", user_id="ana", explain=True)
    assert "pottery is what I do" not in texts(hits)
    assert {hit.parts["bm25"] for hit in hits} == {0.0}
    assert len({round(hit.parts["words"], 6) for hit in hits}) == 1


def test_memories_of_others_do_not_change_a_ranking(path: str, opened: Opened) -> None:
    mem = opened(path)
    mem.add_batch([{"text": text, "name": name, "session_id": "s"} for name, text in TALK], user_id="ana")
    alone = mem.search("pottery on Tuesday", user_id="ana", explain=True, at=NOW)
    mem.add_batch([{"text": f"pottery {n} on Tuesday", "name": "Ana", "session_id": "s"} for n in range(50)], user_id="ben")
    with_others = opened(path).search("pottery on Tuesday", user_id="ana", explain=True, at=NOW)
    assert [(h.memory.id, h.score, h.parts) for h in with_others] == [(h.memory.id, h.score, h.parts) for h in alone]


# Kept in RAM, brought up to date


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["add", "add", "delete", "change", "search", "purge"]), st.integers(0, 7)), max_size=25))
def test_what_is_kept_of_a_scope_is_what_a_newcomer_reads(steps: list[tuple[str, int]]) -> None:
    words = "tea coffee harbour river bicycle pottery Tuesday weather".split()
    with AgentMemory("memory://") as mem:
        mem.add("tea at the harbour", user_id="ana", session_id="s0")
        for n, (step, which) in enumerate(steps):
            known = [m.id for m in mem.list(user_id="ana")]
            if step == "add":
                mem.add(f"{words[which]} {n} {words[(which + n) % 8]}?", user_id="ana", session_id=f"s{which % 2}", name="Ana")
            elif step == "search":
                mem.search(f"{words[which]} tea", user_id="ana")
            elif known and step == "delete":
                mem.delete(known[which % len(known)])
            elif known and step == "purge":
                mem.purge([known[which % len(known)]])
            elif known:
                mem.update(known[which % len(known)], text=f"changed {n} {words[which]}")
        kept = mem.search("tea on the river", user_id="ana", k=50, explain=True, at=NOW)
        mem._engine.store._matrices.clear()  # type: ignore[attr-defined]
        fresh = mem.search("tea on the river", user_id="ana", k=50, explain=True, at=NOW)
    assert [(h.memory.id, h.score) for h in kept] == [(h.memory.id, h.score) for h in fresh]
    for one, other in zip(kept, fresh, strict=True):
        assert one.parts == pytest.approx(other.parts, abs=1e-5)


def test_a_scope_too_large_to_hold_is_ranked_as_well(path: str, opened: Opened) -> None:
    held, scanned = (opened(path, embedder="static", matrix_budget=budget) for budget in (2**29, 0))
    held.add_batch([{"text": text, "name": name, "session_id": "s"} for name, text in TALK], user_id="ana")
    held.add_batch([f"Remark {n} on the weather" for n in range(600)], user_id="ana")
    for asked in ("Who has a red bicycle?", "pottery near the harbour"):
        assert texts(scanned.search(asked, user_id="ana", k=1)) == texts(held.search(asked, user_id="ana", k=1))
    assert len(scanned.search("weather", user_id="ana", k=600)) == 600
    assert scanned.stats()["matrix_cache"]["bytes"] == 0


@pytest.mark.parametrize("name", ["load_sayings", "load_some_sayings", "sources_of_facts", "successors"])
def test_no_statement_of_the_ranking_walks_the_memories_of_others(path: str, opened: Opened, name: str) -> None:
    opened(path).add("tea", user_id="ana")
    connection = apsw.Connection(path)
    sql = statements()[name]
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", ["1"] * sql.count("?"))]
    connection.close()
    assert any("SEARCH m USING" in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN") and "json_each" not in step and "VIRTUAL TABLE" not in step], plan


def test_purging_leaves_no_word_in_ram(url: str, opened: Opened) -> None:
    mem = opened(url)
    mem.add("the zyxwv is secret", user_id="ana")
    mem.search("zyxwv", user_id="ana")
    lexicons = mem._engine.store._lexicons  # type: ignore[attr-defined]
    assert "zyxwv" in lexicons._vocabulary.numbers
    mem.purge(user_id="ana")
    assert lexicons._vocabulary.numbers == {}
    assert mem.stats()["matrix_cache"]["bytes"] == 0


# The parts of a score


def survey_of(count: int) -> Survey:
    """Two or more memories of which all is the same, found by a question of one word."""
    ones, none, pairs = np.ones(count, np.float32), np.full(count, -1, np.intp), np.zeros((0, 2), np.intp)
    return Survey(
        keys=np.arange(1, count + 1), found=np.ones(count, np.bool_), deep=np.zeros(count, np.bool_), similarity=ones * 0.5,
        around=ones * 0.5, kinship=ones * 0.5, lexical=ones, counts=ones[:, None], lengths=ones * 9, naming=np.zeros(1, np.bool_),
        weights=np.ones(1, np.float32), mean_length=9.0, sessions=none, session_counts=np.zeros((0, 1), np.float32),
        session_lengths=np.zeros(0, np.float32), before=none, after=none, speakers=(), spoken=none, roles=np.zeros(count, np.int8),
        traits=np.zeros(count, np.uint8), facts=np.ones(count, np.bool_), importance=ones * np.nan, confidence=ones * np.nan,
        occurred=np.zeros(count, np.int64), sources=pairs, replaced=pairs, seated=0.0, other_voices=0.0,
    )  # fmt: skip


def scores(survey: Survey, *, now: bool = True) -> list[float]:
    return [float(s) for s in rank(default_ranking(), "tea", survey, NOW, now=now).scores]


fraction = st.floats(0, 1, width=32)


@given(st.lists(fraction, min_size=2, max_size=9))
def test_what_matters_more_never_ranks_lower(importance: list[float]) -> None:
    found = scores(replace(survey_of(len(importance)), importance=np.array(importance, np.float32)))
    assert [found[n] for n in np.argsort(importance, kind="stable")] == sorted(found)


@given(st.lists(fraction, min_size=2, max_size=9))
def test_what_is_more_certain_never_ranks_lower(confidence: list[float]) -> None:
    found = scores(replace(survey_of(len(confidence)), confidence=np.array(confidence, np.float32)))
    assert [found[n] for n in np.argsort(confidence, kind="stable")] == sorted(found)


@given(st.lists(st.integers(-10_000, 20_000), min_size=2, max_size=9))
def test_what_is_more_recent_never_ranks_lower(days: list[int]) -> None:
    occurred = np.array([int((NOW - timedelta(days=d)).timestamp() * 1e6) for d in days], np.int64)
    found = scores(replace(survey_of(len(days)), occurred=occurred))
    assert [found[n] for n in np.argsort(days, kind="stable")] == sorted(found, reverse=True)


@given(st.lists(st.floats(0, 40, width=32), min_size=2, max_size=9))
def test_what_fits_better_never_ranks_lower(lexical: list[float]) -> None:
    survey = survey_of(len(lexical))
    ranking = default_ranking()
    only_words = replace(
        ranking, table=np.where(np.array(NAMES) == "bm25", 1, 0).astype(np.float32) * np.ones((len(COLUMNS), 1), np.float32)
    )
    found = rank(only_words, "tea", replace(survey, lexical=np.array(lexical, np.float32)), NOW, now=True).scores
    assert [found[n] for n in np.argsort(lexical, kind="stable")] == sorted(found)


def test_importance_recency_and_certainty_do_count() -> None:
    survey = survey_of(2)
    important = scores(replace(survey, importance=np.array([0.1, 0.9], np.float32)))
    certain = scores(replace(survey, confidence=np.array([0.1, 0.9], np.float32)))
    recent = scores(replace(survey, occurred=np.array([0, int(NOW.timestamp() * 1e6)])))
    assert all(later > earlier for earlier, later in (important, certain, recent))


def test_recency_halves_in_a_half_life() -> None:
    days = (0, 30, 60)
    occurred = np.array([int((NOW - timedelta(days=d)).timestamp() * 1e6) for d in days], np.int64)
    parts = rank(default_ranking(), "tea", replace(survey_of(3), occurred=occurred), NOW, now=True).parts
    assert parts["recency"].tolist() == pytest.approx([1, 0.5, 0.25])


def test_importance_that_was_given_counts_through_the_front_door(url: str, opened: Opened) -> None:
    mem = opened(url)
    mem.add("tea on Monday", user_id="ana", id="low", importance=0.1)
    mem.add("tea on Friday", user_id="ana", id="high", importance=0.9)
    by_id = {hit.memory.id: hit for hit in mem.search("tea", user_id="ana", explain=True)}
    assert by_id["high"].parts["importance"] == pytest.approx(0.9)
    assert by_id["low"].parts["importance"] == pytest.approx(0.1)


def test_explaining_names_every_part_and_changes_no_score(talk: AgentMemory) -> None:
    hits = talk.search("pottery", user_id="ana", explain=True, at=NOW)
    assert [h.score for h in hits] == [h.score for h in talk.search("pottery", user_id="ana", at=NOW)]
    assert hits[0].parts.keys() == {"similarity", "text", "bm25", "relevance", "importance", "recency", "quality", *GROUPS}


def test_asking_by_meaning_or_by_words_alone_stays_pure(talk: AgentMemory) -> None:
    by_meaning = talk.search("pottery", user_id="ana", k=100, using="vector")
    assert [h.score for h in by_meaning] == sorted((max(0, h.parts["similarity"]) for h in by_meaning), reverse=True)
    by_words = talk.search("pottery bicycle", user_id="ana", k=100, using="text")
    assert [h.score for h in by_words] == sorted((h.parts["text"] for h in by_words), reverse=True)


# What holds now


def test_words_that_are_out_of_date_stand_behind_the_fact_that_holds(thinking_facts: Survey) -> None:
    found = scores(thinking_facts)
    assert found[0] < found[2]
    assert scores(thinking_facts, now=False)[0] > scores(thinking_facts, now=False)[2]


@pytest.fixture
def thinking_facts() -> Survey:
    """Verbatim words that fit perfectly, others that do not matter, and the fact that has put the first out of date."""
    survey = survey_of(3)
    return replace(
        survey, similarity=np.array([0.9, 0.1, 0.5], np.float32), facts=np.array([False, False, True]), replaced=np.array([[0, 2]], np.intp)
    )


def test_a_fact_and_its_source_are_one_hit_with_the_better_score() -> None:
    survey = replace(
        survey_of(3),
        similarity=np.array([0.9, 0.1, 0.5], np.float32),
        facts=np.array([False, False, True]),
        sources=np.array([[2, 0]], np.intp),
    )
    ranked = rank(default_ranking(), "tea", survey, NOW, now=True)
    assert ranked.order.tolist() == [2, 1]
    assert ranked.sources == {2: [0]}
    assert ranked.scores[2] == ranked.scores[0]


# Kinds of memory and their weights


def test_documents_pay_nothing_for_the_evidence_of_conversations() -> None:
    table = default_ranking().table
    of_conversations = [n for n, name in enumerate(NAMES) if name not in OF_TEXT]
    for kind in ("notes", "documents"):
        assert not table[COLUMNS.index(kind), of_conversations].any()


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"seated": 1.0, "other_voices": 0.5, "mean_length": 20.0}, "talk"),
        ({"seated": 1.0, "other_voices": 0.5, "mean_length": 300.0}, "chat"),
        ({"seated": 1.0, "other_voices": 0.0, "mean_length": 20.0}, "diary"),
        ({"seated": 0.0, "other_voices": 0.0, "mean_length": 20.0}, "notes"),
        ({"seated": 0.0, "other_voices": 0.0, "mean_length": 300.0}, "documents"),
    ],
)
def test_the_kind_of_memory_is_read_off_the_data(told: dict[str, float], kind: str) -> None:
    shares = mixture(replace(survey_of(2), **told))  # type: ignore[arg-type]
    assert dict(zip(COLUMNS, shares.tolist(), strict=True)) == {name: float(name == kind) for name in COLUMNS}


@given(fraction, fraction, st.floats(0, 1e6))
def test_the_shares_of_the_kinds_add_up_to_one(seated: float, other_voices: float, mean_length: float) -> None:
    shares = mixture(replace(survey_of(2), seated=seated, other_voices=other_voices, mean_length=mean_length))
    assert shares.sum() == pytest.approx(1)
    assert (shares >= 0).all()


def test_vectors_of_a_model_are_weighed_otherwise_than_those_of_the_bundled_table() -> None:
    for embedder, contextual in (("static", False), (None, False), (HashEmbedder(8), True), (GivenVectors(2), True)):
        with AgentMemory("memory://", embedder=embedder) as mem:
            assert mem._room.searching.weights() is default_ranking(contextual=contextual), embedder


def test_only_the_evidence_is_weighed_otherwise() -> None:
    table, model = default_ranking(), default_ranking(contextual=True)
    assert not np.array_equal(table.table, model.table)
    rest = [f.name for f in fields(table) if f.name not in ("table", "centres")]
    assert [getattr(model, name) for name in rest] == [getattr(table, name) for name in rest]


def table(tmp_path: Path, **changes: object) -> str:
    ranking = default_ranking()
    score = {f.name: getattr(ranking, f.name) for f in fields(ranking) if f.name not in ("table", "centres")}
    score["centres"] = ranking.centres.tolist()
    document = {"score": score, "evidence": {name: [float(w) for w in ranking.table[:, n]] for n, name in enumerate(NAMES)}}
    for section, values in changes.items():
        document[section] |= values  # type: ignore[operator]
    path = tmp_path / "ranking.json"
    path.write_text(json.dumps(document))
    return str(path)


def test_other_weights_rank_otherwise(tmp_path: Path) -> None:
    against = table(tmp_path, evidence={name: [0] * 5 for name in NAMES} | {"bm25": [-1] * 5})
    for ranker, best in ((None, "tea"), (against, "milk")):
        with AgentMemory("memory://", ranker=ranker) as mem:
            mem.add_batch(["tea", "milk"], user_id="ana")
            assert texts(mem.search("tea", user_id="ana", k=1)) == [best]
            assert texts(mem.collection("other", embedder="static").search("tea", user_id="ana")) == []


def test_the_packages_own_table_can_be_written_out_and_read_back(tmp_path: Path) -> None:
    again, own = read_ranking(table(tmp_path)), default_ranking()
    np.testing.assert_allclose(again.table, own.table, atol=1e-6)
    np.testing.assert_allclose(again.centres, own.centres)
    without: dict[str, None] = {"table": None, "centres": None}  # since Python 3.13 arrays that are the same are compared all the same
    assert replace(again, **without) == replace(own, **without)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has no table [score]"),
        ("{", "neither TOML nor JSON"),
        ("[score]\nimportance = 1\n[evidence]", "is missing"),
        ("\x00", "neither TOML nor JSON"),
        ('{"score": 1}', "has no table [score]"),
        ('{"score": {}, "evidence": {}, "x": ' + "[" * 100_000, "neither TOML nor JSON"),
    ],
)
def test_a_table_that_is_none_is_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(content)
    with pytest.raises(InvalidInputError, match=said.replace("[", r"\[")):
        AgentMemory("memory://", ranker=path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"evidence": {"bm25": [1, 2]}}, "pass 5 numbers"),
        ({"evidence": {"bm25": [1, 2, 3, 4, "x"]}}, "is no number"),
        ({"evidence": {"bm25": [1, 2, 3, 4, True]}}, "is no number"),
        ({"evidence": {"bm26": [1, 2, 3, 4, 5]}}, "is unknown"),
        ({"score": {"recency": -1}}, "from 0"),
        ({"score": {"half_life_days": 0}}, "above 0"),
        ({"score": {"quality": float("nan")}}, "is no number"),
    ],
)
def test_a_bad_number_in_a_table_is_named(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        AgentMemory("memory://", ranker=table(tmp_path, **changes))


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read"):
        AgentMemory("memory://", ranker=tmp_path / "none.toml")
    with pytest.raises(InvalidInputError, match="pass the path"):
        AgentMemory("memory://", ranker=3)  # type: ignore[arg-type]


def test_a_memory_that_comes_back_where_nothing_was_left_is_found(url: str, opened: Callable[..., AgentMemory]) -> None:
    mem = opened(url)
    mem.add("tea", user_id="ana", id="m")
    mem.delete("m", user_id="ana")
    assert mem.search("tea", user_id="ana") == []  # what is known of her words is nothing, from here on
    assert mem.warm(user_id="ana") == 0
    mem.add("tea", user_id="ana", id="m")
    assert [hit.memory.id for hit in mem.search("tea", user_id="ana")] == ["m"]
    mem.delete("m", user_id="ana")
    assert mem.warm(user_id="ana") == 0
    assert mem.search("tea", user_id="ana") == []
