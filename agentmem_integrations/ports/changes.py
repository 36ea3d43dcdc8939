"""Changes that a store is told, whole ones, and which memories they mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..filters import Condition
from ..models import EventKind, Identity, Memory, Scope
from .embedder import Vector


@dataclass(frozen=True, slots=True)
class Selection:
    """Which memories are meant. Every condition given must hold.

    Attributes:
        namespace: The collection.
        scope: The owner, with agent and session narrowing; None means any owner (by-id calls only).
        ids: Only these ids, if given.
        kinds: Only these kinds, if given.
        where: Condition on the metadata.
        after: `occurred_at` not before this.
        before: `occurred_at` not after this.
        at: What was valid at this instant; None means what is valid now. Expiry always counts from now.
        any_validity: Superseded memories too.
    """

    namespace: str
    scope: Scope | None = None
    ids: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None
    where: Condition | None = None
    after: datetime | None = None
    before: datetime | None = None
    at: datetime | None = None
    any_validity: bool = False


@dataclass(slots=True)
class Insert:
    """Store this memory.

    Where the collection merges twins and a live memory of the scope is one (see `fingerprint`), nothing is stored and the
    event is NONE. Where the id is taken in that scope, that memory is replaced (UPDATE), or revived if it was deleted (ADD).

    Attributes:
        memory: What to store.
        scope: Whose it is.
        vectors: By field name.
        owed: The vector of the text could not be made: write a job, in the same transaction, that fills it in later.
        made_by: Which embedder made the vectors. If it is not the collection's, the change is refused with
            `EmbedderMismatchError`; None: it is not said.
        key: Under which the vector of the text is kept for later (`fingerprint.embedding_key`); None: not at all.
    """

    memory: Memory
    scope: Scope
    vectors: Mapping[str, Vector] = field(default_factory=dict)
    owed: bool = False
    made_by: Identity | None = None
    key: bytes | None = None


@dataclass(slots=True)
class Update:
    """Change fields of one memory.

    Attributes:
        selection: Names exactly one memory.
        changes: New values by field name of `Memory`.
        vectors: New vectors by field, for a new text.
        owed: As in `Insert`.
        made_by: As in `Insert`.
        key: As in `Insert`.
    """

    selection: Selection
    changes: Mapping[str, Any]
    vectors: Mapping[str, Vector] = field(default_factory=dict)
    owed: bool = False
    made_by: Identity | None = None
    key: bytes | None = None


@dataclass(slots=True)
class Delete:
    """Make memories invisible; they stay in history."""

    selection: Selection


@dataclass(slots=True)
class Purge:
    """Erase memories, their vectors, words, history and jobs, and what other memories and jobs tell of them.

    Attributes:
        selection: Which.
        everywhere: In every collection of the store, not in the selection's alone; it names a scope then.
    """

    selection: Selection
    everywhere: bool = False


@dataclass(slots=True)
class Fill:
    """Store the vector that a memory was owed, if its text is still the same. `made_by` and `key` are as in `Insert`."""

    job: int
    memory: int
    text: str
    vectors: Mapping[str, Vector]
    made_by: Identity | None = None
    key: bytes | None = None


@dataclass(slots=True)
class Sweep:
    """Delete what has expired; it was invisible already."""


@dataclass(slots=True)
class Defer:
    """The vector could not be made this time either: try again not before `due`."""

    job: int
    due: datetime
    error: str


@dataclass(slots=True)
class Keep:
    """Keep the vector of a question for when it is asked again; nothing is kept for whom nothing is stored.

    Attributes:
        scope: Who asked.
        key: As in `Insert`.
        vector: What to keep.
    """

    scope: Scope
    key: bytes
    vector: Vector


@dataclass(slots=True)
class Together:
    """Store all of these, or none."""

    inserts: Sequence[Insert]


@dataclass(slots=True)
class Replace:
    """Make some memories invisible and store others in their place, all of it or nothing; the events are those of the inserts.

    Attributes:
        selection: What goes; it names a scope.
        inserts: What comes; may be empty.
    """

    selection: Selection
    inserts: Sequence[Insert]


@dataclass(slots=True)
class Provided:
    """Make these changes, all or none, if a selection holds exactly what was seen there; else the answer is `StaleError`.

    Whoever reads, decides, and then writes is sure in this way that nobody came between. Answered with how many changes were made.

    Attributes:
        selection: What the decision was made on; it names a scope.
        seen: The ids it held, in insertion order.
        changes: What was decided, in order.
    """

    selection: Selection
    seen: Sequence[str]
    changes: Sequence[Insert | Replace | Update | Delete]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a memory's history, as it is kept: its new text is the next line's old text, or the memory's own.

    Attributes:
        event: What happened.
        at: When.
        old_text: The words before; None where they did not change.
        provenance: Who decided, and from what.
    """

    event: EventKind
    at: datetime
    old_text: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Record:
    """All that a store keeps of one memory: what `dump` gives, and `Restore` puts back.

    Attributes:
        memory: The memory.
        scope: Whose it is: user, `SHARED` or path.
        deleted_at: When it was deleted; None while it lives.
        lines: Its history, oldest first; empty if it never changed.
        twin: The fingerprint it is known by; None where it has no twins.
        vectors: By field name.
        owed: The vector of the text is still to be made.
        origin: Where the record was read, for errors: `line 7`.
        made_by: As in `Insert`.
        key: As in `Insert`.
    """

    memory: Memory
    scope: Scope
    deleted_at: datetime | None = None
    lines: Sequence[Line] = ()
    twin: bytes | None = None
    vectors: Mapping[str, Vector] = field(default_factory=dict)
    owed: bool = False
    origin: str = ""
    made_by: Identity | None = None
    key: bytes | None = None


