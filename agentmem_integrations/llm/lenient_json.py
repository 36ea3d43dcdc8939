"""Reads the JSON in what language models write: fenced, wrapped in prose, cut off, or almost JSON.

Why not a repairing library: those complete a value that was cut off. The `1` of a reply that ends in `"memories": [1` may be
the beginning of 12, and half a sentence may say the opposite of the whole. Here a value that was cut off is left out, and the
reader is told.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

MAX_DEPTH: Final = 20
"""Levels of nesting that are read; the shapes asked for need four."""

MAX_CHARACTERS: Final = 1_000_000
"""Characters of a reply that are read; what follows counts as cut off."""

_OPENING: Final = re.compile(r"[{\[]")
_QUOTES: Final = {'"': '"', "'": "'", "“": "”", "„": "“", "«": "»"}
_WORDS: Final = {"true": True, "false": False, **dict.fromkeys("null none undefined nan infinity inf".split())}
# Bounded, all of these: a reply made to hurt must not cost more than its length
_GAP: Final = re.compile(r"(?:\s|\ufeff|//[^\n]{0,500}|/\*[^*]{0,500}\*/|#[^\n]{0,500})*")
_NUMBER: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WORD: Final = re.compile(r"[-+]?([A-Za-z_]+)")
_BARE_KEY: Final = re.compile(r"[\w$-]{1,60}")
_THOUGHT: Final = re.compile(r"<(think|thinking|thought|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_THOUGHT_END: Final = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
# What stands behind a quote that ends a string; any other is a quote within it that the model forgot to escape
_AFTER_KEY: Final = re.compile(r"\s{0,20}:")
_AFTER_VALUE: Final = re.compile(
    r"""\s{0,200}(?:[}\]]|,?\s{0,200}(?://|/\*|\#)|\Z|,\s{0,200}(?:["'“„«]?[\w $-]{1,60}["'”“»]?\s{0,20}:|[}\]]|\Z)"""
    r"""|\n\s{0,200}["'“„«]?[\w $-]{1,60}["'”“»]?\s{0,20}:)"""
)
_AFTER_ITEM: Final = re.compile(
    r"""\s{0,200}(?:[}\]]|,?\s{0,200}(?://|/\*|\#)|\Z|,\s{0,200}(?:["'“„«{\[\]\d.+-]|null|true|false|None|\Z)|\n\s{0,200}["'“„«{])"""
)
_QUOTES_TRIED: Final = 200
_STRUCTURE: Final = re.compile(r"[{}\[\]]")  # no quotation within a fact holds these: what stands there is the next entry
_CLOSING: Final = {close: re.compile(rf"\\.|{close}", re.DOTALL) for close in _QUOTES.values()}
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|[^\n])")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


class TooDeepError(Exception):
    """The JSON is nested deeper than anything that was asked for."""


@dataclass(frozen=True, slots=True)
class Document:
    """One JSON value found in a reply.

    Attributes:
        value: dict, list, str, int, float, bool or None. NaN and infinite numbers are None.
        whole: Nothing of it was cut off or unreadable. If not, `value` holds its complete parts.
    """

    value: Any
    whole: bool


def documents(text: str) -> list[Document]:
    """Return the JSON objects and lists in a reply, in order, and none for a reply without any.

    Where a key is given twice in one object, lists are joined, and otherwise the last value counts.

    Raises:
        TooDeepError: nested deeper than `MAX_DEPTH`.
    """
    text = text.strip("\ufeff \t\r\n")
    if (strict := _strict(text, 0)) is not None and not text[strict[1] :].strip():
        return [strict[0]]
    text, too_long = _spoken(text[:MAX_CHARACTERS]), len(text) > MAX_CHARACTERS
    found: list[Document] = []
    at = 0
    while opening := _OPENING.search(text, at):
        if (strict := _strict(text, opening.start())) is not None:
            found.append(strict[0])
            at = strict[1]
            continue
        scanner = _Scanner(text, opening.start())
        value = scanner.container(1)
        if value or not scanner.broken:
            found.append(Document(value, not scanner.broken))
        at = max(scanner.at, opening.end())
    if too_long and found:
        found[-1] = Document(found[-1].value, whole=False)
    return found


def _strict(text: str, at: int) -> tuple[Document, int] | None:
    """Return the sound JSON object or list that begins at a place, and where it ends; None where there is none."""
    if not _OPENING.match(text, at):
        return None
    try:
        value, end = _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None
    if _depth(value) > MAX_DEPTH:
        raise TooDeepError
    return Document(value, whole=True), end


def _spoken(text: str) -> str:
    """Return what a reply says once its thinking is over."""
    text = _THOUGHT.sub("", text)
    return _THOUGHT_END.split(text)[-1]  # where the server swallowed the opening tag


