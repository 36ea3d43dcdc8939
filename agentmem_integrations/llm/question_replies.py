"""Questions: the order that a model puts candidates in, and the words that it gives a follow-up. Shapes, and how replies are read."""

from collections.abc import Mapping
from typing import Any, Final

from ..errors import ReplyError
from .reply_rows import documents_of, field_of, numbers, words

ORDER_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"order": {"type": "array", "items": {"type": "integer"}}},
    "required": ["order"],
    "additionalProperties": False,
}
ORDER_SCHEMA_NAME: Final = "order"

REWRITE_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"question": {"type": "string"}},
    "required": ["question"],
    "additionalProperties": False,
}
REWRITE_SCHEMA_NAME: Final = "question"

MAX_QUESTION: Final = 1_000
"""Characters of a rewritten question: whoever writes more does something else."""

_ORDER: Final = ("order", "ranking", "candidates", "ranked", "indexes", "ids")
_QUESTION: Final = ("question", "query", "rewritten", "rewritten_question")


def read_order(reply: str, count: int) -> tuple[int, ...]:
    """Return the candidates that a reply names, best first, numbered from 0; none if it says that none helps.

    Numbers that were not shown are refused, and only the first naming of each counts. What is not named is left out: whoever
    asked knows what becomes of it. Of a reply that was cut off the complete part counts.

    Args:
        reply: What the model wrote.
        count: Candidates that it was shown, numbered from 1.

    Raises:
        ReplyError: the reply cannot be read, or names only what was not shown.
    """
    wanted = 'answer with one JSON object {"order": [...]} and nothing else'
    for document in documents_of(reply, wanted):
        value = document.value
        listed = field_of(value, *_ORDER) if isinstance(value, Mapping) else value
        if isinstance(listed, list):
            named = [_number(item) for item in listed]
            shown = dict.fromkeys(n - 1 for n in named if n is not None and 1 <= n <= count)
            none_helps = not listed and document.whole and isinstance(value, Mapping)
            if shown or none_helps:
                return tuple(shown)
    raise ReplyError(f"it named none of the candidates, which are numbered 1 to {count}: {wanted}")


def read_rewritten(reply: str) -> str:
    """Return the question that a reply holds.

    Args:
        reply: What the model wrote.

    Raises:
        ReplyError: the reply cannot be read, or holds none.
    """
    wanted = 'answer with one JSON object {"question": "..."} and nothing else'
    for document in documents_of(reply, wanted):
        question = words(field_of(document.value, *_QUESTION)) if isinstance(document.value, Mapping) else ""
        if len(question) > MAX_QUESTION:
            raise ReplyError(f"the question had {len(question):,} characters, and {MAX_QUESTION:,} are allowed: {wanted}")
        if question:
            return question
    raise ReplyError(f"the JSON had no question: {wanted}")


def _number(item: Any) -> int | None:
    """Return the number that an entry of an order means: itself, a text with one, or an object's field."""
    found = numbers(field_of(item, "candidate", "number", "id", "index") if isinstance(item, Mapping) else item)
    return found[0] if len(found) == 1 else None
