"""Mends rows. Each mender looks at its rows once more, inside the transaction: somebody may have changed them since the check.

A mender is given row numbers and returns how many of them it could not mend.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import apsw

from ....errors import SchemaError
from ....filters import canonical
from ..rows import seal
from ..statements import Row, query, statements
from .check_memories import (
    METADATA,
    NO,
    PROVENANCE,
    SCOPE,
    SUCCEEDED,
    TWIN,
    TWINS,
    VALUE,
    Judged,
    job_rows,
    judge,
    kept_flawed,
    line_rows,
    readable,
    wants_vector,
)
from .check_vectors import VectorRow, flaw, vector_rows

UNREADABLE: Final = "unreadable"
"""The key under which what is no JSON is kept."""


class Rows:
    """The rows of one transaction.

    Args:
        connection: Inside a write transaction.
        at: Its instant, in microseconds.
    """

    def __init__(self, connection: apsw.Connection, at: int) -> None:
        self._connection = connection
        self._at = at

    def _run(self, name: str, *values: Any) -> int:
        self._connection.execute(statements()[name], values)
        return self._connection.changes()

    def _renew(self, *scopes: int | None) -> None:
        for scope in set(scopes) - {None}:
            self._run("renew_scope", scope)

    def _memories(self, nos: list[int]) -> list[tuple[Row, Judged]]:
        found = []
        for row in query(self._connection, "check_memories", (json.dumps(nos),)):
            with suppress(SchemaError, ValueError, OverflowError):  # unreadable: noted by the check, and nothing can be done
                found.append((row, judge(row)))
        return found

    # What lies in the memory's own row

    def json(self, nos: list[int]) -> int:
        """Keep what is no JSON in JSON that says so."""
        for row, judged in self._memories(nos):
            kept = {column: row[column] for column in (METADATA, PROVENANCE, VALUE)}
            kept |= {column: canonical({UNREADABLE: row[column]}) for column in judged.broken}
            if judged.broken:
                self._run("mend_json", *kept.values(), row[NO])
                self._renew(row[SCOPE])  # readers remember what filters chose
        return 0

    def lexical(self, nos: list[int]) -> int:
        """Write the words for the text index that follow from the row. The index itself is compared with the same words."""
        for row, judged in self._memories(nos):
            self._run("mend_lexical", judged.lexical, judged.context, row[NO])
        return 0

    def twins(self, nos: list[int]) -> int:
        """Write the fingerprints that follow from the rows."""
        failed, wanted = 0, []
        for row, judged in self._memories(nos):
            if row[TWINS] is not None and row[TWIN] != judged.twin and not (row[TWIN] is None and judged.twin_free):
                self._run("mend_twin", None, row[NO])  # first none, so that two memories can exchange theirs
                wanted.append((judged.twin, row[NO]))
        for twin, no in wanted:
            try:
                self._run("mend_twin", twin, no)
            except apsw.ConstraintError:  # another memory says the same; this one stays without
                failed += 1
        return failed

    def successors(self, nos: list[int]) -> int:
        """Forget successors that are not there."""
        for row, _ in self._memories(nos):
            if not row[SUCCEEDED]:
                self._run("mend_successor", row[NO])
        return 0

    # Words

    def words(self, nos: list[int]) -> int:
        """Give the text index the words of memories it does not know."""
        known = {no for no, _ in query(self._connection, "docsizes", (json.dumps(nos),))}
        self._run("insert_words", json.dumps([no for no in nos if no not in known]))  # those that live
        return 0

    # Vectors and jobs

    def vectors(self, nos: list[int]) -> int:
        """Erase vectors that belong to nobody, move those under a wrong owner, have those that are no good made anew."""
        return sum(not self._vector(row) for row in vector_rows(self._connection, nos))

    def _vector(self, row: VectorRow) -> bool:
        kind = flaw(row)
        if kind is None:
            return True
        if kind == "vector_unsealed":
            self._run("seal_vector", seal(row.text, row.name, row.vector), row.no)
            return True
        if kind in ("vector_damaged", "vector_stale") and not row.remakeable:
            return False
        self._renew(row.scope, row.memory_scope)  # no line of history tells readers that cache the scope
        if kind == "vector_misplaced" and row.deleted_at is None and self._run("move_vector", row.memory_scope, row.no):
            return True
        self._run("erase_vector", row.no)
        if kind in ("vector_damaged", "vector_stale") and row.coming:
            self._run("insert_lacking", row.memory, row.collection)
        elif kind in ("vector_damaged", "vector_stale"):
            self._run("owe_vector", row.memory, row.scope, self._at)
        return True

    def missing_vectors(self, nos: list[int]) -> int:
        """Write jobs for vectors that nobody owes."""
        for row, _ in self._memories(nos):
            if wants_vector(row):
                self._run("owe_vector", row[NO], row[SCOPE], self._at)
        return 0

    def jobs(self, nos: list[int]) -> int:
        """End jobs that are for nothing."""
        for row in job_rows(self._connection, nos):
            if row.flaw is not None:
                self._run("end_job", row.no)
        return 0

    # History

    def history(self, nos: list[int]) -> int:
        """Erase lines of no memory, and put the others under its owner."""
        for row in line_rows(self._connection, nos):
            if row.memory_no is None:
                self._run("erase_line", row.no)
            elif row.memory_scope != row.scope:
                self._run("mend_history_scope", row.memory_scope, row.no)
            self._renew(row.scope, row.memory_scope)  # the newest line's number may be given out again: readers would miss that
        return 0

    def history_json(self, nos: list[int]) -> int:
        """Keep what is no JSON in JSON that says so."""
        for row in line_rows(self._connection, nos):
            if row.provenance is not None and not readable(row.provenance, is_object=True):
                self._run("mend_history_json", canonical({UNREADABLE: row.provenance}), row.no)
        return 0

    # Vectors of texts embedded before

    def kept(self, nos: list[int]) -> int:
        """Erase what is no good."""
        for no in kept_flawed(self._connection, nos):
            self._run("erase_kept", no)
        return 0


MENDERS: Final[Mapping[str, tuple[str, Callable[[Rows, list[int]], int]]]] = {
    "json_invalid": ("json_invalid", Rows.json),
    "history_json": ("json_invalid", Rows.history_json),
    "lexical_stale": ("lexical_stale", Rows.lexical),
    "twin_wrong": ("twin_wrong", Rows.twins),
    "successor_missing": ("successor_missing", Rows.successors),
    "text_missing": ("text_missing", Rows.words),
    "vector_orphaned": ("vector_orphaned", Rows.vectors),
    "vector_misplaced": ("vector_misplaced", Rows.vectors),
    "vector_stale": ("vector_stale", Rows.vectors),
    "vector_damaged": ("vector_damaged", Rows.vectors),
    "vector_unsealed": ("vector_unsealed", Rows.vectors),
    "vector_missing": ("vector_missing", Rows.missing_vectors),
    "job_orphaned": ("job_orphaned", Rows.jobs),
    "job_needless": ("job_needless", Rows.jobs),
    "history_orphaned": ("history_orphaned", Rows.history),
    "history_misplaced": ("history_misplaced", Rows.history),
    "kept_damaged": ("kept_damaged", Rows.kept),
}
"""By name, the kind that is mended and how, in the order of mending."""
