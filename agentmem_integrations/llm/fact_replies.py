"""Facts: the shape a model is asked for, and how its reply is read."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ..errors import ReplyError
from ..fingerprint import normalise
from ..models import KINDS, Extraction, Fact, Turn
from .reply_rows import MAX_TEXT, counted, field_of, fraction, moment, names, numbers, rows_of, words

MAX_FACTS: Final = 100
"""Facts taken from one reply. A window of messages has a tenth of that; a model that writes more is running in circles."""

DEFAULT_KIND: Final = "semantic"
"""The kind of a fact whose model names none, or none that exists."""

FACT_KINDS: Final = tuple(kind for kind in KINDS if kind != "episode")

SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "facts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "messages": {"type": "array", "items": {"type": "integer"}},
                    "text": {"type": "string"},
                    "kind": {"type": "string", "enum": list(FACT_KINDS)},
                    "importance": {"type": "number"},
                    "confidence": {"type": "number"},
                    "entities": {"type": "array", "items": {"type": "string"}},
                    "valid_from": {"type": ["string", "null"]},
                    "valid_to": {"type": ["string", "null"]},
                },
                "required": ["messages", "text", "kind", "importance", "confidence", "entities", "valid_from", "valid_to"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["facts"],
    "additionalProperties": False,
}
"""For structured output; strict: every property is required, and there are no others. The sources come first, so that a
model that writes from left to right knows what it is quoting."""

SCHEMA_NAME: Final = "facts"

_TEXT: Final = ("text", "fact", "content", "memory", "statement")
_SOURCES: Final = ("messages", "message", "sources", "source", "indexes", "indices", "index")
# What models write into a list that should be empty
_NOTHING: Final = frozenset("none|null|nothing|n/a|na|no facts|no facts found|nothing to remember|[]|{}|-".split("|"))


def read_facts(reply: str, turns: Sequence[Turn]) -> Extraction:
    """Return the facts in a model's reply.

    A fact that cites no message it was shown is left out: it is invented. Only where one message was shown and the fact cites
    none at all, that one is taken for its source.

    Models like to fill in dates that nobody said. From when and until when a fact holds is taken over only if that date stands in
    its text, and only so that it holds at the time of telling: otherwise no search would find what is planned for tomorrow, or
    what happened yesterday.

    Args:
        reply: What the model wrote.
        turns: The messages it was shown, numbered from 1.

    Returns:
        Facts in order, each text once, at most `MAX_FACTS`.

    Raises:
        ReplyError: the reply cannot be read, or it has facts of which none can be used. That there is nothing to remember is
            no error: then there are no facts.
    """
    rows = rows_of(reply, "facts", _is_fact)
    items = [row for row in rows.items if not _says_nothing(row)]
    facts: dict[str, Fact] = {}
    refused: list[str] = []
    for row in items:
        fact = _fact(row, turns)
        if isinstance(fact, str):
            refused.append(fact)
        elif (key := normalise(fact.text)) in facts:
            refused.append("a fact was told twice")
        elif len(facts) == MAX_FACTS:
            refused.append(f"a fact came after the first {MAX_FACTS}")
        else:
            facts[key] = fact
    if items and not facts:
        raise ReplyError(f"no fact could be used: {'; '.join(counted(refused))}. Messages are numbered 1 to {len(turns)}")
    return Extraction(tuple(facts.values()), counted(refused), rows.cut)


def _is_fact(row: Mapping[str, Any]) -> bool:
    return isinstance(field_of(row, *_TEXT), str)


def _says_nothing(row: Any) -> bool:
    text = field_of(row, *_TEXT) if isinstance(row, Mapping) else row
    return isinstance(text, str) and text.strip().strip(".!").lower() in _NOTHING


def _fact(row: Any, turns: Sequence[Turn]) -> Fact | str:
    """Return the fact of one row, or why it is none."""
    if isinstance(row, str):
        row = {"text": row}
    if not isinstance(row, Mapping):
        return "an entry was no object"
    text = words(field_of(row, *_TEXT))
    if not text:
        return "a fact had no text"
    if len(text) > MAX_TEXT:
        return f"a fact had more than {MAX_TEXT} characters"
    cited = field_of(row, *_SOURCES)
    sources = sorted({n - 1 for n in numbers(cited) if 1 <= n <= len(turns)})
    if not sources and len(turns) == 1 and (cited is None or cited == []):
        sources = [0]
    if not sources:
        return "a fact cited none of the messages"
    kind = words(field_of(row, "kind", "type", "category")).lower()
    start, end = _validity(row, text, turns[sources[-1]].said_at)
    return Fact(
        text,
        tuple(sources),
        kind if kind in FACT_KINDS else DEFAULT_KIND,
        fraction(field_of(row, "importance")),
        fraction(field_of(row, "confidence")),
        names(field_of(row, "entities", "entity")),
        start,
        end,
    )


def _validity(row: Mapping[str, Any], text: str, said_at: datetime | None) -> tuple[datetime | None, datetime | None]:
    """Return from when and until when a fact holds, as far as its text says so and it holds at the time of telling."""
    start, end = _stated(row, "valid_from", text), _stated(row, "valid_to", text)
    if start is not None and said_at is not None and start > said_at:
        start = None
    if end is not None and ((said_at is not None and end <= said_at) or (start is not None and end <= start)):
        end = None
    return start, end


def _stated(row: Mapping[str, Any], name: str, text: str) -> datetime | None:
    value = field_of(row, name)
    return moment(value, end=name == "valid_to") if str(value) in text else None
