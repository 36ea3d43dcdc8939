"""The part of a `ports.Store`'s contract that changes a collection's embedder. Used like `StoreContract`."""

# ruff: noqa: D102 - a test's name is its sentence

from collections.abc import Callable, Iterator

import pytest

from ..errors import ConflictError, EmbedderMismatchError
from ..models import Identity
from ..ports import Ask, EraseLeftovers, Reembed, Store, Update, Wanting
from .store_contract_parts import ANA, IDENTITY, NAMESPACE, Contract, insert, item, meaning, pointing

NEXT = Identity("next", "1", 4)
THIRD = Identity("third", "1", 4)
EAST, NORTH = pointing(1), pointing(0, 1)


class ReembeddingContract(Contract):
    """What every store must do while a collection changes its embedder. Override the fixture `make_store`."""

    @pytest.fixture
    def store(self, make_store: Callable[[], Store]) -> Iterator[Store]:
        """An open store with four memories, whose vectors all point east."""
        store = make_store()
        store.open_collection(NAMESPACE, "merge", IDENTITY)
        store.apply([insert(f"{n}", f"note {n}", vector=EAST) for n in range(4)])
        yield store
        store.close()

    def walk(self, store: Store, limit: int, identity: Identity = NEXT) -> list[str]:
        """Give the memories of one page new vectors, which all point north; return their texts."""
        page = store.wanting(NAMESPACE, identity, limit, 0)
        (stored,) = store.apply([Reembed(NAMESPACE, identity, [(m, NORTH) for m in page.memories], [], page.behind)])
        assert stored == len(page.memories)
        return [m.text for m in page.memories]

    def direction(self, store: Store) -> dict[str, float]:
        """Return how near each memory is to the east."""
        found = store.gather(Ask(meaning(), EAST, None, 10))
        memories = store.load(found.keys.tolist())
        return {memories[key].id: round(float(s), 3) for key, s in zip(found.keys.tolist(), found.similarity, strict=True)}

    def test_the_old_vectors_count_until_the_swap(self, store: Store) -> None:
        assert store.begin_reembedding(NAMESPACE, NEXT)
        assert self.walk(store, 10) == [f"note {n}" for n in range(4)]
        assert store.identity(NAMESPACE) == IDENTITY
        assert self.direction(store) == {f"{n}": 1.0 for n in range(4)}
        assert store.swap_embedder(NAMESPACE, NEXT) == 0
        assert store.identity(NAMESPACE) == NEXT
        assert self.direction(store) == {f"{n}": 0.0 for n in range(4)}

    def test_it_goes_on_where_it_was_left_off(self, store: Store) -> None:
        store.begin_reembedding(NAMESPACE, NEXT)
        assert self.walk(store, 3) == ["note 0", "note 1", "note 2"]
        assert store.begin_reembedding(NAMESPACE, NEXT)
        assert store.count_wanting(NAMESPACE) == 1
        assert self.walk(store, 3) == ["note 3"]
        assert store.count_wanting(NAMESPACE) == 0

    def test_what_was_rewritten_or_could_not_be_embedded_goes_on_wanting(self, store: Store) -> None:
        store.begin_reembedding(NAMESPACE, NEXT)
        page = store.wanting(NAMESPACE, NEXT, 10, 0)
        store.apply([Update(meaning(ANA, "1"), {"text": "changed"})])
        made: list[Wanting] = list(page.memories[:3])
        store.apply([Reembed(NAMESPACE, NEXT, [(m, NORTH) for m in made], page.memories[3:], page.behind)])
        assert [m.text for m in store.wanting(NAMESPACE, NEXT, 10, 0).memories] == ["changed", "note 3"]

    def test_what_lacks_a_vector_at_the_swap_is_owed_it(self, store: Store) -> None:
        store.begin_reembedding(NAMESPACE, NEXT)
        self.walk(store, 2)
        assert store.swap_embedder(NAMESPACE, NEXT) == 2
        assert [d.text for d in store.debts(NAMESPACE, 10, due_only=True)] == ["note 2", "note 3"]

    def test_another_embedder_starts_anew(self, store: Store) -> None:
        store.begin_reembedding(NAMESPACE, NEXT)
        self.walk(store, 2)
        assert store.begin_reembedding(NAMESPACE, THIRD)
        assert store.count_wanting(NAMESPACE) == 4
        with pytest.raises(EmbedderMismatchError, match="third"):
            store.wanting(NAMESPACE, NEXT, 10, 0)
        (outcome,) = store.apply([Reembed(NAMESPACE, NEXT, [], [], 0)])
        assert isinstance(outcome, EmbedderMismatchError)
        with pytest.raises(EmbedderMismatchError):
            store.swap_embedder(NAMESPACE, NEXT)

    def test_the_embedder_it_has_ends_the_change(self, store: Store) -> None:
        assert not store.begin_reembedding(NAMESPACE, IDENTITY)
        store.begin_reembedding(NAMESPACE, NEXT)
        assert not store.begin_reembedding(NAMESPACE, IDENTITY)
        with pytest.raises(EmbedderMismatchError):
            store.swap_embedder(NAMESPACE, NEXT)

    def test_vectors_of_another_embedder_are_refused(self, store: Store) -> None:
        foreign = insert("5", "foreign", vector=NORTH)
        foreign.made_by = NEXT
        (outcome,) = store.apply([foreign])
        assert isinstance(outcome, EmbedderMismatchError)
        assert store.find(meaning(ANA, "5")) == []
        with pytest.raises(EmbedderMismatchError):
            store.gather(Ask(meaning(), NORTH, None, 10, made_by=NEXT))

    def test_leftovers_are_erased_in_parts(self, store: Store) -> None:
        store.begin_reembedding(NAMESPACE, NEXT)
        self.walk(store, 10)
        store.swap_embedder(NAMESPACE, NEXT)
        state = store.leftovers(NAMESPACE)
        assert state
        after, rounds = 0, 0
        while (outcome := store.apply([EraseLeftovers(NAMESPACE, state, after)])[0]) != 0:
            assert isinstance(outcome, int)
            after, rounds = outcome, rounds + 1
            assert rounds < 10
        assert store.leftovers(NAMESPACE) == 0
        assert self.direction(store) == {f"{n}": 0.0 for n in range(4)}

    def test_vectors_of_other_fields_forbid_it(self, store: Store) -> None:
        store.apply([item(("users",), "key", "x", text=EAST, title=EAST)])
        with pytest.raises(ConflictError, match="fields"):
            store.begin_reembedding(NAMESPACE, NEXT)
