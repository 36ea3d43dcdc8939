"""Changes that drawing facts needs: words entrusted with a job, decisions carried out, jobs put off and revived."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..models import Scope
from .changes import Insert, Selection, Update

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
