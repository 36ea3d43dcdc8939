"""The history of one memory, read from its row and the lines of what changed."""

import json

from ...models import Event
from .rows import NOT_AS_WRITTEN, damaged, memory_of, micros, moment
from .statements import Row


def told(row: Row, lines: list[Row]) -> list[Event]:
    """Return the history of a memory's row and lines."""
    try:
        return _read_backwards(row, lines)
    except NOT_AS_WRITTEN as error:
        raise damaged(error) from error


def _read_backwards(row: Row, lines: list[Row]) -> list[Event]:
    """Each line's new text is the next one's old text, the last one's is the memory's own."""
    memory, text, events = memory_of(row), row[4], []
    if not lines:  # it never changed: its row tells how it began
        lines = [("ADD", micros(memory.created_at), None, row[22])]
    for event, at, old_text, provenance in reversed(lines):
        before = text if old_text is None else old_text
        told, new = json.loads(provenance) if provenance else {}, None if event == "DELETE" else text
        events.append(Event(event, memory, None if event == "ADD" else before, new, moment(at), told))
        text = before
    return events[::-1]
