"""Filters: what they mean, and that SQL means the same."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem_integrations import AgentMemory, FilterError
from agentmem_integrations.filters import MAX_CONDITIONS, MAX_DEPTH, All, AnyOf, Compare, Condition, Not, matches, parse

MEANINGS: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"a": 1}, {"a": 1}, True),
    ({"a": 1}, {"a": 1.0}, True),
    ({"a": 1}, {"a": True}, False),
    ({"a": 1}, {"a": "1"}, False),
    ({"a": None}, {"a": None}, True),
    ({"a": None}, {}, False),
    ({"a": {"$ne": 1}}, {}, True),
    ({"a": {"$nin": [1]}}, {}, True),
    ({"a": {"$not": {"$gt": 1}}}, {}, True),
    ({"$not": {"a": 1}}, {}, True),
    ({"a": {"$gt": 1}}, {"a": 2}, True),
    ({"a": {"$gt": 1}}, {"a": "2"}, False),
    ({"a": {"$gte": "b"}}, {"a": "ba"}, True),
    ({"a": {"$lt": 1, "$gt": -1}}, {"a": 0}, True),
    ({"a": {"$lt": 1, "$gt": -1}}, {"a": 5}, False),
    ({"a": {"$gt": 0}}, {"a": True}, False),
    ({"a": {"$in": [1, "x"]}}, {"a": "x"}, True),
    ({"a": {"$in": []}}, {"a": 1}, False),
    ({"a": {"$nin": []}}, {"a": 1}, True),
    ({"a": {"$exists": True}}, {"a": None}, True),
    ({"a": {"$exists": False}}, {"b": 1}, True),
    ({"a": {"$contains": "b"}}, {"a": "abc"}, True),
    ({"a": {"$contains": ""}}, {"a": ""}, True),
    ({"a": {"$contains": "b"}}, {"a": ["a", "b"]}, True),
    ({"a": {"$contains": "b"}}, {"a": ["abc"]}, False),
    ({"a": {"$contains": 2}}, {"a": [1, 2.0]}, True),
    ({"a": {"$contains": None}}, {"a": [None]}, True),
    ({"a": {"$contains": True}}, {"a": [True]}, True),
    ({"a": {"$contains": [1]}}, {"a": [[1], 2]}, True),
    ({"a": {"$contains": {"b": 1}}}, {"a": [{"b": 1}]}, True),
    ({"a": {"$icontains": "B"}}, {"a": "abc"}, True),
    ({"a": {"$icontains": "STRASSE"}}, {"a": "Die Straße"}, True),
    ({"a": {"$icontains": "b"}}, {"a": ["x", "B"]}, True),
    ({"a": {"$icontains": "b"}}, {"a": ["abc", 1, None]}, False),
    ({"a": {"$icontains": "1"}}, {"a": 1}, False),
    ({"a": {"$icontains": "ИЮ"}}, {"a": "июль"}, True),
    ({"a": [1, {"b": 2, "a": 1}]}, {"a": [1, {"a": 1, "b": 2}]}, True),
    ({"a": {"b": 1}}, {"a": {"b": 1}}, True),
    ({"$and": [{"a": 1}, {"$or": [{"b": 1}, {"b": 2}]}]}, {"a": 1, "b": 2}, True),
    ({"$or": [{"a": 1}, {"b": 1}], "c": 1}, {"b": 1, "c": 2}, False),
    ({"a": 1, "b": 2}, {"a": 1, "b": 2}, True),
    ({"a": 1, "b": 2}, {"a": 1}, False),
    ({"a'b\"c": "%_\\"}, {"a'b\"c": "%_\\"}, True),
    ({}, {"a": 1}, True),
]


@pytest.mark.parametrize(("filter", "metadata", "expected"), MEANINGS, ids=str)
def test_a_filter_means_the_same_in_sql_and_python(
    mem: AgentMemory, filter: dict[str, Any], metadata: dict[str, Any], expected: bool
) -> None:
    mem.add("tea", user_id="ana", metadata=metadata)
    assert matches(parse(filter), metadata) is expected
    assert bool(mem.list(user_id="ana", filter=filter)) is expected
    assert bool(mem.search("tea", user_id="ana", filter=filter)) is expected
    assert mem.delete(user_id="ana", filter=filter) == expected or not filter


text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)
keys = st.sampled_from(["a", "b", "c.d", "e f", 'q"t', "b\\s", "ü", "$x", "'", "", "\x01", "[0]"]) | text
numbers = st.sampled_from([0.0, -0.0, 1.0, 2**53, 2**53 + 1, float(2**53), 1e308, 5e-324, 0.1]) | st.integers(-3, 3)
scalars = (
    st.none() | st.booleans() | numbers | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | text | st.sampled_from(["a", "A", "ab", "", "é", "1", "null", "true"])
)  # fmt: skip
values = st.recursive(scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(keys, v, max_size=2), max_leaves=5)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Metadata of a few memories, and a filter that has something to do with them."""
    stored = draw(st.lists(st.dictionaries(keys, values, max_size=4), min_size=1, max_size=6))
    pool = [v for m in stored for v in m.values()]
    pool += [item for v in pool if isinstance(v, list) for item in v]
    known = [k for m in stored for k in m]
    value = st.sampled_from(pool) | values if pool else values
    key = (st.sampled_from(known) | keys if known else keys).filter(lambda k: not k.startswith("$"))
    bounds = [v for v in pool if isinstance(v, int | float | str) and not isinstance(v, bool)] or [1]
    bound = st.sampled_from(bounds) | st.integers(-3, 3) | st.text("ab", max_size=2)
    operators = st.one_of(
        *(st.fixed_dictionaries({op: value}) for op in ("$eq", "$ne", "$contains")),
        *(st.fixed_dictionaries({op: bound}) for op in ("$gt", "$gte", "$lt", "$lte")),
        *(st.fixed_dictionaries({op: st.lists(value, max_size=4)}) for op in ("$in", "$nin")),
        st.fixed_dictionaries({"$exists": st.booleans()}),
        st.fixed_dictionaries({"$contains": st.text("abA", max_size=2)}),
        st.fixed_dictionaries({"$icontains": st.text("abAÉßS", max_size=2) | text}),
    )
    plain = value.filter(lambda v: not (isinstance(v, dict) and any(k.startswith("$") for k in v)))
    leaf = st.dictionaries(key, operators | operators.map(lambda o: {"$not": o}) | plain, min_size=1, max_size=2)
    tree = st.recursive(
        leaf,
        lambda t: (
            st.fixed_dictionaries({"$and": st.lists(t, min_size=1, max_size=3)})
            | st.fixed_dictionaries({"$or": st.lists(t, min_size=1, max_size=3)})
            | st.fixed_dictionaries({"$not": t})
        ),
        max_leaves=4,
    )
    return stored, draw(tree)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of the strategy, not of a value
