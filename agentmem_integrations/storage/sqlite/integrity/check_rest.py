"""Compares jobs, history and what the embedding cache keeps with the memories they are about."""

import json
from collections.abc import Collection, Sequence
from typing import NamedTuple

import apsw

from ..kept_vectors import vector_of
from ..statements import query
from .check_memories import readable
from .findings import Findings


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
