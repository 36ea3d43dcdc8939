"""The store: what it is asked, and what it answers."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..config import Twins
from ..errors import AgentMemError
from ..models import Event, Identity, ItemAnswer, ItemRead, Job, Memory, Report, Scope
from .changes import (
    Defer,
    Delete,
    EraseLeftovers,
    Fill,
    Insert,
    Keep,
    Provided,
    Purge,
    Record,
    Reembed,
    Replace,
    Restore,
    Selection,
    Sweep,
    Together,
    Update,
    WantingPage,
)
from .embedder import TEXT_FIELD, Vector
from .extraction_changes import Entrust, Owe, PutOff, Renew, Resolve, Revision, Revive
from .item_changes import PurgeItems, TouchItems, WriteItems
from .survey import Survey


@dataclass(slots=True)
class Dump:
    """A collection as it was at one instant.

    Attributes:
        twins: Its twin policy.
        identity: Which embedder made its vectors.
        count: How many records there are.
        records: The records in insertion order, read as they are asked for.
    """

    twins: Twins
    identity: Identity | None
    count: int
    records: Iterator[Record]


Change = (
    Insert | Together | Replace | Provided | Restore | Update | Delete | Purge | Sweep | Fill | Defer | Keep | Reembed | EraseLeftovers
    | Entrust | Owe | Resolve | Renew | PutOff | Revive | WriteItems | TouchItems | PurgeItems
)  # fmt: skip

Outcome = list[Event] | int | AgentMemError
"""Events for Insert, Together, Replace, Restore, Update, Entrust and Resolve, a count for the others, or why this change was refused."""


@dataclass(slots=True)
class Debt:
    """A memory whose vector is owed."""

    job: int
    memory: int
    text: str
    name: str | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to the candidate lists.

    Attributes:
        selection: What may be found; applied before ranking.
        vector: The question's vector, or None to leave vectors out.
        words: The question's text, or None to leave the text index out.
        limit: Candidates wanted from each list.
        field: Which vectors are compared.
        made_by: Which embedder made the vector; None: it is not said.
        depth: Of `survey`: candidates wanted from each list in all, where more hits are asked for than `limit` can give.
        phrases: Of `survey`: what the question quotes. Memories that say it word for word are among the candidates.
    """

    selection: Selection
    vector: Vector | None
    words: str | None
    limit: int
    field: str = TEXT_FIELD
    made_by: Identity | None = None
    depth: int = 0
    phrases: tuple[str, ...] = ()


@dataclass(slots=True)
class Candidates:
    """Memories that may become hits, column by column, in insertion order.

    Attributes:
        keys: The store's own handles, rising, shape (n,).
        similarity: Cosine, -1 to 1; NaN where a memory has no vector or none was asked for; shape (n,).
        lexical: BM25, 0 where no word matches; shape (n,).
    """

    keys: NDArray[np.int64]
    similarity: NDArray[np.float64]
    lexical: NDArray[np.float64]


