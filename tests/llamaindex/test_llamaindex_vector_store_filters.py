"""Metadata filters of LlamaIndex: what each operator means, in the file and in Python, and where LlamaIndex itself has a say."""

import contextlib
import operator as compare
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

from agentmem_integrations import FilterError, InvalidInputError
from agentmem_integrations.filters import matches
from agentmem_integrations.llamaindex import AgentMemVectorStore
from agentmem_integrations.llamaindex.metadata_filters import condition_of

OP = FilterOperator
ROW: dict[str, Any] = {
    "n": 3,
    "f": 3.0,
    "s": "Hello World",
    "l": ["a", "b"],
    "e": "",
    "x": [],
    "null": None,
    "yes": True,
    "no": False,
    "flags": [True],
    "one": 1,
    "holed": [None, 1],
}

MEANINGS: list[tuple[str, FilterOperator, Any, bool]] = [
    ("n", OP.EQ, 3, True), ("n", OP.EQ, 3.0, True), ("f", OP.EQ, 3, True), ("n", OP.EQ, "3", False),
    ("yes", OP.EQ, 1, True), ("yes", OP.EQ, 1.0, True), ("yes", OP.EQ, 0, False), ("yes", OP.EQ, "true", False), ("no", OP.EQ, 0, True),
    ("yes", OP.NE, 1, False), ("no", OP.NE, 1, True), ("yes", OP.IN, [0, 1], True), ("no", OP.IN, [1], False), ("no", OP.NIN, [1], True),
    ("no", OP.NIN, [0.0], False), ("flags", OP.CONTAINS, 1, True), ("flags", OP.CONTAINS, 0, False), ("flags", OP.ANY, [0, 1], True),
    ("flags", OP.ALL, [0, 1], False), ("yes", OP.GT, 0, False), ("yes", OP.EQ, 2, False), ("one", OP.EQ, 1, True),
    ("missing", OP.EQ, 3, False), ("null", OP.EQ, None, False), ("missing", OP.EQ, None, False), ("l", OP.EQ, ["a", "b"], True),
    ("n", OP.NE, 4, True), ("n", OP.NE, 3, False), ("missing", OP.NE, 3, True), ("null", OP.NE, 3, True), ("n", OP.NE, "3", True),
    ("n", OP.NE, None, True), ("null", OP.NE, None, True),
    ("n", OP.GT, 2, True), ("n", OP.GT, 3, False), ("n", OP.GTE, 3, True), ("n", OP.LT, 3.5, True), ("n", OP.LTE, 2, False),
    ("s", OP.GT, "Hello", True), ("s", OP.LT, 5, False), ("n", OP.GT, "1", False), ("missing", OP.LT, 9, False), ("null", OP.LTE, 9, False),
    ("n", OP.IN, [1, 3], True), ("n", OP.IN, [], False), ("s", OP.IN, ["Hello"], False), ("missing", OP.IN, [1], False),
    ("n", OP.NIN, [1, 3], False), ("n", OP.NIN, [], True), ("missing", OP.NIN, [1], True), ("null", OP.NIN, [1], True),
    ("l", OP.ANY, ["b", "z"], True), ("l", OP.ANY, ["z"], False), ("l", OP.ANY, [], False), ("missing", OP.ANY, ["a"], False),
    ("l", OP.ALL, ["a", "b"], True), ("l", OP.ALL, ["a", "z"], False), ("l", OP.ALL, [], True), ("missing", OP.ALL, [], False),
    ("null", OP.ALL, [], False), ("s", OP.ANY, ["World", "z"], True), ("s", OP.ALL, ["World", "Hello"], True),
    ("s", OP.TEXT_MATCH, "lo Wo", True), ("s", OP.TEXT_MATCH, "world", False), ("missing", OP.TEXT_MATCH, "", False),
    ("s", OP.TEXT_MATCH_INSENSITIVE, "WORLD", True), ("s", OP.TEXT_MATCH_INSENSITIVE, "worlds", False),
    ("missing", OP.TEXT_MATCH_INSENSITIVE, "x", False), ("n", OP.TEXT_MATCH_INSENSITIVE, "3", False),
    ("l", OP.CONTAINS, "a", True), ("l", OP.CONTAINS, "z", False), ("s", OP.CONTAINS, "World", True), ("n", OP.CONTAINS, 3, False),
    ("missing", OP.CONTAINS, "a", False), ("l", OP.CONTAINS, None, False), ("holed", OP.CONTAINS, None, True),
    ("missing", OP.IS_EMPTY, None, True), ("null", OP.IS_EMPTY, None, True), ("e", OP.IS_EMPTY, None, True), ("x", OP.IS_EMPTY, None, True),
    ("n", OP.IS_EMPTY, None, False), ("l", OP.IS_EMPTY, None, False), ("s", OP.IS_EMPTY, None, False),
]  # fmt: skip