@settings(max_examples=4 * settings().max_examples)
@given(case=cases())
def test_sql_agrees_with_matches(shelf: AgentMemory, case: tuple[list[dict[str, Any]], dict[str, Any]]) -> None:
    stored, filter = case
    shelf.purge(user_id="ana")
    shelf.add([{"text": f"{n}", "metadata": metadata} for n, metadata in enumerate(stored)], user_id="ana")
    assert [m.metadata for m in shelf.list(user_id="ana")] == stored
    condition = parse(filter)
    expected = [f"{n}" for n, metadata in enumerate(stored) if matches(condition, metadata)]
    assert [m.text for m in shelf.list(user_id="ana", filter=filter)] == expected


def trees(key: st.SearchStrategy[str], value: st.SearchStrategy[Any]) -> st.SearchStrategy[Condition]:
    leaf = (
        st.builds(Compare, key, st.sampled_from(["$eq", "$contains"]), value)
        | st.builds(Compare, key, st.just("$in"), st.lists(value, max_size=3))
        | st.builds(Compare, key, st.just("$exists"), st.booleans())
        | st.builds(Compare, key, st.just("$icontains"), text)
    )
    return st.recursive(
        leaf,
        lambda t: st.lists(t, max_size=3).map(tuple).flatmap(lambda c: st.sampled_from([All(c), AnyOf(c)])) | st.builds(Not, t),
        max_leaves=5,
    )


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@given(st.lists(st.dictionaries(keys, values, max_size=4), min_size=1, max_size=6), trees(keys, values))
def test_a_condition_tree_means_the_same_in_sql_and_python(shelf: AgentMemory, stored: list[dict[str, Any]], tree: Condition) -> None:
    shelf.purge(user_id="ana")
    shelf.add([{"text": f"{n}", "metadata": metadata} for n, metadata in enumerate(stored)], user_id="ana")
    expected = [f"{n}" for n, metadata in enumerate(stored) if matches(tree, metadata)]
    assert [m.text for m in shelf.list(user_id="ana", filter=tree)] == expected


