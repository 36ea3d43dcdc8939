"""The nouns of this library: scope, memory, event, hit. Plain data, no behaviour."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from .errors import AgentMemError


class _Shared(enum.Enum):
    """The type of `SHARED`, so that no string a user may be called can mean it."""

    SHARED = "shared"

    def __repr__(self) -> str:
        return "SHARED"


SHARED: Final = _Shared.SHARED
"""Given as `user_id`: memory that belongs to nobody in particular."""

UserId = str | Literal[_Shared.SHARED]
EventKind = Literal["ADD", "UPDATE", "SUPERSEDE", "DELETE", "NONE"]
Status = Literal["done", "nothing", "queued"]

KINDS: Final = (
    "episode",  # what was said or happened, verbatim
    "core",
    "episodic",
    "semantic",
    "procedural",
    "resource",
    "knowledge",
    "working",
    "contextual",
)
"""The kinds of a memory: `episode` for verbatim words, the others for facts and documents."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose memory this is.

    Attributes:
        namespace: The collection.
        user_id: The owner. Nothing of one owner is ever visible in another's scope.
        agent_id: Narrows to one agent's memories; None means any.
        session_id: Narrows to one session's; None means any.
        path: The namespace path of a framework's own item; then `user_id` is `SHARED`.
    """

    namespace: str
    user_id: UserId = SHARED
    agent_id: str | None = None
    session_id: str | None = None
    path: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Which embedder made a vector. Vectors of two identities are never compared.

    Attributes:
        name: The spec, such as `static:minilm-256`.
        revision: Changes whenever the same text would give another vector.
        dim: Length of a vector.
    """

    name: str
    revision: str
    dim: int


@dataclass(slots=True)
class Memory:
    """One stored record that search can return. Its `id` never changes.

    Times are aware datetimes in UTC.

    Attributes:
        id: UUIDv7, or whatever the caller gave.
        text: The words.
        kind: One of `KINDS`.
        metadata: The caller's own JSON object.
        user_id: The owner; None for shared memory.
        agent_id: The agent it was stored for.
        session_id: The conversation it was said in.
        role: `user`, `assistant`, ... as given.
        name: The speaker's name as given.
        occurred_at: When it was said or happened: the given timestamp, or the time of adding.
        created_at: When it was stored.
        updated_at: When it was last changed.
        expires_at: From then on it is invisible; None means never.
        importance: 0 to 1; None means not judged.
        provenance: Where it came from: mode, source episodes, model, prompt, decision.
        valid_from: From when it holds; None means always.
        valid_to: Until when it held; None means it still does.
        superseded_by: Id of the memory that replaced it.
        value: The JSON value of a framework's own item; None for a memory.
    """

    id: str
    text: str
    kind: str = "episode"
    metadata: dict[str, Any] = field(default_factory=dict)
    user_id: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    role: str | None = None
    name: str | None = None
    occurred_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    expires_at: datetime | None = None
    importance: float | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    superseded_by: str | None = None
    value: Any = None


@dataclass(slots=True)
class Event:
    """One outcome of a write, and (all but NONE) one line of history.

    Attributes:
        event: ADD, UPDATE, SUPERSEDE, DELETE, or NONE when it was already known.
        memory: The memory concerned, as it is after the event.
        old_text: The words before; None where there were none.
        new_text: The words after; None once deleted.
        at: When it was decided, UTC.
        provenance: Who decided, and from what.
    """

    event: EventKind
    memory: Memory
    old_text: str | None = None
    new_text: str | None = None
    at: datetime | None = None
    provenance: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class AddResult:
    """What came of adding something.

    Attributes:
        events: One per memory concerned, in order.
        status: `done`; `nothing` if there was nothing worth remembering; `queued` if the words are stored and
            findable by text, and the rest (a vector, facts) is owed by a durable job.
        error: Why this item of a batch was refused; None if it was not.
    """

    events: list[Event] = field(default_factory=list)
    status: Status = "done"
    error: AgentMemError | None = None


DIFFERENCES: Final[Mapping[str, str]] = {
    "text_missing": "live memories whose words the text index does not have",
    "text_orphaned": "words in the text index whose memory was deleted or is gone",
    "text_stale": "live memories that the text index has other words of",
    "text_broken": "the text index contradicts itself or cannot be read",
    "lexical_stale": "words for the text index that do not follow from the text, the speaker and the date",
    "twin_wrong": "fingerprints that do not follow from the memory: the same utterance could be stored twice, or refused",
    "vector_missing": "live memories without a vector, and without a job that owes them one",
    "vector_orphaned": "vectors whose memory is gone",
    "vector_misplaced": "vectors of a deleted memory, or under another owner than their memory",
    "vector_stale": "vectors of other words than the memory has now",
    "vector_damaged": "vectors of the wrong length, with impossible numbers, or not as they were stored",
    "vector_unsealed": "vectors stored before there were seals: only their length and norm can be checked",
    "job_orphaned": "jobs whose memory was deleted, is gone, or is another owner's",
    "job_needless": "jobs for a vector that is there",
    "history_orphaned": "lines of history whose memory is gone",
    "history_misplaced": "lines of history under another owner than their memory",
    "kept_damaged": "vectors kept of texts embedded before that are no vectors, or whose memory is gone",
    "successor_missing": "memories superseded by one that their owner does not have",
    "json_invalid": "metadata, provenance or values that are not the JSON they should be",
    "memory_unreadable": "memories with text or times that cannot be read",
    "owner_missing": "memories whose owner or collection the file does not tell",
    "index_damaged": "SQL indexes that do not agree with their table",
    "schema_differs": "tables, indexes, views or settings of the file that are missing or changed",
    "file_damaged": "pages of the file that SQLite finds damaged",
}
"""What `verify` can find, by kind, and what it means. One is no difference: see `UNHARMFUL`."""

