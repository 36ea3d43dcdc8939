"""Compares each memory with what is derived from it in its own row and in the text index, and with its jobs, history and kept vectors."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import apsw

from ....errors import SchemaError
from ....fingerprint import fingerprint
from ....models import Memory
from ..rows import memory_of
from ..statements import Row, query
from ..text_index import context_words, lexical_form
from ..write.embedding_cache import vector_of
from .findings import Findings
from .words import Cutter, Index, varints

NO, ID, SCOPE, TEXT, LEXICAL, CONTEXT, TWIN = 0, 1, 2, 4, 5, 6, 7  # columns of check_memories, which begins like select_memories
VALID_TO, SUCCESSOR, DELETED, METADATA, PROVENANCE, VALUE = 17, 18, 19, 21, 22, 23
OWNER_KIND, TWINS, EMBEDDER, PROVIDED, SUCCEEDED = -6, -4, -3, -2, -1
_ADDED: Final = 4  # columns that select_memories does not have

Mappings = {METADATA: True, PROVENANCE: True, VALUE: False}
"""Columns with JSON, and whether it must be an object."""


@dataclass(slots=True)
class Judged:
    """What a memory's row should have.

    Attributes:
        memory: The memory, without what is JSON.
        lexical: The words for the text index, None where they are the text's.
        context: The words around them.
        twin: The fingerprint; None for none.
        twin_free: No fingerprint is fine as well: what was superseded need not be recognised.
        broken: The columns whose JSON is none.
    """

    memory: Memory
    lexical: str | None
    context: str | None
    twin: bytes | None
    twin_free: bool
    broken: list[int]


def judge(row: Row) -> Judged:
    """Say what a row of `check_memories` should have.

    Raises:
        SchemaError: it cannot be read. ValueError, OverflowError: what it holds is none.
    """
    blank = [None if position in Mappings else value for position, value in enumerate(row[:-_ADDED])]
    memory = memory_of(tuple(blank))
    live = row[DELETED] is None and row[TWINS] == "merge" and row[OWNER_KIND] != "path"
    return Judged(
        memory,
        lexical_form(memory.text),
        context_words(memory),
        fingerprint(memory) if live else None,
        row[SUCCESSOR] is not None or row[VALID_TO] is not None,
        [column for column, is_object in Mappings.items() if row[column] is not None and not readable(row[column], is_object=is_object)],
    )


def readable(text: str, *, is_object: bool) -> bool:
    """Say whether a text is JSON, and an object if it must be."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return not is_object or isinstance(value, Mapping)


class MemoryCheck:
    """Looks at memories page by page.

    Args:
        findings: Where differences are noted.
        index: What the text index has; None leaves it out.
    """

    def __init__(self, findings: Findings, index: Index | None) -> None:
        self._findings = findings
        self._index = index

    def page(self, connection: apsw.Connection, nos: Sequence[int]) -> None:
        """Look at the memories with these numbers."""
        keys = json.dumps(nos)
        try:
            rows = query(connection, "check_memories", (keys,))
        except UnicodeDecodeError:  # some row has bytes that are no text: find out which
            self._by_halves(connection, nos)
            return
        sizes: dict[int, bytes] = dict(query(connection, "docsizes", (keys,))) if self._index is not None else {}
        cutter = Cutter(connection) if self._index is not None else None
        for row in rows:
            self._row(connection, row, cutter, sizes.get(row[NO]))

    def _by_halves(self, connection: apsw.Connection, nos: Sequence[int]) -> None:
        if len(nos) == 1:
            self._unreadable(nos[0], nos[0])
            return
        half = len(nos) // 2
        self.page(connection, nos[:half])
        self.page(connection, nos[half:])

    def _unreadable(self, no: int, name: str | int) -> None:
        self._findings.add("memory_unreadable", name, mendable=False)
        if self._index is not None:
            self._index.folded.pop(no, None)

    def _row(self, connection: apsw.Connection, row: Row, cutter: Cutter | None, size: bytes | None) -> None:
        no, id = row[NO], row[ID]
        try:
            judged = judge(row)
        except (SchemaError, ValueError, OverflowError):
            self._unreadable(no, id)
            return
        note = self._findings.add
        if row[TWINS] is None:
            note("owner_missing", id, mendable=False)
        if (row[LEXICAL], row[CONTEXT]) != (judged.lexical, judged.context):
            note("lexical_stale", id, no)
        if row[TWINS] is not None and row[TWIN] != judged.twin and not (row[TWIN] is None and judged.twin_free):
            note("twin_wrong", id, no, mendable=_is_free(connection, row[SCOPE], judged.twin))
        if judged.broken:
            note("json_invalid", id, no)
        if not row[SUCCEEDED]:
            note("successor_missing", id, no)
        if wants_vector(row):
            note("vector_missing", id, no)
        if cutter is not None and row[DELETED] is None and row[VALUE] is None:  # items are not found by words
            self._words(row, judged, cutter, size)

    def _words(self, row: Row, judged: Judged, cutter: Cutter, size: bytes | None) -> None:
        assert self._index is not None, "words are compared with an index that was read"
        no, there = row[NO], self._index.folded.pop(row[NO], None)
        if there is None:
            self._findings.add("text_missing" if size is None else "text_broken", row[ID], no)
            return
        body = judged.memory.text if judged.lexical is None else judged.lexical
        number, counts = cutter.folded(str(row[SCOPE]), body, judged.context)
        if there != number:
            self._findings.add("text_stale", row[ID], no)
        elif size is None or varints(size) != counts:
            self._findings.add("text_broken", row[ID])


