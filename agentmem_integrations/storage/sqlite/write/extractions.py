"""Extractions that are owed, and replies of language models that are kept."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import apsw

from ....models import SHARED, Job, Scope
from ....ports import Learned, PutOff, Renew, Revision
from ..rows import memory_of, micros, moment
from ..statements import query, statements

REPLIES: Final = 10_000
"""Replies kept in a file; the oldest go first."""

REPLY_AGE_US: Final = 30 * 24 * 3600 * 1_000_000
"""Microseconds after which a kept reply is not used any more: models change, prompts do."""


class Extractions:
    """The extraction jobs and kept replies of a file, inside a write transaction.

    Args:
        connection: Inside the transaction.
        at: Its instant, in microseconds.
    """

    def __init__(self, connection: apsw.Connection, at: int) -> None:
        self._connection = connection
        self._run = connection.execute
        self._sql = statements()
        self._at = at

    def owe(self, job: str, scope: int, memories: Iterable[int], leased_until: datetime) -> None:
        """Write a job about memories, by their numbers."""
        values = (scope, job, self._at, micros(leased_until), self._at)
        no = self._run(self._sql["insert_extraction"], values).get
        self._connection.executemany(self._sql["link_memory"], [(no, memory) for memory in dict.fromkeys(memories)])

    def done(self, job: str, scope: int, ids: Sequence[str]) -> None:
        """Free a job of memories, by their ids, and end it when none is left."""
        no = self._run(self._sql["find_job"], (job,)).get
        if no is not None:
            self._run(self._sql["unlink_of_job"], (no, scope, json.dumps(ids)))
            self._run(self._sql["end_extractions"], (scope,))

    def forget(self, memory: int, scope: int) -> None:
        """Free all jobs of a memory that is no more."""
        self._run(self._sql["unlink_memory"], (memory,))
        if self._connection.changes():
            self._run(self._sql["end_extractions"], (scope,))

    def renew(self, change: Renew) -> int:
        """Lengthen leases; return how many jobs there still are."""
        renewed = 0
        for job in change.jobs:
            self._run(self._sql["renew_extraction"], (micros(change.leased_until), job))
            renewed += self._connection.changes()
        return renewed

    def put_off(self, change: PutOff) -> int:
        """Have a job tried again later, or never."""
        state, due = ("dead", self._at) if change.due is None else ("waiting", micros(change.due))
        self._run(self._sql["put_off_extraction"], (state, due, change.error, change.job))
        return self._connection.changes()

    def revive(self, collection: int, jobs: Sequence[str] | None) -> int:
        """Have jobs tried again that were given up; return how many."""
        self._run(self._sql["revive_extractions"], (self._at, collection, None if jobs is None else json.dumps(jobs)))
        return self._connection.changes()

    def learn(self, scope: int, replies: Sequence[Learned]) -> None:
        """Keep replies."""
        for learned in replies:
            no = self._run(self._sql["insert_reply"], (learned.key, scope, learned.reply, self._at)).get
            if no > REPLIES:
                self._run(self._sql["forget_replies"], (no - REPLIES,))

    def revision(self, scope: int) -> Revision:
        """Return the state of an owner's facts."""
        return revision(self._connection, scope)


def revision(connection: apsw.Connection, scope: int) -> Revision:
    """Return the state of an owner's facts; empty if there are none."""
    rows = query(connection, "facts_revision", (scope,))
    return tuple(part or 0 for part in rows[0]) if rows and rows[0][1] else ()


def read_replies(connection: apsw.Connection, scope: int, keys: Sequence[bytes], now: int) -> dict[bytes, str]:
    """Return an owner's kept replies by key, as far as there are any."""
    return dict(query(connection, "find_replies", (scope, now - REPLY_AGE_US, json.dumps([key.hex() for key in keys]))))


def claim(
    connection: apsw.Connection, namespace: str, collection: int, limit: int, leased_until: datetime, due_by: int, now: int
) -> list[Job]:
    """Take over jobs that are due, and those whose lease is over (inside a write transaction)."""
    rows = query(connection, "claim_extractions", (micros(leased_until), collection, due_by, now, limit))
    return [job for (no,) in sorted(rows) for job in read_jobs(connection, namespace, "j.no = ?", [no], 1, now)]


def read_jobs(connection: apsw.Connection, namespace: str, where: str, values: list[Any], limit: int, now: int) -> list[Job]:
    """Return extraction jobs that meet a condition on `jobs j JOIN scopes s`, oldest first."""
    jobs = []
    for id, kind, owner, attempts, state, due, error, created, no in query(connection, "read_extractions", [*values, limit], where=where):
        scope = Scope(namespace, owner if kind == "user" else SHARED, path=tuple(json.loads(owner)) if kind == "path" else None)
        memories = [memory_of(row) for row in query(connection, "memories_of_job", (no, now))]
        jobs.append(Job(id, scope, memories, attempts, state, _instant(due), error, _instant(created)))
    return jobs


def _instant(at: int) -> datetime:
    when = moment(at)
    assert when is not None
    return when
