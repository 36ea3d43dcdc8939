"""Verbs about facts that are still to be drawn: jobs, retry_jobs."""

from collections.abc import Iterable

from ..models import Job, UserId
from ..pipeline.batching import Write
from ..pipeline.checks import read_count, read_ids
from ..pipeline.committing import one
from ..ports import Revive
from ..sync_async import Call, Change, Read, face, twin
from .scoped import Scoped

JobList = list[Job]


class Owing(Scoped):
    """Verbs about facts that are still to be drawn."""

    @face
    def jobs(self, *, user_id: UserId | None = None, limit: int = 100) -> Call[JobList]:
        """Return the extractions that are owed, oldest first; with why they failed, and the dead ones too.

        Args:
            user_id: Only this owner's; default everybody's.
            limit: How many at most, 1 to 10,000.
        """
        self._room.engine.check_open()
        anyone = user_id is None and self._user_id is None
        scope = None if anyone else self._scope(user_id, None, None)
        most = read_count(limit, "limit", 1, 10_000)
        return Read(self._room.engine, lambda: self._room.engine.store.jobs(self._room.namespace, scope, most))

    ajobs = twin(jobs)

    @face
    def retry_jobs(self, id: str | Iterable[str] | None = None) -> Call[int]:
        """Try jobs again that were given up; return how many.

        Args:
            id: One job or several; without, all dead jobs of the collection.
        """
        self._room.engine.check_open()
        ids = None if id is None else read_ids(id)
        return Change(self._room.writing, Write[int]([Revive(self._room.namespace, ids)], one))

    aretry_jobs = twin(retry_jobs)
