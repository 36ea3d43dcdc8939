"""Conditions on the value of an item, as LangGraph's stores know them: what such a filter means, in Python.

A filter is a dict: `{"kind": "note", "size": {"$gte": 3}}`; several keys mean all of them. Its meaning is that of LangGraph's
`InMemoryStore`, and so another one than `filters` gives to the metadata of a memory:

- A key that is missing counts as None: it equals None, and differs from anything else.
- A plain dict asks of a dict that it has these entries, and may have others; a list asks for as many elements, each alike.
- `$eq` and `$ne` compare whole values, as Python does: True equals 1.
- `$gt $gte $lt $lte` compare as numbers, also texts that spell one. Two texts of which one spells none are compared as texts, so
  that ISO dates work; anything else never matches. There `InMemoryStore` raises.
"""

from collections.abc import Mapping
from typing import Any, Final

from .errors import FilterError, shown
from .filters import MAX_DEPTH, canonical

OPERATORS: Final = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte")


def check_item_filter(filter: Any) -> Mapping[str, Any] | None:
    """Return a filter that can be used; None for none or an empty one.

    Its values may be anything: infinity is greater than all numbers, and what no JSON can hold equals nothing.

    Raises:
        FilterError: it is no dict with texts as keys, has an unknown operator, or is nested too deep.
    """
    if filter is None:
        return None
    if not isinstance(filter, Mapping):
        raise FilterError(f"a filter is a dict such as {{'kind': 'note'}}, not {type(filter).__name__}")
    _check(filter, 0)
    return filter or None


def _check(filter: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise FilterError(f"the filter is nested deeper than {MAX_DEPTH} levels: flatten it")
    if isinstance(filter, list | tuple):
        for element in filter:
            _check(element, depth + 1)
    elif isinstance(filter, Mapping):
        if odd := [key for key in filter if not isinstance(key, str)]:
            raise FilterError(f"the filter has the key {shown(odd[0])}: keys are text")
        if depth and _is_relation(filter):  # what the operators are given is compared as a whole
            if unknown := [op for op in filter if op not in OPERATORS]:
                raise FilterError(f"unknown operator {shown(unknown[0])}: use one of {', '.join(OPERATORS)}")
            return
        for value in filter.values():
            _check(value, depth + 1)


def item_matches(filter: Mapping[str, Any] | None, value: Any) -> bool:
    """Say whether the value of an item meets a filter."""
    return filter is None or (isinstance(value, Mapping) and all(_meets(value.get(key), wanted) for key, wanted in filter.items()))


def needles(filter: Mapping[str, Any] | None) -> list[str]:
    """Return texts that the canonical JSON of every value has that meets the filter; more values may have them.

    A store looks for these first: it is a hundred times cheaper than reading the JSON.
    """
    found = []
    for key, wanted in (filter or {}).items():
        if isinstance(wanted, Mapping) and _is_relation(wanted):
            wanted = wanted.get("$eq")
        if isinstance(wanted, str) and _is_text(key + wanted):
            found.append(f"{canonical(key)}:{canonical(wanted)}")
    return found


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which nothing stored has
        return False
    return True


def _is_relation(wanted: Mapping[str, Any]) -> bool:
    return any(op.startswith("$") for op in wanted)


def _meets(stored: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        if _is_relation(wanted):  # all of them: `_check` has seen to that
            return all(_holds(stored, op, operand) for op, operand in wanted.items())
        return isinstance(stored, Mapping) and all(_meets(stored.get(key), inner) for key, inner in wanted.items())
    if isinstance(wanted, list | tuple):
        alike = isinstance(stored, list | tuple) and len(stored) == len(wanted)
        return alike and all(_meets(one, other) for one, other in zip(stored, wanted, strict=True))
    return bool(stored == wanted)


def _holds(stored: Any, op: str, operand: Any) -> bool:
    if op in ("$eq", "$ne"):
        return bool((stored == operand) is (op == "$eq"))
    one, other = _number(stored), _number(operand)
    if one is None or other is None:
        if not isinstance(stored, str) or not isinstance(operand, str):
            return False
        return _in_order(stored, op, operand)
    return _in_order(one, op, other)


def _in_order(one: Any, op: str, other: Any) -> bool:
    if op == "$gt":
        return bool(one > other)
    if op == "$gte":
        return bool(one >= other)
    return bool(one < other) if op == "$lt" else bool(one <= other)


def _number(value: Any) -> float | None:
    if not isinstance(value, bool | int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):  # of an integer of hundreds of digits
        return None
