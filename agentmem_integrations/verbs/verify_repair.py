"""Verbs that compare what is stored with itself: verify, repair."""

from ..models import Report, Scope, UserId
from ..pipeline.repairing import RepairHallway
from ..sync_async import Call, Read, face, twin
from .progress import Progress, reporting
from .scoped import Scoped


class Mending(Scoped):
    """Verbs that compare what is stored with itself."""

    def _owner(self, user_id: UserId | None) -> Scope | None:
        """Return whose memories are meant; None for everybody's, which a view of one user cannot mean."""
        user = self._user(user_id)
        return None if user is None else self._scope(user, None, None)

    @face
    def verify(self, *, user_id: UserId | None = None, progress: Progress = False) -> Call[Report]:
        """Compare the memories with everything derived from them, in both directions, by content; change nothing.

        Derived are the text index, the vectors, fingerprints, jobs and references, and SQLite's own indexes. All is read from one
        snapshot, whoever goes on writing. Whatever the file looks like, the answer is a report.

        Args:
            user_id: Only this owner's memories in this collection, or `SHARED`; default the whole file, all collections.
            progress: True for a bar on stderr, or a function that is called with the number of memories looked at so far.

        Returns:
            `.ok`, what was `.checked`, and a finding for each kind of difference (`DIFFERENCES` says what there is).
        """
        self._room.engine.check_open()
        scope = self._owner(user_id)

        def check() -> Report:
            with reporting(progress) as report:
                return self._room.engine.store.verify(self._room.namespace, scope, report)

        return Read(self._room.engine, check)

    averify = twin(verify)

    @face
    def repair(self, *, user_id: UserId | None = None, progress: Progress = False) -> Call[Report]:
        """Mend what `verify` finds, and nothing else: an index that lacks 1,000 of a million rows costs 1,000 rows of writing.

        Others may go on reading and writing: each transaction is short and looks once more before it writes. Only a text index
        that is past mending is made anew in one. Vectors are made anew from the words by the embedders of the collections that
        are open here; those of other collections are owed (`report.owed`) until these are opened with theirs.

        Args:
            user_id: As for `verify`.
            progress: True for a bar on stderr, or a function that is called with the number mended so far; a vector that is made
                anew counts when it is owed and when it is made.

        Returns:
            What was found, how much of it was `.mended`, and the way out where nothing can be done.

        Raises:
            StoreBusyError: another process kept the file locked; what was mended so far is.
        """
        self._room.engine.check_open()
        scope = self._owner(user_id)
        engine = self._room.engine

        def mend() -> Report:
            hallway = RepairHallway(engine.store, [room.writing for room in engine.open_rooms()])
            with reporting(progress) as report:
                return hallway.repair(self._room.namespace, scope, report)

        return Read(engine, mend)

    arepair = twin(repair)
