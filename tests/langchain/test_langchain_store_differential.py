"""Whatever is put, deleted and asked, `AgentMemStore` answers as `InMemoryStore` does.

Where that one is known to differ, the model sets it right: it lists namespaces that nothing is in, and raises where a filter
compares what cannot be compared.
"""

from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore

from agentmem_integrations.langchain import AgentMemStore

LABELS = st.sampled_from(["a", "b", "ab", "A", "a*", "é", 'a"', "a,", "a]", "\\"])
NAMESPACES = st.lists(LABELS, min_size=1, max_size=3).map(tuple)
PREFIXES = st.lists(LABELS, max_size=3).map(tuple)
PATTERNS = st.lists(LABELS | st.just("*"), min_size=1, max_size=3).map(tuple)
KEYS = st.sampled_from(["k", "l", "K", "0"])
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([1.0, 2.5, "x", "it's", "2", "é", ""])
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("mn"), inner, max_size=2), max_leaves=4
)
FIELDS = st.sampled_from(["m", "n", "a b", "o'"])
VALUES = st.dictionaries(FIELDS, JSON, max_size=3)
ORDERED = st.dictionaries(
    st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), st.integers(-3, 3) | st.sampled_from([1.5, "2"]), min_size=1, max_size=2
)
EQUAL = st.dictionaries(st.sampled_from(["$eq", "$ne"]), JSON, min_size=1, max_size=2)
FILTERS = st.none() | st.dictionaries(FIELDS, JSON | EQUAL | ORDERED, max_size=2)
WINDOWS = st.tuples(st.integers(0, 12), st.integers(0, 6))


def seen(items: Any) -> list[Any]:
    return sorted(((item.namespace, item.key, item.value) for item in items), key=repr)


class Compared(RuleBasedStateMachine):
    used = Bundle("used")

    def __init__(self) -> None:
        super().__init__()
        self.ours = AgentMemStore("memory://", index=False)
        self.theirs = InMemoryStore()

    def teardown(self) -> None:
        self.ours.close()

    @rule(target=used, namespace=NAMESPACES, key=KEYS, value=VALUES)
    def put(self, namespace: Any, key: str, value: Any) -> Any:
        for store in (self.ours, self.theirs):
            store.put(namespace, key, value)
        return namespace, key

    @rule(place=used)
    def delete(self, place: Any) -> None:
        for store in (self.ours, self.theirs):
            store.delete(*place)

    @rule(place=used | st.tuples(NAMESPACES, KEYS))
    def get(self, place: Any) -> None:
        ours, theirs = self.ours.get(*place), self.theirs.get(*place)
        assert seen([ours] if ours else []) == seen([theirs] if theirs else [])

    @rule(
        ops=st.lists(st.tuples(NAMESPACES, KEYS, st.none() | VALUES), max_size=5), asked=st.lists(st.tuples(NAMESPACES, KEYS), max_size=2)
    )
    def batch(self, ops: Any, asked: Any) -> None:
        whole = [PutOp(*op) for op in ops] + [GetOp(*place) for place in asked] + [SearchOp((), limit=99)]
        ours, theirs = self.ours.batch(whole), self.theirs.batch(whole)
        assert [answer is None for answer in ours] == [answer is None for answer in theirs]
        assert seen(ours[-1]) == seen(theirs[-1])

    @rule(prefix=PREFIXES, filter=FILTERS, window=WINDOWS, query=st.none() | st.just("anything"))
    def search(self, prefix: Any, filter: Any, window: Any, query: str | None) -> None:
        limit, offset = window
        whole = self.expected(prefix, filter)
        ours = self.ours.search(prefix, filter=filter, limit=99, query=query)
        assert seen(ours) == seen(whole)
        page = self.ours.search(prefix, filter=filter, limit=limit, offset=offset, query=query)
        assert [(i.namespace, i.key) for i in page] == [(i.namespace, i.key) for i in ours[offset : offset + limit]]
        if len({item.namespace for item in whole}) == 1:  # in one namespace the order is known: that of being put first
            assert [item.key for item in ours] == [item.key for item in whole]

    def expected(self, prefix: Any, filter: Any) -> Any:
        """What `InMemoryStore` finds, item by item where comparing some of them raises."""
        try:
            return self.theirs.search(prefix, filter=filter, limit=99)
        except (TypeError, ValueError):
            return [item for item in self.theirs.search(prefix, limit=99) if self.meets(item, filter)]

    def meets(self, item: Any, filter: Any) -> bool:
        one = InMemoryStore()
        one.put(("one",), "key", item.value)
        try:
            return one.search(("one",), filter=filter) != []
        except (TypeError, ValueError):  # numbers only are compared here, so it cannot be compared
            return False

    @rule(prefix=st.none() | PATTERNS, suffix=st.none() | PATTERNS, depth=st.none() | st.integers(1, 3), window=WINDOWS)
    def list_namespaces(self, prefix: Any, suffix: Any, depth: int | None, window: Any) -> None:
        limit, offset = window
        conditions = tuple(MatchCondition(kind, path) for kind, path in (("prefix", prefix), ("suffix", suffix)) if path)
        ours = self.ours.batch([ListNamespacesOp(conditions, depth, limit, offset)])[0]
        whole = InMemoryStore()  # of what there is: the other one remembers what was deleted or merely asked for
        for item in self.theirs.search((), limit=999):
            whole.put(item.namespace, "key", {})
        assert ours == whole.batch([ListNamespacesOp(conditions, depth, limit, offset)])[0]

    @invariant()
    def the_file_agrees_with_itself(self) -> None:
        assert self.ours._memory.verify().findings == []


TestCompared = Compared.TestCase
TestCompared.settings = settings(max_examples=40, stateful_step_count=25)
