"""decide: what becomes of new facts, and the changes that do it.

Facts without neighbours are added, known ones dropped, both without asking. The others are put into groups that share no
neighbour, one question each, all at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from ...models import Decision, Event, Fact, Identity, Memory, Scope
from ...ports import TEXT_FIELD, End, Insert, Learned, Selection, Update
from .look import Looking, NewFact, same_words

ROUNDS: Final = 3
"""Facts of one call that concern each other are stored one after the other, so that the later sees the earlier; this deep."""


@dataclass(slots=True)
class Group:
    """New facts that are decided on together, and the memories they may concern."""

    facts: list[NewFact] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """What is to be done about some facts.

    Attributes:
        changes: In order.
        known: Events that need no change.
        learned: Replies to keep.
        unembedded: Changes whose text has no vector yet, as the model wrote it just now, with that text.
    """

    changes: list[Insert | Update | End] = field(default_factory=list)
    known: list[Event] = field(default_factory=list)
    learned: list[Learned] = field(default_factory=list)
    unembedded: list[tuple[Insert | Update, str]] = field(default_factory=list)


def in_rounds(facts: Sequence[NewFact], looking: Looking) -> list[list[NewFact]]:
    """Part facts so that none concerns an earlier one of its own round.

    Facts of the same message are taken as meant together, as its speaker did. The same statement told twice is kept once.
    """
    rounds: list[list[NewFact]] = [[] for _ in range(ROUNDS)]
    depths: list[tuple[NewFact, int]] = []
    for fact in facts:
        if any(same_words(fact.memory.text, other.memory.text) for other, _ in depths):
            continue
        behind = [depth for other, depth in depths if _sources(other) != _sources(fact) and looking.related(fact, other)]
        depth = min(max(behind, default=-1) + 1, ROUNDS - 1)
        depths.append((fact, depth))
        rounds[depth].append(fact)
    return [part for part in rounds if part]


def groups_of(facts: Sequence[NewFact]) -> list[Group]:
    """Return the facts that have neighbours, in groups that share none."""
    groups: list[Group] = []
    for fact in facts:
        if not fact.neighbours:
            continue
        near = {memory.id for memory in fact.neighbours}
        shared = [group for group in groups if any(memory.id in near for memory in group.memories)]
        joined = Group([f for group in shared for f in group.facts] + [fact])
        everything = [m for group in shared for m in group.memories] + fact.neighbours
        joined.memories = list({memory.id: memory for memory in everything}.values())
        groups = [group for group in groups if group not in shared] + [joined]
    return groups


def stated(fact: NewFact) -> Fact:
    """Return a fact as a model is shown it."""
    return Fact(fact.memory.text, (0,), fact.memory.kind)


class Planning:
    """Turns decisions into changes.

    Args:
        scope: The owner.
        now: The instant of deciding.
        made_by: Which embedder made the vectors of the facts.
    """

    def __init__(self, scope: Scope, now: datetime, made_by: Identity | None) -> None:
        self._scope = Scope(scope.namespace, scope.user_id)
        self._now = now
        self._made_by = made_by
        self.plan = Plan()

    def known(self, memory: Memory) -> None:
        """The memory says it already."""
        self.plan.known.append(Event("NONE", memory, at=self._now))

    def add(self, fact: NewFact, decision: str) -> None:
        """Nothing stored concerns it."""
        self._insert(replace(fact.memory, provenance={**fact.memory.provenance, "decision": decision}), fact)

    def decided(self, fact: NewFact, decision: Decision, memories: Sequence[Memory], by: str, *, cautious: bool) -> None:
        """Do what the model decided.

        Args:
            fact: About which fact.
            decision: What.
            memories: Those it was shown.
            by: Id of the prompt that asked it.
            cautious: Store the fact as it is where the model would write other words.
        """
        targets = [memories[index] for index in decision.targets]
        match "ADD" if cautious and decision.text not in (None, fact.memory.text) else decision.event:
            case "NONE":
                self.known(targets[0])
            case "UPDATE":
                self._update(fact, targets[0], decision.text or fact.memory.text, by)
            case "SUPERSEDE":
                self._supersede(fact, targets, decision.text or fact.memory.text, by)
            case "DELETE":
                self._delete(fact, targets, by)
            case "ADD":
                self.add(fact, by)

    def _insert(self, memory: Memory, fact: NewFact) -> None:
        same = memory.text == fact.memory.text
        vectors = {} if fact.vector is None or not same else {TEXT_FIELD: fact.vector}
        insert = Insert(memory, self._scope, vectors, made_by=self._made_by if vectors else None)
        self.plan.changes.append(insert)
        if not vectors:
            self.plan.unembedded.append((insert, memory.text))

    def _update(self, fact: NewFact, old: Memory, text: str, by: str) -> None:
        told = fact.memory
        if _outlives(old, told) or (told.expires_at is None and old.expires_at is not None):
            self.add(fact, by)  # joined, one of the two would be kept too long, or lost too soon
            return
        changes: dict[str, Any] = {"text": text, "provenance": _joined(old.provenance, told.provenance, by)}
        if told.importance is not None and told.importance > (old.importance or 0):
            changes["importance"] = told.importance
        update = Update(self._one(old), changes)
        self.plan.changes.append(update)
        self.plan.unembedded.append((update, text))

    def _supersede(self, fact: NewFact, old: Sequence[Memory], text: str, by: str) -> None:
        """What is newer holds: a fact that is older than what it contradicts, as of an imported conversation, is history at once."""
        since = _since(fact.memory)
        newer = [memory for memory in old if _since(memory) > since]
        enders = [memory for memory in newer if not _outlives(fact.memory, memory)]
        ended = [memory for memory in old if memory not in newer and not _outlives(memory, fact.memory)]
        provenance = {**fact.memory.provenance, "decision": by}
        if enders:
            first = min(enders, key=_since)
            past = replace(fact.memory, text=text, provenance=provenance, valid_to=_since(first), superseded_by=first.id)
            self._insert(past, fact)
        elif ended:
            self._insert(replace(fact.memory, text=text, provenance=provenance, valid_from=since), fact)
        else:
            self.add(fact, by)
        for memory in ended:
            self.plan.changes.append(End(self._one(memory), since, fact.memory.id, provenance))

    def _delete(self, fact: NewFact, old: Sequence[Memory], by: str) -> None:
        since = _since(fact.memory)
        for memory in old:
            if _since(memory) > since:  # said before what it takes back
                self.known(memory)
            elif not _outlives(memory, fact.memory):
                self.plan.changes.append(End(self._one(memory), since, None, {**fact.memory.provenance, "decision": by}))
        if any(_outlives(memory, fact.memory) and _since(memory) <= since for memory in old):
            self.add(fact, by)

    def _one(self, memory: Memory) -> Selection:
        return Selection(self._scope.namespace, self._scope, (memory.id,))


def _since(memory: Memory) -> datetime:
    since = memory.valid_from or memory.occurred_at or memory.created_at
    assert since is not None, "every stored memory has its instant"
    return since


def _outlives(one: Memory, other: Memory) -> bool:
    """Say whether a memory is there longer than another: what expires ends nothing that outlives it, else nothing would hold afterwards."""
    return other.expires_at is not None and (one.expires_at is None or one.expires_at > other.expires_at)


def _sources(fact: NewFact) -> Any:
    return fact.memory.provenance.get("episodes")


def _joined(old: Mapping[str, Any], new: Mapping[str, Any], by: str) -> dict[str, Any]:
    """Return the provenance of a memory that two facts made."""
    episodes = dict.fromkeys([*old.get("episodes", ()), *new.get("episodes", ())])
    return {**old, **new, "episodes": list(episodes), "decision": by}
