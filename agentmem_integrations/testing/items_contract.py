"""The contract of a `ports.Store` on items of agent frameworks, as tests; used like `store_contract`."""

# ruff: noqa: D102 - a test's name is its sentence

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ..errors import EmbedderMismatchError
from ..models import Identity, Item, ItemDelete, ItemGet, ItemPaths, ItemRead, ItemSearch, Path, PathMatch
from ..ports import Outcome, Purge, PurgeItems, PutItem, Store, Sweep, TouchItems, Vector, WriteItems
from .store_contract_parts import ANA, IDENTITY, NAMESPACE, Contract, insert, meaning, pointing

USERS: Path = ("users", "ana")


def put(key: str, value: Any = None, path: Path = USERS, ttl: float | None = None, text: str = "", **vectors: Vector) -> PutItem:
    """Return the change that stores an item; vectors by field name."""
    return PutItem(path, key, {"n": 1} if value is None else value, ttl, text, vectors)


class ItemsContract(Contract):
    """What every store must do with items. Override the fixture `make_store`."""

    @pytest.fixture
    def store(self, make_store: Callable[[], Store]) -> Iterator[Store]:
        """An open store with a collection, and a memory of Ana's in it."""
        store = make_store()
        store.open_collection(NAMESPACE, "merge", IDENTITY)
        store.apply([insert("memory", "tea", vector=pointing(1))])
        yield store
        assert [found.id for found in store.find(meaning(ANA))] == ["memory"], "memories are not items"
        assert store.verify(NAMESPACE, None, lambda done: None).findings == []
        store.close()

    def write(self, store: Store, *items: PutItem | ItemDelete, made_by: Identity | None = IDENTITY) -> Outcome:
        """Put and delete together; return the outcome."""
        return store.apply([WriteItems(NAMESPACE, items, made_by)])[0]

    def ask(self, store: Store, read: ItemRead, vector: Vector | None = None) -> Any:
        """Return the answer to one question."""
        return store.read_items(NAMESPACE, [read], [vector], None if vector is None else IDENTITY)[0]

    def keys(self, store: Store, vector: Vector | None = None, prefix: Path = (), **options: Any) -> list[str]:
        """Return the keys that a search finds."""
        return [item.key for item in self.ask(store, ItemSearch(prefix, **options), vector)]

    def test_an_item_comes_back_as_it_was_put(self, store: Store) -> None:
        assert self.write(store, put("k", {"a": [1, None, {"b": "é"}]})) == 1
        item = self.ask(store, ItemGet(USERS, "k"))
        assert (item.path, item.key, item.value, item.expires_at, item.score) == (USERS, "k", {"a": [1, None, {"b": "é"}]}, None, None)
        assert item.created_at == item.updated_at
        assert self.ask(store, ItemGet(("users",), "k")) is None

    def test_putting_again_replaces_the_value_and_keeps_place_and_beginning(self, store: Store) -> None:
        self.write(store, put("a"), put("b"))
        before = self.ask(store, ItemGet(USERS, "a"))
        self.write(store, put("a", {"new": True}))
        after = self.ask(store, ItemGet(USERS, "a"))
        assert (after.value, after.created_at, after.updated_at > before.updated_at) == ({"new": True}, before.created_at, True)
        assert self.keys(store) == ["a", "b"]

    def test_what_was_deleted_is_gone_and_comes_back_as_new(self, store: Store) -> None:
        self.write(store, put("a", text="words", text_vector=pointing(1)), put("b"))
        before = self.ask(store, ItemGet(USERS, "a"))
        assert self.write(store, ItemDelete(USERS, "a"), ItemDelete(USERS, "never"), ItemDelete(("no", "where"), "a")) == 1
        assert self.ask(store, ItemGet(USERS, "a")) is None
        self.write(store, put("a"))
        assert self.ask(store, ItemGet(USERS, "a")).created_at > before.created_at
        assert self.keys(store) == ["b", "a"]

    def test_the_best_of_an_items_vectors_counts(self, store: Store) -> None:
        self.write(store, put("two", a=pointing(1), b=pointing(0, 1)), put("one", a=pointing(3, 4)), put("none"))
        found = self.ask(store, ItemSearch(()), pointing(0, 1))
        assert [(item.key, item.score) for item in found] == [("two", 1.0), ("one", pytest.approx(0.8, abs=1e-5)), ("none", None)]
        assert self.keys(store, pointing(0, 1), limit=1, offset=1) == ["one"]
        assert self.keys(store, pointing(0, 1), limit=5, offset=2) == ["none"]

    def test_equal_scores_rank_in_the_order_of_being_put(self, store: Store) -> None:
        self.write(store, *(put(f"k{n}", a=pointing(1)) for n in range(9)))
        self.write(store, put("k3", {"n": 2}, a=pointing(1)))
        assert self.keys(store, pointing(1)) == [f"k{n}" for n in range(9)]

    def test_new_vectors_take_the_place_of_old_ones(self, store: Store) -> None:
        self.write(store, put("a", a=pointing(1), b=pointing(0, 1)), put("b", a=pointing(1, 1)))
        assert self.keys(store, pointing(1)) == ["a", "b"]
        self.write(store, put("a", a=pointing(0, 0, 1)))
        assert [(item.key, item.score) for item in self.ask(store, ItemSearch(()), pointing(1))][1] == ("a", 0.0)
        self.write(store, put("a"))
        assert [(item.key, item.score) for item in self.ask(store, ItemSearch(()), pointing(1))][1] == ("a", None)

    def test_prefixes_mean_whole_labels(self, store: Store) -> None:
        paths: list[Path] = [
            ("a",),
            ("a", "b"),
            ("ab",),
            ("a", "b", "c"),
            ('a"',),
            ("a,",),
            ("a]",),
            ("A",),
            ("a\\",),
            ("*",),
            ("a!",),
            ("a ", "b"),
        ]
        self.write(store, *(put(str(n), path=path, v=pointing(1)) for n, path in enumerate(paths)))
        for vector in (None, pointing(1)):
            assert self.keys(store, vector, ("a",)) == ["0", "1", "3"]
            assert self.keys(store, vector, ("a", "b")) == ["1", "3"]
            assert self.keys(store, vector, ("*",)) == ["9"]
            assert self.keys(store, vector, ("nobody",)) == []
            assert len(self.keys(store, vector, limit=99)) == 12

    def test_filters_are_applied_before_the_limit(self, store: Store) -> None:
        self.write(store, *(put(f"k{n}", {"n": n, "odd": "yes" if n % 2 else "no"}, a=pointing(1, n / 100)) for n in range(200)))
        for vector in (None, pointing(1)):
            assert self.keys(store, vector, filter={"odd": "yes"}, limit=3, offset=90) == ["k181", "k183", "k185"]
            assert self.keys(store, vector, filter={"n": {"$gte": 197}}) == ["k197", "k198", "k199"]
            assert self.keys(store, vector, filter={"n": {"$eq": "197"}}) == []

    def test_paths_are_those_at_which_there_are_items(self, store: Store) -> None:
        self.write(store, *(put("k", path=path) for path in (("a", "b", "c"), ("a", "d"), ("b",), ("a",))))
        self.write(store, ItemDelete(("b",), "k"))
        assert self.ask(store, ItemPaths()) == [("a",), ("a", "b", "c"), ("a", "d")]
        assert self.ask(store, ItemPaths((PathMatch("prefix", ("a", "*")),), max_depth=2)) == [("a", "b"), ("a", "d")]
        assert self.ask(store, ItemPaths((PathMatch("suffix", ("*", "c")),))) == [("a", "b", "c")]
        assert self.ask(store, ItemPaths(limit=1, offset=1)) == [("a", "b", "c")]

    def test_what_has_expired_is_invisible_and_swept(self, store: Store) -> None:
        self.write(store, put("short", ttl=1e-9, a=pointing(1)), put("long", ttl=60, a=pointing(1)), put("other", path=("b",), ttl=1e-9))
        assert store.has_expiry()
        assert self.keys(store) == self.keys(store, pointing(1)) == ["long"]
        assert self.ask(store, ItemGet(USERS, "short")) is None
        assert self.ask(store, ItemPaths()) == [USERS]
        assert store.has_expired()
        assert store.apply([Sweep()]) == [2]
        assert not store.has_expired()

    def test_what_was_read_lives_its_time_again(self, store: Store) -> None:
        self.write(store, put("a", ttl=60), put("for ever"))
        before: Item = self.ask(store, ItemGet(USERS, "a"))
        later = datetime.now(UTC) + timedelta(minutes=30)
        touched = TouchItems(NAMESPACE, [(USERS, "a"), (USERS, "for ever"), (USERS, "never"), (("x",), "a")], later)
        assert store.apply([touched, touched]) == [1, 0]
        after: Item = self.ask(store, ItemGet(USERS, "a"))
        assert after.expires_at == later + timedelta(minutes=60)
        assert (after.updated_at, after.value) == (before.updated_at, before.value)
        assert self.ask(store, ItemGet(USERS, "for ever")).expires_at is None

    def test_vectors_of_another_embedder_are_refused(self, store: Store) -> None:
        other = Identity("other", "1", 4)
        assert isinstance(self.write(store, put("a"), put("b", a=pointing(1)), made_by=other), EmbedderMismatchError)
        assert self.keys(store) == []
        with pytest.raises(EmbedderMismatchError):
            store.read_items(NAMESPACE, [ItemSearch(())], [pointing(1)], other)

    def test_a_refused_change_spares_the_others(self, store: Store) -> None:
        refused = WriteItems(NAMESPACE, [put("b", a=pointing(1))], Identity("other", "1", 4))
        good = [WriteItems(NAMESPACE, [put(key, a=pointing(1))], IDENTITY) for key in "ac"]
        assert [isinstance(outcome, int) for outcome in store.apply([good[0], refused, good[1]])] == [True, False, True]
        assert self.keys(store, pointing(1)) == ["a", "c"]

    def test_several_changes_of_one_transaction_see_each_other(self, store: Store) -> None:
        changes = [
            WriteItems(NAMESPACE, [put("a", a=pointing(1))], IDENTITY),
            WriteItems(NAMESPACE, [put("a", {"n": 2}, b=pointing(0, 1)), put("b")], IDENTITY),
            WriteItems(NAMESPACE, [ItemDelete(USERS, "b")]),
            WriteItems(NAMESPACE, [put("b", {"n": 3})]),
        ]
        assert store.apply(changes) == [1, 2, 1, 1]
        assert [(item.key, item.value["n"], item.score) for item in self.ask(store, ItemSearch(()), pointing(0, 1))] == [
            ("a", 2, 1.0), ("b", 3, None),
        ]  # fmt: skip

    def test_a_purge_takes_a_prefix_or_a_label(self, store: Store) -> None:
        paths = [("users", "ana"), ("users", "ana", "x"), ("users", "anais"), ("notes", "ana"), ("notes", "ben")]
        self.write(store, *(put("k", path=path, a=pointing(1)) for path in paths))
        assert self.keys(store, pointing(1)) == ["k"] * 5
        assert store.apply([PurgeItems(NAMESPACE, ("users", "ana"))]) == [2]
        assert store.apply([PurgeItems(NAMESPACE, (), "ana")]) == [1]
        assert store.apply([PurgeItems(NAMESPACE, ("users",), "ben"), Purge(meaning(ANA, "none"))]) == [0, 0]
        assert self.ask(store, ItemPaths()) == [("notes", "ben"), ("users", "anais")]
        assert len(self.keys(store, pointing(1))) == 2

    def test_collections_keep_their_items_apart(self, store: Store) -> None:
        store.open_collection("other", "merge", IDENTITY)
        store.apply(
            [WriteItems("other", [put("theirs", a=pointing(1))], IDENTITY), WriteItems(NAMESPACE, [put("ours", a=pointing(1))], IDENTITY)]
        )
        assert self.keys(store, pointing(1)) == self.keys(store) == ["ours"]
        assert store.apply([PurgeItems("other")]) == [1]
        assert self.keys(store, pointing(1)) == ["ours"]

    def test_all_questions_of_a_call_see_one_state(self, store: Store) -> None:
        self.write(store, put("a", a=pointing(1)))
        reads: list[ItemRead] = [ItemGet(USERS, "a"), ItemSearch(()), ItemSearch((), query="any"), ItemPaths()]
        got, page, near, paths = store.read_items(NAMESPACE, reads, [None, None, pointing(1), None], IDENTITY)
        assert isinstance(got, Item)
        assert page == [got]
        assert [item.score for item in near if isinstance(item, Item)] == [1.0]  # type: ignore[union-attr]  # it is a list
        assert paths == [USERS]
