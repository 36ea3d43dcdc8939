"""What users of a LangGraph `BaseStore` rely on, as tests that any store can run.

LangGraph ships no such suite; `InMemoryStore` is its reference. Derive a class, say how a store is made, and let pytest collect it:

    class TestMyStore(LangGraphStoreTests):
        @contextmanager
        def make_store(self, **options):            # `index` and `ttl`, as BaseStore's implementations take them
            with MyStore.open("store.db", **options) as store:
                yield store

    class TestMyAsyncStore(LangGraphAsyncStoreTests):   # the same tests through `aget`, `aput`, ...
        @asynccontextmanager
        async def make_store(self, **options): ...

`make_store` is called for an empty store; a test may call it several times, for several stores. Needs pytest and langgraph, and no
network. docs/testing.md says how LangGraph's own stores fare.
"""

# ruff: noqa: D102 - a test's name is its sentence

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack
from datetime import timedelta
from typing import Any, ClassVar, Final

import pytest
from langchain_core.embeddings import Embeddings
from langgraph.store.base import BaseStore, GetOp, InvalidNamespaceError, ListNamespacesOp, PutOp, SearchOp

from .embedders import HashEmbedder

DIMS: Final = 256

FILTERS: Final[Sequence[tuple[Any, str]]] = (
    ({"kind": "note"}, "a b"),
    ({"kind": "note", "size": 1}, "a"),
    ({"size": {"$eq": 2}}, "b"),
    ({"size": {"$ne": 2}}, "a c d e"),  # a missing field differs from everything
    ({"size": {"$gt": 1}}, "b c"),
    ({"size": {"$gte": 1, "$lt": 3}}, "a b"),
    ({"size": {"$lte": 1}}, "a"),
    ({"size": {"$gt": 2.5}}, "c"),  # the text "3.5" counts as a number
    ({"size": {"$lt": float("inf")}}, "a b c"),
    ({"size": None}, "d e"),
    ({"flag": True}, "a"),
    ({"flag": False}, "b"),
    ({"tags": ["x", "y"]}, "a"),
    ({"tags": ["y", "x"]}, ""),
    ({"owner": {"name": "Ana"}}, "a"),  # it may have more entries
    ({"owner": {"age": {"$gte": 30}}}, "b"),
    ({"owner": {"$eq": {"name": "Ben", "age": 31}}}, "b"),
    ({"nothing": "there"}, ""),
    ({"nothing": {"$gt": 1}}, ""),  # neither an error nor a match
    ({"kind": {"$gt": 1}}, ""),
    ({"day": {"$gte": "2026-02-01"}}, "b c"),
    ({'odd key\'s "name"': "it's"}, "e"),
    ({"kind": "' OR 1=1 --"}, ""),
    ({}, "a b c d e"),
)
VALUES: Final[Mapping[str, Mapping[str, Any]]] = {
    "a": {"kind": "note", "size": 1, "flag": True, "tags": ["x", "y"], "owner": {"name": "Ana", "age": 29}, "day": "2026-01-31"},
    "b": {"kind": "note", "size": 2, "flag": False, "tags": ["x"], "owner": {"name": "Ben", "age": 31}, "day": "2026-02-01"},
    "c": {"kind": "book", "size": "3.5", "day": "2026-11-20"},
    "d": {"kind": "none", "size": None},
    "e": {'odd key\'s "name"': "it's"},
}


