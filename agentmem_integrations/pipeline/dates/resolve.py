"""What relative dates in a text mean: `yesterday`, `last May`, `两天前`, counted from when it was said.

By rule, and sooner silent than wrong: a phrase is resolved only where its words say one date and nothing around them says
otherwise. Why not a date library: searching a text, dateparser 1.5 takes `may`, `we` and `me` for dates, misses `last weekend`
and `last May`, and needs 40 ms a sentence unless it is told the language. It parses phrases well, but finding them is the work.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, tzinfo
from functools import cache
from typing import Final

from ...models import DateSpan
from .rules import Context, Rule, any_of, clock, rules_of
from .words import ENGLISH, LANGUAGES, Language

MAX_TEXT: Final = 20_000
"""Characters of a text that are looked through."""

_WORD: Final = re.compile(r"[^\W\d_]+")
_CJK: Final = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
# `over the last month` is a span of time, `the next day` counts from a story's own time
_NOT_AFTER: Final = re.compile(r"\b(?:the|every|each|my|our|his|their|your|its|previous)\s+$", re.IGNORECASE)
_NAMED: Final = re.compile(r"last|this|next|past", re.IGNORECASE)
_NO_COUNT_AFTER: Final = re.compile(
    r"\b(?:more than|over|at least|less than|under|within|almost|nearly|the|and|to|or)\s+$|[-\d.,]$", re.IGNORECASE
)
_NOT_BEFORE: Final = re.compile(
    r"['’]?\s+(?:of|before last|after next|or so)\b|-\w|\s+(?:and a half|later|earlier|before)\b", re.IGNORECASE
)
_CLOCK: Final = re.compile(r"\s+at\s+(\d{1,2})(?:[:.](\d\d))?\s*([ap])\.?m\b\.?|\s+at\s+(\d{1,2}):(\d\d)\b", re.IGNORECASE)


def resolve(text: str, said_at: datetime, tz: tzinfo | None = None) -> list[DateSpan]:
    """Return the phrases of a text that mean a date relative to when it was said, or a bare year, and what they mean.

    `next Friday` and `this Friday` are the first Friday to come, `last May` the last May that is over. Weeks begin on Monday.
    What stays open stays unresolved: `a few days ago`, `last summer` (on which half of the globe?), `on Friday` in a sentence
    that does not tell past from future, and of `tomorrow at 5` the hour.

    Args:
        text: English, German, French, Spanish, Portuguese, Chinese or Japanese; the first `MAX_TEXT` characters are read.
        said_at: When it was said; aware, or local to the speaker.
        tz: The speaker's time zone; None means that of `said_at`.

    Returns:
        In order, without overlaps.
    """
    now = said_at.astimezone(tz) if tz is not None else said_at
    text = text[:MAX_TEXT]
    found: list[DateSpan] = []
    scores = _scores(text)
    languages: list[Language | None] = [language for language in LANGUAGES if scores[language] or language is ENGLISH]
    for language in [*languages, None] if _CJK.search(text) else languages:
        if any_of(language).search(text) is None:  # most texts have no date: one search tells, where each rule would be one
            continue
        context = Context(text, now, language)
        for rule in rules_of(language):
            found += _spans(context, rule, scores)
    return list(_apart(found))


def with_dates(text: str, said_at: datetime, tz: tzinfo | None = None) -> str:
    """Return a text with what each relative date means written behind it: `she flew home yesterday (2026-05-12)`.

    A phrase stays as it is where its meaning stands in the text already. Arguments as for `resolve`.
    """
    for span in reversed(resolve(text, said_at, tz)):
        if span.iso not in text:
            text = f"{text[: span.end]} ({span.iso}){text[span.end :]}"
    return text


def _spans(context: Context, rule: Rule, scores: Mapping[Language, int]) -> Iterator[DateSpan]:
    pattern, meaning_of = rule
    for found in pattern.finditer(context.text):
        if context.language and (_hindered(context.text, found) or not _is_spoken(context, found, scores)):
            continue
        try:
            meaning = meaning_of(context, found)
        except (ValueError, OverflowError):  # before the year 1 or after 9999
            continue
        if meaning is None:
            continue
        end = found.end()
        if meaning[1] == "day" and context.language is ENGLISH and (at := _CLOCK.match(context.text, end)):
            timed = clock(meaning[0], int(at[1] or at[4]), int(at[2] or at[5] or 0), (at[3] or "").lower())
            meaning, end = (timed, at.end()) if timed else (meaning, end)
        yield DateSpan(found.start(), end, context.text[found.start() : end], *meaning)


def _hindered(text: str, found: re.Match[str]) -> bool:
    """Say whether the words around a phrase make something else of it."""
    not_after = _NO_COUNT_AFTER if "n" in found.re.groupindex else _NOT_AFTER if _NAMED.match(found[0]) else None
    before = text[max(0, found.start() - 20) : found.start()]
    return bool(not_after and not_after.search(before)) or bool(_NOT_BEFORE.match(text, found.end()))


def _apart(spans: Iterable[DateSpan]) -> Iterator[DateSpan]:
    """Yield spans in order; of overlapping ones the first, and of those the longest."""
    end = -1
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if span.start >= end:
            end = span.end
            yield span


def _is_spoken(context: Context, found: re.Match[str], scores: Mapping[Language, int]) -> bool:
    """Say whether a phrase stands in a sentence of its language.

    `hier` is yesterday in French and here in German, `Ayer` a surname in English: a language other than English must be the one
    that most of the sentence's frequent words belong to, or where it has none, most of the text's.
    """
    if context.language is None or context.language is ENGLISH:
        return True
    before, after = context.around(found)
    own = _scores(f"{before}{found[0]}{after}")
    told = own if any(own.values()) else scores
    return all(told[context.language] > score for language, score in told.items() if language is not context.language)


def _scores(text: str) -> dict[Language, int]:
    """Return how many words are frequent words of each language."""
    heard = [word.lower() for word in _WORD.findall(text)]
    return {language: sum(word in _function_words(language) for word in heard) for language in LANGUAGES}


@cache
def _function_words(language: Language) -> frozenset[str]:
    return frozenset(language.function_words.split())
