"""Conditions on metadata: what a filter means, in Python.

A filter is a dict in MongoDB's style: `{"city": "Lisbon", "age": {"$gte": 18}, "$or": [{...}, {...}]}`.
`parse` turns it into a tree, `matches` says what the tree means; every store must agree with `matches`.

The meaning, where others differ:

- Keys are the top-level keys of the metadata; plain values mean equality; several keys mean all of them.
- `$ne`, `$nin` and `$not` are plain negations, so a memory without the key matches them. `$eq: None` wants a stored null.
- Numbers compare with numbers (1 equals 1.0), text with text by code point; `True` is no number. `$gt` and its kin
  between different types never match. Lists and objects are equal if their canonical JSON is.
- `$contains` is a substring of a text, or an element of a list; `$icontains` the same of texts, whatever their case
  (`str.casefold`).
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Final

from .config import FILTER_LIMIT, ITEM_LIMIT
from .errors import FilterError, shown

COMPARISONS: Final = ("$eq", "$gt", "$gte", "$lt", "$lte", "$in", "$exists", "$contains", "$icontains")
NEGATIONS: Final = {"$ne": "$eq", "$nin": "$in"}
MAX_DEPTH: Final = 30
MAX_CONDITIONS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Compare:
    """`key` stands in the relation `op` (one of `COMPARISONS`) to `value`."""

    key: str
    op: str
    value: Any


@dataclass(frozen=True, slots=True)
class All:
    """Every one of the conditions holds."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the conditions holds."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    condition: "Condition"


Condition = Compare | All | AnyOf | Not


