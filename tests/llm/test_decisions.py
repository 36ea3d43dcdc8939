"""Replies about decisions: what they may do, and that no bad one loses a new fact or touches what it was not shown."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem_integrations.errors import ReplyError
from agentmem_integrations.llm.decision_replies import EVENTS, MAX_DELETED, MAX_SUPERSEDED, SCHEMA, read_decisions
from agentmem_integrations.models import Decision, Fact, Memory

FACTS = [Fact("Ana moved to the coast", (0,)), Fact("Ana likes tea", (0,))]
MEMORIES = [
    Memory(f"id-{n}", text) for n, text in enumerate(("Ana lives in Porto", "Ana likes coffee", "Ana has a dog", "Ana sings", "Ana is 30"))
]
ADDED = [Decision(0, "ADD", (), "Ana moved to the coast"), Decision(1, "ADD", (), "Ana likes tea")]


def row(fact: Any = 1, action: Any = "ADD", memories: Any = (), text: Any = None, old: Any = None) -> dict[str, Any]:
    return {
        "fact": fact,
        "old": old,
        "memories": list(memories) if isinstance(memories, tuple) else memories,
        "action": action,
        "text": text,
    }


def reply(*rows: Any) -> str:
    return json.dumps({"decisions": rows})


def read(*rows: Any) -> list[Decision]:
    return list(read_decisions(reply(*rows), FACTS, MEMORIES).decisions)


def first(**fields: Any) -> Decision:
    """What becomes of the first fact, where the second is added."""
    decided = read(row(**fields), row(2))
    assert decided[1] == ADDED[1]
    return decided[0]


LISBON = "Ana lives in Lisbon"
MORE = "Ana lives in Porto, on the coast"

# name: the row about the first fact, what becomes of it
ROWS: dict[str, tuple[dict[str, Any], Decision]] = {
    "add": (row(), ADDED[0]),
    "add, with a text of its own": (row(text="Bob lives in Rome"), ADDED[0]),
    "none": (row(action="NONE", memories=(1,)), Decision(0, "NONE", (0,))),
    "update": (row(action="UPDATE", memories=(1,), text=MORE), Decision(0, "UPDATE", (0,), MORE)),
    "update that drops a word of the memory": (row(action="UPDATE", memories=(1,), text=LISBON), Decision(0, "SUPERSEDE", (0,), LISBON)),
    "update without a text": (row(action="UPDATE", memories=(5,)), Decision(0, "SUPERSEDE", (4,), FACTS[0].text)),
    "update with an endless text": (row(action="UPDATE", memories=(3,), text="x" * 2001), Decision(0, "UPDATE", (2,), FACTS[0].text)),
    "update of two memories": (row(action="UPDATE", memories=(1, 2), text=MORE), Decision(0, "SUPERSEDE", (0, 1), MORE)),
    "supersede": (row(action="SUPERSEDE", memories=(1,), text=LISBON), Decision(0, "SUPERSEDE", (0,), LISBON)),
    "supersede without a text": (row(action="SUPERSEDE", memories=(1, 3)), Decision(0, "SUPERSEDE", (0, 2), FACTS[0].text)),
    "merge": (row(action="merge", memories=(1, 2), text=LISBON), Decision(0, "SUPERSEDE", (0, 1), LISBON)),
    "delete": (row(action="DELETE", memories=(1,)), Decision(0, "DELETE", (0,))),
    "delete with the old text": (row(action="DELETE", memories=(1,), text="Ana lives in Porto"), Decision(0, "DELETE", (0,))),
    "delete, and something in its place": (row(action="DELETE", memories=(1,), text=LISBON), Decision(0, "SUPERSEDE", (0,), LISBON)),
    "lower case": (row(action="none ", memories=(1,)), Decision(0, "NONE", (0,))),
    "another word": (row(action="NOOP", memories=(1,)), Decision(0, "NONE", (0,))),
    "one number for a list": (row(action="DELETE", memories=1), Decision(0, "DELETE", (0,))),
    "a number as text": (row(action="DELETE", memories="memory 1"), Decision(0, "DELETE", (0,))),
    "the same memory twice": (row(action="DELETE", memories=(1, 1)), Decision(0, "DELETE", (0,))),
    "the fact's number as text": (row(fact="1", action="DELETE", memories=(1,)), Decision(0, "DELETE", (0,))),
    "no number, but in its place": (row(fact=None, action="DELETE", memories=(1,)), Decision(0, "DELETE", (0,))),
    "the memory's words": (row(action="DELETE", memories=(3,), old="Ana has a dog"), Decision(0, "DELETE", (2,))),
    "the words of one and the number of another": (row(action="DELETE", memories=(1,), old="Ana has a  dog"), Decision(0, "DELETE", (2,))),
    "words without a number": (row(action="DELETE", old="Ana has a dog"), Decision(0, "DELETE", (2,))),
    "words that were not shown": (row(action="DELETE", memories=(3,), old="Ana has two dogs"), Decision(0, "DELETE", (2,))),
    "the words of one of several": (
        row(action="MERGE", memories=(1, 3), old="Ana has a dog"),
        Decision(0, "SUPERSEDE", (0, 2), FACTS[0].text),
    ),
    # From here on refused: the fact is added
    "update with the old text": (row(action="UPDATE", memories=(1,), text="Ana lives in  Porto"), ADDED[0]),
    "supersede with the old text": (row(action="SUPERSEDE", memories=(1,), text="Ana lives in Porto"), ADDED[0]),
    "a memory that was not shown": (row(action="DELETE", memories=(6,)), ADDED[0]),
    "memory nought": (row(action="UPDATE", memories=(0,), text=LISBON), ADDED[0]),
    "a negative memory": (row(action="DELETE", memories=(-1,)), ADDED[0]),
    "one shown, one not": (row(action="SUPERSEDE", memories=(1, 99), text=LISBON), ADDED[0]),
    "a real id instead of a number": (row(action="DELETE", memories=("id-x",)), ADDED[0]),
    "update of nothing": (row(action="UPDATE", text=LISBON), ADDED[0]),
    "none like nothing": (row(action="NONE"), ADDED[0]),
    "none like a memory that was not shown": (row(action="NONE", memories=(9,)), ADDED[0]),
    "an unknown action": (row(action="EXPLODE", memories=(1,)), ADDED[0]),
    "an action that is none": (row(action=["DELETE"], memories=(1,)), ADDED[0]),
    "the words of one and the numbers of others": (row(action="MERGE", memories=(1, 2), old="Ana has a dog"), ADDED[0]),
    "delete everything": (row(action="DELETE", memories=(1, 2, 3, 4, 5)), ADDED[0]),
    "supersede everything": (row(action="SUPERSEDE", memories=(1, 2, 3, 4, 5), text="all gone"), ADDED[0]),
}


@pytest.mark.parametrize(("given_row", "decision"), ROWS.values(), ids=ROWS)
def test_a_decision_is_read(given_row: dict[str, Any], decision: Decision) -> None:
    assert first(**given_row) == decision


PAIR = reply(row(1, "SUPERSEDE", (1,), LISBON), row(2, "NONE", (2,)))

WHOLE: dict[str, str] = {
    "as asked": PAIR,
    "fenced": f"Sure!\n```json\n{PAIR}\n```",
    "bare list": json.dumps(json.loads(PAIR)["decisions"]),
    "out of order": json.dumps({"decisions": json.loads(PAIR)["decisions"][::-1]}),
    "one per line": "\n".join(json.dumps(r) for r in json.loads(PAIR)["decisions"]),
    "Python literals": repr(json.loads(PAIR)),
    "thinking first": f"<think>{reply(row(1, 'DELETE', (1,)))}</think>{PAIR}",
    "decided about a fact twice, the last counts": reply(row(1, "DELETE", (3,)), *json.loads(PAIR)["decisions"]),
    "about a third fact too": reply(*json.loads(PAIR)["decisions"], row(3, "DELETE", (3,))),
    "other names": json.dumps([{"fact_id": 1, "event": "REPLACE", "id": 1, "new_text": LISBON}, {"fact_id": 2, "event": "KEEP", "id": 2}]),
}


@pytest.mark.parametrize("text", WHOLE.values(), ids=WHOLE)
def test_a_reply_is_read(text: str) -> None:
    assert list(read_decisions(text, FACTS, MEMORIES).decisions) == [Decision(0, "SUPERSEDE", (0,), LISBON), Decision(1, "NONE", (1,))]


UNREADABLE = {
    "empty": ("", "empty"),
    "refusal": ("I cannot delete memories.", "no JSON"),
    "no decisions": ('{"decisions": []}', "none of the decisions"),
    "facts instead": ('{"facts": [], "x": 1}', "no list"),
    "only about others": (reply(row(7), row(8), row(9)), "none of the decisions"),
    "cut within the first": (PAIR[:40], "before its first entry"),
    "numbers": ('{"decisions": [1, 2]}', "none of the decisions"),
}


@pytest.mark.parametrize(("text", "problem"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_reply_that_decides_nothing_is_an_error(text: str, problem: str) -> None:
    with pytest.raises(ReplyError, match=problem):
        read_decisions(text, FACTS, MEMORIES)


def test_a_cut_off_memory_number_deletes_nobody() -> None:
    text = reply(row(2), row(1, "DELETE", (12,)))
    for end in range(text.index('{"fact": 1'), text.index("12") + 3):
        assert read_decisions(text[:end], FACTS, [*MEMORIES * 3]).decisions == tuple(ADDED)


def test_a_fact_that_was_left_undecided_is_added_and_noted() -> None:
    made = read_decisions(reply(row(2, "NONE", (2,))), FACTS, MEMORIES)
    assert made.decisions == (ADDED[0], Decision(1, "NONE", (1,)))
    assert made.notes == ("a fact was left undecided",)


@pytest.mark.parametrize(
    ("fact", "event"),
    [
        (Fact("Ana no longer has a dog", (0,)), "DELETE"),
        (Fact("Ana gave the dog away", (0,), entities=("Ana",)), "DELETE"),
        (Fact("Ana gave the dog to Bob", (0,)), "SUPERSEDE"),
        (Fact("Ana has no dog since 2026", (0,)), "SUPERSEDE"),
        (Fact("Ana gave the dog to her mother", (0,), entities=("her mother",)), "SUPERSEDE"),
        (Fact("安娜把狗送给了 Bob", (0,)), "SUPERSEDE"),
    ],
)
def test_a_deletion_loses_no_name_and_no_number_that_the_fact_brings(fact: Fact, event: str) -> None:
    (made,) = read_decisions(reply(row(1, "DELETE", (3,))), [fact], MEMORIES).decisions
    assert made == Decision(0, event, (2,), fact.text if event == "SUPERSEDE" else None)  # type: ignore[arg-type]


# What a small model answers to simple cases: the memory, the fact, its action and text; and what must come of it
ANSWERS = [
    ("Ana lives in Porto", "Ana moved to Lisbon in May 2026", "UPDATE", "Ana lives in Lisbon in May 2026", "SUPERSEDE"),
    ("Ana owns a car", "Ana no longer owns a car", "DELETE", None, "DELETE"),
    ("Ana works as a nurse", "Ana works as a nurse at São João", "UPDATE", "Ana works as a nurse at São João", "UPDATE"),
    ("Ana likes tea", "Ana likes coffee", "UPDATE", "Ana likes tea and coffee", "UPDATE"),
    ("Ana's best colour is blue", "Ana's best colour is green now", "UPDATE", "Ana's best colour is green now", "SUPERSEDE"),
    ("Ana has a dog", "Ana's dog is called Bello", "UPDATE", "Ana's dog is called Bello", "UPDATE"),
    ("Ana works at Nocturne as a nurse", "Ana quit Nocturne and now works at Solaris", "DELETE", None, "SUPERSEDE"),
    ("Ana lives in Porto", "Ana's brother works at a bank", "UPDATE", "Ana lives in Porto", "ADD"),
    ("Ana meets Dr. Reis on 2026-05-20", "The meeting was moved to 2026-05-27", "UPDATE", "Ana meets Dr. Reis on 2026-05-27", "SUPERSEDE"),
]  # fmt: skip


@pytest.mark.parametrize(("known", "said", "action", "text", "event"), ANSWERS)
def test_what_a_small_model_mixes_up_is_put_right(known: str, said: str, action: str, text: str | None, event: str) -> None:
    answer = reply(row(1, action, (1,), text, known))
    (made,) = read_decisions(answer, [Fact(said, (0,))], [Memory("a", known)]).decisions
    assert made.event == event
    assert made.text == (None if event == "DELETE" else said if text is None or event == "ADD" else text)


def test_a_memory_is_changed_for_one_fact_only() -> None:
    made = read_decisions(reply(row(1, "SUPERSEDE", (1,), LISBON), row(2, "UPDATE", (1,), "both")), FACTS, MEMORIES)
    assert made.decisions == (Decision(0, "SUPERSEDE", (0,), LISBON), ADDED[1])
    assert made.notes == ("SUPERSEDE named a memory that another fact had changed",)


def test_words_that_are_known_already_are_not_stored_again() -> None:
    facts = [Fact("Ana likes  coffee", (0,))]
    (made,) = read_decisions(reply(row(1, "SUPERSEDE", (1, 2))), facts, MEMORIES).decisions
    assert made == Decision(0, "NONE", (1,))


def test_a_single_fact_needs_no_number() -> None:
    (made,) = read_decisions('["ADD"]', FACTS[:1], MEMORIES).decisions
    assert made == ADDED[0]


NUMBERS = st.integers(-2, 9) | st.sampled_from([None, "1", "two", [1], 1.5, True, 10**30])
ROW = st.fixed_dictionaries(
    {"action": st.sampled_from([*EVENTS, "merge", "", None, 3])},
    optional={"fact": NUMBERS, "memories": st.lists(NUMBERS, max_size=6) | NUMBERS, "text": st.none() | st.text(max_size=8) | st.just(5)},
)


@given(st.lists(ROW, min_size=1, max_size=6))
def test_whatever_a_reply_says_its_reach_is_bounded_and_no_fact_is_lost(rows: list[dict[str, Any]]) -> None:
    try:
        made = read_decisions(reply(*rows), FACTS, MEMORIES).decisions
    except ReplyError:
        return
    assert [decision.fact for decision in made] == [0, 1]
    changed = [target for decision in made if decision.event != "NONE" for target in decision.targets]
    assert len(changed) == len(set(changed)) <= MAX_SUPERSEDED * len(FACTS)
    assert sum(len(d.targets) for d in made if d.event == "DELETE") <= MAX_DELETED * len(FACTS)
    for decision in made:
        assert all(0 <= target < len(MEMORIES) for target in decision.targets)
        assert (decision.text is None) == (decision.event in ("DELETE", "NONE"))
        assert decision.text is None or decision.text.strip()
        assert bool(decision.targets) == (decision.event != "ADD")


def test_the_schema_is_strict_and_names_what_the_reader_reads() -> None:
    item = SCHEMA["properties"]["decisions"]["items"]
    assert item["required"] == list(item["properties"])
    assert set(row()) == set(item["properties"])
    assert item["additionalProperties"] is SCHEMA["additionalProperties"] is False
    assert item["properties"]["action"]["enum"] == list(EVENTS)
