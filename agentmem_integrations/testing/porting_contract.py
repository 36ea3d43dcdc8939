"""The contract of a `ports.Store` on what is carried out of it and into it, as tests; used like `store_contract`."""

# ruff: noqa: D102 - a test's name is its sentence

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ..errors import ConflictError, NotFoundError
from ..models import SHARED, Scope
from ..ports import Delete, Insert, Purge, Record, Restore, Store, Sweep, Update
from .store_contract_parts import ANA, BEN, IDENTITY, NAMESPACE, Contract, ids_of, insert, item, meaning, pointing

ITEMS = Scope(NAMESPACE, path=("users", "ana"))


def records(store: Store, scope: Scope | None = None, *, vectors: bool = True) -> list[Record]:
    """Return everything that a store dumps."""
    with store.dump(NAMESPACE, scope, vectors=vectors) as dump:
        found = list(dump.records)
        assert dump.count == len(found)
        assert (dump.twins, dump.identity) == ("merge", IDENTITY)
    return found


def told(found: list[Record]) -> list[Any]:
    """Return records as values that can be compared."""
    return [(replace(r, vectors={}, lines=tuple(r.lines)), {field: vector.tolist() for field, vector in r.vectors.items()}) for r in found]


class PortingContract(Contract):
    """What every store must do that memories can be carried to another. Override the fixture `make_store`."""

    @pytest.fixture
    def store(self, make_store: Callable[[], Store]) -> Iterator[Store]:
        """An open store with memories of four owners: changed, deleted, owed a vector, with two vectors."""
        store = make_store()
        store.open_collection(NAMESPACE, "merge", IDENTITY)
        store.apply([insert("1", "tea", vector=pointing(1)), insert("1", "milk", BEN, owed=True), insert("2", "gone", BEN, pointing(0, 1))])
        store.apply([Update(meaning(ANA, "1"), {"text": "coffee"}, {"text": pointing(0, 0, 1)}), Delete(meaning(BEN, "2"))])
        store.apply([item(("users", "ana"), "1", {"a": [1, None]}, text=pointing(1), title=pointing(0, 1))])
        store.apply([insert("3", "ours", Scope(NAMESPACE, SHARED), pointing(1), valid_to=datetime(2020, 1, 1, tzinfo=UTC))])
        yield store
        store.close()

    def emptied(self, store: Store) -> None:
        """Purge everything from the store."""
        store.apply([Purge(meaning(scope, any_validity=True)) for scope in (ANA, BEN, ITEMS, Scope(NAMESPACE, SHARED))])
        assert records(store) == []

    def test_a_dump_has_everything_in_the_order_of_adding(self, store: Store) -> None:
        found = records(store)
        assert ids_of([r.memory for r in found]) == ["1", "1", "2", "1", "3"]
        assert [r.scope for r in found] == [ANA, BEN, BEN, ITEMS, Scope(NAMESPACE, SHARED)]
        assert [r.deleted_at is not None for r in found] == [False, False, True, False, False]
        assert [[(line.event, line.old_text) for line in r.lines] for r in found] == [
            [("ADD", None), ("UPDATE", "tea")], [], [("ADD", None), ("DELETE", None)], [], [],
        ]  # fmt: skip
        assert [sorted(r.vectors) for r in found] == [["text"], [], [], ["text", "title"], ["text"]]
        assert [r.owed for r in found] == [False, True, False, False, False]
        assert [r.twin is not None for r in found] == [True, True, False, False, True]

    def test_without_vectors_those_of_the_texts_are_owed_and_others_are_there(self, store: Store) -> None:
        found = records(store, vectors=False)
        assert [sorted(r.vectors) for r in found] == [[], [], [], ["title"], []]
        assert [r.owed for r in found] == [True, True, False, True, True]

    def test_a_dump_of_one_owner_has_nobody_elses(self, store: Store) -> None:
        assert told(records(store, BEN)) == told(records(store)[1:3])
        assert told(records(store, ITEMS)) == told(records(store)[3:4])
        assert records(store, Scope(NAMESPACE, "nobody")) == []

    def test_a_dump_of_no_collection_is_an_error(self, store: Store) -> None:
        with pytest.raises(NotFoundError, match="nowhere"), store.dump("nowhere", None, vectors=False):
            pass

    def test_a_dump_is_one_instant(self, store: Store) -> None:
        before = told(records(store))
        with store.dump(NAMESPACE, None, vectors=True) as dump:
            store.apply([insert("4", "late"), Delete(meaning(ANA, "1")), Update(meaning(BEN, "1"), {"text": "changed"})])
            assert told(list(dump.records)) == before
        assert told(records(store)) != before

    def test_a_dump_that_is_not_read_to_the_end_lets_go(self, store: Store) -> None:
        with store.dump(NAMESPACE, None, vectors=True) as dump:
            next(dump.records)
        assert store.apply([insert("4", "after")]) != []
        self.emptied(store)

    def test_what_is_restored_is_as_it_was(self, store: Store) -> None:
        found = records(store)
        histories = [store.history(meaning(r.scope, r.memory.id)) for r in found]
        self.emptied(store)
        (events,) = store.apply([Restore(found)])
        assert isinstance(events, list)
        assert [event.event for event in events] == ["ADD"] * 5
        assert told(records(store)) == told(found)
        assert [store.history(meaning(r.scope, r.memory.id)) for r in found] == histories
        assert store.count_debts(NAMESPACE) == 1

    def test_restoring_twice_changes_nothing(self, store: Store) -> None:
        found = records(store)
        (events,) = store.apply([Restore([*found, *found])])
        assert isinstance(events, list)
        assert [event.event for event in events] == ["NONE"] * 10
        assert told(records(store)) == told(found)

    def test_a_conflict_keeps_all_of_them_out_and_spares_the_others(self, store: Store) -> None:
        found = records(store)
        self.emptied(store)
        changed = replace(found[0], memory=replace(found[0].memory, kind="core"), origin="line 7")
        outcome, spared = store.apply([Restore([*found, changed]), insert("4", "spared")])
        assert isinstance(outcome, ConflictError)
        assert str(outcome).startswith("line 7: memory '1'")
        assert isinstance(spared, list)
        assert ids_of([r.memory for r in records(store)]) == ["4"]

    def test_a_twin_under_another_id_is_not_stored_beside_it(self, store: Store) -> None:
        (record,) = records(store, Scope(NAMESPACE, SHARED))
        (events,) = store.apply([Restore([replace(record, memory=replace(record.memory, id="other"))])])
        assert isinstance(events, list)
        assert [event.event for event in events] == ["NONE"]

    def test_the_event_of_a_twin_has_the_memory_that_is_there(self, store: Store) -> None:
        (record,) = records(store, Scope(NAMESPACE, SHARED))
        (events,) = store.apply([Restore([replace(record, memory=replace(record.memory, id="other"))])])
        assert isinstance(events, list)
        assert [(event.event, event.memory.id) for event in events] == [("NONE", "3")]

    def test_what_names_a_twin_under_another_id_as_its_successor_names_that_one(self, store: Store) -> None:
        (record,) = records(store, Scope(NAMESPACE, SHARED))
        memory, now = record.memory, datetime.now(UTC)
        new = replace(record, memory=replace(memory, id="new"))
        older = [
            replace(record, memory=replace(memory, id=id, text=id, valid_to=now, superseded_by="new"), twin=None) for id in ("old", "older")
        ]
        for expected in (["ADD", "NONE", "ADD"], ["NONE"] * 3):
            (events,) = store.apply([Restore([older[0], new, older[1]])])
            assert isinstance(events, list)
            assert [event.event for event in events] == expected
        assert {r.memory.id: r.memory.superseded_by for r in records(store, record.scope)} == {"3": None, "old": "3", "older": "3"}

    def test_what_expired_is_the_same_swept_or_not(self, store: Store) -> None:
        now = datetime.now(UTC)
        store.apply([insert("4", "soon over", BEN, expires_at=now)])
        (unswept,) = (r for r in records(store) if r.memory.id == "4")
        store.apply([Sweep()])
        (swept,) = (r for r in records(store) if r.memory.id == "4")
        assert swept.deleted_at is not None
        later = swept.deleted_at + timedelta(days=1)
        swept_later = replace(swept, deleted_at=later, lines=[swept.lines[0], replace(swept.lines[1], at=later)])
        (events,) = store.apply([Restore([unswept, swept, swept_later])])
        assert isinstance(events, list)
        assert [event.event for event in events] == ["NONE"] * 3
        (outcome,) = store.apply([Restore([replace(unswept, deleted_at=now - timedelta(days=1))])])
        assert isinstance(outcome, ConflictError), "it was deleted before it expired"

    def test_a_restored_memory_meets_its_twin(self, store: Store) -> None:
        found = records(store)
        self.emptied(store)
        store.apply([Restore(found)])
        again = Insert(replace(found[1].memory, id="other"), BEN)
        (events,) = store.apply([again])
        assert isinstance(events, list)
        assert [(event.event, event.memory.id) for event in events] == [("NONE", "1")]

    def test_an_id_is_taken_by_its_owner_alone(self, store: Store) -> None:
        found = records(store)
        asked = [*found, replace(found[0], scope=Scope(NAMESPACE, "nobody")), replace(found[0], memory=replace(found[0].memory, id="9"))]
        assert store.taken(asked) == [True] * 5 + [False] * 2

    def test_a_backup_is_a_file(self, store: Store, tmp_path: Path) -> None:
        target = tmp_path / "copy"
        target.touch()
        store.backup(str(target))
        assert target.stat().st_size > 0
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith("copy")] == ["copy"]
