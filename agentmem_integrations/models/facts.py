"""What a language model is shown, and what is understood of its answers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from .memory import EventKind

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
