"""Quoted phrases in a question: what counts as one, what it does to a ranking, and that nothing else is changed by it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_ranking import survey_of

from agentmem_integrations import AgentMemory
from agentmem_integrations.pipeline.quoted_phrases import LONGEST, MOST, quoted
from agentmem_integrations.pipeline.ranking.score import rank
from agentmem_integrations.pipeline.ranking.weights import default_ranking
from agentmem_integrations.storage.sqlite.text_index import lexical_form, phrase_expression

Opened = Callable[..., AgentMemory]

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SAID = [
    "Who will see Lisbon with you? You, I see.",
    "So I'll see you in Lisbon!",
    "Lisbon, Lisbon: who said that it is far? Who said it to you?",
    "The tram to Lisbon is late.",
]


@pytest.fixture
def mem(opened: Opened) -> AgentMemory:
    memory = opened("memory://", embedder="static")
    memory.add_batch(SAID, user_id="ana")
    return memory


def first(mem: AgentMemory, question: str, **options: Any) -> str:
    return mem.search(question, user_id="ana", k=1, **options)[0].memory.text


# What is a phrase


@pytest.mark.parametrize(
    ("question", "phrases"),
    [
        ('who said "see you in Lisbon"?', ("see you in Lisbon",)),
        ('"tea"', ("tea",)),
        ('" tea time "', ()),
        ('"a b", "c d" and "a b"', ("a b", "c d")),
        ("who said “see you” and „bis bald“, „so” «à bientôt» « au revoir »?", ("see you", "bis bald", "so", "à bientôt", "au revoir")),
        ("谁说「再见」？", ("再见",)),
        ('("tea"), ["milk"]: "rum".', ("tea", "milk", "rum")),
        ('a 27" screen and a 24" one', ()),
        ('a 27"er and a 24" one', ()),
        ("he is 6'2\" tall", ()),
        ('who said "see you', ()),
        ('who said see you"', ()),
        ('"one" and "two', ("one",)),
        ("Ana's brother's 'red' bicycle", ()),
        ('"" "?!" "…"', ()),
        (f'"{"x" * LONGEST}" "{"y" * (LONGEST + 1)}"', ("x" * LONGEST,)),
        (" ".join(f'"word {n}"' for n in range(MOST + 3)), tuple(f"word {n}" for n in range(MOST))),
        ("", ()),
    ],
)
def test_what_stands_in_double_quotes_is_a_phrase(question: str, phrases: tuple[str, ...]) -> None:
    assert quoted(question) == phrases


@given(st.text(alphabet='"“”„«»「」ab \n', max_size=40))
def test_any_text_is_read(question: str) -> None:
    for phrase in quoted(question):
        assert phrase in question
        assert phrase.strip()


# What it does


def test_who_has_the_very_words_comes_first(mem: AgentMemory) -> None:
    assert first(mem, "Who said that you will see Lisbon?") != SAID[1]
    assert first(mem, 'Who said "see you in Lisbon"?') == SAID[1]


def test_the_words_are_compared_as_the_text_index_has_them(opened: Opened) -> None:
    mem = opened("memory://", embedder="static")
    mem.add_batch(["we had Crème brûlées, and left", "brûlée with crème, crème with brûlée", "ein Café au lait"], user_id="ana")
    assert first(mem, 'who had "creme brulee"?') == "we had Crème brûlées, and left"
    assert first(mem, 'who had "CRÈME, BRÛLÉE"?') == "we had Crème brûlées, and left"


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("北京", "我去北京了"), ("我去北京了", "我去北京了"), ("了", "我去北京了"), ("北京 Tower", "我在北京 Tower 吃饭"),
        ("Tower 吃饭", "北京 Tower 吃饭了"),
        ("北京、上海", "从北京、上海来"), ("東京タワー", "昨日東京タワーに行った"), ("สวัสดี", "เขาพูดว่าสวัสดีครับ"), ("a 北 b", "x a 北 b y"),
        ("ｔｅａ", "green tea"),
    ],
)  # fmt: skip
def test_scripts_without_spaces_have_phrases_too(opened: Opened, phrase: str, text: str) -> None:
    mem = opened("memory://", embedder="static")
    mem.add_batch([text, "".join(reversed(text)), "something else"], user_id="ana")
    hits = mem.search(f"“{phrase}”", user_id="ana", explain=True)
    plain = {hit.memory.text: hit for hit in mem.search(phrase, user_id="ana", explain=True)}
    assert hits[0].memory.text == text
    assert hits[0].parts["words"] == pytest.approx(plain[text].parts["words"] + default_ranking().phrase, abs=1e-4)


def test_words_in_another_order_are_not_the_phrase() -> None:
    assert phrase_expression("北京", 7) == 'scope : "7" AND body : " 北 京 "'
    assert lexical_form("京北") == " 京 北 京北 "  # which has none of that in a row


def test_its_worth_is_part_of_the_words(mem: AgentMemory) -> None:
    question = "Who said see you in Lisbon?"
    plain = {hit.memory.text: hit for hit in mem.search(question, user_id="ana", explain=True)}
    quoting = {hit.memory.text: hit for hit in mem.search('Who said "see you in Lisbon"?', user_id="ana", explain=True)}
    for text in SAID:
        gained = quoting[text].parts["words"] - plain[text].parts["words"]
        assert gained == pytest.approx(default_ranking().phrase if text == SAID[1] else 0.0, abs=1e-4)
        assert 0 <= quoting[text].score <= 1


def test_each_phrase_counts(mem: AgentMemory) -> None:
    hits = mem.search('"see you" "in Lisbon" "not there"', user_id="ana", explain=True)
    plain = {hit.memory.text: hit for hit in mem.search("see you in Lisbon not there", user_id="ana", explain=True)}
    assert hits[0].parts["words"] - plain[SAID[1]].parts["words"] == pytest.approx(2 * default_ranking().phrase, abs=1e-4)


def test_without_a_match_a_search_is_as_it_was(mem: AgentMemory) -> None:
    quoting = mem.search('the "tram in Lisbon"', user_id="ana", explain=True, at=NOW)
    plain = mem.search("the tram in Lisbon", user_id="ana", explain=True, at=NOW)
    assert sorted(h.memory.text for h in quoting) == sorted(h.memory.text for h in plain)
    assert quoting[0].memory.text == "The tram to Lisbon is late."


@pytest.mark.parametrize("options", [{"using": "text"}, {"using": "vector"}, {"alpha": 0.5}])
def test_pure_searches_know_no_phrases(mem: AgentMemory, options: dict[str, Any]) -> None:
    words = lambda question: [(h.memory.text, h.parts.get("text")) for h in mem.search(question, user_id="ana", **options)]  # noqa: E731
    assert words('Who said "see you in Lisbon"?') == words('Who said see" you in" Lisbon?')


@pytest.mark.parametrize("budget", [2**29, 0])
def test_a_phrase_is_found_among_thousands_that_fit_better(opened: Opened, budget: int) -> None:
    mem = opened("memory://", embedder="static", matrix_budget=budget)
    mem.add_batch([f"green tea and red tea: tea number {n}, tea for you" for n in range(1_500)], user_id="ana")
    mem.add("well, this is it, my horse said", user_id="ana")
    plain = mem.search("green tea and red tea: which tea this is it", user_id="ana", k=300)
    assert not any("horse" in hit.memory.text for hit in plain)
    assert "horse" in first(mem, 'green tea and red tea: which tea "this is it"')
    assert "horse" in first(mem, '"this is it"')


@pytest.mark.parametrize("budget", [2**29, 0])
def test_only_what_the_owner_may_see_has_phrases(opened: Opened, budget: int) -> None:
    mem = opened("memory://", embedder="static", matrix_budget=budget)
    mem.add("see you in Lisbon", user_id="bob")
    gone = mem.add("see you in Lisbon, dear", user_id="ana").events[0].memory
    mem.add("see you in Lisbon, later", user_id="ana", metadata={"kept": False})
    mem.add_batch(SAID[2:], user_id="ana")
    mem.delete(gone.id, user_id="ana")
    hits = mem.search('"see you in Lisbon"', user_id="ana", filter={"kept": {"$exists": False}})
    assert sorted(hit.memory.text for hit in hits) == sorted(SAID[2:])


@pytest.mark.parametrize(
    "phrase", ["NEAR(a b)", "a* b", "scope : 1", "a OR b", "-a", "body:", "a + b", "'; DROP TABLE x;--", "a\x01b", "^a", "a ＂b"]
)
def test_a_phrase_is_never_query_syntax(mem: AgentMemory, phrase: str) -> None:
    mem.add(f"so I said {phrase} then", user_id="ana")
    assert first(mem, f'who said "{phrase}"?') == f"so I said {phrase} then"


def test_what_is_near_a_phrase_in_meaning_is_not_it(mem: AgentMemory) -> None:
    mem.add("see you all in Lisbon", user_id="ana")
    hits = mem.search('"see you in Lisbon"', user_id="ana", explain=True)
    assert hits[0].memory.text == SAID[1]


@given(st.lists(st.integers(0, 3), min_size=2, max_size=8), st.floats(0, 40))
def test_who_has_more_of_the_phrases_never_ranks_lower(having: list[int], weight: float) -> None:
    survey = replace(survey_of(len(having)), phrases=np.array(having, np.float32))
    found = rank(replace(default_ranking(), phrase=weight), "tea", survey, NOW, now=True).scores
    assert [found[n] for n in np.argsort(having, kind="stable")] == sorted(found)
    assert all(0 <= score <= 1 for score in found)


@given(st.integers(0, 4), st.lists(st.floats(0, 30, width=32), min_size=5, max_size=5))
def test_a_memory_never_ranks_lower_for_having_the_phrase(which: int, lexical: list[float]) -> None:
    survey = replace(survey_of(5), lexical=np.array(lexical, np.float32))
    places = []
    for having in (0, 1):
        phrases = np.zeros(5, np.float32)
        phrases[which] = having
        places.append(rank(default_ranking(), "tea", replace(survey, phrases=phrases), NOW, now=True).order.tolist().index(which))
    assert places[1] <= places[0]