@dataclass(slots=True)
class Restore:
    """Put memories back as another store had them, all or none: ids, times, history, tombstones.

    One whose id the owner has already must be the same there, and then nothing is stored; likewise where the owner has the
    same utterance under another id. The event is NONE with the stored memory for these, and ADD for the others.

    - What has expired may be swept in one store and not in the other, or at another time: it is the same.
    - Memories of the owner that name as their successor a record of these that is stored under another id name that id instead.
      So a stored memory is the same as a record if it names another successor that the owner has, and he has not the record's.
    """

    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Wanting:
    """A memory that wants a vector of the embedder its collection is changing to.

    Attributes:
        memory: The store's own handle; handles rise in insertion order.
        text: Its text.
        name: Who said it.
    """

    memory: int
    text: str
    name: str | None


@dataclass(frozen=True, slots=True)
class WantingPage:
    """The next memories that want a vector, in insertion order.

    Attributes:
        memories: They.
        behind: Once these are seen to, no memory up to this handle wants one.
    """

    memories: Sequence[Wanting]
    behind: int


@dataclass(slots=True)
class Reembed:
    """Store vectors of the embedder that a collection is changing to; answered with how many were stored.

    One whose memory was deleted or rewritten meanwhile is not stored; what was rewritten goes on wanting one. Refused with
    `EmbedderMismatchError` if the collection is changing to another embedder by now, or is not changing.

    Attributes:
        namespace: The collection.
        identity: The embedder.
        made: The memories with their vectors.
        failed: Memories whose vectors could not be made. They go on wanting one.
        behind: That of the page.
    """

    namespace: str
    identity: Identity
    made: Sequence[tuple[Wanting, Vector]]
    failed: Sequence[Wanting]
    behind: int


@dataclass(slots=True)
class EraseLeftovers:
    """Erase vectors that no longer count, a bounded number; answered with where to go on: the next `after`, or 0.

    Attributes:
        namespace: The collection.
        state: What `Store.leftovers` returned: once the collection has changed its embedder again, this has nothing to do.
        after: 0 to begin with.
    """

    namespace: str
    state: int
    after: int = 0