class Store(Protocol):
    """Where memories live. Every method may be called from any thread."""

    def open_collection(self, name: str, twins: Twins | None, identity: Identity | None) -> Twins:
        """Create the collection or check that it fits; return its twin policy.

        Raises:
            EmbedderMismatchError: it holds vectors of another embedder.
            ConflictError: it has another twin policy.
        """

    def identity(self, name: str) -> Identity | None:
        """Return which embedder made a collection's vectors; None if none did yet."""

    def apply(self, changes: Sequence[Change]) -> list[Outcome]:
        """Make the changes in one transaction; a refused change leaves no trace and spares the others."""

    def gather(self, ask: Ask) -> Candidates:
        """Return the best candidates of both lists, each once.

        Raises:
            EmbedderMismatchError: another embedder made the question's vector than the collection's.
        """

    def read_items(
        self, namespace: str, reads: Sequence[ItemRead], vectors: Sequence[Vector | None], made_by: Identity | None
    ) -> list[ItemAnswer]:
        """Return what is asked about items, all as of one instant; see `models.item`.

        Args:
            namespace: The collection.
            reads: The questions.
            vectors: For each the vector of its `query`; None for none, and then the `query` is not looked at.
            made_by: Which embedder made them.

        Raises:
            EmbedderMismatchError: another embedder made them than the collection's.
        """

    def has_expiry(self) -> bool:
        """Say whether anything is going to expire, or has and was not swept yet."""

    def survey(self, ask: Ask) -> Survey:
        """Return the best candidates by vector, by words and by what was said around them, with those neighbours.

        `ask.limit` is how many of each kind count as the best. They are the same whatever `ask.depth` is; that adds more, behind
        them.

        Raises:
            EmbedderMismatchError: as for `gather`.
        """

    def load(self, keys: Sequence[int]) -> dict[int, Memory]:
        """Return the candidates' memories by key; one that is gone meanwhile is left out."""

    def vectors(self, keys: Sequence[int]) -> dict[int, Vector]:
        """Return the vectors of candidates' texts by key; one that has none is left out."""

    def vectors_of(self, selection: Selection) -> dict[str, Vector]:
        """Return the vectors of memories' texts by id, in insertion order; one that has none is left out.

        Raises:
            ConflictError: several of them have the same id, because no owner was named.
        """

    def find(self, selection: Selection, limit: int | None = None, after: str | None = None) -> list[Memory]:
        """Return memories in insertion order, from behind the id `after`."""

    def history(self, selection: Selection) -> list[Event]:
        """Return the history of one memory, oldest first; deleted memories too."""

    def dump(self, namespace: str, scope: Scope | None, *, vectors: bool) -> AbstractContextManager[Dump]:
        """Hold one state of a collection, while others go on writing, and read every memory of it; deleted ones too.

        Args:
            namespace: The collection.
            scope: Only this owner's; None means everybody's.
            vectors: Read the vectors of the texts too. Without, a memory that has one is marked as owed one. Vectors of other
                fields are always read: nobody could make them again.
        """

    def taken(self, records: Sequence[Record]) -> list[bool]:
        """Say of each record whether its owner has its id already, also for a deleted memory."""

    def backup(self, target: str) -> None:
        """Write a consistent copy of everything into the empty file `target`, while others go on writing, and check it."""

    def debts(self, namespace: str, limit: int, *, due_only: bool) -> Iterable[Debt]:
        """Return memories of a collection whose vectors are owed, those first that wait longest."""

    def count_debts(self, namespace: str) -> int:
        """Return how many vectors of a collection are owed."""

    def begin_reembedding(self, namespace: str, identity: Identity) -> bool:
        """Set out to change a collection's embedder, or go on where it was left off; the old vectors count all the while.

        Another embedder that was set out for is abandoned.

        Returns:
            False if the collection holds that embedder's vectors, so that there is nothing to do.

        Raises:
            ConflictError: it holds vectors of other fields than the text, which nobody could make anew.
        """

    def count_wanting(self, namespace: str) -> int:
        """Return how many memories want a vector of the embedder that the collection is changing to."""

    def wanting(self, namespace: str, identity: Identity, limit: int, after: int) -> WantingPage:
        """Return the memories behind the handle `after` that want a vector, at most `limit`.

        Raises:
            EmbedderMismatchError: the collection is not changing to that embedder, or no longer.
            ConflictError: as for `begin_reembedding`.
        """

    def swap_embedder(self, namespace: str, identity: Identity) -> int:
        """Let the new embedder and its vectors take the old ones' place, at one instant for everybody who has the file open.

        A memory that lacks its new vector is owed it.

        Returns:
            How many are owed.

        Raises:
            EmbedderMismatchError: as for `wanting`.
            ConflictError: as for `begin_reembedding`.
        """

    def leftovers(self, namespace: str) -> int:
        """Return the state that `EraseLeftovers` is told if there may be vectors that no longer count; else 0."""

    def kept(self, keys: Sequence[bytes]) -> Mapping[bytes, Vector]:
        """Return those vectors of texts embedded before that are still kept."""

    def kept_for(self, namespace: str, scope: Scope, most: int) -> Mapping[bytes, Vector]:
        """Return what is kept of an owner's texts and questions, the newest first, up to so many bytes of vectors."""

    def kept_usage(self) -> Mapping[str, int]:
        """Return `entries` and `bytes` of the vectors that are kept."""

    def warm(self, namespace: str, scope: Scope) -> int:
        """Read an owner's vectors into RAM, as a search would; return how many are there."""

    def has_expired(self) -> bool:
        """Say whether `Sweep` has something to do."""

    def revision(self, scope: Scope) -> Revision:
        """Return the state that an owner's facts are in."""

    def learned(self, scope: Scope, keys: Sequence[bytes]) -> dict[bytes, str]:
        """Return which of the owner's kept replies have these keys."""

    def claim(self, namespace: str, limit: int, leased_until: datetime, *, due_only: bool) -> list[Job]:
        """Take over extractions that are due and that nobody works on, or whose lease is over; oldest first.

        Args:
            namespace: The collection.
            limit: How many at most.
            leased_until: Until when nobody else takes them.
            due_only: Leave those whose time has not come.
        """

    def jobs(self, namespace: str, scope: Scope | None, limit: int) -> list[Job]:
        """Return the extractions that are owed, oldest first; the dead ones too."""

    def stats(self, namespace: str, scope: Scope | None) -> dict[str, Any]:
        """Return counts and sizes."""

    def verify(self, namespace: str, scope: Scope | None, progress: Callable[[int], None]) -> Report:
        """Compare the memories with everything derived from them, in both directions, as they are at one instant; change nothing.

        Args:
            namespace: The collection of `scope`.
            scope: Only this owner's memories; None means everything in the store, all collections.
            progress: Called with the number of memories looked at so far.
        """

    def repair(self, namespace: str, scope: Scope | None, progress: Callable[[int], None]) -> Report:
        """Mend what `verify` finds, and nothing else, while others go on writing.

        A vector that must be made again is owed from then on: whoever has the embedder makes it (see `debts`).

        Args:
            namespace: As for `verify`.
            scope: As for `verify`.
            progress: Called with the number of differences mended so far.
        """

    def close(self) -> None:
        """Let go of the file. Nothing acknowledged is lost."""
