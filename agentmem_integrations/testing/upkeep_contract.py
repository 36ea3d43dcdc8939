"""The part of a `ports.Store`'s contract about vectors that are owed or kept, items, counts, and mending. Part of `StoreContract`."""

# ruff: noqa: D102 - a test's name is its sentence

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ..errors import ClosedError
from ..models import Scope
from ..ports import Ask, Defer, Delete, Fill, Insert, Keep, Purge, Store, Update
from .store_contract_parts import ANA, BEN, IDENTITY, NAMESPACE, Contract, insert, item, keyed, meaning, memory, only_event, pointing


class UpkeepContract(Contract):
    """What every store must see to beside memories. Override the fixture `make_store`."""

    # Owed vectors

    def test_an_owed_vector_is_a_debt_until_it_is_filled(self, store: Store) -> None:
        self.apply(store, insert("a", "tea", owed=True, name="Ana"))
        assert self.search(store, meaning(), words="tea") == ["a"]
        (debt,) = store.debts(NAMESPACE, 10, due_only=True)
        assert (debt.text, debt.name, debt.attempts) == ("tea", "Ana", 0)
        assert self.search(store, meaning(), pointing(1)) == []
        assert self.apply(store, Fill(debt.job, debt.memory, debt.text, {"text": pointing(1)})) == 1
        assert self.search(store, meaning(), pointing(1)) == ["a"]
        assert list(store.debts(NAMESPACE, 10, due_only=False)) == []

    def test_a_deferred_debt_is_not_due(self, store: Store) -> None:
        self.apply(store, insert("a", "tea", owed=True))
        (debt,) = store.debts(NAMESPACE, 10, due_only=True)
        self.apply(store, Defer(debt.job, datetime.now(UTC) + timedelta(hours=1), "down"))
        assert list(store.debts(NAMESPACE, 10, due_only=True)) == []
        assert [d.attempts for d in store.debts(NAMESPACE, 10, due_only=False)] == [1]

    def test_a_vector_of_a_text_that_changed_is_not_stored(self, store: Store) -> None:
        self.apply(store, insert("a", "tea", owed=True))
        (debt,) = store.debts(NAMESPACE, 10, due_only=True)
        self.apply(store, Update(meaning(ANA, "a"), {"text": "milk"}, {"text": pointing(0, 1)}))
        assert self.apply(store, Fill(debt.job, debt.memory, debt.text, {"text": pointing(1)})) == 0
        np.testing.assert_allclose(store.gather(Ask(meaning(), pointing(1), None, 5)).similarity, [0.0], atol=1e-5)

    def test_a_deleted_memory_is_owed_nothing(self, store: Store) -> None:
        store.apply([insert("a", "tea", owed=True), insert("b", "milk", owed=True)])
        store.apply([Delete(meaning(ANA, "a")), Purge(meaning(ANA, "b"))])
        assert list(store.debts(NAMESPACE, 10, due_only=False)) == []

    def test_filling_one_vector_leaves_the_others(self, store: Store) -> None:
        self.apply(store, Insert(memory("a", "tea"), ANA, {"title": pointing(0, 1)}, owed=True))
        (debt,) = store.debts(NAMESPACE, 10, due_only=True)
        self.apply(store, Fill(debt.job, debt.memory, debt.text, {"text": pointing(1)}))
        assert self.search(store, meaning(), pointing(1)) == ["a"]
        assert self.search(store, meaning(), pointing(0, 1), field="title") == ["a"]

    def test_debts_belong_to_a_collection(self, store: Store) -> None:
        store.open_collection("documents", "merge", IDENTITY)
        self.apply(store, insert("a", "tea", owed=True))
        assert list(store.debts("documents", 10, due_only=False)) == []

    # Items of frameworks

    def test_an_item_is_found_by_either_of_its_vectors(self, store: Store) -> None:
        users = ("users", "ana")
        self.apply(store, item(users, "tea", {"title": "Tea", "tags": ["hot", 1]}, title=pointing(1), tags=pointing(0, 1)))
        self.apply(store, item(users, "milk", {"title": "Milk"}, title=pointing(0, 0, 1)))
        selection = meaning(Scope(NAMESPACE, path=users))
        assert self.search(store, selection, pointing(0, 1), field="tags") == ["tea"]
        assert self.search(store, selection, pointing(1), field="title") == ["tea", "milk"]
        assert store.find(meaning(Scope(NAMESPACE, path=users), "tea"))[0].value == {"title": "Tea", "tags": ["hot", 1]}

    def test_the_same_key_under_two_paths_is_two_items(self, store: Store) -> None:
        paths = [("a", "b"), ("ab",), ("a",), ("a", "b", ""), ('a", "b',), ("A", "b"), ("a%", "b"), ()]
        outcomes = store.apply([item(path, "key", number, text=pointing(1)) for number, path in enumerate(paths)])
        assert {only_event(o).event for o in outcomes} == {"ADD"}
        for number, path in enumerate(paths):
            assert [m.value for m in store.find(meaning(Scope(NAMESPACE, path=path)))] == [number]
            assert self.search(store, meaning(Scope(NAMESPACE, path=path)), pointing(1)) == ["key"]

    def test_items_with_equal_text_are_not_twins(self, store: Store) -> None:
        outcomes = store.apply([item(("a",), "1", "same"), item(("a",), "2", "same")])
        assert [only_event(o).event for o in outcomes] == ["ADD", "ADD"]

    def test_a_path_is_nobodys_user_id(self, store: Store) -> None:
        self.apply(store, item(("ana",), "key", {"n": 1}, text=pointing(1)))
        for scope in (Scope(NAMESPACE, "ana"), Scope(NAMESPACE, '["ana"]'), Scope(NAMESPACE)):
            assert store.find(meaning(scope)) == []

    # The rest

    def test_statistics_count_what_is_visible(self, store: Store) -> None:
        long_ago = datetime(2000, 1, 1, tzinfo=UTC)
        store.apply([insert("a", "1", owed=True), insert("b", "2"), insert("c", "3", BEN), insert("d", "4", expires_at=long_ago)])
        self.apply(store, Delete(meaning(ANA, "b")))
        assert store.stats(NAMESPACE, ANA) == {"memories": 1, "deleted": 1, "owed_vectors": 1}
        assert store.stats(NAMESPACE, None)["memories"] == 2

    def test_closing_twice_is_fine_and_a_closed_store_says_so(self, make_store: Callable[[], Store]) -> None:
        store = make_store()
        store.open_collection(NAMESPACE, "merge", IDENTITY)
        store.close()
        store.close()
        with pytest.raises(ClosedError):
            store.find(meaning())
        with pytest.raises(ClosedError):
            store.apply([insert("a", "tea")])

    # Verify and repair

    def test_what_a_store_wrote_agrees_with_itself(self, store: Store) -> None:
        told: list[int] = []
        store.apply(
            [insert("a", "tea", vector=pointing(1)), insert("b", "coffee", BEN, owed=True), insert("c", "milk", vector=pointing(0, 1))]
        )
        self.apply(store, Update(meaning(ANA, "a"), {"text": "green tea"}, {"text": pointing(0, 0, 1)}), Delete(meaning(ANA, "c")))
        everything = store.verify(NAMESPACE, None, told.append)
        assert (everything.ok, everything.findings, everything.owed) == (True, [], 1)
        assert everything.checked["memories"] == told[-1] == 3
        assert store.verify(NAMESPACE, ANA, told.append).checked["memories"] == 2
        assert store.verify(NAMESPACE, Scope(NAMESPACE, "nobody"), told.append).checked["memories"] == 0

    def test_a_vector_that_nobody_owes_is_found_and_owed_after_repair(self, store: Store) -> None:
        told: list[int] = []
        store.apply([insert("a", "tea"), insert("b", "coffee", BEN, vector=pointing(1))])
        (finding,) = store.verify(NAMESPACE, None, told.append).findings
        assert (finding.kind, finding.count, finding.ids, finding.mendable) == ("vector_missing", 1, ["a"], True)
        assert store.verify(NAMESPACE, BEN, told.append).ok
        assert store.repair(NAMESPACE, BEN, told.append).findings == []
        mended = store.repair(NAMESPACE, ANA, told.append)
        assert (mended.ok, mended.mended, mended.owed) == (True, 1, 1)
        assert [debt.text for debt in store.debts(NAMESPACE, 10, due_only=True)] == ["tea"]
        assert store.verify(NAMESPACE, None, told.append).findings == []

    # Vectors of texts embedded before

    def test_a_vector_with_a_key_is_kept_and_survives_the_delete_of_its_memory(self, store: Store) -> None:
        store.apply([keyed("a", b"k" * 32, pointing(3, 4))])
        store.apply([Delete(meaning(ANA, "a"))])
        found = store.kept([b"k" * 32, b"x" * 32])
        assert list(found) == [b"k" * 32]
        assert found[b"k" * 32].tolist() == pointing(3, 4).tolist()
        assert store.kept_usage() == {"entries": 1, "bytes": 16}

    def test_a_kept_vector_never_changes(self, store: Store) -> None:
        store.apply([keyed("a", b"k" * 32, pointing(1)), keyed("b", b"k" * 32, pointing(0, 1))])
        assert store.kept([b"k" * 32])[b"k" * 32].tolist() == pointing(1).tolist()

    def test_purge_erases_what_was_kept_of_a_memory_and_of_its_owners_questions(self, store: Store) -> None:
        store.apply([keyed("a", b"a" * 32, pointing(1)), keyed("b", b"b" * 32, pointing(1)), keyed("c", b"c" * 32, pointing(1), BEN)])
        store.apply([Keep(ANA, b"q" * 32, pointing(1)), Keep(BEN, b"r" * 32, pointing(1))])
        store.apply([Purge(meaning(ANA, "a"))])
        assert sorted(store.kept([letter * 32 for letter in (b"a", b"b", b"c", b"q", b"r")])) == [b"b" * 32, b"c" * 32, b"r" * 32]

    def test_a_question_of_somebody_who_has_nothing_is_not_kept(self, store: Store) -> None:
        store.apply([Keep(ANA, b"q" * 32, pointing(1))])
        assert store.kept([b"q" * 32]) == {}

    def test_what_is_kept_for_an_owner_comes_newest_first_up_to_so_many_bytes(self, store: Store) -> None:
        store.apply([keyed("a", b"a" * 32, pointing(1)), keyed("b", b"b" * 32, pointing(1), BEN), Keep(ANA, b"q" * 32, pointing(1))])
        assert list(store.kept_for(NAMESPACE, ANA, 1_000)) == [b"q" * 32, b"a" * 32]
        assert list(store.kept_for(NAMESPACE, ANA, 16)) == [b"q" * 32]

    def test_an_owners_vectors_can_be_read_ahead(self, store: Store) -> None:
        store.apply([insert("a", "tea", vector=pointing(1)), insert("b", "milk"), insert("c", "tea", BEN, pointing(1))])
        assert store.warm(NAMESPACE, ANA) in (1, 0)  # 0 where they are too many for RAM
        assert store.warm(NAMESPACE, Scope(NAMESPACE, "nobody")) == 0
        assert len(store.gather(Ask(meaning(), pointing(1), None, 10)).keys) == 1
