"""What a command prints: one JSON document, or lines for people."""

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ..models import AddResult, Event, Hit, Memory
from .streams import writing

MEMORY_FIELDS: Final = (
    "id", "text", "kind", "metadata", "user_id", "agent_id", "session_id", "role", "name", "occurred_at", "created_at",
    "updated_at", "expires_at", "importance", "provenance", "valid_from", "valid_to", "superseded_by",
)  # fmt: skip
"""The fields of a memory in JSON output. Named one by one: they are a promise to scripts, the class may grow others."""

_WORDS: Final = {
    "overwrite=True": "--overwrite",
    ", or pass truncate=True": "",
    ", pass api_key=..., or pass the base_url of": ", or OPENAI_BASE_URL for",
}
"""What messages of the library advise to pass, and how the command takes it."""

_PART_NAMES: Final = {"text": "words", "similarity": "meaning"}
_VISIBLE: Final = 0.0005  # less is 0.000 in print
_CONTROL: Final = {c: "\N{REPLACEMENT CHARACTER}" for c in (*range(0x20), *range(0x7F, 0xA0)) if not chr(c).isspace()}
_BOLD, _DIM, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command writes.

    Attributes:
        json: Print one JSON document instead of lines for people.
        colour: Bold and dim are understood.
        width: Columns of the terminal.
    """

    json: bool
    colour: bool
    width: int

    @classmethod
    def of(cls, json: bool) -> "Output":
        """Return the output of this process: https://no-color.org is honoured, very wide terminals are not filled."""
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return cls(json, colour, max(40, min(shutil.get_terminal_size().columns, 100)))

    def document(self, value: Any) -> None:
        """Print one JSON document, on one line unless a person is looking."""
        self.line(json.dumps(value, ensure_ascii=False, default=_plain, indent=2 if sys.stdout.isatty() else None))

    def line(self, text: str = "") -> None:
        """Print a line."""
        with writing():
            print(text)

    def block(self, head: str, text: str, lines: int = 3) -> None:
        """Print `head` and, to its right, `text` in at most so many lines."""
        self.line(textwrap.fill(
            clean(text), self.width, initial_indent=head, subsequent_indent=" " * len(head), max_lines=lines, placeholder=" …",
        ))  # fmt: skip

    def bold(self, text: str) -> str:
        """Return `text`, to be seen first."""
        return f"{_BOLD}{text}{_RESET}" if self.colour else text

    def dim(self, text: str) -> str:
        """Return `text`, to be seen last."""
        return f"{_DIM}{text}{_RESET}" if self.colour else text


def clean(text: str) -> str:
    """Return the text on one line, without the control characters by which a memory could take over a terminal."""
    return " ".join(text.split()).translate(_CONTROL)


def in_words_of_the_command(message: str) -> str:
    """Return an error's message with the options of the command in place of the arguments of the library."""
    for argument, option in _WORDS.items():
        message = message.replace(argument, option)
    return message


def memories(count: int) -> str:
    """Return so many memories in words."""
    return f"{count:,} {'memory' if count == 1 else 'memories'}"


def day(at: datetime | None) -> str:
    """Return a date as `2026-05-02`, in UTC."""
    return f"{at:%Y-%m-%d}" if at else "undated"


def minute(at: datetime | None) -> str:
    """Return a time as `2026-05-02 10:00`, in UTC."""
    return f"{at:%Y-%m-%d %H:%M}" if at else "undated"


def speaker(memory: Memory) -> str:
    """Return who said it, as far as known; empty otherwise."""
    return clean(memory.name or memory.role or "")


def why(parts: Mapping[str, float]) -> str:
    """Return what a score is made of, whichever parts there are."""
    said = []
    for name, value in sorted(parts.items(), key=lambda part: part[0] not in _PART_NAMES):
        if name == "text" and value < _VISIBLE:  # none, or only such as stand in most memories
            said.append("no telling word shared")
        else:
            said.append(f"{_PART_NAMES.get(name, name.replace('_', ' '))} {value:.3f}")
    return " · ".join(said)


def memory_record(memory: Memory) -> dict[str, Any]:
    """Return a memory for JSON."""
    return {name: getattr(memory, name) for name in MEMORY_FIELDS}


def hit_record(hit: Hit) -> dict[str, Any]:
    """Return a hit for JSON."""
    sources = [memory_record(source) for source in hit.sources]
    return {"score": hit.score, "parts": dict(hit.parts), "memory": memory_record(hit.memory), "sources": sources}


def event_record(event: Event) -> dict[str, Any]:
    """Return an event for JSON."""
    return {
        "event": event.event,
        "memory": memory_record(event.memory),
        "old_text": event.old_text,
        "new_text": event.new_text,
        "at": event.at,
        "provenance": event.provenance,
    }


def result_record(result: AddResult) -> dict[str, Any]:
    """Return what came of an item for JSON."""
    return {
        "status": result.status,
        "events": [event_record(event) for event in result.events],
        "error": None if result.error is None else str(result.error),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
