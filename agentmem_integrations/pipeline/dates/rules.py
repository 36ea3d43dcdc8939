"""The rules that turn the phrases of `words` into dates: one compiled pattern and one function each.

First, what they count with: minutes, hours, days, weeks, months and years from an instant, as ISO text.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, partial
from typing import Final

from ...models import Precision
from .words import CJK_DIGITS, CJK_OFFSETS, CJK_UNITS, CJK_WEEKDAYS, CJK_WEEKS, ENGLISH, Language

Meaning = tuple[str, Precision]
"""ISO text, and the unit that it names."""


def _shifted(now: datetime, count: int, unit: Precision) -> Meaning:
    """Return the minute, hour, day, ... that lies `count` of them from `now`; a negative count lies before.

    Raises:
        ValueError, OverflowError: before the year 1 or after 9999.
    """
    match unit:
        case "minute":
            return f"{now + timedelta(minutes=count):%Y-%m-%dT%H:%M}", unit
        case "hour":
            return f"{now + timedelta(hours=count):%Y-%m-%dT%H:00}", unit
        case "day":
            return day(now.date() + timedelta(days=count))
        case "week" | "weekend":
            first = _monday(now.date()) + timedelta(weeks=count)
            last = first + timedelta(days=6)
            return f"{first + timedelta(days=5) if unit == 'weekend' else first}/{last}", unit
        case "month":
            years, before = divmod(now.month - 1 + count, 12)
            return month(now.year + years, before + 1)
        case "year":
            return f"{date(now.year + count, 1, 1).year:04}", unit


def day(of: date) -> Meaning:
    """Return one day."""
    return of.isoformat(), "day"


def month(year: int, number: int) -> Meaning:
    """Return one month, 1 to 12."""
    return date(year, number, 1).isoformat()[:7], "month"


def clock(of_day: str, hour: int, minute: int, half: str) -> Meaning | None:
    """Return a time of a day; None if no clock shows it.

    Args:
        of_day: ISO date.
        hour: 0 to 23, or 1 to 12 with `half`.
        minute: 0 to 59.
        half: `a` for a.m., `p` for p.m., or empty.
    """
    if minute > 59 or hour > 23 or (half and not 1 <= hour <= 12):
        return None
    hour = hour % 12 + (12 if half == "p" else 0) if half else hour
    return f"{of_day}T{hour:02}:{minute:02}", "minute"


def _monday(of: date) -> date:
    """Return the first day of a date's week."""
    return of - timedelta(days=of.weekday())


_SENTENCE_END: Final = re.compile(r"[.!?;]\s|[\n。！？]")
_NAME: Final = re.compile(r"\(\?P<\w+>")
_GAP: Final = re.compile(r"(\(\?<!.*?\))| ")  # a look-behind needs a fixed width
_PLURAL: Final = re.compile(r"\s+(?!(?:was|is|has|as|this|its|his|us|always|perhaps|towards|across)\b)[a-z]+s\b")
_AMBIGUOUS: Final = frozenset({"may", "march"})  # month or verb: only the capital tells
_SENTENCE: Final = 300  # characters to each side that may tell tense and language


@dataclass(frozen=True, slots=True)
class Context:
    """Where a phrase was found.

    Attributes:
        text: The whole text.
        now: When it was said, local to the speaker.
        language: Whose rule it is; None for Chinese and Japanese.
    """

    text: str
    now: datetime
    language: Language | None

    def direction(self, found: re.Match[str]) -> int:
        """Return -1 if the words around a phrase speak of the past, 1 of the future, 0 if they do not tell or tell both."""
        if self.language is None:
            return 0
        past, future = _tenses(self.language)
        sentence = " … ".join(self.around(found))
        return bool(future.search(sentence)) - bool(past.search(sentence))

    def around(self, found: re.Match[str]) -> tuple[str, str]:
        """Return what stands before and behind a phrase in its sentence."""
        before = _SENTENCE_END.split(self.text[max(0, found.start() - _SENTENCE) : found.start()])[-1]
        return before, _SENTENCE_END.split(self.text[found.end() : found.end() + _SENTENCE])[0]


