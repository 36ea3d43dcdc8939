"""Compares the memories of a file, or of one owner, with everything derived from them, in both directions, in one snapshot."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NoReturn

import apsw

from ....errors import NotADatabaseError, SchemaError
from ....models import Report
from ..file.connections import Connections, Step
from ..statements import query
from .check_memories import MemoryCheck, check_history, check_jobs, check_kept
from .check_vectors import VectorCheck
from .findings import Findings
from .schema import check_pages, check_schema
from .words import Index, read_index

PAGE: Final = 256  # rows looked at in one step

Progress = Callable[[int], None]


def pages(nos: list[int]) -> Iterator[list[int]]:
    """Give the numbers in parts of a bounded length."""
    for start in range(0, len(nos), PAGE):
        yield nos[start : start + PAGE]


class Verifying:
    """One check.

    Args:
        step: Works on the snapshot.
        scope: Number of the only scope to check; None for the whole file, 0 for a scope that is not there.
        progress: Called with the number of memories looked at so far.

    Attributes:
        findings: What differs.
        checked: How much was looked at, by what.
        owed: How many vectors are owed.
    """

    def __init__(self, step: Step, scope: int | None, progress: Progress) -> None:
        self._step = step
        self._scope = scope
        self._progress = progress
        self._where = "1" if scope is None else "{0}scope = ?"
        self._values = () if scope is None else (scope,)
        self.findings = Findings()
        self.checked: dict[str, int] = {}
        self.owed = 0

    def run(self) -> "Verifying":
        """Check everything."""
        self.file()
        if self.findings.has("schema_differs", "index_damaged"):
            return self  # rows are compared with the help of these: what is said of them now might not be true
        self.rows()
        return self

    def report(self) -> Report:
        """Return what was found."""
        return Report(self.checked, self.findings.list(), self.owed)

    def file(self) -> None:
        """Check the schema and, unless for one scope, every page."""
        check_schema(self._step, self.findings)
        if self._scope is None:
            check_pages(self._step, self.findings)

    def rows(self) -> None:
        """Compare row by row; what the file cannot give is noted, and the rest goes on."""
        index = read_index(self._step, self.findings, self._scope)
        vectors = VectorCheck(self.findings)
        memories = MemoryCheck(self.findings, index)
        self._walk("memories", memories.page, self._progress)
        if index is not None:
            self._guarded("words", lambda: self._orphaned_words(index))
        self._walk("vectors", vectors.page)
        self._walk("jobs", lambda c, nos: check_jobs(c, self.findings, nos, vectors.flawed))
        self._guarded("history", self._history)
        self._walk("kept", lambda c, nos: check_kept(c, self.findings, nos))
        self._guarded("jobs", self._owed)

    def _condition(self, table: str = "") -> str:
        return self._where.format(table)

    def _walk(self, table: str, look: Callable[[apsw.Connection, Sequence[int]], None], progress: Progress = lambda done: None) -> None:
        def walk() -> None:
            name = {"memories": "memory_nos", "vectors": "vector_nos", "jobs": "job_nos", "kept": "kept_nos"}[table]
            nos = [no for (no,) in self._query(name, self._condition())]
            self.checked[table] = len(nos)
            done = 0
            for page in pages(nos):
                self._step(lambda c: look(c, page))  # noqa: B023 - called at once
                done += len(page)
                progress(done)

        self._guarded(table, walk)

    def _orphaned_words(self, index: Index) -> None:
        """What is left in the index when every memory has taken its own."""
        left = index.folded.keys() if self._scope is None else index.folded.keys() & index.of_scope
        self.checked["words"] = self.checked.get("memories", 0)
        for nos in pages(sorted(left)):
            live = {no for (no,) in self._step(lambda c: query(c, "live_among", (str(nos),)))}  # noqa: B023 - called at once
            for no in nos:
                if no not in live:
                    self.findings.add("text_orphaned", no, no)

    def _history(self) -> None:
        ((count,),) = self._query("count_history", self._condition())
        self.checked["history"] = count
        odd = [no for (no,) in self._query("odd_history", self._condition("h."))]
        for nos in pages(odd):
            self._step(lambda c: check_history(c, self.findings, nos))  # noqa: B023 - called at once

    def _owed(self) -> None:
        ((self.owed,),) = self._query("count_all_debts", self._condition())

    def _query(self, name: str, where: str) -> list[tuple[Any, ...]]:
        return self._step(lambda c: query(c, name, self._values, where=where))

    def _guarded(self, what: str, do: Callable[[], None]) -> None:
        """Do a part of the check; note what the file is too damaged to tell."""
        try:
            do()
        except UnicodeDecodeError:
            self.findings.add("file_damaged", f"{what}: bytes that are no text", mendable=False)
        except SchemaError:
            self.findings.add("file_damaged", f"{what}: cannot be read to the end", mendable=False)


def verified(connections: Connections, scope: Callable[[apsw.Connection], int | None], progress: Progress) -> Verifying:
    """Check what `scope` says; where the file cannot even be opened any more, that is what was found."""
    checking: Verifying | None = None
    try:
        with connections.snapshot(apart=True) as step:
            checking = Verifying(step, step(scope), progress)
            return checking.run()
    except (SchemaError, NotADatabaseError) as error:  # changed underneath: cut short, overwritten, of a newer version
        found = Verifying(_no_step, None, progress) if checking is None else checking
        found.findings.add("file_damaged", str(error), mendable=False)
        return found


def _no_step(do: object) -> NoReturn:
    raise AssertionError("there is no snapshot of a file that cannot be opened")
