"""Compiles a selection into an SQL condition. The only place where SQL is put together; every value is bound."""

import json
from collections.abc import Sequence
from typing import Any, Final

from ...filters import All, AnyOf, Compare, Condition, Not, canonical, family
from ...ports import Selection
from .rows import micros, owner

_RELATIONS: Final = {"$eq": "=", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_TYPES: Final = {"null": "{0}.type = 'null'", "number": "{0}.type IN ('integer', 'real')", "text": "{0}.type = 'text'"}

Sql = tuple[str, list[Any]]


def selected(selection: Selection, collection: int, now: int, *, dead: bool = False) -> Sql:
    """Return the condition on `memories m JOIN scopes s` that a selection means.

    Args:
        selection: What is meant.
        collection: Its collection's number.
        now: Microseconds; what expired by then is left out.
        dead: Take tombstones and expired memories too (history, purge).
    """
    parts: list[str] = ["s.collection = ?"]
    values: list[Any] = [collection]
    if selection.scope is not None:
        parts.append("s.kind = ? AND s.owner = ?")
        values += owner(selection.scope)
    narrow, more = narrowed(selection, now, dead=dead)
    return " AND ".join([*parts, *narrow]), values + more


def narrowed(selection: Selection, now: int, *, dead: bool = False) -> tuple[list[str], list[Any]]:
    """Return the conditions on `memories m` alone, for a scope that is already fixed."""
    parts, values = ([], []) if dead else visible(selection, now)
    extra, more = chosen(selection)
    return parts + extra, values + more


def visible(selection: Selection, now: int) -> tuple[list[str], list[Any]]:
    """Return the conditions that a memory is live now, and valid at the instant asked about."""
    parts: list[str] = ["m.deleted_at IS NULL", "(m.expires_at IS NULL OR m.expires_at > ?)"]
    if selection.any_validity:
        return parts, [now]
    at = now if selection.at is None else micros(selection.at)
    parts.append("(m.valid_from IS NULL OR m.valid_from <= ?) AND (m.valid_to IS NULL OR m.valid_to > ?)")
    return parts, [now, at, at]


def chosen(selection: Selection) -> tuple[list[str], list[Any]]:
    """Return what the caller asked for beyond owner and visibility; empty if nothing."""
    parts: list[str] = []
    values: list[Any] = []
    scope = selection.scope
    for column, wanted in (("agent_id", scope and scope.agent_id), ("session_id", scope and scope.session_id)):
        if wanted is not None:
            parts.append(f"m.{column} = ?")
            values.append(wanted)
    for column, listed in (("id", selection.ids), ("kind", selection.kinds)):
        if listed is not None:
            parts.append(f"m.{column} = ?" if len(listed) == 1 else f"m.{column} IN (SELECT value FROM json_each(?))")
            values.append(listed[0] if len(listed) == 1 else json.dumps(listed))
    for relation, limit in ((">=", selection.after), ("<=", selection.before)):
        if limit is not None:
            parts.append(f"m.occurred_at {relation} ?")
            values.append(micros(limit))
    if selection.where is not None:
        sql, more = condition(selection.where)
        parts.append(sql)
        values += more
    return parts, values


def condition(tree: Condition) -> Sql:
    """Return the SQL that agrees with `filters.matches` on `m.metadata`."""
    match tree:
        case Compare(key, op, value):
            test, values = _test(op, value)
            exists = f"EXISTS (SELECT 1 FROM json_each(m.metadata) e WHERE e.key = ? AND {test})"
            if op == "$eq" and family(value) in ("text", "boolean"):  # stored as canonical JSON: most rows need not be parsed
                return f"(instr(m.metadata, ?) > 0 AND {exists})", [f"{canonical(key)}:{canonical(value)}", key, *values]
            return (f"NOT {exists}" if op == "$exists" and not value else exists), [key, *values]
        case Not(inner):
            sql, values = condition(inner)
            return f"NOT {sql}", values
        case All(conditions):
            return _joined(" AND ", conditions)
        case AnyOf(conditions):
            return _joined(" OR ", conditions)


def _joined(word: str, conditions: Sequence[Condition]) -> Sql:
    """Join by halves: SQLite parses a long chain as a tree as deep as it is long, and stops at 1,000."""
    if not conditions:
        return ("1" if word == " AND " else "0"), []
    if len(conditions) == 1:
        return condition(conditions[0])
    half = len(conditions) // 2
    left, right = _joined(word, conditions[:half]), _joined(word, conditions[half:])
    return f"({left[0]}{word}{right[0]})", left[1] + right[1]


def _test(op: str, value: Any) -> Sql:
    """Return the condition on one `json_each` row `e`."""
    if op == "$exists":
        return "1", []
    if op == "$in":
        return _listed(value)
    if op == "$contains":
        inner, values = _equal(value, "i")  # a name of its own: it must not hide `e`
        element = f"(e.type = 'array' AND EXISTS (SELECT 1 FROM json_each(e.value) i WHERE {inner}))"
        if isinstance(value, str):
            return f"((e.type = 'text' AND instr(e.atom, ?) > 0) OR {element})", [value, *values]
        return element, values
    if op == "$icontains":
        element = "(e.type = 'array' AND EXISTS (SELECT 1 FROM json_each(e.value) i WHERE i.type = 'text' AND casefold(i.atom) = ?))"
        return f"((e.type = 'text' AND instr(casefold(e.atom), ?) > 0) OR {element})", [value.casefold()] * 2
    if op == "$eq":
        return _equal(value)
    return f"({_typed(family(value))} AND e.atom {_RELATIONS[op]} ?)", [value]


def _equal(value: Any, row: str = "e") -> Sql:
    kind = family(value)
    if kind == "null":
        return _typed(kind, row), []
    if kind == "boolean":
        return f"{row}.type = ?", ["true" if value else "false"]
    if kind == "container":
        return f"({row}.type IN ('array', 'object') AND {row}.value = ?)", [canonical(value)]
    return f"({_typed(kind, row)} AND {row}.atom = ?)", [value]


def _typed(kind: str, row: str = "e") -> str:
    return _TYPES[kind].format(row)


def _listed(values: Sequence[Any]) -> Sql:
    """Lists of texts, of numbers or of containers are bound as one JSON array each, so that a list may be long."""
    tests: list[str] = []
    bound: list[Any] = []
    for kind in ("text", "number"):
        if members := [v for v in values if family(v) == kind]:
            tests.append(f"({_typed(kind)} AND e.atom IN (SELECT value FROM json_each(?)))")
            bound.append(canonical(members))
    if containers := [canonical(v) for v in values if family(v) == "container"]:
        tests.append("(e.type IN ('array', 'object') AND e.value IN (SELECT value FROM json_each(?)))")
        bound.append(canonical(containers))
    for value in (None, True, False):
        if any(v is value for v in values):
            test, more = _equal(value)
            tests.append(test)
            bound += more
    return f"({' OR '.join(tests) or '0'})", bound