def canonical(value: Any) -> str:
    """Return the one JSON text that stands for `value`: sorted keys, no spaces, not escaped beyond need."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def parse(filter: Mapping[str, Any] | Condition | None) -> Condition | None:
    """Read a filter.

    Args:
        filter: The dict, or None or an empty one for no condition; or a condition tree, which also reaches keys that begin with `$`.

    Returns:
        The condition tree; None if there is no condition.

    Raises:
        FilterError: an unknown operator, a value no JSON can hold, or a filter that is too deep or too long.
    """
    if filter is None:
        return None
    if isinstance(filter, Condition):
        return _checked(filter, 0, _Room(MAX_CONDITIONS, FILTER_LIMIT))
    if not isinstance(filter, Mapping):
        raise FilterError(f"a filter is a dict such as {{'city': 'Lisbon'}}, not {type(filter).__name__}")
    if not filter:
        return None
    return _object(filter, 0, _Room(MAX_CONDITIONS, FILTER_LIMIT))


def matches(condition: Condition | None, metadata: Mapping[str, Any]) -> bool:
    """Say whether `metadata` meets the condition. This is the meaning that every store must give it."""
    match condition:
        case None:
            return True
        case Compare(key, op, value):
            return (key in metadata) == value if op == "$exists" else key in metadata and _holds(op, metadata[key], value)
        case All(conditions):
            return all(matches(c, metadata) for c in conditions)
        case AnyOf(conditions):
            return any(matches(c, metadata) for c in conditions)
        case Not(inner):
            return not matches(inner, metadata)


def check_json(value: Any, what: str, limit: int = ITEM_LIMIT) -> int:
    """Refuse what JSON in a database cannot give back unchanged, and what is too large.

    Args:
        value: The value.
        what: What it is called in errors.
        limit: Its size at most, in characters of the shortest JSON that it could be: escapes are not counted, and a number
            counts as one digit.

    Returns:
        Its size.

    Raises:
        FilterError: not JSON, a number beyond 64 bits, NaN or infinity, NUL or a lone surrogate in a text, nesting deeper
            than `MAX_DEPTH`, or larger than `limit`.
    """
    room = _Room(0, limit)
    _check(value, what, 0, room)
    return limit - room.size


class _Room:
    """What may still come: conditions of a filter, and sizes as `check_json` counts them.

    Counted on the way, not afterwards: a list that holds the same list twice, thirty levels deep, is small in memory and
    would take years to walk.
    """

    __slots__ = ("conditions", "limit", "size")

    def __init__(self, conditions: int, limit: int) -> None:
        self.conditions = conditions
        self.size = self.limit = limit

    def take(self, size: int, what: str) -> None:
        self.size -= size
        if self.size < 0:
            raise FilterError(f"{what} is larger than {self.limit:,} characters: keep large values elsewhere and refer to them")

    def take_condition(self) -> None:
        self.conditions -= 1
        if self.conditions < 0:
            raise FilterError(f"the filter is too long: at most {MAX_CONDITIONS:,} conditions are allowed, use $in for long lists")


def _check(value: Any, what: str, depth: int, room: _Room) -> None:
    if depth > MAX_DEPTH:
        raise FilterError(f"{what} is nested deeper than {MAX_DEPTH} levels: flatten it")
    match value:
        case Mapping():
            room.take(1 + max(1, _length(value)), what)  # brackets and commas
            for key, item in value.items():
                if not isinstance(key, str):
                    raise FilterError(f"{what} has the key {shown(key)}: keys are text")
                room.take(len(key) + 3, what)
                _check_text(key, what)
                _check(item, what, depth + 1, room)
        case list() | tuple():
            room.take(1 + max(1, len(value)), what)
            for item in value:
                _check(item, what, depth + 1, room)
        case str():
            room.take(len(value) + 2, what)
            _check_text(value, what)
        case _:
            room.take(1, what)
            _check_scalar(value, what)


def _length(value: Sized) -> int:
    try:
        return len(value)
    except OverflowError:  # range(10**30)
        return sys.maxsize


def _check_scalar(value: Any, what: str) -> None:
    match value:
        case None | bool():
            return
        case int():
            if not -(2**63) <= value < 2**63:
                raise FilterError(f"{what} holds an integer beyond 64 bits: pass it as text")
        case float():
            if not math.isfinite(value):
                raise FilterError(f"{what} holds {value}, which JSON cannot express: use None or text")
        case _:
            kinds = "text, numbers, booleans, None, lists and dicts (a date as its ISO text)"
            kind = type(value)
            name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
            raise FilterError(f"{what} holds a {name}: use {kinds}")


def _check_text(value: str, what: str) -> None:
    if "\x00" in value:  # SQLite's JSON functions end a text at NUL
        raise FilterError(f"{what} holds a NUL character: remove it")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as e:
            raise FilterError(f"{what} holds a lone surrogate at position {e.start}: it is not text") from None


def _object(filter: Mapping[str, Any], depth: int, room: _Room) -> Condition:
    if depth > MAX_DEPTH:
        raise FilterError(f"the filter is nested deeper than {MAX_DEPTH} levels: flatten it")
    conditions = [_entry(key, value, depth, room) for key, value in filter.items()]
    return conditions[0] if len(conditions) == 1 else All(tuple(conditions))


def _entry(key: Any, value: Any, depth: int, room: _Room) -> Condition:
    if key in ("$and", "$or"):
        if not isinstance(value, Sequence) or isinstance(value, str) or not value or not all(isinstance(v, Mapping) and v for v in value):
            raise FilterError(f"{key} takes a non-empty list of filters")
        branches = tuple(_object(v, depth + 1, room) for v in value)
        return All(branches) if key == "$and" else AnyOf(branches)
    if key == "$not":
        if not isinstance(value, Mapping) or not value:
            raise FilterError("$not takes a filter")
        return Not(_object(value, depth + 1, room))
    if not isinstance(key, str) or key.startswith("$"):
        raise FilterError(f"unknown operator {shown(key)}: use $and, $or, $not, or a metadata key")
    room.take(len(key), "a filter key")
    _check_text(key, "a filter key")
    if isinstance(value, Mapping) and any(isinstance(k, str) and k.startswith("$") for k in value):
        conditions = [_relation(key, op, operand, depth, room) for op, operand in value.items()]
        return conditions[0] if len(conditions) == 1 else All(tuple(conditions))
    return _relation(key, "$eq", value, depth, room)


def _checked(tree: Any, depth: int, room: _Room) -> Condition:
    """Return a tree that a caller made, its values checked as those of a dict are."""
    if depth > MAX_DEPTH:
        raise FilterError(f"the filter is nested deeper than {MAX_DEPTH} levels: flatten it")
    match tree:
        case Compare(key, op, value) if isinstance(key, str) and op in COMPARISONS:
            room.take(len(key), "a filter key")
            _check_text(key, "a filter key")
            return _relation(key, op, value, depth, room)
        case All(conditions):
            return All(tuple(_checked(c, depth + 1, room) for c in conditions))
        case AnyOf(conditions):
            return AnyOf(tuple(_checked(c, depth + 1, room) for c in conditions))
        case Not(inner):
            return Not(_checked(inner, depth + 1, room))
    raise FilterError(f"{shown(tree)} is no condition: use Compare, All, AnyOf and Not")


def _relation(key: str, op: Any, value: Any, depth: int, room: _Room) -> Condition:
    if op == "$not":
        if not isinstance(value, Mapping) or not value or not all(isinstance(k, str) and k.startswith("$") for k in value):
            raise FilterError(f"$not of {shown(key)} takes operators, such as {{'$not': {{'$gt': 3}}}}")
        return Not(_entry(key, value, depth + 1, room)) if depth < MAX_DEPTH else _object({}, depth + 1, room)
    if op in NEGATIONS:
        return Not(_relation(key, NEGATIONS[op], value, depth, room))
    if op not in COMPARISONS:
        raise FilterError(f"unknown operator {shown(op)} for {shown(key)}: use one of {', '.join((*COMPARISONS, *NEGATIONS, '$not'))}")
    if op == "$in" and (not isinstance(value, Sequence | frozenset | set) or isinstance(value, str | bytes)):
        raise FilterError(f"$in of {shown(key)} takes a list")
    if op == "$exists" and not isinstance(value, bool):
        raise FilterError(f"$exists of {shown(key)} takes True or False")
    if op == "$icontains" and not isinstance(value, str):
        raise FilterError(f"$icontains of {shown(key)} takes a text")
    if op in ("$gt", "$gte", "$lt", "$lte") and (isinstance(value, bool) or not isinstance(value, int | float | str)):
        raise FilterError(f"{op} of {shown(key)} takes a number or a text")
    if op == "$in":
        room.take(_length(value), "the filter")  # first: a range may list more than memory holds
        value = tuple(value)
    room.take_condition()
    _check(value, f"the filter on {shown(key)}", 0, room)
    return Compare(key, op, value)


def _holds(op: str, stored: Any, value: Any) -> bool:
    if op == "$eq":
        return same(stored, value)
    if op == "$in":
        return any(same(stored, v) for v in value)
    if op == "$contains":
        if isinstance(stored, str):
            return isinstance(value, str) and value in stored
        return isinstance(stored, list | tuple) and any(same(item, value) for item in stored)
    if op == "$icontains":
        folded = value.casefold()
        if isinstance(stored, str):
            return folded in stored.casefold()
        return isinstance(stored, list | tuple) and any(isinstance(item, str) and item.casefold() == folded for item in stored)
    if family(stored) != family(value):
        return False
    if op == "$gt":
        return bool(stored > value)
    if op == "$gte":
        return bool(stored >= value)
    return bool(stored < value) if op == "$lt" else bool(stored <= value)


def same(stored: Any, value: Any) -> bool:
    """Equality as filters see it: by type family, then by value."""
    kind = family(stored)
    if kind != family(value):
        return False
    return canonical(stored) == canonical(value) if kind == "container" else bool(stored == value)


def family(value: Any) -> str:
    """Return `null`, `boolean`, `number`, `text` or `container`: values of different families are never equal."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"
        case _:
            return "container"
