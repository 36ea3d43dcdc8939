"""Memories as rows and rows as memories; the seal of a vector, and the lines of a history.

A seal is two content hashes that tell, years later, whether a vector is still the one that was stored. The first half is of the words it
was made of, the second of its numbers. Two halves and not one hash of both, so that a check can say which of the two changed: words
that somebody rewrote underneath the vector, or bits of the vector itself.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

import numpy as np

from ...errors import SchemaError
from ...filters import canonical
from ...models import SHARED, Event, Memory, Scope
from ...ports import Vector
from .statements import Row
from .text_index import context_words, lexical_form

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
NO, ID, SCOPE, TEXT, TWIN, CREATED, EXPIRES, VALID_TO, DELETED, PROVENANCE = 0, 1, 2, 4, 7, 13, 15, 17, 19, 22  # columns of select_memories
SUCCESSOR: Final = 18
HALF: Final = 8  # bytes: accidents find each other in one of 2**64 cases
NOT_AS_WRITTEN: Final = (ValueError, TypeError, OverflowError, RecursionError)  # what reading a damaged row may raise


def micros(moment: datetime | None) -> int | None:
    """Return microseconds since 1970 UTC. Integer arithmetic: `timestamp()` would round."""
    return None if moment is None else (moment - EPOCH) // MICROSECOND


def moment(micros: int | None) -> datetime | None:
    """Return the aware UTC datetime."""
    return None if micros is None else EPOCH + timedelta(microseconds=micros)


def owner(scope: Scope) -> tuple[str, str]:
    """Return the `kind` and `owner` columns of a scope."""
    if scope.path is not None:
        return "path", canonical(scope.path)
    return ("shared", "") if scope.user_id is SHARED else ("user", scope.user_id)


def memory_row(memory: Memory, scope: int, twin: bytes | None) -> Row:
    """Return the values of `insert_memory` and `rewrite_memory`, in their order."""
    m = memory
    created = micros(m.created_at)
    return (
        m.id, scope, m.kind, m.text, lexical_form(m.text), context_words(m), twin, m.agent_id, m.session_id, m.role, m.name,
        created if m.occurred_at is m.created_at else micros(m.occurred_at), created,
        created if m.updated_at is m.created_at else micros(m.updated_at),
        micros(m.expires_at), micros(m.valid_from), micros(m.valid_to), m.superseded_by, m.importance,
        canonical(m.metadata) if m.metadata else None, canonical(m.provenance) if m.provenance else None,
        None if m.value is None else canonical(m.value),
    )  # fmt: skip


def damaged(error: Exception) -> SchemaError:
    """Return what to raise for a row that does not hold what was written into it."""
    return SchemaError(f"a row of the file is damaged ({type(error).__name__}): restore a backup")


def vectors_in(rows: Iterable[Row]) -> Iterator[tuple[Any, Vector]]:
    """Yield what stands in the first column, and the vector in the second.

    Raises:
        SchemaError: a vector is damaged.
    """
    for key, numbers in rows:
        try:
            yield key, np.frombuffer(numbers, "<f4")
        except NOT_AS_WRITTEN as error:
            raise damaged(error) from error


def memory_of(row: Row) -> Memory:
    """Return the memory of a row of `select_memories`: the columns of `memories`, then kind and owner of its scope.

    Raises:
        SchemaError: the row is damaged.
    """
    try:
        return _memory(row)
    except NOT_AS_WRITTEN as error:
        raise damaged(error) from error


def _memory(row: Row) -> Memory:
    (_, id, _, kind, text, _, _, _, agent, session, role, name, occurred, created, updated, expires, since, until, successor,
     _, importance, metadata, provenance, value, owner_kind, owner_name) = row  # fmt: skip
    if not all(isinstance(t, str) for t in (id, kind, text, agent or "", session or "", role or "", name or "", successor or "")):
        raise TypeError
    return Memory(
        id, text, kind, json.loads(metadata) if metadata else {}, owner_name if owner_kind == "user" else None, agent, session,
        role, name, moment(occurred), moment(created), moment(updated), moment(expires), importance,
        json.loads(provenance) if provenance else {}, moment(since), moment(until), successor,
        json.loads(value) if value is not None else None,
    )  # fmt: skip


def history_of(row: Row, lines: list[Row]) -> list[Event]:
    """Return the history of a memory's row and lines."""
    try:
        return _read_backwards(row, lines)
    except NOT_AS_WRITTEN as error:
        raise damaged(error) from error


def _read_backwards(row: Row, lines: list[Row]) -> list[Event]:
    """Each line's new text is the next one's old text, the last one's is the memory's own."""
    memory, text, events = memory_of(row), row[TEXT], []
    if not lines:  # it never changed: its row tells how it began
        lines = [("ADD", micros(memory.created_at), None, row[PROVENANCE])]
    for event, at, old_text, provenance in reversed(lines):
        before = text if old_text is None else old_text
        given, new = json.loads(provenance) if provenance else {}, None if event == "DELETE" else text
        events.append(Event(event, memory, None if event == "ADD" else before, new, moment(at), given))
        text = before
    return events[::-1]


def seal(text: str, name: str | None, vector: bytes) -> bytes:
    """Return the seal of a vector, 16 bytes.

    Args:
        text: The memory's text.
        name: The memory's speaker, whose name is embedded with the text.
        vector: Little-endian float32.
    """
    return words_half(text, name) + numbers_half(vector)


def words_half(text: str, name: str | None) -> bytes:
    """Return the half that changes with the words."""
    return blake2b(f"{name or ''}\0{text}".encode(), digest_size=HALF).digest()


def numbers_half(vector: bytes) -> bytes:
    """Return the half that changes with the numbers."""
    return blake2b(vector, digest_size=HALF).digest()
