"""The time that a question names: "in May", "on 7 May 2023", "last week" as seen from the instant it is asked."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from .resolve import resolve

Period = tuple[datetime, datetime]
"""From, and until: the first instant behind it. Both in UTC."""
_MONTHS: Final = "january february march april may june july august september october november december".split()
_month: Final = rf"(?P<month>{'|'.join(f'{m[:3]}(?:{m[3:]})?' for m in _MONTHS)})\.?"
_ordinal: Final = r"(?:st|nd|rd|th)?"
_named: Final = re.compile(
    rf"\b(?:(?P<before>\d{{1,2}}){_ordinal}\s+(?:of\s+)?)?{_month}(?:\s+(?P<after>\d{{1,2}}){_ordinal}\b(?!:))?(?:,?\s+(?P<year>(?:19|20)\d\d))?\b",
    re.IGNORECASE,
)
_iso: Final = re.compile(r"\b(\d{4})-(\d\d)(?:-(\d\d))?\b")
_time_before: Final = re.compile(r"\b(in|on|of|during|since|by|until|before|after|last|this|early|late|mid|around)\s+$", re.IGNORECASE)


def asked_periods(question: str, at: datetime) -> list[Period]:
    """Return the times that a question names; none if it names none.

    A month without a year is the last one that had begun. A word that may be no month ("may", "march", a name) counts as one only
    where the words around it say so.

    Args:
        question: The words.
        at: When it is asked; aware.
    """
    return [period for period in (*_absolute(question, at), *_relative(question, at)) if period[0] < period[1]]


def _absolute(question: str, at: datetime) -> Iterator[Period]:
    for found in _named.finditer(question):
        day, year = found["before"] or found["after"], found["year"]
        if not (day or year or _time_before.search(question[: found.start()])):
            continue
        month = [m[:3] for m in _MONTHS].index(found["month"].lower()[:3]) + 1
        yield from _period(int(year) if year else at.year - (month > at.month), month, int(day) if day else None)
    for found in _iso.finditer(question):
        yield from _period(int(found[1]), int(found[2]), int(found[3]) if found[3] else None)


def _relative(question: str, at: datetime) -> Iterator[Period]:
    for span in resolve(question, at):
        first, _, last = span.iso.partition("/")
        for start, _ in _of_iso(first):
            for _, end in _of_iso(last or first):
                yield start, end


def _of_iso(text: str) -> Iterator[Period]:
    numbers = [int(part) for part in text.partition("T")[0].split("-")]
    if len(numbers) == 1:
        for (start, _), (_, end) in zip(_period(numbers[0], 1, None), _period(numbers[0], 12, None), strict=True):
            yield start, end
    else:
        yield from _period(numbers[0], numbers[1], numbers[2] if len(numbers) > 2 else None)


def _period(year: int, month: int, day: int | None) -> Iterator[Period]:
    """Yield the day or the month; nothing if there is none of that name."""
    try:
        first = date(year, month, day or 1)
        behind = first + timedelta(days=1) if day else date(year + month // 12, month % 12 + 1, 1)
    except (ValueError, OverflowError):
        return
    yield datetime(first.year, first.month, first.day, tzinfo=UTC), datetime(behind.year, behind.month, behind.day, tzinfo=UTC)