def test_a_condition_tree_reaches_keys_that_look_like_operators(mem: AgentMemory) -> None:
    mem.add("tea", user_id="ana", metadata={"$or": 1})
    assert mem.list(user_id="ana", filter=Compare("$or", "$eq", 1))
    assert not mem.list(user_id="ana", filter=Not(Compare("$or", "$eq", 1)))


def test_no_condition_at_all_is_true_of_all_and_false_of_any(mem: AgentMemory) -> None:
    mem.add("tea", user_id="ana")
    assert mem.list(user_id="ana", filter=All(()))
    assert not mem.list(user_id="ana", filter=AnyOf(()))
    assert mem.search("tea", user_id="ana", filter=Not(AnyOf(())))


@pytest.mark.parametrize(
    "tree",
    [Compare("a", "$regex", "x"), Compare("a", "$eq", object()), Compare(1, "$eq", 1), All((1,)), Not(None), Compare("\0", "$eq", 1)],
)
def test_a_condition_tree_that_means_nothing_is_refused(mem: AgentMemory, tree: Any) -> None:
    with pytest.raises(FilterError):
        mem.list(user_id="ana", filter=tree)


def test_a_condition_tree_may_be_as_deep_and_as_long_as_a_dict(mem: AgentMemory) -> None:
    tree: Condition = Compare("a", "$eq", 1)
    for _ in range(MAX_DEPTH):
        tree = Not(tree)
    mem.list(user_id="ana", filter=tree)
    with pytest.raises(FilterError, match="nested"):
        mem.list(user_id="ana", filter=Not(tree))
    with pytest.raises(FilterError, match="at most"):
        mem.list(user_id="ana", filter=AnyOf(tuple(Compare("a", "$eq", n) for n in range(MAX_CONDITIONS + 1))))


@pytest.fixture(scope="module")
def shelf() -> AgentMemory:
    return AgentMemory("memory://", embedder=None)


@pytest.mark.parametrize(
    "filter",
    [
        {"a": {"$regex": "x"}}, {"a": {"$gt": None}}, {"a": {"$gt": True}}, {"a": {"$gt": [1]}}, {"a": {"$in": "abc"}}, {"a": {"$in": 1}},
        {"a": {"$in": b"abc"}}, {"a": {"$exists": 1}}, {"$nor": [{"a": 1}]}, {"$and": []}, {"$or": {}}, {"$or": [{}]}, {"$and": [1]},
        {"$and": "ab"}, {"$not": {}}, {"$not": 1}, {"a": {"$not": 1}}, {"a": {"$not": {}}}, {"a": {"$eq": object()}}, {"a": float("nan")},
        {"a": 2**63}, {"a": "\0"}, {"\0": 1}, {"\ud800": 1}, {"a": "\ud800"}, {1: 2}, {None: 1}, "a = 1", ["a"], 7,
        {"a": {"$icontains": 1}},
    ],
)  # fmt: skip
def test_a_filter_that_means_nothing_is_refused(mem: AgentMemory, filter: Any) -> None:
    mem.add("tea", user_id="ana")
    for call in (mem.list, mem.delete, mem.purge):
        with pytest.raises(FilterError):
            call(user_id="ana", filter=filter)
    with pytest.raises(FilterError):
        mem.search("tea", user_id="ana", filter=filter)
    assert len(mem.list(user_id="ana")) == 1


