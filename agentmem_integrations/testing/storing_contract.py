"""The part of a `ports.Store`'s contract that stores, finds by condition, changes and erases. Part of `StoreContract`."""

# ruff: noqa: D102 - a test's name is its sentence

from datetime import UTC, datetime

import numpy as np
import pytest

from ..errors import ConflictError, EmbedderMismatchError, NotFoundError, StaleError
from ..filters import parse
from ..models import Identity, Scope
from ..ports import Delete, Insert, Provided, Purge, Replace, Selection, Store, Sweep, Update
from .store_contract_parts import ANA, BEN, IDENTITY, NAMESPACE, Contract, ids_of, insert, meaning, memory, only_event, pointing


class StoringContract(Contract):
    """What every store must do with memories. Override the fixture `make_store`."""

    # Collections

    def test_a_collection_keeps_its_twin_policy(self, store: Store) -> None:
        assert store.open_collection("documents", "keep", None) == "keep"
        assert store.open_collection("documents", None, None) == "keep"
        with pytest.raises(ConflictError):
            store.open_collection("documents", "merge", None)

    def test_a_collection_refuses_another_embedder(self, store: Store) -> None:
        for other in (Identity("other", "1", 4), Identity("contract", "2", 4), Identity("contract", "1", 5)):
            with pytest.raises(EmbedderMismatchError, match=IDENTITY.name):
                store.open_collection(NAMESPACE, None, other)
        assert store.open_collection(NAMESPACE, None, IDENTITY) == "merge"

    def test_collections_are_apart(self, store: Store) -> None:
        store.open_collection("documents", "merge", Identity("wide", "1", 2))
        elsewhere = Scope("documents", "ana")
        store.apply([insert("a", "tea", vector=pointing(1)), insert("a", "coffee", elsewhere, np.array([1, 0], np.float32))])
        assert [m.text for m in store.find(meaning())] == ["tea"]
        assert [m.text for m in store.find(Selection("documents", elsewhere))] == ["coffee"]
        assert self.search(store, Selection("documents", elsewhere), words="tea") == []

    def test_an_unknown_collection_is_refused_and_spares_the_others(self, store: Store) -> None:
        refused, done = store.apply([insert("a", "tea", Scope("nowhere", "ana")), insert("b", "coffee")])
        assert isinstance(refused, NotFoundError)
        assert only_event(done).event == "ADD"

    # Insert

    def test_a_memory_comes_back_as_it_was_stored(self, store: Store) -> None:
        long_ago = datetime(1815, 6, 18, 11, 35, 0, 123456, UTC)
        stored = memory(
            "id/1", "A 'quoted' \U0001f600 text", kind="semantic", metadata={"a": [1, {"b": None}]}, user_id="ana", agent_id="x",
            session_id="s", role="user", name="Ana", occurred_at=long_ago, importance=0.25, provenance={"model": "m"},
            expires_at=datetime(9999, 1, 1, tzinfo=UTC), valid_from=long_ago, valid_to=datetime(9999, 1, 1, tzinfo=UTC),
        )  # fmt: skip
        store.apply([Insert(stored, ANA)])
        assert store.find(meaning()) == [stored]

    def test_memories_are_found_in_insertion_order(self, store: Store) -> None:
        store.apply([insert("z", "one"), insert("a", "two", occurred_at=datetime(1999, 1, 1, tzinfo=UTC))])
        store.apply([insert("m", "three")])
        assert ids_of(store.find(meaning())) == ["z", "a", "m"]

    def test_a_twin_is_answered_with_the_memory_that_is_there(self, store: Store) -> None:
        self.apply(store, insert("a", "tea"))
        event = only_event(self.apply(store, insert("b", "tea")))
        assert (event.event, event.memory.id) == ("NONE", "a")
        assert ids_of(store.find(meaning())) == ["a"]

    def test_twins_within_one_transaction_are_one(self, store: Store) -> None:
        outcomes = store.apply([insert("a", "tea"), insert("b", "tea")])
        assert [only_event(o).event for o in outcomes] == ["ADD", "NONE"]

    def test_a_collection_may_keep_twins(self, store: Store) -> None:
        store.open_collection("documents", "keep", None)
        scope = Scope("documents")
        outcomes = store.apply([insert("a", "tea", scope), insert("b", "tea", scope)])
        assert [only_event(o).event for o in outcomes] == ["ADD", "ADD"]

    def test_a_known_id_takes_the_new_text(self, store: Store) -> None:
        self.apply(store, insert("a", "tea", vector=pointing(1)))
        event = only_event(self.apply(store, insert("a", "coffee", vector=pointing(0, 1))))
        assert (event.event, event.old_text, event.new_text) == ("UPDATE", "tea", "coffee")
        assert self.search(store, meaning(), words="tea") == []
        assert self.search(store, meaning(), words="coffee") == ["a"]

    def test_a_deleted_id_can_be_used_again(self, store: Store) -> None:
        store.apply([insert("a", "tea", vector=pointing(1)), insert("b", "milk", vector=pointing(0, 1))])
        assert self.search(store, meaning(), pointing(1)) == ["a", "b"]
        self.apply(store, Delete(meaning(ANA, "a")))
        assert self.search(store, meaning(), pointing(1)) == ["b"]
        assert only_event(self.apply(store, insert("a", "tea", vector=pointing(1)))).event == "ADD"
        assert self.search(store, meaning(), pointing(1)) == ["a", "b"]

    def test_a_refused_insert_leaves_no_trace_and_spares_the_others(self, store: Store) -> None:
        store.apply([insert("a", "tea"), insert("b", "milk")])
        refused, done = store.apply([insert("b", "tea"), insert("c", "coffee")])
        assert isinstance(refused, ConflictError)
        assert only_event(done).event == "ADD"
        assert {m.id: m.text for m in store.find(meaning())} == {"a": "tea", "b": "milk", "c": "coffee"}
        assert [e.event for e in store.history(meaning(ANA, "b"))] == ["ADD"]

    def test_an_expired_twin_gives_way(self, store: Store) -> None:
        self.apply(store, insert("a", "tea", expires_at=datetime(2000, 1, 1, tzinfo=UTC)))
        assert only_event(self.apply(store, insert("b", "tea"))).event == "ADD"
        assert ids_of(store.find(meaning())) == ["b"]

    # Find

    def test_scopes_are_apart(self, store: Store) -> None:
        store.apply([insert("a", "tea"), insert("a", "tea", BEN), insert("a", "tea", Scope(NAMESPACE))])
        assert [m.user_id for m in store.find(meaning())] == ["ana"]
        assert [m.user_id for m in store.find(meaning(BEN))] == ["ben"]
        assert [m.user_id for m in store.find(meaning(Scope(NAMESPACE)))] == [None]
        assert len(store.find(meaning(None, "a"))) == 3

    def test_agent_and_session_narrow(self, store: Store) -> None:
        store.apply([insert("a", "1", Scope(NAMESPACE, "ana", "x", "s")), insert("b", "2", Scope(NAMESPACE, "ana", "x")), insert("c", "3")])
        assert ids_of(store.find(meaning(Scope(NAMESPACE, "ana", "x")))) == ["a", "b"]
        assert ids_of(store.find(meaning(Scope(NAMESPACE, "ana", None, "s")))) == ["a"]

    def test_every_condition_of_a_selection_holds(self, store: Store) -> None:
        year = {n: datetime(n, 1, 1, tzinfo=UTC) for n in (2000, 2001, 2002)}
        store.apply(
            [
                insert("a", "1", kind="semantic", metadata={"n": 1}, occurred_at=year[2000]),
                insert("b", "2", kind="semantic", metadata={"n": 2}, occurred_at=year[2001]),
                insert("c", "3", metadata={"n": 2}, occurred_at=year[2002]),
            ]
        )
        assert ids_of(store.find(meaning(ANA, "c", "a", "nobody"))) == ["a", "c"]
        assert ids_of(store.find(meaning(kinds=("semantic",)))) == ["a", "b"]
        assert ids_of(store.find(meaning(where=parse({"n": 2})))) == ["b", "c"]
        assert ids_of(store.find(meaning(after=year[2001]))) == ["b", "c"]
        assert ids_of(store.find(meaning(before=year[2001]))) == ["a", "b"]
        assert ids_of(store.find(meaning(kinds=("semantic",), where=parse({"n": 2}), after=year[2000]))) == ["b"]

    def test_pages_follow_one_another_even_behind_a_deleted_memory(self, store: Store) -> None:
        store.apply([insert(id, id) for id in "abcde"])
        assert ids_of(store.find(meaning(), 2)) == ["a", "b"]
        self.apply(store, Delete(meaning(ANA, "b")))
        assert ids_of(store.find(meaning(), 2, "b")) == ["c", "d"]
        assert ids_of(store.find(meaning(), 2, "d")) == ["e"]
        with pytest.raises(NotFoundError):
            store.find(meaning(BEN), 2, "b")

    def test_what_no_longer_holds_is_found_only_where_asked_for(self, store: Store) -> None:
        then, now = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
        store.apply([insert("old", "lives in Rome", vector=pointing(1), valid_from=then, valid_to=now)])
        store.apply([insert("new", "lives in Lisbon", vector=pointing(1), valid_from=now)])
        cases = [(None, False, ["new"]), (datetime(2020, 6, 1, tzinfo=UTC), False, ["old"]), (None, True, ["old", "new"])]
        for at, any_validity, expected in cases:
            selection = meaning(at=at, any_validity=any_validity)
            assert ids_of(store.find(selection)) == expected
            assert self.search(store, selection, pointing(1)) == expected
            assert self.search(store, selection, words="lives") == expected

    def test_what_has_expired_is_invisible_at_once_and_can_be_swept(self, store: Store) -> None:
        soon = datetime(2000, 1, 1, tzinfo=UTC)
        store.apply([insert("a", "tea", vector=pointing(1), expires_at=soon), insert("b", "milk", vector=pointing(1))])
        assert ids_of(store.find(meaning())) == ["b"]
        assert self.search(store, meaning(), pointing(1), "tea milk") == ["b"]
        assert store.has_expired()
        assert self.apply(store, Sweep()) == 1
        assert not store.has_expired()
        assert [e.event for e in store.history(meaning(ANA, "a"))] == ["ADD", "DELETE"]

    # Update, delete, purge

    def test_an_update_changes_only_what_it_names(self, store: Store) -> None:
        self.apply(store, insert("a", "tea", vector=pointing(1), metadata={"n": 1}, role="user"))
        before = store.find(meaning())[0]
        event = only_event(self.apply(store, Update(meaning(ANA, "a"), {"importance": 0.5})))
        (after,) = store.find(meaning())
        assert (event.event, event.memory) == ("UPDATE", after)
        assert after.importance == 0.5
        assert (after.text, after.metadata, after.role, after.created_at) == (before.text, before.metadata, before.role, before.created_at)
        assert self.search(store, meaning(), pointing(1)) == ["a"]

    def test_a_new_text_replaces_words_and_vector(self, store: Store) -> None:
        store.apply([insert("a", "tea", vector=pointing(1)), insert("b", "milk", vector=pointing(0.1, 1))])
        assert self.search(store, meaning(), pointing(1), limit=1) == ["a"]
        self.apply(store, Update(meaning(ANA, "a"), {"text": "coffee"}, {"text": pointing(0, 0, 1)}))
        assert self.search(store, meaning(), pointing(1), limit=1) == ["b"]
        assert self.search(store, meaning(), words="tea") == []
        assert self.search(store, meaning(), words="coffee") == ["a"]

    def test_an_update_that_is_refused_changes_nothing(self, store: Store) -> None:
        store.apply([insert("a", "tea"), insert("b", "milk"), insert("a", "water", BEN)])
        assert isinstance(self.apply(store, Update(meaning(ANA, "b"), {"text": "tea"})), ConflictError)
        assert isinstance(self.apply(store, Update(meaning(ANA, "c"), {"text": "x"})), NotFoundError)
        assert isinstance(self.apply(store, Update(meaning(None, "a"), {"text": "x"})), ConflictError)
        assert [m.text for m in store.find(meaning())] == ["tea", "milk"]

    def test_a_text_becomes_free_again_when_its_memory_expires(self, store: Store) -> None:
        store.apply([insert("a", "tea", expires_at=datetime(2000, 1, 1, tzinfo=UTC)), insert("b", "milk")])
        assert only_event(self.apply(store, Update(meaning(ANA, "b"), {"text": "tea"}))).event == "UPDATE"

    def test_deleted_memories_are_invisible_and_in_history(self, store: Store) -> None:
        store.apply([insert("a", "tea", vector=pointing(1)), insert("b", "tea too", BEN, pointing(1))])
        assert self.apply(store, Delete(meaning())) == 1
        assert self.apply(store, Delete(meaning())) == 0
        assert store.find(meaning()) == []
        assert self.search(store, meaning(), pointing(1), "tea") == []
        assert self.search(store, meaning(BEN), pointing(1), "tea") == ["b"]
        assert [e.event for e in store.history(meaning(ANA, "a"))] == ["ADD", "DELETE"]

    def test_what_replaces_others_takes_their_place(self, store: Store) -> None:
        store.apply([insert("a", "tea", vector=pointing(1)), insert("b", "milk"), insert("a", "tea", BEN)])
        outcome = self.apply(store, Replace(meaning(ANA, "a"), [insert("c", "coffee", vector=pointing(1)), insert("d", "water")]))
        assert isinstance(outcome, list)
        assert [event.event for event in outcome] == ["ADD", "ADD"]
        assert ids_of(store.find(meaning())) == ["b", "c", "d"]
        assert ids_of(store.find(meaning(BEN))) == ["a"]
        assert self.search(store, meaning(), pointing(1), "tea") == ["c"]

    def test_a_replacement_that_is_refused_deletes_nothing_and_spares_the_others(self, store: Store) -> None:
        store.apply([insert("a", "tea"), insert("b", "milk"), insert("c", "coffee")])
        refused, done = store.apply([Replace(meaning(ANA, "a"), [insert("d", "water"), insert("b", "coffee")]), insert("e", "juice")])
        assert isinstance(refused, ConflictError)
        assert only_event(done).event == "ADD"
        assert ids_of(store.find(meaning())) == ["a", "b", "c", "e"]

    def test_what_was_decided_on_what_is_still_there_is_done(self, store: Store) -> None:
        store.apply([insert("a", "tea", vector=pointing(1)), insert("b", "milk"), insert("c", "water"), insert("a", "tea", BEN)])
        changes: list[Insert | Update | Delete] = [
            Update(meaning(ANA, "b"), {"kind": "semantic"}), Delete(meaning(ANA, "a")), insert("d", "tea", vector=pointing(1)),
        ]  # fmt: skip
        assert self.apply(store, Provided(meaning(ANA, "a", "b"), ["a", "b"], changes)) == 3
        assert [(m.id, m.kind) for m in store.find(meaning())] == [("b", "semantic"), ("c", "episode"), ("d", "episode")]
        assert self.search(store, meaning(), pointing(1), "tea") == ["d"]
        assert ids_of(store.find(meaning(BEN))) == ["a"]

    def test_what_was_decided_on_what_has_changed_is_not_done_and_spares_the_others(self, store: Store) -> None:
        store.apply([insert("a", "tea"), insert("b", "milk")])
        cases = [
            (meaning(ANA, "a", "b", "x"), ["a", "b", "x"]),  # one is gone
            (meaning(), ["a"]),  # one has come
            (meaning(), ["b", "a"]),  # it was another order
            (meaning(kinds=("semantic",)), ["a", "b"]),  # they became something else
        ]
        for selection, seen in cases:
            stale, done = store.apply([Provided(selection, seen, [Delete(meaning())]), insert("b", "milk")])
            assert isinstance(stale, StaleError)
            assert only_event(done).event == "NONE"
        assert ids_of(store.find(meaning())) == ["a", "b"]

    def test_two_who_decided_on_the_same_are_not_both_done(self, store: Store) -> None:
        self.apply(store, insert("a", "tea"))
        change = Provided(meaning(), ["a"], [Delete(meaning())])
        first, second = store.apply([change, change])
        assert first == 1
        assert isinstance(second, StaleError)

    def test_what_was_decided_is_done_all_or_not_at_all(self, store: Store) -> None:
        store.apply([insert("a", "tea"), insert("b", "milk"), insert("c", "coffee")])
        changes: list[Insert | Delete] = [Delete(meaning(ANA, "a")), insert("b", "coffee")]
        refused, done = store.apply([Provided(meaning(ANA, "a"), ["a"], changes), insert("e", "juice")])
        assert isinstance(refused, ConflictError)
        assert only_event(done).event == "ADD"
        assert ids_of(store.find(meaning())) == ["a", "b", "c", "e"]

    def test_purged_memories_are_gone_from_history_too(self, store: Store) -> None:
        store.apply([insert("a", "tea", vector=pointing(1)), insert("b", "milk"), insert("a", "tea", BEN)])
        self.apply(store, Delete(meaning(ANA, "b")))
        assert self.apply(store, Purge(meaning())) == 2
        assert store.history(meaning(ANA, "a")) == store.history(meaning(ANA, "b")) == []
        assert ids_of(store.find(meaning(BEN))) == ["a"]
        assert only_event(self.apply(store, insert("a", "tea", vector=pointing(1)))).event == "ADD"
        assert self.search(store, meaning(), pointing(1)) == ["a"]

    def test_a_purge_everywhere_reaches_every_collection_and_nobody_else(self, store: Store) -> None:
        elsewhere = Scope("documents", "ana")
        store.open_collection("documents", "keep", None)
        store.apply([insert("a", "tea", vector=pointing(1)), insert("a", "tea", BEN)])
        store.apply([insert("a", "tea", elsewhere), insert("b", "milk", elsewhere)])
        assert self.apply(store, Purge(meaning(ANA, "b"), everywhere=True)) == 1
        assert self.apply(store, Purge(meaning(), everywhere=True)) == 2
        assert store.find(meaning()) == store.find(Selection("documents", elsewhere)) == []
        assert ids_of(store.find(meaning(BEN))) == ["a"]

    def test_a_purged_successor_is_no_longer_named(self, store: Store) -> None:
        store.apply([insert("old", "tea"), insert("new", "coffee"), insert("other", "milk")])
        self.apply(store, Update(meaning(ANA, "old"), {"superseded_by": "new"}))
        self.apply(store, Purge(meaning(ANA, "other")))
        assert [m.superseded_by for m in store.find(meaning(ANA, "old", any_validity=True))] == ["new"]
        self.apply(store, Purge(meaning(ANA, "new")))
        assert [m.superseded_by for m in store.find(meaning(ANA, "old", any_validity=True))] == [None]

    def test_history_tells_old_and_new_text(self, store: Store) -> None:
        self.apply(store, insert("a", "tea", provenance={"model": "m"}))
        self.apply(store, Update(meaning(ANA, "a"), {"text": "coffee"}))
        self.apply(store, Update(meaning(ANA, "a"), {"importance": 1.0}))
        self.apply(store, Update(meaning(ANA, "a"), {"text": "milk"}))
        self.apply(store, Delete(meaning(ANA, "a")))
        told = [(e.event, e.old_text, e.new_text) for e in store.history(meaning(ANA, "a"))]
        assert told == [
            ("ADD", None, "tea"), ("UPDATE", "tea", "coffee"), ("UPDATE", "coffee", "coffee"), ("UPDATE", "coffee", "milk"),
            ("DELETE", "milk", None),
        ]  # fmt: skip
        assert store.history(meaning(ANA, "a"))[0].provenance == {"model": "m"}
        assert store.history(meaning(BEN, "a")) == []
