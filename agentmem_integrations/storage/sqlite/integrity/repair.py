"""Mends what verify finds, and nothing else: in transactions of bounded size, beside whoever else writes."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import apsw

from ....errors import SchemaError, StorageError
from ....models import Report
from ..file.connections import Connections
from ..rows import micros
from .findings import Findings
from .mend_rows import MENDERS, Rows
from .schema import WORDS, make_anew, reindex
from .verify import Progress, Verifying, pages, verified
from .words import WordMender, make_words_anew, places

log = logging.getLogger("agentmem.storage")

ROUNDS: Final = 5  # schema, rows, what these had hidden, what that had hidden; the last one only checks
WORD_KINDS: Final = ("text_orphaned", "text_stale")
BEFORE_WORDS: Final = ("json_invalid", "history_json", "lexical_stale")  # the text index is filled from rows as they then are
TEXT_KINDS: Final = ("text_broken", "text_missing", *WORD_KINDS)


class Repairing:
    """One repair.

    Args:
        connections: The file's.
        scope: Finds the number of the only scope to repair; gives None for the whole file.
        progress: Called with the number of differences mended so far.
    """

    def __init__(self, connections: Connections, scope: Callable[[apsw.Connection], int | None], progress: Progress) -> None:
        self._connections = connections
        self._scope = scope
        self._progress = progress
        self._done = 0
        self._findings = Findings()

    def run(self) -> Report:
        """Check and mend until a check finds nothing more that can be mended."""
        every, compared = Findings(), dict[str, int]()
        for remaining in reversed(range(ROUNDS)):
            checked = self._check()
            compared |= checked.checked
            self._findings = checked.findings
            if not remaining or not self._mend():
                break
            every.take_mended(self._findings)
        every.take_rest(self._findings)
        return Report(compared, every.list(), checked.owed)

    def _check(self) -> Verifying:
        return verified(self._connections, self._scope, lambda done: None)

    def _mend(self) -> int:
        """Mend what was found; return how many differences were mended."""
        before = self._done
        self._each("schema_differs", make_anew)
        self._each("index_damaged", reindex)
        self._rows(*BEFORE_WORDS)
        if self._findings.has("text_broken") or not self._words():
            self._rebuild_words()
        else:
            self._rows("text_missing")
        self._rows(*(name for name in MENDERS if name not in (*BEFORE_WORDS, "text_missing")))
        return self._done - before

    def _count(self, kind: str, count: int) -> None:
        self._findings.mended(kind, count)
        self._done += count
        self._progress(self._done)

    def _each(self, kind: str, do: Callable[[apsw.Connection, str], None]) -> None:
        """Mend objects of the file, each in a transaction of its own."""
        for name in self._findings.named[kind]:
            if self._succeeds(lambda c: do(c, name)):  # noqa: B023 - called at once
                self._count(kind, 1)
            else:
                self._findings.give_up(kind, name)

    def _succeeds(self, do: Callable[[apsw.Connection], None]) -> bool:
        try:
            with self._connections.write() as connection:
                do(connection)
        except StorageError as error:
            if not isinstance(error, SchemaError) and type(error) is not StorageError:  # busy, or a failing disk: not the object's fault
                raise
            log.warning("a part of the file could not be mended: %s", type(error.__cause__).__name__)
            return False
        return True

    def _rows(self, *names: str) -> None:
        for name in names:
            kind, mend = MENDERS[name]
            for nos in pages(self._findings.keys[name]):
                failed: list[int] = []
                if self._succeeds(lambda c: failed.append(mend(Rows(c, micros(datetime.now(UTC)) or 0), nos))):  # noqa: B023 - called at once
                    self._count(kind, len(nos) - sum(failed))

    def _words(self) -> bool:
        """Mend what the text index has too much or wrong; False if only making it anew helps."""
        kind_of = {no: kind for kind in WORD_KINDS for no in self._findings.keys[kind]}
        if not kind_of:
            return True
        if self._connections.in_memory:  # its only connection has the real tokenizer; nobody from outside can damage it either
            return False
        try:
            return self._words_one_by_one(kind_of)
        except SchemaError:  # the index is worse than it looked
            return False

    def _words_one_by_one(self, kind_of: Mapping[int, str]) -> bool:
        with self._connections.snapshot(apart=True) as step:
            found = places(step, kind_of)
        for nos in pages(list(found)):
            with self._connections.write_aside(WordMender) as mender:
                if not all(mender.mend(no, found[no]) for no in nos):
                    return False
            for kind, count in Counter(kind_of[no] for no in nos).items():
                self._count(kind, count)
        return True

    def _rebuild_words(self) -> None:
        """Make the text index anew: one transaction, whatever the size, since half an index would find half the memories."""
        if self._succeeds(make_words_anew):
            for finding in self._findings.list():
                if finding.kind in TEXT_KINDS:
                    self._count(finding.kind, finding.count - finding.mended)
        elif self._findings.has("text_broken"):
            self._findings.give_up("text_broken", WORDS)