Rule = tuple[re.Pattern[str], Callable[[Context, re.Match[str]], Meaning | None]]


@cache
def rules_of(language: Language | None) -> tuple[Rule, ...]:
    """Return the rules of a language; None stands for Chinese and Japanese."""
    return tuple(_rules(language) if language else _cjk_rules())


@cache
def any_of(language: Language | None) -> re.Pattern[str]:
    """Return a pattern that is found where any of a language's rules is."""
    return re.compile("|".join(f"(?:{_NAME.sub('(?:', pattern.pattern)})" for pattern, _ in rules_of(language)), re.IGNORECASE)


def _rules(language: Language) -> Iterator[Rule]:
    for pattern, (count, unit) in language.offsets.items():
        yield _compiled(language, pattern), partial(_offset, count=count, unit=unit)
    for patterns, resolver in (
        (language.ago, partial(_counted, sign=-1)),
        (language.ahead, partial(_counted, sign=1)),
        (language.ahead_if_future, _counted_ahead),
        (language.last, partial(_nearest, direction=-1)),
        (language.next, partial(_nearest, direction=1)),
        (language.this, partial(_nearest, direction=0)),
        (language.tensed, _tensed),
    ):
        for pattern in patterns:
            yield _compiled(language, pattern), resolver
    for word in language.years:
        yield re.compile(rf"\b{word}\s+(?P<year>(?:19|20)\d\d)\b(?![.,:/–-]?\d|\s*[%°€$])", re.IGNORECASE), _year


def _compiled(language: Language, pattern: str) -> re.Pattern[str]:
    numbers = "|".join(sorted(language.numbers, key=len, reverse=True))
    for name, alternatives in (
        ("n", rf"\d{{1,4}}|{numbers}"),
        ("unit", "|".join(language.units)),
        ("day", "|".join(language.weekdays)),
        ("month", "|".join(language.months)),
    ):
        pattern = pattern.replace(f"{{{name}}}", f"(?P<{name}>{alternatives})")
    pattern = _GAP.sub(lambda found: found[1] or r"\s+", pattern)
    return re.compile(rf"\b(?:{pattern})\b(?!['’][a-rt-z])", re.IGNORECASE)


@cache
def _tenses(language: Language) -> tuple[re.Pattern[str], re.Pattern[str]]:
    past, future = (re.sub(r"\s*\n\s*", "", words) for words in (language.past, language.future))
    return re.compile(rf"\b(?:{past})\b", re.IGNORECASE), re.compile(rf"\b(?:{future})\b", re.IGNORECASE)


def _offset(context: Context, _found: re.Match[str], *, count: int, unit: Precision) -> Meaning:
    return _shifted(context.now, count, unit)


def _counted(context: Context, found: re.Match[str], *, sign: int) -> Meaning | None:
    if context.language is None:
        return None
    word = " ".join(found["n"].lower().split())
    count = int(word) if word.isdecimal() else context.language.numbers[word]
    return _shifted(context.now, sign * count, _named(context.language.units, found["unit"]))


def _counted_ahead(context: Context, found: re.Match[str]) -> Meaning | None:
    direction = context.direction(found)
    certain = context.language is not ENGLISH and direction == 0  # elsewhere the present tense serves for the future
    return _counted(context, found, sign=1) if direction == 1 or certain else None


def _tensed(context: Context, found: re.Match[str]) -> Meaning | None:
    direction = context.direction(found)
    if not direction or re.match(r",?\s+(?:the\s+)?\d", context.text[found.end() :]):  # `in May 2020`, `on Monday 4 May`
        return None
    return _nearest(context, found, direction=direction, current=True)


