"""The part of a `ports.Store`'s contract that drawing facts needs: jobs, leases, decisions, replies. Used like `StoreContract`."""

# ruff: noqa: D102 - a test's name is its sentence

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from ..errors import NotFoundError, StaleError
from ..models import Job, Scope
from ..ports import Change, Delete, End, Entrust, Insert, Learned, Owe, Purge, PutOff, Renew, Resolve, Revive, Store, Update
from .store_contract_parts import ANA, BEN, IDENTITY, NAMESPACE, Contract, ids_of, insert, meaning

PAST: Final = datetime.now(UTC) - timedelta(hours=1)
SOON: Final = datetime.now(UTC) + timedelta(days=1)


def said(id: str, text: str, scope: Scope = ANA) -> Insert:
    """Return an insert of verbatim words."""
    return insert(id, text, scope, kind="episode")


def fact(id: str, text: str, scope: Scope = ANA) -> Insert:
    """Return an insert of a fact."""
    return insert(id, text, scope, kind="semantic")


class ExtractionContract(Contract):
    """What every store must do for intelligent mode. Override the fixture `make_store`."""

    @pytest.fixture
    def store(self, make_store: Callable[[], Store]) -> Iterator[Store]:
        """An open store with two collections."""
        store = make_store()
        store.open_collection(NAMESPACE, "merge", IDENTITY)
        store.open_collection("other", "merge", IDENTITY)
        yield store
        store.close()

    def entrust(self, store: Store, job: str, *inserts: Insert, leased_until: datetime = PAST) -> list[str]:
        """Entrust words with a job that nobody works on; return the events."""
        (outcome,) = store.apply([Entrust(inserts, job, leased_until)])
        assert isinstance(outcome, list), outcome
        return [event.event for event in outcome]

    def resolve(self, store: Store, *changes: Any, scope: Scope = ANA, **more: Any) -> list[str]:
        """Carry out decisions that were made on the newest state; return the events."""
        (outcome,) = store.apply([Resolve(scope, changes, more.pop("revision", store.revision(scope)), **more)])
        if isinstance(outcome, Exception):
            raise outcome
        assert isinstance(outcome, list)
        return [event.event for event in outcome]

    def jobs(self, store: Store, namespace: str = NAMESPACE, scope: Scope | None = None) -> dict[str, list[str]]:
        """Return the ids of the memories that jobs are about, by job."""
        return {job.id: ids_of(job.memories) for job in store.jobs(namespace, scope, 100)}

    def claim(self, store: Store, limit: int = 10, *, until: datetime = SOON, due_only: bool = True) -> list[Job]:
        """Take over what is due."""
        return store.claim(NAMESPACE, limit, until, due_only=due_only)

    # Words and what they owe

    def test_words_and_their_job_are_stored_together(self, store: Store) -> None:
        assert self.entrust(store, "j1", said("a", "I moved"), said("b", "to Lisbon")) == ["ADD", "ADD"]
        assert ids_of(store.find(meaning(), 10)) == ["a", "b"]
        assert self.jobs(store) == {"j1": ["a", "b"]}

    def test_words_that_are_known_owe_nothing(self, store: Store) -> None:
        self.entrust(store, "j1", said("a", "I moved"))
        assert self.entrust(store, "j2", said("b", "I moved")) == ["NONE"]
        assert self.jobs(store) == {"j1": ["a"]}

    def test_known_words_among_new_ones_belong_to_the_job(self, store: Store) -> None:
        store.apply([said("a", "I moved")])
        assert self.entrust(store, "j1", said("x", "I moved"), said("b", "to Lisbon")) == ["NONE", "ADD"]
        assert self.jobs(store) == {"j1": ["a", "b"]}

    def test_words_that_are_refused_leave_neither_words_nor_job(self, store: Store) -> None:
        nowhere = said("b", "to Lisbon", Scope("no such collection", "ana"))
        (outcome,) = store.apply([Entrust([said("a", "I moved"), nowhere], "j1", SOON)])
        assert isinstance(outcome, NotFoundError)
        assert store.find(meaning(), 10) == []
        assert self.jobs(store) == {}

    def test_stored_memories_can_be_owed_an_extraction(self, store: Store) -> None:
        store.apply([said("a", "I moved"), said("b", "to Lisbon")])
        assert store.apply([Owe(meaning(ANA, "b", "a"), "j1", PAST), Owe(meaning(ANA, "nobody"), "j2", PAST)]) == [2, 0]
        assert self.jobs(store) == {"j1": ["a", "b"]}

    def test_jobs_are_listed_by_owner_and_collection(self, store: Store) -> None:
        self.entrust(store, "j1", said("a", "I moved"))
        self.entrust(store, "j2", said("b", "I moved too", BEN))
        self.entrust(store, "j3", said("c", "elsewhere", Scope("other", "ana")))
        assert self.jobs(store) == {"j1": ["a"], "j2": ["b"]}
        assert self.jobs(store, scope=BEN) == {"j2": ["b"]}
        assert self.jobs(store, "other") == {"j3": ["c"]}

    # Who works on them

    def test_what_is_leased_is_nobody_elses(self, store: Store) -> None:
        self.entrust(store, "j1", said("a", "I moved"), leased_until=SOON)
        assert self.claim(store, due_only=False) == []

    def test_what_was_left_off_is_taken_over_once(self, store: Store) -> None:
        self.entrust(store, "j1", said("a", "I moved"))
        assert [job.id for job in self.claim(store)] == ["j1"]
        assert self.claim(store) == []

    def test_the_oldest_are_taken_first_and_no_more_than_asked_for(self, store: Store) -> None:
        for n in range(4):
            self.entrust(store, f"j{n}", said(f"m{n}", f"words {n}"))
        assert [job.id for job in self.claim(store, 3)] == ["j0", "j1", "j2"]
        assert [job.id for job in self.claim(store, 3)] == ["j3"]

    def test_a_claim_stays_in_its_collection(self, store: Store) -> None:
        self.entrust(store, "j1", said("a", "elsewhere", Scope("other", "ana")))
        assert self.claim(store) == []
        assert [job.scope for job in store.claim("other", 1, SOON, due_only=True)] == [Scope("other", "ana")]

    def test_a_lease_that_is_renewed_goes_on(self, store: Store) -> None:
        self.entrust(store, "j1", said("a", "I moved"))
        assert store.apply([Renew(["j1", "no such job"], SOON)]) == [1]
        assert self.claim(store) == []

    def test_what_is_no_longer_worked_on_is_not_renewed(self, store: Store) -> None:
        self.entrust(store, "j1", said("a", "I moved"))
        store.apply([PutOff("j1", PAST, "the model is down")])
        assert store.apply([Renew(["j1"], SOON)]) == [0]

    def test_what_failed_is_tried_again_when_it_is_due(self, store: Store) -> None:
        self.entrust(store, "j1", said("a", "I moved"))
        assert store.apply([PutOff("j1", SOON, "the model is down")]) == [1]
        assert self.claim(store) == []
        (job,) = self.claim(store, due_only=False)
        assert (job.attempts, job.error, job.state) == (1, "the model is down", "running")

    def test_what_is_given_up_says_why_and_is_not_tried_again(self, store: Store) -> None:
        self.entrust(store, "j1", said("a", "I moved"))
        store.apply([PutOff("j1", None, "refused")])
        assert self.claim(store, due_only=False) == []
        (job,) = store.jobs(NAMESPACE, None, 10)
        assert (job.state, job.error) == ("dead", "refused")

    def test_what_was_given_up_can_be_revived_by_name_and_collection(self, store: Store) -> None:
        elsewhere = Scope("other", "ana")
        for job, change in (("j1", said("a", "one")), ("j2", said("b", "two")), ("j3", said("c", "three", elsewhere))):
            self.entrust(store, job, change)
            store.apply([PutOff(job, None, "refused")])
        assert store.apply([Revive(NAMESPACE, ["j2", "j3"])]) == [1]
        assert [(job.id, job.attempts) for job in self.claim(store)] == [("j2", 0)]
        assert store.apply([Revive(NAMESPACE)]) == [1]
        assert [job.id for job in self.claim(store)] == ["j1"]

    # What was decided

    def test_facts_are_stored_and_their_job_ended_together(self, store: Store) -> None:
        self.entrust(store, "j1", said("a", "I moved to Lisbon"))
        assert self.resolve(store, fact("f", "Ana lives in Lisbon"), job="j1", done=["a"]) == ["ADD"]
        assert ids_of(store.find(meaning(), 10)) == ["a", "f"]
        assert self.jobs(store) == {}

    def test_a_job_lasts_until_all_its_words_are_done(self, store: Store) -> None:
        self.entrust(store, "j1", said("a", "one"), said("b", "two"))
        self.resolve(store, job="j1", done=["a"])
        assert self.jobs(store) == {"j1": ["b"]}
        self.resolve(store, job="j1", done=["b"])
        assert self.jobs(store) == {}

    def test_what_was_decided_on_an_old_state_is_refused_whole(self, store: Store) -> None:
        self.entrust(store, "j1", said("a", "I moved to Lisbon"))
        seen = store.revision(ANA)
        store.apply([fact("other", "Ana lives in Porto")])
        learned = [Learned(b"k", "reply")]
        with pytest.raises(StaleError):
            self.resolve(store, fact("f", "Ana lives in Lisbon"), revision=seen, job="j1", done=["a"], learned=learned)
        assert ids_of(store.find(meaning(), 10)) == ["a", "other"]
        assert self.jobs(store) == {"j1": ["a"]}
        assert store.learned(ANA, [b"k"]) == {}

    def test_a_decision_that_cannot_be_carried_out_leaves_nothing_of_the_others(self, store: Store) -> None:
        store.apply([fact("f", "Ana lives in Porto")])
        with pytest.raises(NotFoundError):
            self.resolve(store, fact("g", "Ana lives in Lisbon"), Update(meaning(ANA, "nobody"), {"text": "x"}))
        assert ids_of(store.find(meaning(), 10)) == ["f"]

    def test_a_stale_decision_spares_the_other_changes_of_a_transaction(self, store: Store) -> None:
        store.apply([fact("f", "Ana lives in Porto")])
        outcomes = store.apply([fact("g", "Ana likes tea"), Resolve(ANA, [fact("h", "Ana likes rain")], ()), said("a", "hello")])
        assert isinstance(outcomes[1], StaleError)
        assert ids_of(store.find(meaning(), 10)) == ["f", "g", "a"]

    def test_what_is_superseded_is_found_for_the_time_before_only(self, store: Store) -> None:
        store.apply([fact("old", "Ana lives in Porto")])
        until = datetime.now(UTC)
        new = fact("new", "Ana lives in Lisbon")
        assert self.resolve(store, new, End(meaning(ANA, "old"), until, "new", {"by": "test"})) == ["ADD", "SUPERSEDE"]
        assert ids_of(store.find(meaning(), 10)) == ["new"]
        (ended,) = store.find(meaning(ANA, "old", any_validity=True), 10)
        assert (ended.valid_to, ended.superseded_by) == (until, "new")
        assert ids_of(store.find(meaning(at=until - timedelta(seconds=1)), 10))[:1] == ["old"]
        assert [event.event for event in store.history(meaning(ANA, "old"))] == ["ADD", "SUPERSEDE"]

    def test_what_ends_without_a_successor_stays_in_history(self, store: Store) -> None:
        store.apply([fact("old", "Ana owns a car")])
        assert self.resolve(store, End(meaning(ANA, "old"), datetime.now(UTC), None)) == ["DELETE"]
        assert store.find(meaning(), 10) == []
        assert [event.event for event in store.history(meaning(ANA, "old"))] == ["ADD", "DELETE"]

    def test_a_successor_that_is_known_already_is_named_by_the_id_it_has(self, store: Store) -> None:
        store.apply([fact("old", "Ana lives in Porto"), fact("known", "Ana lives in Lisbon")])
        end = End(meaning(ANA, "old"), datetime.now(UTC), "new")
        assert self.resolve(store, fact("new", "Ana lives in Lisbon"), end) == ["NONE", "SUPERSEDE"]
        (ended,) = store.find(meaning(ANA, "old", any_validity=True), 10)
        assert ended.superseded_by == "known"

    # The state that is decided on

    def test_words_do_not_change_the_state_of_the_facts(self, store: Store) -> None:
        store.apply([fact("f", "Ana likes tea")])
        before = store.revision(ANA)
        store.apply([said("a", "hello"), fact("g", "Ben likes tea", BEN)])
        assert store.revision(ANA) == before

    def test_an_owner_without_facts_has_no_state(self, store: Store) -> None:
        store.apply([said("a", "hello")])
        assert store.revision(ANA) == ()

    @pytest.mark.parametrize("change", ["insert", "update", "delete", "purge", "end"])
    def test_whatever_changes_a_fact_changes_the_state(self, store: Store, change: str) -> None:
        store.apply([fact("f", "Ana likes tea"), fact("g", "Ana likes rain")])
        before = store.revision(ANA)
        one = meaning(ANA, "f")
        if change == "end":
            self.resolve(store, End(one, datetime.now(UTC), None))
        else:
            changes: dict[str, Change] = {
                "insert": fact("h", "x"),
                "update": Update(one, {"text": "y"}),
                "delete": Delete(one),
                "purge": Purge(one),
            }
            store.apply([changes[change]])
        assert store.revision(ANA) != before

    # Replies

    def test_replies_are_kept_for_their_owner_alone(self, store: Store) -> None:
        self.entrust(store, "j1", said("a", "one"))
        self.entrust(store, "j2", said("b", "two", BEN))
        self.resolve(store, job="j1", done=["a"], learned=[Learned(b"k1", "first"), Learned(b"k2", "second")])
        assert store.learned(ANA, [b"k1", b"k2", b"k3"]) == {b"k1": "first", b"k2": "second"}
        assert store.learned(BEN, [b"k1"]) == {}

    # Forgetting

    def test_a_job_ends_with_the_last_of_its_memories(self, store: Store) -> None:
        self.entrust(store, "j1", said("a", "one"), said("b", "two"))
        store.apply([Delete(meaning(ANA, "a"))])
        assert self.jobs(store) == {"j1": ["b"]}
        store.apply([Delete(meaning(ANA, "b"))])
        assert self.jobs(store) == {}

    @pytest.mark.parametrize("selection", [meaning(), meaning(ANA, "a")], ids=["the owner", "the memory"])
    def test_a_purge_takes_jobs_and_replies_with_it(self, store: Store, selection: Any) -> None:
        self.entrust(store, "j1", said("a", "one"))
        self.resolve(store, learned=[Learned(b"k", "about one")], job="j1")
        store.apply([Purge(selection)])
        assert self.jobs(store) == {}
        assert store.learned(ANA, [b"k"]) == {}
