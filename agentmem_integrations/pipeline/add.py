"""The add hallway: normalize -> embed -> apply.

What was said becomes episodes; each episode becomes a memory in the caller's scope; the stages of `write_stages` embed and commit
them. Whether an utterance is already known is decided by the store, inside the transaction: looking first and writing later
would let two callers both find nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, Literal, TypeVar

from ..errors import AgentMemError, EmbedderMismatchError, InvalidInputError, StorageError, VectorError, shown
from ..models import SHARED, AddResult, Memory, Scope
from ..ports import TEXT_FIELD, Change, Entrust, Insert, Outcome, Replace, Selection, Together, Update
from .embedded_text import spoken
from .normalize import Common, Episode, Item, episode_of, items_of
from .uuid7 import new_id
from .write_stages.batching import Write
from .write_stages.commit import one
from .write_stages.embed import Writing

CHUNK: Final = 1_000  # items embedded in one pass and stored in one transaction
OnError = Literal["store", "raise"]
Progress = Callable[[int], None]
T = TypeVar("T")


@dataclass(slots=True)
class AddHallway:
    """Stores what callers pass, in one collection.

    Args:
        writing: The way to the store.
    """

    writing: Writing

    def add(self, content: Any, scope: Scope, common: Common) -> Write[AddResult]:
        """Return the write that stores one call's items, all or none.

        Raises:
            InvalidInputError: an item that cannot be stored; then none is.
        """
        inserts = self._inserts(content, scope, common)
        changes: list[Change] = [inserts[0]] if len(inserts) == 1 else [Together(inserts)]
        return Write(changes, lambda outcomes: _result(inserts, one(outcomes)), self._wanting(inserts))

    def replace(self, selection: Selection, content: Any, scope: Scope, common: Common) -> Write[AddResult]:
        """Return the write that deletes what is selected and stores one call's items, all of it or nothing.

        Raises:
            InvalidInputError: an item that cannot be stored; then nothing is deleted.
        """
        inserts = [] if isinstance(content, list | tuple) and not content else self._inserts(content, scope, common)
        return Write([Replace(selection, inserts)], lambda outcomes: _result(inserts, one(outcomes)), self._wanting(inserts))

    def keep(self, content: Any, scope: Scope, common: Common, job: str, leased_until: datetime) -> Write[AddResult]:
        """Return the write that stores one call's items, all or none, with a job that owes the facts in them.

        Raises:
            InvalidInputError: an item that cannot be stored; then none is.
        """
        inserts = self._inserts(content, scope, common)
        return Write([Entrust(inserts, job, leased_until)], lambda outcomes: _result(inserts, one(outcomes)), self._wanting(inserts))

    def add_batch(
        self, items: Iterable[Item], scope: Scope, common: Common, on_error: OnError, progress: Progress, *, owe: bool = True
    ) -> list[AddResult]:
        """Store many items: one embedding pass and one transaction per chunk, in order.

        While one chunk is being committed, the next one is being embedded.

        Raises:
            InvalidInputError: `on_error="raise"` and an item that cannot be stored; then none is. Or nothing may be owed, and
                there is nobody here to make the vectors.
            EmbeddingError: nothing may be owed, `on_error="raise"` and a text that cannot be embedded; then none is stored.
        """
        if not owe and self.writing.owes:
            raise InvalidInputError("owe=False, and this collection was opened without its embedder: open it with that")
        results: list[AddResult] = []
        waiting: Chunk | None = None
        try:
            for chunk in self._chunks(items, scope, common, on_error):
                self._embed(chunk, owe=owe)
                results += waiting.results() if waiting else []
                progress(len(results))
                waiting = chunk
                self.writing.commits.stage.put([chunk.write])
            results += waiting.results() if waiting else []
            progress(len(results))
        except (StorageError, EmbedderMismatchError) as error:
            error.add_note(f"the first {len(results)} items were stored before")
            raise
        return results

    def update(self, update: Update) -> Write[Memory]:
        """Return the write that changes one memory; only a new text is embedded.

        Raises:
            VectorError: a new text needs a vector that only the caller could bring.
        """
        text, wanting = update.changes.get("text"), []
        if text is not None and self.writing.given:
            raise VectorError("the vectors of this collection come from its callers: add the new text with its `id` and its `vector`")
        update.owed = text is not None and self.writing.owes
        if text is not None and self.writing.embedder is not None:
            speaker = next((m.name for m in self.writing.commits.store.find(update.selection, 1)), None)
            wanting = [(update, spoken(text, speaker))]
        return Write([update], lambda outcomes: one(outcomes)[0].memory, wanting)

    def _chunks(self, items: Iterable[Item], scope: Scope, common: Common, on_error: OnError) -> Iterator["Chunk"]:
        source = enumerate(iter(items))
        size = None if on_error == "raise" else CHUNK  # nothing or everything is one transaction
        while part := list(islice(source, size)):
            slots: list[Slot] = []
            owes = self.writing.owes
            for index, item in part:
                try:
                    episode = episode_of(item, common)
                    slots.append(None if episode is None else self._insert(episode, scope, common, owes))
                except InvalidInputError as error:
                    if on_error == "raise":
                        raise _named(index, error) from None
                    slots.append(_named(index, error))
            yield Chunk(part[0][0], slots, together=on_error == "raise")

    def _embed(self, chunk: "Chunk", *, owe: bool) -> None:
        chunk.write.wanting = self._wanting(chunk.inserts)
        if owe:
            self.writing.embed_here(chunk.write)
        elif failed := self.writing.embed_or_tell(chunk.write):
            chunk.refuse(failed)

    def _inserts(self, content: Any, scope: Scope, common: Common) -> list[Insert]:
        items = items_of(content)
        if "id" in common.fields and len(items) > 1:
            raise InvalidInputError(f"id={shown(common.fields['id'])} was given for {len(items)} items: give each item its own")
        episodes = [episode_of(item, common) for item in items]
        owes = self.writing.owes
        return [self._insert(episode, scope, common, owes) for episode in episodes if episode is not None]

    def _insert(self, episode: Episode, scope: Scope, common: Common, owes: bool) -> Insert:
        e, now = episode, common.now
        if e.vector is None and self.writing.given:
            raise VectorError("the vectors of this collection come from its callers: give the item a `vector`")
        agent, session = e.agent_id or scope.agent_id, e.session_id or scope.session_id
        memory = Memory(
            e.id or new_id(), e.text, e.kind, e.metadata or {}, None if scope.user_id is SHARED else scope.user_id, agent, session,
            e.role, e.name, e.occurred_at or now, now, now, e.expires_at, e.importance, value=e.value,
        )  # fmt: skip
        vectors = {} if e.vector is None else {TEXT_FIELD: e.vector}
        return Insert(memory, scope, vectors, owed=owes and not vectors, made_by=common.identity if vectors else None)

    def _wanting(self, inserts: Sequence[Insert]) -> list[tuple[Any, str]]:
        """Return the memories whose vector is still to be made."""
        return [(i, spoken(i.memory.text, i.memory.name)) for i in inserts if not i.vectors] if self.writing.embedder is not None else []


Slot = Insert | AgentMemError | None
"""An item of a bulk load: to store, refused, or without words."""


class Chunk:
    """Consecutive items of a bulk load: those to store, and the errors of those that cannot be.

    Args:
        first: Position of the first item in the load.
        slots: One per item, in order.
        together: Store all or none.
    """

    def __init__(self, first: int, slots: list[Slot], *, together: bool) -> None:
        self._first = first
        self._together = together
        self.slots = slots
        self.inserts = [s for s in slots if isinstance(s, Insert)]
        changes: Sequence[Change] = [Together(self.inserts)] if together else self.inserts
        self.write: Write[list[Outcome]] = Write(changes, _each if together else list)

    def refuse(self, failed: Mapping[int, AgentMemError]) -> None:
        """Store nothing that has no vector; and nothing at all, if it is all or none.

        Args:
            failed: Why there is none, by the `id()` of the insert.

        Raises:
            EmbeddingError: nothing is stored.
        """
        for position, slot in enumerate(self.slots):
            if isinstance(slot, Insert) and (error := failed.get(id(slot))) is not None:
                told = _named(self._first + position, error)
                told.__cause__ = error.__cause__  # what the embedder itself raised
                if self._together:
                    raise told
                self.slots[position] = told
        self.write.changes = self.inserts = [s for s in self.slots if isinstance(s, Insert)]

    def results(self) -> list[AddResult]:
        """Wait for the commit and return one result per item, in order."""
        outcomes = iter(self.write.result())
        return [self._result(position, slot, outcomes) for position, slot in enumerate(self.slots, self._first)]

    def _result(self, position: int, slot: Slot, outcomes: Iterator[Outcome]) -> AddResult:
        if not isinstance(slot, Insert):
            return AddResult(status="nothing", error=slot)
        outcome = next(outcomes)
        if isinstance(outcome, EmbedderMismatchError):  # not this item's fault: no other would fare better
            raise outcome
        return _result([slot], _named(position, outcome) if isinstance(outcome, AgentMemError) else outcome)


def _named(index: int, error: AgentMemError) -> AgentMemError:
    return type(error)(f"item {index}: {error}")


def _each(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return one outcome per insert of a `Together`."""
    return [[event] for event in one(outcomes)]


def _result(inserts: Sequence[Insert], outcome: Outcome) -> AddResult:
    if isinstance(outcome, AgentMemError):
        return AddResult(status="nothing", error=outcome)
    assert isinstance(outcome, list)
    if not outcome:
        return AddResult(status="nothing")
    queued = any(insert.owed and event.event != "NONE" for insert, event in zip(inserts, outcome, strict=True))
    return AddResult(outcome, "queued" if queued else "done")
