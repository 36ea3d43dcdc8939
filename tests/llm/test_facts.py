"""Replies about facts: read where they can be, refused in words where not, and never taken for `nothing` by mistake."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm.replies import BOTH, GOOD, READABLE, UNREADABLE, A, J, one

from agentmem_integrations.errors import AgentMemError, ModelError, ReplyError
from agentmem_integrations.llm.fact_replies import DEFAULT_KIND, FACT_KINDS, MAX_FACTS, SCHEMA, read_facts
from agentmem_integrations.llm.lenient_json import documents
from agentmem_integrations.models import Fact, Turn

SAID_AT = datetime(2026, 5, 13, 12, tzinfo=UTC)
TURNS = [Turn("one", said_at=SAID_AT), Turn("two", said_at=SAID_AT)]
ONE_TURN = TURNS[:1]


def read_one(**fields: Any) -> Fact:
    (fact,) = read_facts(one(**fields), TURNS).facts
    return fact


@pytest.mark.parametrize(("reply", "texts"), READABLE.values(), ids=READABLE)
def test_a_reply_is_read(reply: str, texts: list[str]) -> None:
    assert [fact.text for fact in read_facts(reply, TURNS).facts] == texts


@pytest.mark.parametrize(("reply", "problem"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_reply_that_cannot_be_read_is_an_error_that_says_why(reply: str, problem: str) -> None:
    with pytest.raises(ReplyError, match=problem) as caught:
        read_facts(reply, TURNS)
    assert isinstance(caught.value, ModelError)
    assert isinstance(caught.value, AgentMemError)


@pytest.mark.parametrize("reply", [reply for reply, _ in UNREADABLE.values()], ids=UNREADABLE)
def test_an_error_never_repeats_what_the_reply_said(reply: str) -> None:
    with pytest.raises(ReplyError) as caught:
        read_facts(reply, TURNS)
    assert not any(word in str(caught.value) for word in ("Ana", "Porto", "tea", "overloaded"))


def test_all_that_was_asked_for_is_read() -> None:
    assert read_facts(GOOD, TURNS).facts[0] == Fact("Ana lives in Porto", (0,), "core", 0.9, 1.0, ("Ana",))


@pytest.mark.parametrize("cut", range(1, len(GOOD)))
def test_wherever_a_reply_is_cut_only_whole_facts_remain(cut: int) -> None:
    try:
        read = read_facts(GOOD[:cut], TURNS)
    except ReplyError:
        assert cut < GOOD.index('{"messages": [2]')
    else:
        assert read.cut == (cut < len(GOOD))
        assert [fact.text for fact in read.facts] in (BOTH[:1], BOTH)
        assert all(fact.entities == ("Ana",) for fact in read.facts)


def test_a_reply_that_was_not_cut_is_not_called_cut() -> None:
    assert not read_facts(GOOD, TURNS).cut
    assert not read_facts(f"Here: {GOOD} Done.", TURNS).cut


def test_ten_thousand_facts_end_at_the_bound_and_say_so() -> None:
    reply = J({"facts": [{**A, "text": f"fact {n}"} for n in range(10_000)]})
    read = read_facts(reply, TURNS)
    assert [fact.text for fact in read.facts] == [f"fact {n}" for n in range(MAX_FACTS)]
    assert read.notes == (f"{10_000 - MAX_FACTS} × a fact came after the first {MAX_FACTS}",)


def test_what_was_left_out_is_noted_without_its_words() -> None:
    read = read_facts(J([A, {**A, "messages": [9]}, {**A, "text": ""}, A, {**A, "messages": []}]), TURNS)
    assert read.notes == ("2 × a fact cited none of the messages", "a fact had no text", "a fact was told twice")


def test_where_one_message_was_shown_a_fact_without_sources_came_from_it() -> None:
    assert read_facts(J(["Ana lives in Porto"]), ONE_TURN).facts == (Fact("Ana lives in Porto", (0,)),)


def test_even_then_a_fact_that_cites_another_message_is_invented() -> None:
    with pytest.raises(ReplyError):
        read_facts(one(messages=[2]), ONE_TURN)


def test_sources_are_counted_from_nought_in_order_and_once() -> None:
    assert read_one(messages=[2, 1, "2", 0, -1, 3]).sources == (0, 1)


@pytest.mark.parametrize("kind", FACT_KINDS)
def test_every_kind_is_kept(kind: str) -> None:
    assert read_one(kind=kind.upper()).kind == kind


@pytest.mark.parametrize("kind", ["episode", "nonsense", "", None, 7, ["core"]])
def test_an_unknown_kind_becomes_the_default(kind: Any) -> None:
    assert read_one(kind=kind).kind == DEFAULT_KIND


@pytest.mark.parametrize(
    ("written", "read"),
    [(0.3, 0.3), (0, 0), (1, 1), ("0.9", 0.9), ("90%", 0.9), ("high", 0.75), ("Low", 0.25), (7, 1), (-2, 0), (10**400, None), (None, None),
     ("much", None), (True, None), ([0.5], None), ({}, None)],
)  # fmt: skip
def test_importance_is_read_and_clamped(written: Any, read: float | None) -> None:
    assert read_one(importance=written).importance == read
    assert read_one(confidence=written).confidence == read


@pytest.mark.parametrize(
    ("written", "read"),
    [(["Ana", "Porto"], ("Ana", "Porto")), ("Ana, Porto", ("Ana", "Porto")), ([{"name": "Ana"}, None, 3, "Ana", ""], ("Ana",)), (None, ()),
     (7, ()), (["x" * 201], ()), ([f"n{i}" for i in range(50)], tuple(f"n{i}" for i in range(20)))],
)  # fmt: skip
def test_entities_are_names_each_once(written: Any, read: tuple[str, ...]) -> None:
    assert read_one(entities=written).entities == read


@pytest.mark.parametrize(
    ("valid_from", "valid_to", "text", "start", "end"),
    [
        ("2026-05-12", None, "since 2026-05-12", datetime(2026, 5, 12, tzinfo=UTC), None),
        ("2024", "2026-12", "from 2024 to 2026-12", datetime(2024, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (2024, "2027", "from 2024 to 2027", datetime(2024, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)),
        (None, "2026-05-13", "until 2026-05-13", None, datetime(2026, 5, 14, tzinfo=UTC)),
        ("2026-05-12T10:00:00+02:00", None, "since 2026-05-12T10:00:00+02:00", datetime(2026, 5, 12, 8, tzinfo=UTC), None),
    ],
)
def test_validity_is_read_where_the_text_states_it(valid_from: Any, valid_to: Any, text: str, start: Any, end: Any) -> None:
    fact = read_one(valid_from=valid_from, valid_to=valid_to, text=text)
    assert (fact.valid_from, fact.valid_to) == (start, end)


@pytest.mark.parametrize(
    ("valid_from", "valid_to", "text"),
    [
        ("2026-05-12", "2026-06-01", "Ana lives in Porto"),  # nobody said so
        ("2026-06-01", None, "Ana starts on 2026-06-01"),  # a plan is known now
        (None, "2026-05-12", "Ana fell on 2026-05-12"),  # what is over is told all the same
        ("yesterday", "present", "yesterday to present"),
        ("2026-13-45", "99999", "2026-13-45 99999"),
        (True, [2026], "True [2026]"),
    ],
)
def test_validity_that_would_hide_a_fact_is_left_out(valid_from: Any, valid_to: Any, text: str) -> None:
    fact = read_one(valid_from=valid_from, valid_to=valid_to, text=text)
    assert (fact.valid_from, fact.valid_to) == (None, None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), JSON, min_size=1, max_size=4), st.sampled_from(["Here: ", "```json\n"])
)
def test_sound_json_is_read_as_it_is_whatever_stands_around_it(value: dict[str, Any], before: str) -> None:
    (first, *_) = documents(before + json.dumps(value) + " .")
    assert first.value == json.loads(json.dumps(value))
    assert first.whole


@given(st.text(alphabet="{}[]\",:'\\/*#<>think 01e-nulltrue\n“”", max_size=200))
def test_no_reply_breaks_the_reader(reply: str) -> None:
    for around in ("%s", '{"facts": [%s', 'x {"facts": [{"text": "%s"}]}'):
        try:
            read = read_facts(around.replace("%s", reply), TURNS)
        except ReplyError:
            continue
        assert all(fact.text and fact.sources for fact in read.facts)


@pytest.mark.parametrize("part", ["[", '{"a":', '{"a" @ ', "[/*", '["a', '{"a":"', "<think>", "{", '["x\\', '{"a":1 ', '"', "[1,", "{#"])
def test_a_reply_made_to_hurt_costs_no_more_than_its_length(part: str) -> None:
    short, long = (_seconds(part * (size // len(part))) for size in (25_000, 100_000))
    assert long < 40 * short + 2  # quadratic would be 16 times as much again


def _seconds(reply: str) -> float:
    started = time.perf_counter()
    with pytest.raises(ReplyError):
        read_facts(reply, TURNS)
    return time.perf_counter() - started


def test_the_schema_is_strict_and_names_what_the_reader_reads() -> None:
    item = SCHEMA["properties"]["facts"]["items"]
    assert item["required"] == list(item["properties"])
    assert item["additionalProperties"] is False
    assert SCHEMA["required"] == ["facts"]
    assert SCHEMA["additionalProperties"] is False
    assert set(A) == set(item["properties"])
