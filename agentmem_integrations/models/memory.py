"""Whose memory, the memory itself, what comes of adding and searching, and work that is owed."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from ..errors import AgentMemError


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
