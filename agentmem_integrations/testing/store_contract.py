"""The contract of a `ports.Store`, as tests.

Derive a class, say how a store is made, and let pytest collect it:

    class TestMyStore(StoreContract):
        @pytest.fixture
        def make_store(self, tmp_path):
            return lambda: MyStore(tmp_path / "memory.db")

`make_store` is called once per test, for an empty store; the test closes it. Whatever the suite asks of a store follows from
the docstrings in `ports/`.
"""

# ruff: noqa: D102 - a test's name is its sentence

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import pytest

from ..errors import ClosedError, ConflictError, EmbedderMismatchError, NotFoundError
from ..filters import parse
from ..models import SHARED, Event, Identity, Memory, Scope
from ..ports import Ask, Change, Defer, Delete, Fill, Insert, Keep, Outcome, Purge, Replace, Selection, Store, Sweep, Update, Vector

NAMESPACE: Final = "default"
IDENTITY: Final = Identity("contract", "1", 4)
ANA: Final = Scope(NAMESPACE, "ana")
SEATED: Final = Scope(NAMESPACE, "ana", session_id="s")
NONE_HEARD: Final = [-1] * 4
BEN: Final = Scope(NAMESPACE, "ben")


def pointing(*numbers: float) -> Vector:
    """Return the unit vector in a direction of four dimensions."""
    vector = np.array([*numbers, *[0.0] * (4 - len(numbers))])
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def memory(id: str, text: str, **fields: Any) -> Memory:
    """Return a memory as the add hallway would make it."""
    now = datetime.now(UTC)
    fields.setdefault("occurred_at", now)
    return Memory(id, text, created_at=now, updated_at=now, **fields)


def insert(id: str, text: str, scope: Scope = ANA, vector: Vector | None = None, *, owed: bool = False, **fields: Any) -> Insert:
    """Return the change that stores a memory."""
    owner = None if scope.user_id is SHARED else scope.user_id
    stored = memory(id, text, user_id=owner, agent_id=scope.agent_id, session_id=scope.session_id, **fields)
    return Insert(stored, scope, {} if vector is None else {"text": vector}, owed)


def keyed(id: str, key: bytes, vector: Vector, scope: Scope = ANA) -> Insert:
    """Return an insert whose vector is to be kept."""
    change = insert(id, f"text of {id}", scope, vector)
    change.key = key
    return change


def item(path: tuple[str, ...], key: str, value: Any, **vectors: Vector) -> Insert:
    """Return the change that stores a framework's own item, with one vector per field."""
    scope = Scope(NAMESPACE, path=path)
    return Insert(memory(key, str(value), value=value), scope, vectors)


def meaning(scope: Scope | None = ANA, *ids: str, **conditions: Any) -> Selection:
    """Return a selection in the contract's collection."""
    return Selection(NAMESPACE, scope, ids or None, **conditions)


def ids_of(memories: Sequence[Memory]) -> list[str]:
    """Return the ids, in order."""
    return [m.id for m in memories]


def only_event(outcome: Outcome) -> Event:
    """Return the one event of an outcome."""
    assert isinstance(outcome, list), outcome
    (event,) = outcome
    return event


