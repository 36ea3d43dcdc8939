"""Memories with all that hangs on them: read for a dump, and compared with what is put back."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

import apsw
import numpy as np

from ....errors import ConflictError, NotFoundError, SchemaError
from ....filters import canonical
from ....models import SHARED, Scope
from ....ports import (
    TEXT_FIELD,
    Dump,
    Line,
    Record,
    Vector,
)
from ..collection_catalog import Catalog, Collection
from ..file.connections import Step
from ..rows import DELETED, EPOCH, NO, NOT_AS_WRITTEN, SCOPE, SUCCESSOR, TWIN, damaged, memory_of, micros, moment, owner
from ..statements import Row, query

PAGE: Final = 256  # memories read in one step
_ASIDE: Final = (4, 5, 6, 17)  # columns of memory_row that follow from the others: lexical, context, twin; and the successor, see below
_EXPIRES: Final = 14


def dumped(step: Step, catalog: Catalog, namespace: str, scope: Scope | None, vectors: bool) -> Dump:
    """Return a collection, or one owner's part of it, as the snapshot behind `step` has it.

    Args:
        step: Works on the snapshot.
        catalog: The collections of the file.
        namespace: The collection.
        scope: Only this owner's; None means everybody's.
        vectors: Read the vectors of the texts too.

    Raises:
        NotFoundError: there is no such collection.
    """
    collection = step(lambda c: catalog.fits(c, namespace, None, None))
    if collection is None:
        raise NotFoundError(f"there is no collection {namespace!r} in this file")
    where, value = _where(step, collection, scope)
    ((count,),) = step(lambda c: query(c, "count_dump", (value,), where=where))
    return Dump(collection.twins, collection.identity, count, _records(step, namespace, where, value, vectors, collection.generation))


def _where(step: Step, collection: Collection, scope: Scope | None) -> tuple[str, int]:
    if scope is None:
        return "s.collection = ?", collection.no
    found = step(lambda c: query(c, "find_scope", (collection.no, *owner(scope))))
    return "m.scope = ?", found[0][0] if found else 0  # no scope has the number 0


def _records(step: Step, namespace: str, where: str, value: int, vectors: bool, generation: int) -> Iterator[Record]:
    bounds = [value, 0, PAGE]  # behind which number, and how many
    while page := step(lambda c: _page(c, namespace, where, bounds, vectors, generation)):
        for no, record in page:
            if no <= bounds[1]:  # in a damaged table the walk could go round in circles
                raise SchemaError("the memories of the file are not in order, it is damaged: restore a backup")
            bounds[1] = no
            yield record


def _page(
    connection: apsw.Connection, namespace: str, where: str, values: list[int], vectors: bool, generation: int
) -> list[tuple[int, Record]]:
    try:
        return _read(connection, namespace, where, values, vectors, generation)
    except UnicodeDecodeError:
        raise
    except NOT_AS_WRITTEN as error:
        raise damaged(error) from error


def _read(
    connection: apsw.Connection, namespace: str, where: str, values: list[int], vectors: bool, generation: int
) -> list[tuple[int, Record]]:
    rows = query(connection, "dump_memories", values, where=where)
    keys = json.dumps([row[NO] for row in rows])
    made, lines = defaultdict[int, dict[str, Vector]](dict), defaultdict[int, list[Line]](list)
    owed = {memory for (memory,) in query(connection, "dump_debts", (keys,))}
    for memory, field, vector in query(connection, "dump_vectors", (vectors, TEXT_FIELD, keys, generation)):
        if vector is None:
            owed.add(memory)
        else:
            made[memory][field] = np.frombuffer(vector, "<f4")
    for memory, event, at, old_text, provenance in query(connection, "dump_history", (keys,)):
        lines[memory].append(Line(event, moment(at) or EPOCH, old_text, json.loads(provenance) if provenance else {}))
    return [
        (row[NO], Record(
            memory_of(row), _scope_of(namespace, row[-2], row[-1]), moment(row[DELETED]), lines.get(row[NO], ()), row[TWIN],
            made.get(row[NO], {}), row[NO] in owed,
        ))
        for row in rows
    ]  # fmt: skip


def _scope_of(namespace: str, kind: str, name: str) -> Scope:
    if kind == "path":
        return Scope(namespace, path=tuple(json.loads(name)))
    return Scope(namespace, name if kind == "user" else SHARED)


def taken(connection: apsw.Connection, catalog: Catalog, record: Record) -> bool:
    """Say whether the record's owner has its id already."""
    collection = catalog.collection(connection, record.scope.namespace)
    ((there,),) = query(connection, "id_taken", (record.memory.id, collection.no, *owner(record.scope)))
    return bool(there)


def line_row(line: Line) -> Row:
    """Return event, time, old text and provenance as the columns of `history`."""
    return line.event, micros(line.at), line.old_text, canonical(line.provenance) if line.provenance else None


def _told(row: Row, record: Record) -> list[Any]:
    """Return the columns of `memory_row` that must be the same."""
    reads_lengthen = record.scope.path is not None and "ttl" in record.memory.metadata
    return [value for position, value in enumerate(row) if position not in _ASIDE and not (position == _EXPIRES and reads_lengthen)]


def _lines(connection: apsw.Connection, no: int) -> list[Row]:
    rows = query(connection, "read_history", (no,))
    return [(event, at, old, canonical(json.loads(told)) if told else None) for event, at, old, told in rows]


def check_same(connection: apsw.Connection, stored: Row, row: Row, record: Record) -> None:
    """Refuse a record that says something else than what is stored under its id.

    Args:
        connection: Where.
        stored: The row of `select_memories` that is there.
        row: What `memory_row` makes of the record.
        record: The record.

    Raises:
        ConflictError: they differ.
    """
    there, given = _told((*stored[1:DELETED], *stored[DELETED + 1 : -2]), record), _told(row, record)
    lived = _life(record, stored[DELETED], _lines(connection, stored[NO]))
    same = there == given and lived == _life(record, micros(record.deleted_at), [line_row(line) for line in record.lines])
    if not same or not _same_successor(connection, stored, record):
        where = f"{record.origin}: " if record.origin else ""
        raise ConflictError(
            f"{where}memory {record.memory.id!r} is there already and is not the same: keep it by taking the line out of the file "
            f'(and "memories" out of the first line), or replace it by purging it and importing again, or have both by importing '
            f"into another namespace"
        )


def _life(record: Record, deleted_at: int | None, lines: list[Row]) -> tuple[int | None, list[Row]]:
    """Return when a memory was deleted, and its history, without what a sweep adds to one that has expired.

    Every file sweeps in its own time: a memory may be buried in one and not yet in the other, and is the same all the same.
    """
    memory = record.memory
    provenance = canonical(memory.provenance) if memory.provenance else None
    lines = lines or [("ADD", micros(memory.created_at), None, provenance)]  # one that never changed is told by its row alone
    expires = micros(memory.expires_at)
    if deleted_at is None or expires is None or deleted_at < expires:
        return deleted_at, lines
    return None, lines[:-1] if lines[-1] == ("DELETE", deleted_at, None, None) else lines


def _same_successor(connection: apsw.Connection, stored: Row, record: Record) -> bool:
    """Say whether the successor is the same one; it is under another id where it was merged with a twin when it was put back."""
    there, given = stored[SUCCESSOR], record.memory.superseded_by
    if there == given or there is None or given is None:
        return bool(there == given)
    here = [bool(query(connection, "find_id", (id, stored[SCOPE]))) for id in (there, given)]
    return here == [True, False]