def _nearest(context: Context, found: re.Match[str], *, direction: int, current: bool = False) -> Meaning | None:
    """Return the weekday or month that a phrase names and that lies next in a direction; 0 is this week's, this year's."""
    if context.language is None:
        return None
    if word := found.groupdict().get("day"):
        return _weekday(context, found, _place(context.language.weekdays, word), direction)
    word = found["month"]
    if word.lower() in _AMBIGUOUS and word.islower():
        return None
    number, now = _place(context.language.months, word) + 1, context.now
    if (year := re.search(r"\b(last|next)\s+year$", found[0], re.IGNORECASE)) is not None:
        return month(now.year + (1 if year[1].lower() == "next" else -1), number)
    if number == now.month:
        return month(now.year + (0 if current else direction), number)
    return month(now.year + (direction if (number - now.month) * direction < 0 else 0), number)


def _weekday(context: Context, found: re.Match[str], weekday: int, direction: int) -> Meaning:
    today = context.now.date()
    if (week := re.search(r"\b(last|next)\s+week$", found[0], re.IGNORECASE)) is not None:
        return day(_monday(today) + timedelta(days=weekday + (7 if week[1].lower() == "next" else -7)))
    away = (weekday - today.weekday()) % 7
    return day(today + timedelta(days=(away or 7) if direction > 0 else away - 7 if direction < 0 else away))


def _year(context: Context, found: re.Match[str]) -> Meaning | None:
    return None if _PLURAL.match(context.text, found.end()) else (found["year"], "year")  # `in 2000 steps`


def _cjk_rules() -> Iterator[Rule]:
    units, digits = "|".join(f"(?:{unit})" for unit in CJK_UNITS), "".join(CJK_DIGITS)
    weeks = "|".join(f"{word}(?:个)?(?:周|星期)" if len(word) == 1 else f"{word}の?" for word in CJK_WEEKS)
    # Not 前半 and 后期 (first half, late phase), nor 两天后的 as a part of 十两天
    counted = rf"(?<![{digits}\d])(?P<n>\d{{1,4}}|[{digits}]{{1,3}})\s?(?P<unit>{units})(?:以|之)?(?P<side>前|后|後)(?![半期])"
    yield re.compile(counted), _cjk_counted
    yield re.compile(rf"(?<![以晚早])(?P<week>{weeks})(?P<day>[{''.join(CJK_WEEKDAYS)}])(?:曜日?)?"), _cjk_weekday
    yield re.compile(r"(?<!\d)(?P<year>(?:19|20)\d\d)\s?年(?![前后後間级度以之])"), _year
    for pattern, (count, unit) in CJK_OFFSETS.items():
        yield re.compile(pattern), partial(_offset, count=count, unit=unit)


def _cjk_counted(context: Context, found: re.Match[str]) -> Meaning | None:
    count = _cjk_number(found["n"])
    sign = -1 if found["side"] == "前" else 1
    return None if count is None else _shifted(context.now, sign * count, _named(CJK_UNITS, found["unit"]))


def _cjk_weekday(context: Context, found: re.Match[str]) -> Meaning:
    word = next(word for word in CJK_WEEKS if found["week"].startswith(word))
    return day(_monday(context.now.date()) + timedelta(days=7 * CJK_WEEKS[word] + CJK_WEEKDAYS[found["day"]]))


def _cjk_number(text: str) -> int | None:
    """Return a number up to 99, in digits or in characters."""
    if text.isdecimal():
        return int(text)
    tens, ten, ones = text.partition("十")
    if len(tens) > 1 or len(ones) > 1:
        return None
    if not ten:
        return CJK_DIGITS[text]
    return (CJK_DIGITS[tens] if tens else 1) * 10 + (CJK_DIGITS[ones] if ones else 0)


def _named(units: Mapping[str, Precision], word: str) -> Precision:
    return next(unit for pattern, unit in units.items() if re.fullmatch(pattern, word, re.IGNORECASE))


def _place(names: tuple[str, ...], word: str) -> int:
    return next(place for place, pattern in enumerate(names) if re.fullmatch(pattern, word, re.IGNORECASE))