def one(key: str, operator: FilterOperator, value: Any) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])


@pytest.fixture(scope="module")
def shelf() -> Iterator[AgentMemVectorStore]:
    with AgentMemVectorStore("memory://") as store:
        yield store


def found(store: AgentMemVectorStore, rows: list[dict[str, Any]], filters: MetadataFilters) -> list[int]:
    store.clear()
    store.add([TextNode(id_=f"{n}", text="x", metadata=row, embedding=[1.0]) for n, row in enumerate(rows)])
    return [int(node.node_id) for node in store.get_nodes(filters=filters)]


def test_there_are_fourteen_operators_and_each_has_a_meaning() -> None:
    assert {operator for _, operator, _, _ in MEANINGS} == set(FilterOperator)
    assert len(FilterOperator) == 14


@pytest.mark.parametrize(("key", "operator", "value", "expected"), MEANINGS, ids=str)
def test_an_operator_means(shelf: AgentMemVectorStore, key: str, operator: FilterOperator, value: Any, expected: bool) -> None:
    filters = one(key, operator, value)
    assert matches(condition_of(filters), ROW) is expected
    assert bool(found(shelf, [ROW], filters)) is expected
    with contextlib.suppress(TypeError):  # where LlamaIndex itself cannot tell
        if key != "yes" and not isinstance(value, list) | (operator is OP.EQ):
            assert build_metadata_filter_fn(lambda _: ROW, filters)("any") is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [(FilterCondition.AND, [2]), (None, [2]), (FilterCondition.OR, [0, 1, 2]), (FilterCondition.NOT, [3])],
)
def test_conditions_join_filters(shelf: AgentMemVectorStore, condition: FilterCondition | None, expected: list[int]) -> None:
    filters = MetadataFilters(filters=[MetadataFilter(key="a", value=1), MetadataFilter(key="b", value=1)], condition=condition)
    assert found(shelf, [{"a": 1}, {"b": 1}, {"a": 1, "b": 1}, {}], filters) == expected


def test_groups_nest(shelf: AgentMemVectorStore) -> None:
    either = MetadataFilters(filters=[MetadataFilter(key="b", value=2), MetadataFilter(key="c", value=3)], condition=FilterCondition.OR)
    neither = MetadataFilters(filters=[either], condition=FilterCondition.NOT)
    first = MetadataFilter(key="a", value=1)
    rows = [{"a": 1, "b": 2}, {"a": 1, "c": 3}, {"a": 1}, {"b": 2}]
    assert found(shelf, rows, MetadataFilters(filters=[first, either])) == [0, 1]
    assert found(shelf, rows, MetadataFilters(filters=[first, neither])) == [2]
    assert found(shelf, rows, MetadataFilters(filters=[first, MetadataFilters(filters=[], condition=FilterCondition.NOT)])) == [0, 1, 2]


