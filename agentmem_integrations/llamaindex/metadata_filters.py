"""LlamaIndex's metadata filters as the memory's conditions.

What they mean is what `build_metadata_filter_fn` of llama-index-core says, where that answers at all: a key that is missing, or
holds a null, meets `!=` and `nin` and nothing else; `not` is "none of these". Nested groups and values of mixed types, which it
refuses, have the memory's meaning: values of different types are never equal, greater or less. But 1 and 0 also equal True and
False, as in Python: a `MetadataFilter` takes no booleans, so nobody could ask for them otherwise. A group without filters says
nothing, wherever it stands.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from ..errors import FilterError, shown
from ..filters import MAX_DEPTH, All, AnyOf, Compare, Condition, Not

SOURCE: Final = "ref_doc_id"  # the key under which a node's source document is stored
_SOURCE_TOO: Final = ("doc_id", "document_id")  # what other stores call it
_NEVER: Final = AnyOf(())
_ORDER: Final = {FilterOperator.GT: "$gt", FilterOperator.GTE: "$gte", FilterOperator.LT: "$lt", FilterOperator.LTE: "$lte"}


def condition_of(filters: MetadataFilters | None) -> Condition | None:
    """Return the condition that filters mean; None if there are none.

    Raises:
        FilterError: a value that its operator cannot be asked about, or groups nested too deep.
    """
    return None if filters is None else _group(filters, 0)


def _group(filters: MetadataFilters, depth: int) -> Condition | None:
    if depth > MAX_DEPTH:
        raise FilterError(f"the filters are nested deeper than {MAX_DEPTH} levels: flatten them")
    told = (_group(f, depth + 1) if isinstance(f, MetadataFilters) else _leaf(f) for f in filters.filters)
    inner = tuple(condition for condition in told if condition is not None)
    if not inner:
        return None
    match filters.condition:
        case FilterCondition.OR:
            return AnyOf(inner)
        case FilterCondition.NOT:
            return Not(AnyOf(inner))
        case _:
            return All(inner)


def _leaf(filter: MetadataFilter) -> Condition:
    key = SOURCE if filter.key in _SOURCE_TOO else filter.key
    if filter.operator in _ORDER:
        return Compare(key, _ORDER[filter.operator], filter.value)
    return _LEAVES[filter.operator](key, filter.value)


def _equal(key: str, value: Any) -> Condition:
    return _NEVER if value is None else Compare(key, "$in", _alike(value))


def _within(key: str, value: Any) -> Condition:
    return Compare(key, "$in", [alike for item in _several(key, value) for alike in _alike(item)])


def _contains(key: str, value: Any) -> Condition:
    either = tuple(Compare(key, "$contains", item) for item in _alike(value))
    return either[0] if len(either) == 1 else AnyOf(either)


def _any(key: str, value: Any) -> Condition:
    return AnyOf(tuple(_contains(key, item) for item in _several(key, value)))


def _all(key: str, value: Any) -> Condition:
    there = Not(Compare(key, "$in", [None]))
    return All((Compare(key, "$exists", True), there, *(_contains(key, item) for item in _several(key, value))))


def _matches(key: str, value: Any) -> Condition:
    if not isinstance(value, str):
        raise FilterError(f"text_match of {shown(key)} takes a text, not {shown(value)}")
    return Compare(key, "$contains", value)


def _empty(key: str, value: Any) -> Condition:
    return AnyOf((Compare(key, "$exists", False), Compare(key, "$in", [None, "", []])))


def _alike(value: Any) -> list[Any]:
    """Return a value with what else equals it: the boolean that 1 and 0 also stand for."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value in (0, 1):
        return [value, bool(value)]
    return [value]


def _several(key: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise FilterError(f"in, nin, any and all of {shown(key)} take a list, not {shown(value)}")
    return value


_LEAVES: Final[Mapping[FilterOperator, Callable[[str, Any], Condition]]] = {
    FilterOperator.EQ: _equal,
    FilterOperator.NE: lambda key, value: Not(_equal(key, value)),
    FilterOperator.IN: _within,
    FilterOperator.NIN: lambda key, value: Not(_within(key, value)),
    FilterOperator.ANY: _any,
    FilterOperator.ALL: _all,
    FilterOperator.TEXT_MATCH: _matches,
    FilterOperator.TEXT_MATCH_INSENSITIVE: lambda key, value: Compare(key, "$icontains", value),
    FilterOperator.CONTAINS: _contains,
    FilterOperator.IS_EMPTY: _empty,
}
