"""Verbs that look after what is stored: verify, repair; jobs, retry_jobs; reembed; warm."""

from collections.abc import Iterable, Sequence
from typing import Any

from ..build import open_embedder
from ..errors import InvalidInputError, shown
from ..models import Job, Report, Scope, UserId
from ..pipeline.arguments import read_count, read_ids, read_question
from ..pipeline.reembed import ReembedHallway
from ..pipeline.repair import RepairHallway
from ..pipeline.write_stages.batching import Write
from ..pipeline.write_stages.commit import one
from ..ports import Revive
from ..sync_async import Call, Change, Read, face, twin
from .progress import Progress, reporting
from .scope import Scoped


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
        snapshot, whoever goes on writing. Whatever the file looks like, the answer is a report; also where it was cut short or
        overwritten since it was opened (`file_damaged`).

        Args:
            user_id: Only this owner's memories in this collection, or `SHARED`; default the whole file, all collections.
            progress: True for a bar on stderr, or a function that is called with the number of memories looked at so far.

        Returns:
            `.ok`, what was `.checked`, and a finding for each kind of difference (`DIFFERENCES` says what there is).

        Raises:
            StoreBusyError: another process kept the file locked.
            StoreFullError: the disk cannot be read, or too many files are open.
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


class Reembedding(Scoped):
    """The verb that changes a collection's embedder."""

    @face
    def reembed(self, embedder: Any, *, progress: Progress = False) -> Call[int]:
        """Change the collection's embedder: embed every memory anew; return how many were embedded by this call.

        Meanwhile the collection is searched with the old vectors, and added to, by everybody. Once all new vectors are there
        they take the old ones' place, at one instant. From then on this memory and its views use the new embedder; whoever
        else holds the old one gets `EmbedderMismatchError` from his next vector search, or write that carries a vector.

        An interrupted call, also one that was killed, goes on where it stopped when it is made again. With another embedder it
        starts anew; with the one the collection has, it gives up what was begun and returns 0. Open the memory with
        `embedder=None` if its old embedder is no longer to be had.

        Args:
            embedder: As for `AgentMemory`, but not None.
            progress: True for a bar on stderr, or a function that is called with the number embedded so far.

        Raises:
            EmbeddingError: the new embedder failed. The collection goes on with the old one; call this again to go on.
            EmbedderMismatchError: somebody else called this meanwhile, with another embedder.
            ConflictError: there are items with vectors of several fields, which only the program that stored them can make.
        """
        self._room.engine.check_open()
        room = self._room

        def change() -> int:
            new = open_embedder(room.engine, embedder, room.namespace)
            if new is None:
                raise InvalidInputError("reembed(None): pass the embedder that the collection is to have, such as 'static'")
            hallway = ReembedHallway(room.writing, room.namespace, new, room.adopt)
            wanted = hallway.begin()
            with reporting(progress, wanted) as report:
                return hallway.embed(wanted, report)

        return Read(room.engine, change)

    areembed = twin(reembed)


class Warming(Scoped):
    """The verb that prepares."""

    @face
    def warm(self, *, user_id: UserId | None = None, queries: Sequence[str] = ()) -> Call[int]:
        """Read into RAM what an owner's questions will need: the vectors that are searched, and those of texts embedded before.

        Args:
            user_id: The owner.
            queries: Questions that will be asked: those never asked before are embedded now, and kept in the file for the owner.

        Returns:
            How many of the owner's vectors are in RAM to be searched; 0 if there are none, or too many to hold.

        Raises:
            InvalidInputError: a question that is none.
            EmbeddingError: a question could not be embedded.
        """
        self._room.engine.check_open()
        if not isinstance(queries, list | tuple):
            raise InvalidInputError(f"queries={shown(queries)}: pass a list of questions")
        texts = [read_question(query, self._room.text_limit) for query in queries]
        scope = self._scope(user_id, None, None)
        return Read(self._room.engine, lambda: self._room.warm(scope, texts))

    awarm = twin(warm)