def test_an_unknown_operator_is_named_with_those_that_exist(mem: AgentMemory) -> None:
    with pytest.raises(FilterError, match=r"\$regex.*\$contains"):
        mem.list(user_id="ana", filter={"a": {"$regex": "x"}})


@pytest.mark.parametrize("word", ["$and", "$or"])
def test_the_longest_filter_allowed_works(mem: AgentMemory, word: str) -> None:
    mem.add("tea", user_id="ana", metadata={f"k{n}": n for n in range(MAX_CONDITIONS)})
    assert mem.list(user_id="ana", filter={word: [{f"k{n}": n} for n in range(MAX_CONDITIONS)]})
    with pytest.raises(FilterError, match="at most"):
        mem.list(user_id="ana", filter={word: [{f"k{n}": n} for n in range(MAX_CONDITIONS + 1)]})


def test_the_deepest_filter_allowed_works(mem: AgentMemory) -> None:
    def nested(depth: int) -> dict[str, Any]:
        filter: dict[str, Any] = {"a": 1}
        for _ in range(depth):
            filter = {"$not": filter}
        return filter

    mem.add("tea", user_id="ana", metadata={"a": 1})
    assert mem.list(user_id="ana", filter=nested(MAX_DEPTH))
    with pytest.raises(FilterError, match="nested"):
        mem.list(user_id="ana", filter=nested(MAX_DEPTH + 1))


def test_a_long_list_is_one_condition(mem: AgentMemory) -> None:
    mem.add("tea", user_id="ana", metadata={"a": 40_000})
    assert mem.list(user_id="ana", filter={"a": {"$in": list(range(50_000))}})
    assert not mem.list(user_id="ana", filter={"a": {"$nin": list(range(50_000))}})


def test_values_of_a_filter_are_never_sql(mem: AgentMemory) -> None:
    mem.add("tea", user_id="ana", metadata={"a": 1})
    for nasty in ("' OR 1=1 --", '") OR ("1"="1', "1; DROP TABLE memories", "a.b", "a' OR 'a'='a"):
        assert mem.list(user_id="ana", filter={"a": nasty}) == []
        assert mem.list(user_id="ana", filter={nasty: 1}) == []
    assert len(mem.list(user_id="ana")) == 1


def test_a_filter_asked_again_sees_what_has_changed(mem: AgentMemory) -> None:
    """What a filter chose is remembered; every kind of change must end that."""

    def found() -> list[str]:
        return sorted(hit.memory.id for hit in mem.search("tea", user_id="ana", filter={"a": 1}))

    mem.add_batch([{"text": f"tea {n}", "id": f"{n}", "metadata": {"a": 1}} for n in range(4)], user_id="ana")
    assert found() == found() == ["0", "1", "2", "3"]
    mem.add("tea 4", id="4", user_id="ana", metadata={"a": 1})
    mem.update("0", user_id="ana", metadata={"a": 2})
    assert found() == ["1", "2", "3", "4"]
    mem.delete("1", user_id="ana")
    mem.purge("2", user_id="ana")
    assert found() == ["3", "4"]
    mem.add("tea 0", id="0", user_id="ana", metadata={"a": 1})
    mem.add("tea 1", id="1", user_id="ana", metadata={"a": 1})
    assert found() == ["0", "1", "3", "4"]
    mem.add("tea 9", id="9", user_id="ben", metadata={"a": 1})
    assert found() == ["0", "1", "3", "4"]
    assert mem.search("tea", user_id="ana", filter={"a": True}) == []