UNHARMFUL: Final = frozenset({"vector_unsealed"})
"""What is told though nothing is wrong with it."""


@dataclass(slots=True)
class Finding:
    """One kind of difference between the memories and what is derived from them.

    Attributes:
        kind: A key of `DIFFERENCES`.
        count: How many there are.
        ids: The first of them: ids of memories, `#7` for the row numbered so where no memory is left to name, or the name of
            what is damaged in the file. Never an owner, never content.
        mendable: `repair` can mend it.
        mended: How many of them `repair` has mended.
        advice: What repair does, or the way out where it can do nothing.
    """

    kind: str
    count: int
    ids: list[str] = field(default_factory=list)
    mendable: bool = True
    mended: int = 0
    advice: str = ""

    @property
    def meaning(self) -> str:
        """What the kind means, in words."""
        return DIFFERENCES[self.kind]


@dataclass(slots=True)
class Report:
    """What `verify` found, or `repair` found and mended.

    Attributes:
        checked: How much was compared: `memories`, `vectors`, `words`, `jobs`, `history`, `kept` vectors.
        findings: One per kind, and per whether it can be mended. Empty for a sound file.
        owed: Vectors that are still owed in the collections that were checked. Each is made when its collection is next opened
            with its embedder and something is added, or by `flush`.
    """

    checked: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    owed: int = 0

    @property
    def ok(self) -> bool:
        """Nothing differs, or everything that did was mended."""
        return all(finding.mended >= finding.count or finding.kind in UNHARMFUL for finding in self.findings)

    @property
    def mended(self) -> int:
        """How many differences were mended."""
        return sum(finding.mended for finding in self.findings)


@dataclass(slots=True)
class Hit:
    """A memory that a search found.

    Attributes:
        memory: The memory.
        score: 0 to 1, higher is better, comparable within one search.
        parts: What the score is made of, by name.
        sources: Verbatim episodes this fact was drawn from, where they matched as well.
    """

    memory: Memory
    score: float
    parts: Mapping[str, float] = field(default_factory=dict)
    sources: list[Memory] = field(default_factory=list)


Precision = Literal["minute", "hour", "day", "weekend", "week", "month", "year"]


@dataclass(frozen=True, slots=True)
class DateSpan:
    """A phrase of a text that means a date, and which.

    Attributes:
        start: Index of its first character.
        end: Index behind its last character.
        phrase: The words, as they stand in the text.
        iso: What they mean, as exactly as they say it: `2026-05-12T17:00`, `2026-05-12`, `2026-05-04/2026-05-10` for a week
            (from Monday) or a weekend, `2026-05` or `2026`; local to whoever said it.
        precision: The unit that `iso` names.
    """

    start: int
    end: int
    phrase: str
    iso: str
    precision: Precision


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation, as a language model is shown it.

    Attributes:
        text: The words.
        role: `user`, `assistant`, ...
        name: The speaker's name.
        said_at: When it was said; aware.
        dates: What its relative dates mean.
    """

    text: str
    role: str | None = None
    name: str | None = None
    said_at: datetime | None = None
    dates: tuple[DateSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """A short self-contained statement that a language model drew from messages.

    Attributes:
        text: The statement, in the language of the messages.
        sources: Which of the messages shown it came from, from 0, rising; never empty.
        kind: One of `KINDS` but `episode`.
        importance: 0 to 1; None means not judged.
        confidence: How sure the model is, 0 to 1; None means not said.
        entities: The people, places and things it names.
        valid_from: From when it holds, where that was said; UTC.
        valid_to: Until when it held, where that was said: the first instant at which it does not; UTC.
    """

    text: str
    sources: tuple[int, ...]
    kind: str = "semantic"
    importance: float | None = None
    confidence: float | None = None
    entities: tuple[str, ...] = ()
    valid_from: datetime | None = None
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about one new fact, in view of the memories shown with it.

    ADD stores the fact. UPDATE says the same memory better. SUPERSEDE ends memories, which the new words replace. DELETE ends
    memories that the fact takes back without putting anything in their place. NONE: the memory says it already.

    Attributes:
        fact: Which of the facts shown, from 0.
        event: What to do.
        targets: Which of the memories shown it is about, from 0; empty for ADD, exactly one for UPDATE and NONE.
        text: What to store (ADD, UPDATE, SUPERSEDE); None for DELETE and NONE.
    """

    fact: int
    event: EventKind
    targets: tuple[int, ...] = ()
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Extraction:
    """What a language model found in some messages.

    Attributes:
        facts: The facts; none if it says that there is nothing to remember.
        notes: What was left out of its reply or put right, in words, without the words of a memory.
        cut: The reply ended too early: more facts may be in the messages.
    """

    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a language model decided.

    Attributes:
        decisions: One for each fact it was asked about, in their order.
        notes: What was refused or put right, as in `Extraction`.
    """

    decisions: tuple[Decision, ...]
    notes: tuple[str, ...] = ()


JobState = Literal["waiting", "running", "dead"]


@dataclass(frozen=True, slots=True)
class Job:
    """An extraction of facts that is owed.

    Attributes:
        id: As made by who wrote it.
        scope: Whose memories.
        memories: The memories it is about, in insertion order, without those deleted since.
        attempts: How often it failed.
        state: `waiting`, `running` or `dead`.
        due: When it is tried next.
        error: Why it failed last.
        created: When it was written.
    """

    id: str
    scope: Scope
    memories: Sequence[Memory]
    attempts: int
    state: JobState
    due: datetime
    error: str | None
    created: datetime
