"""What the core asks of a store and of an embedder, and the words it asks in.

Nothing here knows a database, a model or a framework. A store is told whole changes and answers whole outcomes; it is
never handed SQL, row numbers or transactions.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .config import Twins
from .errors import AgentMemError, ClosedError, EmbeddingError
from .filters import Condition
from .models import Decisions, Event, EventKind, Extraction, Fact, Identity, Job, Memory, Report, Scope, Turn

T = TypeVar("T")

Vector = NDArray[np.float32]
"""Shape (dim,), unit length."""

Matrix = NDArray[np.float32]
"""Shape (n, dim), rows of unit length."""

TEXT_FIELD = "text"
"""The name of the vector made from a memory's text. Items may have more, one per indexed field."""


class Embedder(Protocol):
    """Turns text into vectors. The same text gives the same vector, whatever the batch."""

    @property
    def identity(self) -> Identity:
        """Name, revision and dimension."""

    @property
    def immediate(self) -> bool:
        """Embedding a short text costs less than handing it to another thread, and batches gain nothing."""

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Return one row per text, shape (n, dim)."""

    def embed_query(self, text: str, scope: Scope | None = None) -> Vector:
        """Return the vector of a question, shape (dim,); `scope` is who asks."""


Answer = Vector | EmbeddingError | ClosedError
"""The vector of a text, or why there is none."""

Wish = tuple[Sequence[str], Callable[[Sequence[Answer]], None]]
"""Texts, and what is called with their answers: once, soon or later, on whatever thread."""


@runtime_checkable
class QueueingEmbedder(Embedder, Protocol):
    """An embedder that is not immediate: what many callers want becomes batches, and nobody need wait in a thread."""

    def embed_each(self, texts: Sequence[str]) -> Sequence[Answer]:
        """Wait for the answers to many texts at once, a bulk load; one bad text does not cost the others theirs."""

    def check(self) -> None:
        """Ask the model itself, past whatever was embedded before, and raise the `EmbeddingError` if it does not embed."""

    def begin(self, wishes: Sequence[Wish]) -> None:
        """Begin to embed what several callers want to store. Waits for room in the queue, not for vectors.

        Raises:
            StorageError: what was embedded before cannot be looked up; then nothing was begun.
        """

    def begin_query(self, text: str, scope: Scope, then: Callable[[Answer], None]) -> None:
        """Begin to embed a question; as `begin`.

        Args:
            text: The question.
            scope: Who asks.
            then: Called with the answer.
        """


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
    same utterance under another id. The event is NONE for these and ADD for the others.
    """

    records: Sequence[Record]


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


Revision = tuple[int, ...]
"""A state of an owner's facts; empty if there are none. Equal revisions mean that no fact was added, and none changed, in between."""


@dataclass(slots=True)
class Entrust:
    """Store all of these, or none, and owe what an extraction will draw from them.

    A job is written where at least one of the memories is new or changed: it is about all of them.

    Attributes:
        inserts: What was said, of one owner.
        job: Id of the job, made by the caller.
        leased_until: The caller is about to work on it himself; until then nobody else does.
    """

    inserts: Sequence[Insert]
    job: str
    leased_until: datetime


@dataclass(slots=True)
class Owe:
    """Owe an extraction from memories that are stored already.

    Attributes:
        selection: Names the memories by id, and their owner.
        job: As in `Entrust`.
        leased_until: As in `Entrust`.
    """

    selection: Selection
    job: str
    leased_until: datetime


@dataclass(slots=True)
class End:
    """A memory holds no longer: it stays in history, and is found by questions about the time before.

    Attributes:
        selection: Names exactly one memory.
        until: When it ceased to hold.
        successor: Id of the memory that takes its place (the event is SUPERSEDE); None if none does (DELETE).
        provenance: Who decided, and from what.
    """

    selection: Selection
    until: datetime
    successor: str | None
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Learned:
    """A language model's reply, kept so that the same question need not be asked again.

    Attributes:
        key: Hash of everything the reply depends on, its owner included.
        reply: The words.
    """

    key: bytes
    reply: str