def wants_vector(row: Row) -> bool:
    """Say whether a row of `check_memories` lacks a vector that nobody owes it; only the makers of items know which they need."""
    return bool(row[DELETED] is None and row[EMBEDDER] and row[OWNER_KIND] != "path" and not row[PROVIDED])


def _is_free(connection: apsw.Connection, scope: int, twin: bytes | None) -> bool:
    """Say whether no other memory has this fingerprint, or one has it that should not."""
    found = [] if twin is None else query(connection, "find_twin", (scope, twin))
    holders = query(connection, "check_memories", (json.dumps([no for (no,) in found]),))
    return all(judge(row).twin != twin for row in holders)


class JobRow(NamedTuple):
    """A row of `check_jobs`: the job, its memory (None if it is gone), and whether that has a vector of its text."""

    no: int
    kind: str
    memory: int | None
    scope: int
    memory_no: int | None
    memory_id: str | None
    memory_scope: int | None
    deleted_at: int | None
    has_vector: int

    @property
    def flaw(self) -> str | None:
        """The kind of difference it shows."""
        if self.memory is not None and self.memory_no is None:
            return "job_orphaned"
        if self.kind != "embed":
            return None  # what it is for, its maker knows
        if self.memory is None or self.deleted_at is not None or self.memory_scope != self.scope:
            return "job_orphaned"
        return "job_needless" if self.has_vector else None


class LineRow(NamedTuple):
    """A row of `check_history`: the line, and its memory (None if it is gone)."""

    no: int
    scope: int
    provenance: str | None
    memory_no: int | None
    memory_id: str | None
    memory_scope: int | None


def job_rows(connection: apsw.Connection, nos: Sequence[int]) -> list[JobRow]:
    """Return the jobs with these numbers, beside their memories."""
    return [JobRow(*row) for row in query(connection, "check_jobs", (json.dumps(nos),))]


def line_rows(connection: apsw.Connection, nos: Sequence[int]) -> list[LineRow]:
    """Return the lines of history with these numbers, beside their memories."""
    return [LineRow(*row) for row in query(connection, "check_history", (json.dumps(nos),))]


def check_jobs(connection: apsw.Connection, findings: Findings, nos: Sequence[int], flawed: Collection[int]) -> None:
    """Look at jobs; one for a vector that is there, but no good (`flawed`, by memory), is not needless."""
    for row in job_rows(connection, nos):
        kind = row.flaw
        if kind is not None and not (kind == "job_needless" and row.memory in flawed):
            findings.add(kind, row.no if row.memory_id is None else row.memory_id, row.no)


def check_history(connection: apsw.Connection, findings: Findings, nos: Sequence[int]) -> None:
    """Look at lines of history."""
    for row in line_rows(connection, nos):
        if row.memory_no is None or row.memory_id is None:
            findings.add("history_orphaned", row.no, row.no)
            continue
        if row.memory_scope != row.scope:
            findings.add("history_misplaced", row.memory_id, row.no)
        if row.provenance is not None and not readable(row.provenance, is_object=True):
            findings.add("json_invalid", row.memory_id, row.no, mender="history_json")


def kept_flawed(connection: apsw.Connection, nos: Sequence[int]) -> list[int]:
    """Return which of these vectors of texts embedded before are none, or of no memory that is there."""
    rows = query(connection, "check_kept", (json.dumps(nos),))
    return [no for no, vector, orphaned in rows if orphaned or vector_of(vector) is None]


def check_kept(connection: apsw.Connection, findings: Findings, nos: Sequence[int]) -> None:
    """Look at vectors of texts embedded before."""
    for no in kept_flawed(connection, nos):
        findings.add("kept_damaged", no, no)