class StoreContract:
    """What every store must do. Override the fixture `make_store`."""

    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        """Return what makes an empty store."""
        raise NotImplementedError("override the fixture make_store")

    @pytest.fixture
    def store(self, make_store: Callable[[], Store]) -> Iterator[Store]:
        """An open store with a collection that merges twins."""
        store = make_store()
        store.open_collection(NAMESPACE, "merge", IDENTITY)
        yield store
        store.close()

    def apply(self, store: Store, *changes: Change) -> Outcome:
        """Make changes and return the last one's outcome."""
        return store.apply(changes)[-1]

    def search(self, store: Store, selection: Selection, vector: Vector | None = None, words: str | None = None, **more: Any) -> list[str]:
        """Return ids of the candidates, in insertion order."""
        asked = Ask(selection, vector, words, **{"limit": 10, **more})
        keys = store.gather(asked).keys.tolist()
        found = store.load(keys)
        return [found[key].id for key in keys]

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

    # Gather

    def test_candidates_carry_cosine_and_words(self, store: Store) -> None:
        store.apply([insert("a", "green tea", vector=pointing(1)), insert("b", "milk", vector=pointing(1, 1)), insert("c", "tea cup")])
        found = store.gather(Ask(meaning(), pointing(1), "tea", 10))
        assert found.keys.tolist() == sorted(found.keys.tolist())
        np.testing.assert_allclose(found.similarity, [1.0, 2**-0.5, np.nan], atol=1e-5)
        assert (found.lexical > 0).tolist() == [True, False, True]

    def test_a_keyword_only_hit_is_a_candidate(self, store: Store) -> None:
        store.apply([insert(f"{n}", f"filler {n}", vector=pointing(1, n / 100)) for n in range(20)])
        self.apply(store, insert("far", "the unusual word", vector=pointing(-1)))
        assert "far" in self.search(store, meaning(), pointing(1), "unusual", limit=3)

    def test_conditions_apply_before_ranking(self, store: Store) -> None:
        store.apply([insert(f"{n}", f"tea {n}", vector=pointing(1), metadata={"n": n}) for n in range(50)])
        self.apply(store, insert("last", "tea for the last", vector=pointing(0, 1), metadata={"n": 99}, kind="core"))
        for selection in (meaning(where=parse({"n": 99})), meaning(kinds=("core",)), meaning(ANA, "last")):
            assert self.search(store, selection, pointing(1), limit=2) == ["last"]
            assert self.search(store, selection, words="tea", limit=2) == ["last"]

    def test_a_small_scope_is_found_beside_a_large_one(self, store: Store) -> None:
        store.apply([insert(f"{n}", f"tea {n}", BEN, pointing(1)) for n in range(50)])
        self.apply(store, insert("mine", "tea of mine", vector=pointing(0, 1)))
        assert self.search(store, meaning(), pointing(1), "tea", limit=2) == ["mine"]

    def test_an_unknown_scope_has_no_candidates(self, store: Store) -> None:
        self.apply(store, insert("a", "tea", vector=pointing(1)))
        for scope in (BEN, Scope(NAMESPACE), Scope(NAMESPACE, path=("ana",))):
            assert len(store.gather(Ask(meaning(scope), pointing(1), "tea", 5)).keys) == 0

    def test_equal_candidates_are_cut_in_insertion_order(self, store: Store) -> None:
        store.apply([insert(f"{n}", f"same {n}", vector=pointing(1)) for n in range(9)])
        assert self.search(store, meaning(), pointing(1), limit=3) == ["0", "1", "2"]
        assert self.search(store, meaning(), words="same", limit=3) == ["0", "1", "2"]

    def test_what_a_user_types_is_never_syntax(self, store: Store) -> None:
        self.apply(store, insert("a", "plain words"))
        for words in ('"', "*", "plain AND", "NEAR(a b)", "-words", "body:plain", "(", "plain* OR", "a^2", "{x} : y", "'", "\\", "+", "%"):
            self.search(store, meaning(), words=words)
        assert self.search(store, meaning(), words='"plain" NOT words') == ["a"]

    def test_candidates_see_every_change_at_once(self, store: Store) -> None:
        for n in range(5):
            self.apply(store, insert(f"{n}", f"tea {n}", vector=pointing(1, n)))
            assert len(self.search(store, meaning(), pointing(1))) == n + 1
        self.apply(store, Update(meaning(ANA, "1"), {"text": "milk"}, {"text": pointing(-1)}))
        self.apply(store, Delete(meaning(ANA, "2")))
        self.apply(store, Purge(meaning(ANA, "3")))
        found = store.gather(Ask(meaning(), pointing(1), None, 10))
        np.testing.assert_allclose(found.similarity, [1.0, -1.0, 17**-0.5], atol=1e-5)

    def test_vectors_are_read_by_key_and_by_id(self, store: Store) -> None:
        store.apply([insert("a", "tea", vector=pointing(1)), insert("b", "milk", vector=pointing(0, 1)), insert("c", "no vector")])
        self.apply(store, insert("a", "tea of another", BEN, vector=pointing(0, 0, 1)))
        keys = store.gather(Ask(meaning(), pointing(1), "tea milk vector", 10)).keys.tolist()
        by_key = store.vectors(keys)
        assert [by_key[key].tolist() if key in by_key else None for key in keys] == [pointing(1).tolist(), pointing(0, 1).tolist(), None]
        assert {id: vector.tolist() for id, vector in store.vectors_of(meaning(ANA, "a", "c")).items()} == {"a": pointing(1).tolist()}
        with pytest.raises(ConflictError, match="several owners"):
            store.vectors_of(meaning(None, "a"))
        self.apply(store, Delete(meaning(ANA, "a")))
        assert list(store.vectors_of(meaning())) == ["b"]

    # Survey

    def test_a_survey_tells_words_and_neighbours(self, store: Store) -> None:
        said = ("how was the harbour", "full of boats", "and the weather")
        store.apply([insert(f"{n}", text, scope=SEATED, vector=pointing(1, n)) for n, text in enumerate(said)])
        self.apply(store, insert("3", "elsewhere", vector=pointing(1, 3)))
        found = store.survey(Ask(meaning(), pointing(1), "harbour boats", 10))
        assert found.counts.tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]
        assert (found.lexical > 0).tolist() == [True, True, False, False]
        assert found.before.tolist() in ([-1, 0, 1, -1], NONE_HEARD)  # a store need not hear so much of a large scope
        assert found.after.tolist() in ([1, 2, -1, -1], NONE_HEARD)
        assert found.found.all()

    def test_a_survey_finds_what_the_conditions_leave_and_hears_what_was_said_around_it(self, store: Store) -> None:
        said = ("tea", "milk", "water")
        store.apply([insert(f"{n}", text, scope=SEATED, vector=pointing(1, n)) for n, text in enumerate(said)])
        found = store.survey(Ask(meaning(ANA, "1"), pointing(1), "tea", 10))
        assert found.keys[found.found].tolist() == list(store.load(found.keys[found.found].tolist()))
        assert [m.id for m in store.load(found.keys[found.found].tolist()).values()] == ["1"]
        assert len(store.survey(Ask(meaning(BEN), pointing(1), "tea", 10)).keys) == 0

    def test_a_survey_sees_every_change_at_once(self, store: Store) -> None:
        for n in range(5):
            self.apply(store, insert(f"{n}", f"tea {n}", scope=SEATED, vector=pointing(1, n)))
            assert len(store.survey(Ask(meaning(), pointing(1), "tea", 10)).keys) == n + 1
        self.apply(store, Update(meaning(ANA, "1"), {"text": "milk"}, {"text": pointing(-1)}))
        self.apply(store, Delete(meaning(ANA, "2")))
        self.apply(store, Purge(meaning(ANA, "3")))
        found = store.survey(Ask(meaning(), pointing(1), "tea", 10))
        assert found.counts[:, 0].tolist() == [1, 0, 1]
        np.testing.assert_allclose(found.similarity, [1.0, -1.0, 17**-0.5], atol=1e-5)

    def test_load_leaves_out_what_is_gone(self, store: Store) -> None:
        store.apply([insert("a", "tea", vector=pointing(1)), insert("b", "milk", vector=pointing(1))])
        keys = store.gather(Ask(meaning(), pointing(1), None, 10)).keys.tolist()
        self.apply(store, Delete(meaning(ANA, "a")))
        assert [m.id for m in store.load(keys).values()] == ["b"]
        assert store.load([]) == {}

    def test_a_key_never_comes_to_mean_another_owners_memory(self, store: Store) -> None:
        self.apply(store, insert("a", "hers", vector=pointing(1)))
        keys = store.gather(Ask(meaning(), pointing(1), None, 10)).keys.tolist()
        self.apply(store, Purge(meaning()))
        self.apply(store, insert("b", "his", BEN, pointing(1)))
        assert store.load(keys) == {}

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
        store.apply([insert("a", "1"), insert("b", "2"), insert("c", "3", BEN), insert("d", "4", expires_at=long_ago)])
        self.apply(store, Delete(meaning(ANA, "b")))
        assert store.stats(NAMESPACE, ANA) == {"memories": 1, "deleted": 1}
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
