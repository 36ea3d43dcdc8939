"""Decisions: the shape a model is asked for, and how its reply is read.

What a reply can do is bounded, whatever the messages talked the model into: it reaches only the memories it was shown, each at
most once, few at a time, and it never loses the new fact. What it ends stays in history.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..errors import ReplyError
from ..fingerprint import normalise
from ..models import Decision, Decisions, EventKind, Fact, Memory
from .reply_rows import MAX_TEXT, counted, field_of, numbers, rows_of, words

MAX_SUPERSEDED: Final = 3
"""Memories that one fact may replace."""

MAX_DELETED: Final = 1
"""Memories that one fact may take back: "forget everything" is no fact about one of them."""

EVENTS: Final[tuple[EventKind, ...]] = ("ADD", "UPDATE", "SUPERSEDE", "DELETE", "NONE")

SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "decisions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "fact": {"type": "integer"},
                    "old": {"type": ["string", "null"]},
                    "memories": {"type": "array", "items": {"type": "integer"}},
                    "action": {"type": "string", "enum": list(EVENTS)},
                    "text": {"type": ["string", "null"]},
                },
                "required": ["fact", "old", "memories", "action", "text"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["decisions"],
    "additionalProperties": False,
}
"""For structured output; strict. The memory's words come before its number: a small model copies words rightly where it takes a
number from the examples. The same for every request, numbers unbounded: providers compile a schema once, and put it in
front of the cached part of the prompt."""

SCHEMA_NAME: Final = "decisions"

_ACTION: Final = ("action", "event", "operation", "decision")
_TARGETS: Final = ("memories", "memory", "ids", "id", "memory_ids", "memory_id", "targets", "target")
_FACT: Final = ("fact", "fact_id", "fact_index", "fact_number", "index")
_MOST: Final = {"UPDATE": 1, "SUPERSEDE": MAX_SUPERSEDED, "DELETE": MAX_DELETED}
_NAME: Final = re.compile(r"(?<=\s)[^\W\d_a-z]\w+|\d+")  # a capital within a text, or a number
_WORD: Final = re.compile(r"[^\W\d_]{4,}|\d+")  # shorter ones are grammar
_SYNONYMS: Final[Mapping[str, EventKind]] = {
    **{event: event for event in EVENTS},
    **dict.fromkeys(("INSERT", "CREATE", "NEW", "STORE"), "ADD"),
    **dict.fromkeys(("EDIT", "MODIFY", "REFINE"), "UPDATE"),
    **dict.fromkeys(("MERGE", "REPLACE", "SUPERSEDES"), "SUPERSEDE"),
    **dict.fromkeys(("REMOVE", "INVALIDATE", "FORGET"), "DELETE"),
    **dict.fromkeys(("NOOP", "NO-OP", "NO_CHANGE", "NO CHANGE", "KEEP", "SKIP", "IGNORE", "DUPLICATE"), "NONE"),
}


def read_decisions(reply: str, facts: Sequence[Fact], memories: Sequence[Memory]) -> Decisions:
    """Return what a model's reply decides about new facts.

    A fact whose decision is missing, or points at memories that were not shown, or would do more than one fact may do, is
    added: nothing new is ever lost to a bad reply.

    Args:
        reply: What the model wrote.
        facts: The facts it was shown, numbered from 1.
        memories: The memories it was shown, numbered from 1.

    Returns:
        One decision per fact, in their order.

    Raises:
        ReplyError: the reply cannot be read, or decides about none of the facts.
    """
    rows = rows_of(reply, "decisions", _is_decision)
    notes = ["the reply was cut off"] if rows.cut else []
    by_fact: dict[int, Mapping[str, Any]] = {}
    for place, row in enumerate(rows.items):
        told = _told(row, place, len(rows.items), len(facts))
        if told is None:
            notes.append("a decision was about no fact that was shown")
        else:
            by_fact[told] = row if isinstance(row, Mapping) else {"action": row}
    if not by_fact:
        raise ReplyError(f"none of the decisions was about one of the facts, which are numbered 1 to {len(facts)}")
    taken: set[int] = set()
    decisions: list[Decision] = []
    for number, fact in enumerate(facts):
        made = _decision(by_fact.get(number), number, fact, memories, taken)
        if isinstance(made, str):
            notes.append(made)
            made = Decision(number, "ADD", text=fact.text)
        if made.event != "NONE":
            taken.update(made.targets)
        decisions.append(made)
    return Decisions(tuple(decisions), counted(notes))


def _is_decision(row: Mapping[str, Any]) -> bool:
    return isinstance(field_of(row, *_ACTION), str)


def _told(row: Any, place: int, rows: int, facts: int) -> int | None:
    """Return which fact a row is about, from 0: by its number, or by its place where it has none and every fact has a row."""
    given = field_of(row, *_FACT) if isinstance(row, Mapping) else None
    if rows == facts == 1 and isinstance(row, str | Mapping):
        return 0
    if (said := numbers(given)) and 1 <= said[0] <= facts:
        return said[0] - 1
    return place if not said and rows == facts and isinstance(row, str | Mapping) else None


def _decision(row: Mapping[str, Any] | None, number: int, fact: Fact, memories: Sequence[Memory], taken: set[int]) -> Decision | str:
    """Return what a row decides, or why that is refused."""
    if row is None:
        return "a fact was left undecided"
    event = _SYNONYMS.get(words(field_of(row, *_ACTION)).strip(" .").upper())
    if event is None:
        return "an action was unknown"
    if event == "ADD":
        return Decision(number, "ADD", text=fact.text)
    targets = _targets(row, memories)
    if not targets:
        return f"{event} named no memory, or one that was not shown"
    known = {normalise(memories[target].text): target for target in targets}
    if event == "NONE" or normalise(fact.text) in known:
        return Decision(number, "NONE", (known.get(normalise(fact.text), targets[0]),))
    text = words(field_of(row, "text", "new_text", "content"))
    if event in ("UPDATE", "SUPERSEDE") and normalise(text) in known:
        return f"{event} would have left the memory as it was"
    text = text if len(text) <= MAX_TEXT and normalise(text) not in known else ""
    event = _meant(event, [memories[target].text for target in targets], fact, text)
    if len(targets) > _MOST[event]:
        return f"{event} named too many memories"
    if not taken.isdisjoint(targets):
        return f"{event} named a memory that another fact had changed"
    return Decision(number, event, targets, None if event == "DELETE" else text or fact.text)


def _meant(event: EventKind, old: Sequence[str], fact: Fact, text: str) -> EventKind:
    """Return SUPERSEDE for what calls itself otherwise: small models mix these up, and what is superseded stays in history.

    A deletion is none where there is something to put in its place: words of the model's own, or a name or number in the fact
    that the memory does not have. An update is none where it drops a word of the memory.
    """
    known = " ".join(old).casefold()
    if event == "DELETE":
        named = {name.casefold() for name in (*fact.entities, *_NAME.findall(fact.text))}
        return "SUPERSEDE" if text or any(name not in known for name in named) else "DELETE"
    if event == "UPDATE":
        kept = set(_WORD.findall((text or fact.text).casefold()))
        return "UPDATE" if len(old) == 1 and kept.issuperset(_WORD.findall(known)) else "SUPERSEDE"
    return event


def _targets(row: Mapping[str, Any], memories: Sequence[Memory]) -> tuple[int, ...]:
    """Return the memories a row names, from 0; none if one of them was not shown, or if its words and numbers disagree.

    Where it names one, by words of a memory that was shown and by another's number, the words count.
    """
    named = tuple(dict.fromkeys(n - 1 for n in numbers(field_of(row, *_TARGETS))))
    old = normalise(words(field_of(row, "old")))
    quoted = [place for place, memory in enumerate(memories) if old and normalise(memory.text) == old]
    if quoted and not set(quoted) & set(named):
        named = (quoted[0],) if len(named) <= 1 else ()
    return named if all(0 <= n < len(memories) for n in named) else ()