@pytest.mark.parametrize("condition", [*FilterCondition, None])
def test_a_group_without_filters_says_nothing_wherever_it_stands(shelf: AgentMemVectorStore, condition: FilterCondition | None) -> None:
    empty = MetadataFilters(filters=[MetadataFilters(filters=[]), MetadataFilters(filters=[], condition=FilterCondition.NOT)])
    rows = [{"a": 1}, {"a": 2}]
    assert found(shelf, rows, MetadataFilters(filters=[empty, empty], condition=condition)) == [0, 1]
    with_leaf = MetadataFilters(filters=[empty, MetadataFilter(key="a", value=1)], condition=condition)
    expected = [1] if condition is FilterCondition.NOT else [0]
    assert found(shelf, rows, with_leaf) == expected
    with pytest.raises(InvalidInputError, match="clear"):
        shelf.delete_nodes(filters=MetadataFilters(filters=[empty], condition=condition))
    shelf.delete_nodes(filters=with_leaf)
    assert [int(node.node_id) for node in shelf.get_nodes()] == [n for n in (0, 1) if n not in expected]


def test_filters_nested_beyond_all_measure_are_refused(shelf: AgentMemVectorStore) -> None:
    def nested(levels: int) -> MetadataFilters:
        filters = one("a", OP.EQ, 1)
        for _ in range(levels):
            filters = MetadataFilters.model_construct(filters=[filters], condition=FilterCondition.AND)
        return filters

    shelf.get_nodes(filters=nested(28))
    for levels in (40, 900, 10_000):
        with pytest.raises(FilterError, match="30"):
            shelf.get_nodes(filters=nested(levels))


keys = st.sampled_from(["a", "b", "c", "a'b", 'a"b', "$a", "$or", "doc", "é", ""])
texts = st.text(st.sampled_from("aAbßé'\"%_ "), max_size=3)
scalars = st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from([0.0, 1.0, 0.5, 2.0]) | texts
stored = st.dictionaries(keys, scalars | st.lists(scalars, max_size=3) | st.dictionaries(keys, scalars, max_size=2), max_size=5)
numbers = st.integers(-2, 3) | st.sampled_from([0.0, 1.0, 0.5])
lists = st.lists(texts, max_size=3) | st.lists(st.integers(-2, 3), max_size=3) | st.lists(st.sampled_from([0.0, 0.5]), max_size=3)


def values_of(operator: FilterOperator) -> st.SearchStrategy[Any]:
    if operator in (OP.IN, OP.NIN, OP.ANY, OP.ALL):
        return lists
    if operator in (OP.GT, OP.GTE, OP.LT, OP.LTE):
        return numbers | texts
    if operator in (OP.TEXT_MATCH, OP.TEXT_MATCH_INSENSITIVE):
        return texts
    return st.none() if operator is OP.IS_EMPTY else st.none() | numbers | texts | lists


leaves = st.sampled_from(list(FilterOperator)).flatmap(
    lambda operator: st.builds(MetadataFilter, key=keys, operator=st.just(operator), value=values_of(operator))
)
conditions = st.sampled_from([*FilterCondition, None])
groups: st.SearchStrategy[MetadataFilters] = st.recursive(
    st.builds(MetadataFilters, filters=st.lists(leaves, max_size=3), condition=conditions),
    lambda inner: st.builds(MetadataFilters, filters=st.lists(leaves | inner, max_size=3), condition=conditions),
    max_leaves=5,
)

ORDER: dict[FilterOperator, Callable[[Any, Any], bool]] = {OP.GT: compare.gt, OP.GTE: compare.ge, OP.LT: compare.lt, OP.LTE: compare.le}


def kind(value: Any) -> str:
    return "bool" if isinstance(value, bool) else "number" if isinstance(value, int | float) else type(value).__name__


def alike(one: Any, other: Any) -> bool:
    """Whether a stored value equals a filter's, where values of two types never do; but a filter's 1 and 0 may mean True and False."""
    if isinstance(one, bool) and kind(other) == "number":
        return one == other
    return same(one, other)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return kind(one) == kind(other) and bool(one == other)


