"""Work that is owed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from .memory import Memory, Scope

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