class WordEmbeddings(Embeddings):
    """Texts that share words are similar; a text with the word `unembeddable` cannot be embedded.

    Attributes:
        documents: Every text embedded for storing.
        queries: Every question.
    """

    model = "words"

    def __init__(self) -> None:
        self._embedder = HashEmbedder(DIMS)
        self.documents: list[str] = []
        self.queries: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector per text."""
        self.documents += texts
        if any("unembeddable" in text for text in texts):
            raise RuntimeError("no vector for this")
        return [self._embedder.embed_query(text).tolist() for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        self.queries.append(text)
        return [float(x) for x in self._embedder.embed_query(text)]


class LangGraphStoreTests:
    """What every store must do. Override `make_store`.

    Attributes:
        supports_index: The store finds by meaning; else these tests are skipped.
        supports_ttl: It lets items expire; else these tests are skipped.
        ttl_s: Seconds that items live in the tests of that; more for a store that counts in whole seconds.
        clock_s: Seconds after which a later time is surely told from an earlier one.
    """

    supports_index: ClassVar[bool] = True
    supports_ttl: ClassVar[bool] = True
    ttl_s: ClassVar[float] = 1.0
    clock_s: ClassVar[float] = 0.01

    def make_store(self, **options: Any) -> AbstractContextManager[BaseStore]:
        """Return a context manager that gives an empty store."""
        raise NotImplementedError("override make_store")

    @pytest.fixture
    def opened(self) -> Iterator[Callable[..., Any]]:
        """Open stores that are closed when the test is over."""
        with ExitStack() as stack:
            yield lambda **options: stack.enter_context(self.make_store(**options))

    @pytest.fixture
    def store(self, opened: Callable[..., Any]) -> Any:
        """An empty store that finds nothing by meaning."""
        return opened()

    @pytest.fixture
    def words(self) -> WordEmbeddings:
        """What the indexed stores embed with."""
        if not self.supports_index:
            pytest.skip("this store does not find by meaning")
        return WordEmbeddings()

    @pytest.fixture
    def indexed(self, opened: Callable[..., Any], words: WordEmbeddings) -> Any:
        """An empty store that finds items by the field `text`."""
        return opened(index={"dims": DIMS, "embed": words, "fields": ["text"]})

    @pytest.fixture
    def minutes(self) -> float:
        """How long items live in the tests of that."""
        if not self.supports_ttl:
            pytest.skip("this store lets nothing expire")
        return self.ttl_s / 60

    # Items

    def test_what_was_put_is_got(self, store: Any) -> None:
        value = {"text": "é 日本 \u2028", "n": 1, "f": 1.5, "t": True, "none": None, "list": [1, [2, {"x": []}]], "dict": {"a": {}}}
        store.put(("users", "ana"), "key", value)
        item = store.get(("users", "ana"), "key")
        assert (item.namespace, item.key, item.value) == (("users", "ana"), "key", value)

    def test_what_was_never_put_is_none(self, store: Any) -> None:
        store.put(("users", "ana"), "key", {"n": 1})
        for namespace, key in ((("users", "ana"), "other"), (("users", "ben"), "key"), (("users",), "key"), (("users", "ana", "x"), "key")):
            assert store.get(namespace, key) is None

    def test_a_put_replaces_the_whole_value(self, store: Any) -> None:
        store.put(("a",), "key", {"old": 1, "both": 1})
        store.put(("a",), "key", {"both": 2})
        assert store.get(("a",), "key").value == {"both": 2}
        assert len(store.search(("a",))) == 1

    def test_times_are_aware_and_an_update_keeps_that_of_creation(self, store: Any) -> None:
        store.put(("a",), "key", {"n": 1})
        first = store.get(("a",), "key")
        time.sleep(self.clock_s)
        store.put(("a",), "key", {"n": 2})
        second = store.get(("a",), "key")
        assert first.created_at.utcoffset() == timedelta(0)
        assert first.created_at == second.created_at
        assert first.created_at <= first.updated_at < second.updated_at

    def test_a_deleted_item_is_gone_and_may_be_deleted_again(self, store: Any) -> None:
        store.put(("a",), "key", {"n": 1})
        store.put(("a",), "other", {"n": 2})
        store.delete(("a",), "key")
        store.delete(("a",), "key")
        assert store.get(("a",), "key") is None
        assert [item.key for item in store.search(("a",))] == ["other"]

    def test_what_is_put_after_a_delete_is_new(self, store: Any) -> None:
        store.put(("a",), "key", {"n": 1})
        old = store.get(("a",), "key")
        store.delete(("a",), "key")
        time.sleep(self.clock_s)
        store.put(("a",), "key", {"n": 2})
        assert store.get(("a",), "key").created_at > old.created_at

    def test_a_number_as_key_is_its_text(self, store: Any) -> None:
        store.put(("a",), 5, {"n": 1})
        assert store.get(("a",), "5").key == "5"

    def test_changing_what_was_got_changes_nothing_stored(self, store: Any) -> None:
        given: dict[str, Any] = {"list": [1]}
        store.put(("a",), "key", given)
        given["list"].append(2)
        store.get(("a",), "key").value["list"].append(3)
        assert store.get(("a",), "key").value == {"list": [1]}

    def test_an_empty_value_is_a_value(self, store: Any) -> None:
        store.put(("a",), "key", {})
        assert store.get(("a",), "key").value == {}

    # Namespaces

    @pytest.mark.parametrize("namespace", [(), ("a.b",), ("",), ("langgraph", "x"), (1,), ("a\x00b",)])
    def test_a_namespace_that_is_none_is_refused(self, store: Any, namespace: Any) -> None:
        with pytest.raises(InvalidNamespaceError):
            store.put(namespace, "key", {"n": 1})

    def test_a_batch_is_as_strict_about_namespaces(self, store: Any) -> None:
        for op in (PutOp(("a.b",), "k", {"n": 1}), PutOp((), "k", {"n": 1}), GetOp(("",), "k"), SearchOp(("a.b",))):
            with pytest.raises(InvalidNamespaceError):
                store.batch([op])

    @pytest.mark.parametrize("label", ["a%b", "a_b", "a*", "a?", "[a]", "a'b", 'a"b', "a\\b", "a,b", "ü ö", "日本", "a/b", "ana@example"])
    def test_labels_are_taken_literally(self, store: Any, label: str) -> None:
        for other in (label, f"{label}!", f"{label} ", "aXb", "axxb", "A%B", "ana", f"{label}2", label.upper() + "x"):
            store.put((other, "deep"), "key", {"label": other})
        assert store.get((label, "deep"), "key").value == {"label": label}
        assert [item.value["label"] for item in store.search((label,))] == [label]
        assert store.list_namespaces(prefix=(label,)) == [(label, "deep")] or "*" in label

    def test_a_prefix_means_whole_labels(self, store: Any) -> None:
        for namespace in (("team",), ("team", "a"), ("team", "a", "b"), ("team2", "a"), ("teams",), ("TEAM", "a"), ("x", "team")):
            store.put(namespace, "key", {"n": 1})
        assert {item.namespace for item in store.search(("team",), limit=99)} == {("team",), ("team", "a"), ("team", "a", "b")}
        assert {item.namespace for item in store.search(("team", "a"))} == {("team", "a"), ("team", "a", "b")}
        assert len(store.search((), limit=99)) == 7

    def test_namespaces_are_listed_sorted_matched_and_cut(self, store: Any) -> None:
        for namespace in (("a", "b", "c"), ("a", "b", "d", "e"), ("a", "b", "d", "i"), ("a", "b", "f"), ("a", "c", "f"), ("ab", "f")):
            store.put(namespace, "key", {"n": 1})
        listed = store.list_namespaces
        assert listed(prefix=("a", "b"), max_depth=3) == [("a", "b", "c"), ("a", "b", "d"), ("a", "b", "f")]
        assert listed(suffix=("f",)) == [("a", "b", "f"), ("a", "c", "f"), ("ab", "f")]
        assert listed(prefix=("a", "*", "f")) == [("a", "b", "f"), ("a", "c", "f")]
        assert listed(suffix=("d", "*")) == [("a", "b", "d", "e"), ("a", "b", "d", "i")]
        assert listed(prefix=("a",), suffix=("f",)) == [("a", "b", "f"), ("a", "c", "f")]
        assert listed(max_depth=1) == [("a",), ("ab",)]
        assert listed(prefix=("a", "b", "c", "d")) == []
        whole = listed()
        assert whole == sorted(whole)
        assert len(whole) == 6
        assert [*listed(limit=4), *listed(limit=4, offset=4)] == whole

    def test_a_namespace_without_items_is_not_listed(self, store: Any) -> None:
        store.put(("a",), "key", {"n": 1})
        store.put(("b",), "key", {"n": 1})
        store.delete(("a",), "key")
        store.get(("c",), "key")
        assert store.list_namespaces() == [("b",)]

    # Search without a question

    def test_pages_are_complete_and_do_not_overlap(self, store: Any) -> None:
        for n in range(25):
            store.put(("a", str(n % 3)), f"k{n}", {"n": n})
        pages = [[item.key for item in store.search(("a",), limit=10, offset=offset)] for offset in (0, 10, 20, 30)]
        assert [len(page) for page in pages] == [10, 10, 5, 0]
        assert {key for page in pages for key in page} == {f"k{n}" for n in range(25)}

    def test_a_search_returns_ten_unless_told_otherwise(self, store: Any) -> None:
        for n in range(12):
            store.put(("a",), f"k{n}", {"n": n})
        assert (len(store.search(("a",))), len(store.search(("a",), limit=0)), len(store.search(("a",), limit=10**9))) == (10, 0, 12)

    @pytest.mark.parametrize("window", [{"limit": -1}, {"offset": -1}])
    def test_a_negative_limit_or_offset_is_refused(self, store: Any, window: dict[str, int]) -> None:
        for n in range(3):
            store.put(("a",), f"k{n}", {"n": n})
        with pytest.raises(ValueError, match="-1"):
            store.search(("a",), **window)

    @pytest.mark.parametrize(("filter", "keys"), FILTERS, ids=str)
    def test_a_filter_means_what_it_says(self, store: Any, filter: Any, keys: str) -> None:
        store.batch([PutOp(("a",), key, value) for key, value in VALUES.items()])
        assert sorted(item.key for item in store.search(("a",), filter=filter)) == keys.split()

    def test_pages_of_a_filter_are_complete(self, store: Any) -> None:
        store.batch([PutOp(("a",), f"k{n}", {"n": n, "odd": n % 2 == 1}) for n in range(30)])
        pages = [[i.value["n"] for i in store.search(("a",), filter={"odd": True}, limit=6, offset=offset)] for offset in (0, 6, 12)]
        assert sorted(n for page in pages for n in page) == list(range(1, 30, 2))

    def test_an_unknown_operator_is_refused(self, store: Any) -> None:
        store.put(("a",), "key", {"n": 1})
        with pytest.raises(ValueError, match=r"\$regex"):
            store.search(("a",), filter={"n": {"$regex": "1"}})

    # Batches

    def test_a_batch_answers_in_order_from_the_state_before_it(self, store: Any) -> None:
        store.put(("a",), "old", {"n": 1})
        asked = [PutOp(("a",), "new", {"n": 2}), GetOp(("a",), "new"), GetOp(("a",), "old"), SearchOp(("a",)), ListNamespacesOp()]
        answers = store.batch([*asked, PutOp(("a",), "old", None)])
        assert answers[0] is answers[1] is answers[5] is None
        assert answers[2].value == {"n": 1}
        assert [item.key for item in answers[3]] == ["old"]
        assert answers[4] == [("a",)]
        assert [item.key for item in store.search(("a",))] == ["new"]

    def test_of_several_changes_to_an_item_the_last_counts(self, store: Any) -> None:
        store.batch(
            [PutOp(("a",), "k", {"n": 1}), PutOp(("a",), "k", {"n": 2}), PutOp(("a",), "gone", {"n": 1}), PutOp(("a",), "gone", None)]
        )
        assert [item.value for item in store.search(("a",))] == [{"n": 2}]

    def test_an_empty_batch_is_fine(self, store: Any) -> None:
        assert store.batch([]) == []

    def test_a_failed_batch_leaves_nothing_behind(self, store: Any) -> None:
        with pytest.raises(Exception):  # noqa: B017, PT011 - which one is the store's business
            store.batch([PutOp(("a",), "good", {"n": 1}), PutOp(("a",), "bad", {"n": object()})])
        assert store.search(("a",)) == []

    # Search by meaning

    def test_the_nearest_come_first_with_their_scores(self, indexed: Any) -> None:
        for key, text in (("tea", "green tea in a tin"), ("car", "the red car"), ("coffee", "black coffee in a tin")):
            indexed.put(("a",), key, {"text": text})
        found = indexed.search(("a",), query="green tea")
        assert found[0].key == "tea"
        scores = [item.score for item in found]
        assert scores == sorted(scores, reverse=True)
        assert scores[0] == pytest.approx(0.63, abs=0.1)
        assert indexed.search(("a",), query="the red car")[0].score == pytest.approx(1, abs=1e-3)

    def test_pages_of_a_question_are_complete_and_do_not_overlap(self, indexed: Any) -> None:
        indexed.batch([PutOp(("a", str(n % 4)), f"k{n}", {"text": f"word{n} tea"}) for n in range(35)])
        indexed.batch([PutOp(("a",), f"x{n}", {"text": f"not indexed {n}"}, index=False) for n in range(10)])
        pages = [[item.key for item in indexed.search(("a",), query="tea", limit=10, offset=offset)] for offset in range(0, 60, 10)]
        assert [len(page) for page in pages] == [10, 10, 10, 10, 5, 0]
        keys = [key for page in pages for key in page]
        assert len(set(keys)) == 45
        assert all(key.startswith("k") for key in keys[:35]), "what has a vector comes first"

    def test_an_item_is_found_by_the_best_of_its_fields_and_once(self, opened: Callable[..., Any], words: WordEmbeddings) -> None:
        store = opened(index={"dims": DIMS, "embed": words, "fields": ["title", "parts[*].body"]})
        store.put(("a",), "two", {"title": "green tea", "parts": [{"body": "red car"}, {"body": "blue sky"}]})
        store.put(("a",), "one", {"title": "something else"})
        for question in ("green tea", "red car", "blue sky"):
            found = store.search(("a",), query=question)
            assert [item.key for item in found] == ["two", "one"]
            assert found[0].score == pytest.approx(1, abs=1e-3)

    def test_a_put_may_say_what_it_is_found_by(self, indexed: Any) -> None:
        indexed.put(("a",), "key", {"text": "red car", "inner": {"note": "green tea"}}, index=["inner.note"])
        assert indexed.search(("a",), query="green tea")[0].score == pytest.approx(1, abs=1e-3)
        assert indexed.search(("a",), query="red car")[0].score < 0.5

    def test_without_fields_the_whole_value_counts(self, opened: Callable[..., Any], words: WordEmbeddings) -> None:
        store = opened(index={"dims": DIMS, "embed": words})
        store.put(("a",), "tea", {"any": {"depth": "green tea"}})
        store.put(("a",), "car", {"any": "red car"})
        assert store.search(("a",), query="tea green")[0].key == "tea"

    def test_what_is_not_indexed_has_no_score_and_comes_last(self, indexed: Any, words: WordEmbeddings) -> None:
        indexed.put(("a",), "hidden", {"text": "green tea"}, index=False)
        indexed.put(("a",), "no such field", {"other": "green tea"})
        indexed.put(("a",), "seen", {"text": "red car"})
        found = indexed.search(("a",), query="green tea")
        assert found[0].key == "seen"
        assert {item.key: item.score for item in found[1:]} == {"hidden": None, "no such field": None}
        assert words.documents == ["red car"]

    def test_putting_it_again_unindexed_takes_the_vector_away(self, indexed: Any) -> None:
        indexed.put(("a",), "key", {"text": "green tea"})
        indexed.put(("a",), "key", {"text": "green tea"}, index=False)
        assert [item.score for item in indexed.search(("a",), query="green tea")] == [None]

    def test_putting_it_again_puts_the_new_vector_in_place_of_the_old(self, indexed: Any) -> None:
        indexed.put(("a",), "key", {"text": "green tea"})
        indexed.put(("a",), "key", {"text": "red car"})
        (found,) = indexed.search(("a",), query="green tea")
        assert found.score < 0.5
        assert indexed.search(("a",), query="red car")[0].score == pytest.approx(1, abs=1e-3)

    def test_questions_are_embedded_as_questions(self, indexed: Any, words: WordEmbeddings) -> None:
        indexed.put(("a",), "key", {"text": "green tea"})
        indexed.search(("a",), query="what tea?")
        assert words.documents == ["green tea"]
        assert words.queries[-1] == "what tea?"

    def test_a_question_keeps_to_prefix_and_filter(self, indexed: Any) -> None:
        indexed.batch([PutOp((team,), f"{team}{n}", {"text": f"tea {n}", "n": n}) for team in ("a", "ab") for n in range(30)])
        found = indexed.search(("a",), query="tea 5", filter={"n": {"$gte": 10}}, limit=50)
        assert {item.value["n"] for item in found} == set(range(10, 30))
        assert {item.namespace for item in found} == {("a",)}

    def test_equal_texts_in_a_batch_are_fine(self, indexed: Any) -> None:
        indexed.batch([PutOp(("a",), f"k{n}", {"text": "green tea"}) for n in range(3)])
        assert [item.score for item in indexed.search(("a",), query="green tea")] == pytest.approx([1, 1, 1], abs=1e-3)

    def test_where_embedding_fails_nothing_is_stored(self, indexed: Any) -> None:
        indexed.put(("a",), "old", {"text": "green tea"})
        with pytest.raises(Exception):  # noqa: B017, PT011 - which one is the store's business
            indexed.batch([PutOp(("a",), "new", {"text": "red car"}), PutOp(("a",), "old", {"text": "unembeddable"})])
        assert [item.value for item in indexed.search(("a",))] == [{"text": "green tea"}]

    # Expiry

    def test_what_has_expired_is_never_returned(self, opened: Callable[..., Any], minutes: float) -> None:
        store = opened()
        store.put(("a",), "short", {"n": 1}, ttl=minutes)
        store.put(("b",), "short", {"n": 1}, ttl=minutes)
        store.put(("a",), "long", {"n": 2})
        assert store.get(("a",), "short", refresh_ttl=False) is not None
        time.sleep(self.ttl_s * 1.6)
        assert store.get(("a",), "short") is None
        assert [item.key for item in store.search(())] == ["long"]
        assert store.list_namespaces() == [("a",)]

    def test_what_has_expired_is_not_found_by_a_question(self, opened: Callable[..., Any], minutes: float, words: WordEmbeddings) -> None:
        store = opened(index={"dims": DIMS, "embed": words, "fields": ["text"]})
        store.put(("a",), "short", {"text": "green tea"}, ttl=minutes)
        store.put(("a",), "long", {"text": "red car"})
        assert len(store.search(("a",), query="green tea", refresh_ttl=False)) == 2
        time.sleep(self.ttl_s * 1.6)
        assert [item.key for item in store.search(("a",), query="green tea")] == ["long"]

    def test_the_default_holds_for_what_is_put_without(self, opened: Callable[..., Any], minutes: float) -> None:
        store = opened(ttl={"default_ttl": minutes, "refresh_on_read": False})
        store.put(("a",), "by default", {"n": 1})
        store.put(("a",), "for ever", {"n": 2}, ttl=None)
        store.put(("a",), "longer", {"n": 3}, ttl=60)
        time.sleep(self.ttl_s * 1.6)
        assert sorted(item.key for item in store.search(("a",))) == ["for ever", "longer"]

    def test_reading_lets_it_live_on_unless_told_otherwise(self, opened: Callable[..., Any], minutes: float) -> None:
        store = opened(ttl={"default_ttl": minutes})
        for key in ("read", "found", "left"):
            store.put((key,), key, {"n": 1})
        for _ in range(2):
            time.sleep(self.ttl_s * 0.6)
            assert store.get(("read",), "read") is not None
            assert store.search(("found",)) != []
            store.get(("left",), "left", refresh_ttl=False)
            store.search(("left",), refresh_ttl=False)
        assert store.get(("left",), "left") is None

    def test_putting_it_again_begins_its_time_anew(self, opened: Callable[..., Any], minutes: float) -> None:
        store = opened(ttl={"refresh_on_read": False})
        store.put(("a",), "key", {"n": 1}, ttl=minutes)
        time.sleep(self.ttl_s * 0.6)
        store.put(("a",), "key", {"n": 2}, ttl=minutes)
        time.sleep(self.ttl_s * 0.6)
        assert store.get(("a",), "key").value == {"n": 2}
        store.put(("a",), "key", {"n": 3}, ttl=None)
        time.sleep(self.ttl_s * 1.6)
        assert store.get(("a",), "key").value == {"n": 3}

    # Many at once

    def test_many_writers_at_once_meet_no_error(self, indexed: Any) -> None:
        errors = self.crowd(indexed, writers=6, rounds=20)
        assert errors == []
        assert len(indexed.search(("crowd",), limit=1_000)) == 6 * 20

    def crowd(self, store: Any, writers: int, rounds: int) -> list[Exception]:
        """Let several write and read at once; return what went wrong."""
        errors: list[Exception] = []

        def work(writer: int) -> None:
            for n in range(rounds):
                try:
                    store.batch([PutOp(("crowd", str(writer)), f"k{n}", {"text": f"tea {n}"}), GetOp(("crowd", str(writer)), "k0")])
                except Exception as error:  # noqa: BLE001 - all of them are what the test is about
                    errors.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return errors


class Awaited:
    """A store whose sync methods await the async ones.

    Args:
        store: The store.
        loop: The loop to await on.
    """

    def __init__(self, store: BaseStore, loop: asyncio.AbstractEventLoop) -> None:
        self.store = store
        self.loop = loop

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Coroutine[Any, Any, Any]] = getattr(self.store, f"a{name}")
        return lambda *args, **kwargs: self.loop.run_until_complete(method(*args, **kwargs))


class LangGraphAsyncStoreTests(LangGraphStoreTests):
    """The same through the async methods. Override `make_store` with an async context manager."""

    def make_store(self, **options: Any) -> AbstractAsyncContextManager[BaseStore]:  # type: ignore[override]  # that is the difference
        """Return an async context manager that gives an empty store."""
        raise NotImplementedError("override make_store")

    @pytest.fixture
    def opened(self) -> Iterator[Callable[..., Any]]:
        """Open stores on a loop of this test's own."""
        loop = asyncio.new_event_loop()
        managers: list[AbstractAsyncContextManager[BaseStore]] = []

        def open_store(**options: Any) -> Awaited:
            managers.append(self.make_store(**options))
            return Awaited(loop.run_until_complete(managers[-1].__aenter__()), loop)

        yield open_store
        for manager in reversed(managers):
            loop.run_until_complete(manager.__aexit__(None, None, None))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    def crowd(self, store: Any, writers: int, rounds: int) -> list[Exception]:
        """Let several tasks write and read at once."""

        async def work(writer: int, n: int) -> None:
            await store.store.abatch([PutOp(("crowd", str(writer)), f"k{n}", {"text": f"tea {n}"}), GetOp(("crowd", str(writer)), "k0")])

        async def all_of_them() -> list[Any]:
            calls = (work(writer, n) for writer in range(writers) for n in range(rounds))
            return await asyncio.gather(*calls, return_exceptions=True)

        return [outcome for outcome in store.loop.run_until_complete(all_of_them()) if isinstance(outcome, Exception)]