def holds(filter: MetadataFilter, row: dict[str, Any]) -> bool:  # noqa: C901 - one case for each operator
    """The meaning in plain Python, written down a second time."""
    there, value = row.get(filter.key), filter.value

    def has(item: Any) -> bool:
        if isinstance(there, str):
            return isinstance(item, str) and item in there
        return isinstance(there, list) and any(alike(element, item) for element in there)

    match filter.operator:
        case OP.IS_EMPTY:
            return there is None or there in ("", [])
        case OP.NE:
            return there is None or not alike(there, value)
        case OP.NIN:
            return there is None or not any(alike(there, item) for item in value)
        case _ if there is None:
            return False
        case OP.EQ:
            return alike(there, value)
        case OP.IN:
            return any(alike(there, item) for item in value)
        case OP.ANY:
            return any(map(has, value))
        case OP.ALL:
            return all(map(has, value))
        case OP.CONTAINS | OP.TEXT_MATCH:
            return has(value)
        case OP.TEXT_MATCH_INSENSITIVE:
            folded = value.casefold()
            if isinstance(there, list):
                return any(isinstance(item, str) and item.casefold() == folded for item in there)
            return isinstance(there, str) and folded in there.casefold()
        case operator:
            return kind(there) == kind(value) and kind(value) in ("number", "str") and ORDER[operator](there, value)


def says_nothing(filter: MetadataFilter | MetadataFilters) -> bool:
    return isinstance(filter, MetadataFilters) and all(map(says_nothing, filter.filters))


def meets(filters: MetadataFilters, row: dict[str, Any]) -> bool:
    told = [f for f in filters.filters if not says_nothing(f)]
    answers = [meets(f, row) if isinstance(f, MetadataFilters) else holds(f, row) for f in told]
    if not answers:
        return True
    return {FilterCondition.OR: any(answers), FilterCondition.NOT: not any(answers)}.get(filters.condition, all(answers))  # type: ignore[arg-type]


@settings(max_examples=3 * settings().max_examples)
@given(st.lists(stored, min_size=1, max_size=5), groups)
def test_the_file_agrees_with_the_meaning(shelf: AgentMemVectorStore, rows: list[dict[str, Any]], filters: MetadataFilters) -> None:
    expected = [n for n, row in enumerate(rows) if meets(filters, row)]
    condition = condition_of(filters)
    assert [n for n, row in enumerate(rows) if matches(condition, row)] == expected
    assert found(shelf, rows, filters) == expected


@settings(max_examples=3 * settings().max_examples)
@given(stored, st.builds(MetadataFilters, filters=st.lists(leaves, min_size=1, max_size=3), condition=conditions))
def test_llama_index_agrees_wherever_it_answers(row: dict[str, Any], filters: MetadataFilters) -> None:
    flat = {key: value for key, value in row.items() if isinstance(value, str | None) or kind(value) == "number" or value == []}
    orders = {filter.key for filter in filters.filters if isinstance(filter, MetadataFilter) and filter.operator in ORDER}
    flat |= {key: value for key, value in row.items() if isinstance(value, bool) and key not in orders}  # which it takes for numbers
    lists = {key: value for key, value in row.items() if isinstance(value, list) and value and all(isinstance(item, str) for item in value)}
    metadata = flat | lists
    for filter in filters.filters:  # it takes a text for a list of letters, and folds case as ASCII does
        assert isinstance(filter, MetadataFilter)
        if filter.operator is OP.TEXT_MATCH_INSENSITIVE and "ß" in f"{filter.value}{metadata.get(filter.key)}":
            return
    try:
        theirs = build_metadata_filter_fn(lambda _: metadata, filters)("any")
    except TypeError:  # mixed types
        return
    assert matches(condition_of(filters), metadata) is theirs