@dataclass(slots=True)
class Resolve:
    """Carry out what was decided about new facts, all or none.

    Attributes:
        scope: Their owner.
        changes: In order.
        revision: The owner's facts as they were looked at; if they changed since, the answer is `StaleError` and nothing is done.
        learned: Replies to keep.
        job: The job that asked for it; None if there is none.
        done: Ids of the memories that this job need not be about any more; when none is left, it is ended.
    """

    scope: Scope
    changes: Sequence[Insert | Update | End]
    revision: Revision
    learned: Sequence[Learned] = ()
    job: str | None = None
    done: Sequence[str] = ()


@dataclass(slots=True)
class Renew:
    """Go on working on jobs: nobody else takes them before."""

    jobs: Sequence[str]
    leased_until: datetime


@dataclass(slots=True)
class PutOff:
    """A job failed: try again not before `due`; or never again, if that is None. `error` says why, without content."""

    job: str
    due: datetime | None
    error: str


@dataclass(slots=True)
class Revive:
    """Try these jobs of a collection again that were given up; all of them, if None."""

    namespace: str
    jobs: Sequence[str] | None = None


Change = (
    Insert | Together | Restore | Update | Delete | Purge | Sweep | Fill | Defer | Keep | Reembed | EraseLeftovers
    | Entrust | Owe | Resolve | Renew | PutOff | Revive
)  # fmt: skip
Outcome = list[Event] | int | AgentMemError
"""Events for Insert, Together, Restore, Update, Entrust and Resolve, a count for the others, or why this change was refused."""


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
    """

    selection: Selection
    vector: Vector | None
    words: str | None
    limit: int
    field: str = TEXT_FIELD
    made_by: Identity | None = None


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

    def load(self, keys: Sequence[int]) -> dict[int, Memory]:
        """Return the candidates' memories by key; one that is gone meanwhile is left out."""

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


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message to a language model.

    Attributes:
        role: `system`, `user` or `assistant`.
        content: The words.
    """

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a language model is asked.

    Attributes:
        messages: At least one.
        schema: JSON schema of the answer; None for plain text. A model that cannot be held to it is asked as well as can be:
            whoever reads the answer must check it.
        schema_name: What the schema is called: letters, digits, `_` and `-`.
        max_tokens: The longest answer; None for the model's own limit.
        temperature: 0 to 2; None for the model's own. A model that has no such setting is asked without.
    """

    messages: tuple[ChatMessage, ...]
    schema: Mapping[str, Any] | None = None
    schema_name: str = "answer"
    max_tokens: int | None = None
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What a language model answered. Token counts are 0 where it does not say.

    Attributes:
        text: The answer; of a refusal, its words or none.
        prompt_tokens: Tokens read, those from the provider's cache included.
        completion_tokens: Tokens written, those of hidden reasoning included.
        cached_tokens: Tokens of the prompt that came from the provider's cache.
        finish: `stop`: complete; `length`: cut off at a limit; `refused`: by the model or a content filter.
    """

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    finish: Literal["stop", "length", "refused"] = "stop"


class ChatModel(Protocol):
    """A language model. May be asked from any event loop, and many times at once."""

    @property
    def name(self) -> str:
        """Which model; another name means that the same question may get another answer."""

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Answer.

        Raises:
            ModelError: there is no answer, after as many attempts as the model's settings allow.
        """

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class Reasoned(Generic[T]):
    """What came of asking a language model.

    Attributes:
        value: The answer, read.
        prompt: Id of the prompt that it answers.
        learned: Replies that are worth keeping; none if they were kept already.
    """

    value: T
    prompt: str
    learned: tuple[Learned, ...] = ()


class Reasoner(Protocol):
    """Reads facts out of messages, and decides what becomes of them, by asking a language model."""

    @property
    def model(self) -> str:
        """Which model."""

    async def extract(self, scope: Scope, turns: Sequence[Turn]) -> Reasoned[Extraction]:
        """Return the facts in messages, all of one owner.

        Raises:
            ModelError: there is no readable answer.
        """

    async def decide(self, scope: Scope, facts: Sequence[Fact], memories: Sequence[Memory]) -> Reasoned[Decisions]:
        """Return what becomes of new facts in view of memories, all of one owner.

        Raises:
            ModelError: there is no readable answer.
        """

    def stats(self) -> dict[str, Any]:
        """Return calls, tokens, and how often each tier of the cache had the answer."""
