"""From a reply's text to rows of the shape asked for, and from what models put into them to typed values."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from ..errors import ReplyError
from .lenient_json import MAX_DEPTH, Document, TooDeepError, documents

MAX_TEXT: Final = 2_000
"""Characters in one fact. A statement that needs more is no fact; the verbatim words are kept beside it."""

MAX_ENTITIES: Final = 20
MAX_ENTITY: Final = 200

_LEVELS: Final = {"very low": 0.1, "low": 0.25, "medium": 0.5, "moderate": 0.5, "high": 0.75, "very high": 0.9, "certain": 1.0}
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")  # SQLite ends a text at NUL; a lone surrogate is no UTF-8
_NUMBERED: Final = re.compile(r"^\D{0,20}?(\d{1,6})(?:\.0+)?\D?$")  # "2", "#2", "message 2", "2."
_ISO: Final = re.compile(r"^(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?$")


@dataclass(frozen=True, slots=True)
class Rows:
    """The entries of a reply's list.

    Attributes:
        items: As the model wrote them.
        cut: The reply ended too early, or was partly unreadable; these are its complete entries.
    """

    items: list[Any]
    cut: bool


def documents_of(reply: str, wanted: str) -> list[Document]:
    """Return the JSON objects and lists in a reply.

    Args:
        reply: What the model wrote.
        wanted: What it should have written, for the error that it is shown.

    Raises:
        ReplyError: there are none.
    """
    if not reply.strip("\ufeff \t\r\n"):
        raise ReplyError(f"the reply was empty: {wanted}")
    try:
        found = documents(reply)
    except TooDeepError:
        raise ReplyError(f"the JSON was nested deeper than {MAX_DEPTH} levels: {wanted}") from None
    if not found:
        raise ReplyError(f"the reply held no JSON: {wanted}")
    return found


def rows_of(reply: str, key: str, is_row: Callable[[Mapping[str, Any]], bool]) -> Rows:
    """Return the entries of the list that a reply consists of.

    Args:
        reply: What the model wrote.
        key: The name of the list, such as `facts`.
        is_row: Says whether an object is an entry by itself: models leave out the list around a single one.

    Raises:
        ReplyError: no such list can be found; an empty list is one.
    """
    wanted = f'answer with one JSON object {{"{key}": [...]}} and nothing else'
    found = documents_of(reply, wanted)
    lists = [(_entries(document.value, key, is_row), document.whole) for document in found]
    items = [item for entries, _ in lists for item in entries or ()]
    cut = not all(whole for _, whole in lists)
    if items:
        return Rows(items, cut)
    if cut:
        raise ReplyError(f"the reply ended before its first entry was complete: write less, and {wanted}")
    if all(entries is None for entries, _ in lists):
        raise ReplyError(f'the JSON had no list "{key}": {wanted}')
    return Rows([], cut=False)


def _entries(value: Any, key: str, is_row: Callable[[Mapping[str, Any]], bool]) -> list[Any] | None:
    """Return the entries in one JSON document; None where it has no such list."""
    if isinstance(value, list):
        single = value[0] if len(value) == 1 and isinstance(value[0], dict) else None
        return _entries(single, key, is_row) if single is not None and not is_row(single) else _rows_in(value)
    named = {name.strip().lower(): inner for name, inner in value.items()}
    inner = named.get(key)
    if isinstance(inner, dict) and inner:
        return list(inner.values()) if not is_row(inner) else [inner]
    if isinstance(inner, list):
        return inner
    if is_row(value):
        return [value]
    only = next(iter(named.values())) if len(named) == 1 else None
    return _rows_in(only) if isinstance(only, list) else None  # the list under another name


def _rows_in(value: list[Any]) -> list[Any] | None:
    """Return a list of entries; None for another list, such as the `[1]` of a footnote."""
    return value if not value or any(isinstance(item, str | dict) for item in value) else None


def field_of(row: Mapping[str, Any], *names: str) -> Any:
    """Return the first field that the row has under one of these names, whatever their case; None if it has none."""
    lowered = {key.strip().lower(): value for key, value in row.items()}
    return next((lowered[name] for name in names if lowered.get(name) is not None), None)


def words(value: Any) -> str:
    """Return text that can be stored, stripped; empty for anything else."""
    return _UNSTORABLE.sub("", value).strip() if isinstance(value, str) else ""


def fraction(value: Any) -> float | None:
    """Return a number from 0 to 1, clamped, of a number, a percentage or a word such as `high`; None of anything else."""
    if isinstance(value, str):
        text = value.strip().lower()
        if text in _LEVELS:
            return _LEVELS[text]
        try:
            value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return float(min(1, max(0, value)))


def numbers(value: Any) -> list[int]:
    """Return whole numbers of a number, a text with one, or a list of these; what is none is left out."""
    if isinstance(value, Mapping):
        return numbers(field_of(value, "message", "memory", "id", "index", "number"))
    if isinstance(value, list):
        return [n for item in value if not isinstance(item, list) for n in numbers(item)]
    if isinstance(value, str):
        if "," in value:
            return [n for part in value.strip("[]() ").split(",") for n in numbers(part)]
        found = _NUMBERED.match(value.strip())
        return [int(found[1])] if found else []
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return []
    return [int(value)]


def names(value: Any) -> tuple[str, ...]:
    """Return names of a list, or of a text that parts them by commas; each once, in order."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list):
        return ()
    given = (words(field_of(v, "name", "text", "entity") if isinstance(v, Mapping) else v) for v in value)
    return tuple(dict.fromkeys(name for name in given if name and len(name) <= MAX_ENTITY))[:MAX_ENTITIES]


def moment(value: Any, *, end: bool = False) -> datetime | None:
    """Return the instant that an ISO date, month, year or datetime means, UTC; None of anything else.

    Args:
        value: What the model wrote.
        end: Of a date, month or year, the first instant behind it rather than its first.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    text = words(value)
    try:
        if day := _ISO.match(text):
            year, month, of_month = (int(part) if part else None for part in day.groups())
            return _period(year or 0, month, of_month, end)
        stated = datetime.fromisoformat(text)
        return stated.replace(tzinfo=UTC) if stated.tzinfo is None else stated.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _period(year: int, month: int | None, day: int | None, end: bool) -> datetime:
    first = date(year, month or 1, day or 1)
    if end and day:
        first += timedelta(days=1)
    elif end and month:
        first = date(year + month // 12, month % 12 + 1, 1)
    elif end:
        first = date(year + 1, 1, 1)
    return datetime(first.year, first.month, first.day, tzinfo=UTC)


def counted(reasons: Iterable[str]) -> tuple[str, ...]:
    """Return each reason once, with how often it held."""
    told: dict[str, int] = {}
    for reason in reasons:
        told[reason] = told.get(reason, 0) + 1
    return tuple(f"{count} × {reason}" if count > 1 else reason for reason, count in told.items())
