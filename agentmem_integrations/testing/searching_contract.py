"""The part of a `ports.Store`'s contract that finds candidates by vector and by words. Part of `StoreContract`."""

# ruff: noqa: D102 - a test's name is its sentence

import numpy as np
import pytest

from ..errors import ConflictError
from ..filters import parse
from ..models import Scope
from ..ports import Ask, Delete, Purge, Store, Update
from .store_contract_parts import ANA, BEN, NAMESPACE, NONE_HEARD, SEATED, Contract, insert, meaning, pointing


class SearchingContract(Contract):
    """What every store must find. Override the fixture `make_store`."""

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

    def test_a_survey_finds_who_says_a_phrase_word_for_word(self, store: Store) -> None:
        said = ("see you in Lisbon", "in Lisbon you see", "See You, in lisbon!", "water", *(f"{n} who sees you, Lisbon" for n in range(9)))
        store.apply([insert(f"{n}", text, vector=pointing(1)) for n, text in enumerate(said)])
        self.apply(store, insert("99", said[0], BEN, pointing(1)))
        found = store.survey(Ask(meaning(), pointing(1), "who sees you?", 3, phrases=("see you in Lisbon", "water")))
        having = found.keys[found.found & (found.phrases == 1)].tolist()
        assert [memory.text for memory in store.load(having).values()] == [said[0], said[2], said[3]]
        assert not (found.phrases > 1).any()
        assert len(store.survey(Ask(meaning(), pointing(1), "see", 10)).phrases) == 0

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