def _number(text: str) -> int | float | None:
    if len(text) < 20 and text.lstrip("+-").isdecimal():
        return int(text)
    number = float(text)
    return number if math.isfinite(number) else None


def _nothing(_constant: str) -> None:
    """NaN and the infinities say nothing."""


def _depth(value: Any) -> int:
    """Return how deep a value is nested, giving up beyond `MAX_DEPTH`."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        level = [part for v in level if isinstance(v, dict | list) for part in (v.values() if isinstance(v, dict) else v)]
        depth += bool(level)
    return depth


def _joined(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for key, value in pairs:
        before = whole.get(key)
        whole[key] = before + value if isinstance(before, list) and isinstance(value, list) else value
    return whole


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_joined, parse_constant=_nothing, parse_int=_number, parse_float=_number, strict=False)


class _Scanner:
    """Reads one object or list, from `at` on.

    Attributes:
        at: Where reading stopped.
        broken: It stopped before the end: the text ended, or what follows cannot be read.
    """

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at
        self.broken = False

    def container(self, depth: int) -> dict[str, Any] | list[Any]:
        """Return the object or list that begins here; of a broken one, its complete parts."""
        if depth > MAX_DEPTH:
            raise TooDeepError
        opening = self.text[self.at]
        self.at += 1
        return self._object(depth) if opening == "{" else self._list(depth)

    def _object(self, depth: int) -> dict[str, Any]:
        pairs: list[tuple[str, Any]] = []
        while self._more("}"):
            key = self._key()
            if self.broken or self._peek() != ":":
                self.broken = True
                break
            self.at += 1
            value = self._value(depth, _AFTER_VALUE)
            if not self.broken or isinstance(value, dict | list):
                pairs.append((key, value))
        return _joined(pairs)

    def _list(self, depth: int) -> list[Any]:
        items: list[Any] = []
        while self._more("]"):
            item = self._value(depth, _AFTER_ITEM)
            if not self.broken or isinstance(item, list):  # a cut object may lack the part that turns its meaning round
                items.append(item)
        return items

    def _more(self, closing: str) -> bool:
        """Say whether another entry follows; if not, step over what closes the container."""
        while not self.broken and self._peek() == ",":
            self.at += 1
        mark = self._peek()
        if mark == closing and not self.broken:
            self.at += 1
            return False
        self.broken = self.broken or not mark
        return not self.broken

    def _peek(self) -> str:
        """Return the next character that is neither white space nor in a comment; empty at the end."""
        while (gap := _GAP.match(self.text, self.at)) and gap.end() > self.at:
            self.at = gap.end()
        return self.text[self.at : self.at + 1]

    def _key(self) -> str:
        if self._peek() in _QUOTES:
            return self._string(_AFTER_KEY)
        if word := _BARE_KEY.match(self.text, self.at):
            self.at = word.end()
            return word[0]
        self.broken = True
        return ""

    def _value(self, depth: int, after: re.Pattern[str]) -> Any:
        mark = self._peek()
        if mark and mark in "{[":
            return self.container(depth + 1)
        return self._string(after) if mark in _QUOTES else self._scalar()

    def _string(self, after: re.Pattern[str]) -> str:
        start, close = self.at + 1, _QUOTES[self.text[self.at]]
        first = None
        for end in islice(self._unescaped_quotes(start, close), _QUOTES_TRIED):
            if first is not None and _STRUCTURE.search(self.text, first, end):
                break
            if after.match(self.text, end + 1):
                first = end
                break
            first = end if first is None else first
        if first is None:
            self.at, self.broken = len(self.text), True
            return ""
        self.at = first + 1
        return _unescaped(self.text[start:first])

    def _unescaped_quotes(self, start: int, close: str) -> Iterator[int]:
        """Yield where a string may end, in order."""
        return (m.start() for m in _CLOSING[close].finditer(self.text, start) if m[0] == close)

    def _scalar(self) -> Any:
        found = _NUMBER.match(self.text, self.at) or _WORD.match(self.text, self.at)
        behind = self.text[found.end() : found.end() + 1] if found else ""
        # At the very end of the text it may be half a number
        if found is None or not behind or behind not in ",]} \t\r\n/#" or (found.re is _WORD and found[1].lower() not in _WORDS):
            self.broken = True
            return None
        self.at = found.end()
        return _WORDS[found[1].lower()] if found.re is _WORD else _number(found[0])


def _unescaped(raw: str) -> str:
    """Return what a JSON string says; escapes that JSON does not know stand for themselves."""
    if "\\" not in raw:
        return raw
    units = _ESCAPE.sub(lambda m: chr(int(m[1][1:], 16)) if len(m[1]) == 5 else _ESCAPES.get(m[1], m[1]), raw)
    return units.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # pairs of escapes are one character
