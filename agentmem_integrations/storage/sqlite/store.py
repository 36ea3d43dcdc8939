"""The store in one SQLite file: the `Store` port, each method one walk through the rooms beside it.

As long as the port, which has one method for each thing that is asked of a store.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw

from ...config import EMBEDDING_CACHE_BYTES, MATRIX_BUDGET, Durability, Twins
from ...errors import AgentMemError, ConflictError, NotFoundError, StorageError, StoreBusyError
from ...models import Event, Identity, ItemAnswer, ItemRead, Job, Memory, Report, Scope
from ...ports import (
    TEXT_FIELD,
    Ask,
    Candidates,
    Change,
    Debt,
    Dump,
    Outcome,
    Purge,
    PurgeItems,
    Record,
    Revision,
    Selection,
    Survey,
    Vector,
    WantingPage,
)
from .collection_catalog import Catalog, check_embedder, told_as_fields
from .file import extension
from .file.backup import copy_to
from .file.connections import Connections
from .file.diagnose import list_collections, log_bytes
from .integrity.repair import Repairing
from .integrity.verify import Progress, verified
from .rows import history_of, memory_of, micros, owner, vectors_in
from .search.chosen_keys import ChosenKeys
from .search.gather import Gatherer
from .search.item_vectors import ItemVectors
from .search.items import ItemReader
from .search.lexicon import Lexicons
from .search.nearest import FOREVER, MatrixCache, Version
from .search.survey import Surveyor
from .statements import migrations, query
from .where import selected
from .write import embedding_cache, reembedding
from .write.apply import Transaction, Undone
from .write.dump import dumped, taken
from .write.extractions import claim, read_jobs, read_replies, revision


class SqliteStore:
    """Memories in one SQLite file, or in RAM.

    Args:
        path: The file, or `memory://`.
        durability: See `config.Settings`.
        matrix_budget: Bytes of vectors kept in RAM for searching.
        cache_budget: Bytes of vectors of texts embedded before that are kept in the file.

    Raises:
        StorageError: the path cannot be a memory file.
    """

    def __init__(
        self, path: str, durability: Durability = "full", matrix_budget: int = MATRIX_BUDGET, cache_budget: int = EMBEDDING_CACHE_BYTES
    ) -> None:
        self._cache_budget = cache_budget
        self._matrices = MatrixCache(matrix_budget)
        self._chosen = ChosenKeys()
        self._lexicons = Lexicons(self._matrices)
        self._matrix_budget = matrix_budget
        self._item_vectors = ItemVectors(matrix_budget)
        self._connections = Connections(path, durability, self._forked)
        self._catalog = Catalog()

    def open_collection(self, name: str, twins: Twins | None, identity: Identity | None) -> Twins:
        """Create the collection or check that it fits; return its twin policy."""
        with self._connections.read() as connection:
            found = self._catalog.fits(connection, name, twins, identity)
        if found is None:
            with self._connections.write() as connection:
                found = self._catalog.open(connection, name, twins, identity, _now())
        return found.twins

    def identity(self, name: str) -> Identity | None:
        """Return which embedder made a collection's vectors."""
        with self._connections.read() as connection:
            return self._catalog.collection(connection, name).identity

    def apply(self, changes: Sequence[Change]) -> list[Outcome]:
        """Make the changes in one transaction."""
        refused: dict[int, AgentMemError] = {}
        while True:
            try:
                with self._connections.write() as connection:
                    outcomes = Transaction(connection, self._catalog, _now(), self._cache_budget).apply(changes, refused)
                break
            except Undone as undone:
                refused[undone.position] = undone.error
        purges = [position for position, change in enumerate(changes) if isinstance(change, Purge | PurgeItems)]
        if purges:
            self._matrices.clear()
            self._chosen.clear()
            self._item_vectors.clear()
            self._lexicons.clear()
            try:
                self._empty_log()
                self._connections.scrub()
            except StorageError as error:  # the changes are committed: whoever shares the transaction must not be told otherwise
                for position in purges:
                    outcomes[position] = error
        return outcomes

    def _empty_log(self) -> None:
        if not self._connections.checkpoint():
            path = self._connections.path
            raise StoreBusyError(
                f"the memories are erased, but a reader of {path} kept the write-ahead log from being emptied: call purge again "
                f"once it has finished"
            )

    def gather(self, ask: Ask) -> Candidates:
        """Return the best candidates by vector and by words."""
        with self._connections.read() as connection:
            return self._gatherer(connection, ask).candidates()

    def survey(self, ask: Ask) -> Survey:
        """Return the best candidates by vector, by words and by what was said around them, with those neighbours."""
        with self._connections.read() as connection:
            return Surveyor(self._gatherer(connection, ask), self._lexicons).survey()

    def _gatherer(self, connection: apsw.Connection, ask: Ask) -> Gatherer:
        collection = self._catalog.collection(connection, ask.selection.namespace)
        if ask.vector is not None:
            check_embedder(collection, ask.selection.namespace, ask.made_by)
        dim = collection.identity.dim if collection.identity else 0
        return Gatherer(connection, self._matrices, self._chosen, collection.no, collection.generation, dim, ask, _micros_now())

    def read_items(
        self, namespace: str, reads: Sequence[ItemRead], vectors: Sequence[Vector | None], made_by: Identity | None
    ) -> list[ItemAnswer]:
        """Return what is asked about items, all as of one instant."""
        with self._connections.read() as connection:
            collection = self._catalog.collection(connection, namespace)
            if any(vector is not None for vector in vectors):
                check_embedder(collection, namespace, made_by)
            reader = ItemReader(connection, collection, self._item_vectors, _micros_now())
            answers = [reader.answer(read, vector) for read, vector in zip(reads, vectors, strict=True)]
        self._matrices.budget = max(0, self._matrix_budget - self._item_vectors.size)  # one budget for both
        return answers

    def has_expiry(self) -> bool:
        """Say whether anything is going to expire."""
        with self._connections.read() as connection:
            return bool(query(connection, "has_expiry")[0][0])

    def load(self, keys: Sequence[int]) -> dict[int, Memory]:
        """Return the memories of candidates by key."""
        with self._connections.read() as connection:
            rows = query(connection, "load_memories", (str(list(keys)),))
        return {row[0]: memory_of(row) for row in rows}

    def vectors(self, keys: Sequence[int]) -> dict[int, Vector]:
        """Return the vectors of candidates' texts by key."""
        with self._connections.read() as connection:
            return dict(vectors_in(query(connection, "vectors_by_key", (str(list(keys)), TEXT_FIELD))))

    def vectors_of(self, selection: Selection) -> dict[str, Vector]:
        """Return the vectors of memories' texts by id, in insertion order."""
        with self._connections.read() as connection:
            where, values = self._where(connection, selection)
            rows = query(connection, "vectors_by_id", [*values, TEXT_FIELD], where=where)
        found = dict(vectors_in(rows))
        if len(found) < len(rows):
            raise ConflictError(f"some id of {selection.ids} is used by several owners: name the user_id")
        return found

    def find(self, selection: Selection, limit: int | None = None, after: str | None = None) -> list[Memory]:
        """Return memories in insertion order, from behind the id `after`."""
        with self._connections.read() as connection:
            where, values = self._where(connection, selection)
            behind = 0 if after is None else self._cursor(connection, selection, after)
            rows = query(connection, "page_of_memories", [*values, behind, -1 if limit is None else limit], where=where)
        return [memory_of(row) for row in rows]

    def history(self, selection: Selection) -> list[Event]:
        """Return the history of one memory, oldest first."""
        with self._connections.read() as connection:
            where, values = self._where(connection, selection, dead=True)
            found = query(connection, "select_memories", values, where=where)
            if len(found) > 1:
                raise ConflictError(f"id {selection.ids} is used by {len(found)} owners: name the user_id")
            return history_of(found[0], query(connection, "read_history", (found[0][0],))) if found else []

    @contextmanager
    def dump(self, namespace: str, scope: Scope | None, *, vectors: bool) -> Iterator[Dump]:
        """Hold one state of a collection and read every memory of it."""
        with self._connections.snapshot() as step:
            yield dumped(step, self._catalog, namespace, scope, vectors)

    def taken(self, records: Sequence[Record]) -> list[bool]:
        """Say of each record whether its owner has its id already."""
        with self._connections.read() as connection:
            return [taken(connection, self._catalog, record) for record in records]

    def backup(self, target: str) -> None:
        """Write a consistent copy of everything into the empty file `target`, and check it."""
        with self._connections.snapshot() as step:
            copy_to(target, step)

    def debts(self, namespace: str, limit: int, *, due_only: bool) -> Iterable[Debt]:
        """Return memories of a collection whose vectors are owed."""
        due_by = _micros_now() if due_only else FOREVER
        with self._connections.read() as connection:
            return [Debt(*row) for row in query(connection, "read_debts", (due_by, namespace, limit))]

    def count_debts(self, namespace: str) -> int:
        """Return how many vectors of a collection are owed."""
        with self._connections.read() as connection:
            ((count,),) = query(connection, "count_debts", (namespace,))
        return int(count)

    def begin_reembedding(self, namespace: str, identity: Identity) -> bool:
        """Set out to change a collection's embedder, or go on; False if it holds that one's vectors."""
        with self._connections.read() as connection:
            found = self._catalog.collection(connection, namespace)
            begun = reembedding.begun(connection, namespace, found, identity)
        if begun is None:
            with self._connections.write() as connection:
                found = self._catalog.collection(connection, namespace)
                if reembedding.begun(connection, namespace, found, identity) is None:
                    reembedding.begin(connection, found, identity)
                begun = found.identity != identity
        return begun

    def count_wanting(self, namespace: str) -> int:
        """Return how many memories want a vector of the next embedder."""
        with self._connections.read() as connection:
            ((count,),) = query(connection, "count_lacking", (self._catalog.collection(connection, namespace).no,))
        return int(count)

    def wanting(self, namespace: str, identity: Identity, limit: int, after: int) -> WantingPage:
        """Return the next memories that want a vector of the next embedder."""
        with self._connections.read() as connection:
            found = self._catalog.collection(connection, namespace)
            return reembedding.page(connection, namespace, found, identity, limit, after)

    def swap_embedder(self, namespace: str, identity: Identity) -> int:
        """Let the new vectors count in place of the old; return how many are owed."""
        with self._connections.write() as connection:
            found = self._catalog.collection(connection, namespace)
            return reembedding.swap(connection, namespace, found, identity, _micros_now())

    def leftovers(self, namespace: str) -> int:
        """Return what `EraseLeftovers` needs to be told; 0 if there is nothing to erase."""
        with self._connections.read() as connection:
            return reembedding.state(self._catalog.collection(connection, namespace))

    def kept(self, keys: Sequence[bytes]) -> Mapping[bytes, Vector]:
        """Return those vectors of texts embedded before that are still kept."""
        if not self._cache_budget:
            return {}
        with self._connections.read() as connection:
            return embedding_cache.kept(connection, keys)

    def kept_for(self, namespace: str, scope: Scope, most: int) -> Mapping[bytes, Vector]:
        """Return what is kept of an owner's texts and questions, the newest first, up to so many bytes of vectors."""
        with self._connections.read() as connection:
            collection = self._catalog.collection(connection, namespace)
            found = query(connection, "find_scope", (collection.no, *owner(scope)))
            return embedding_cache.kept_for(connection, found[0][0], most) if found else {}

    def kept_usage(self) -> Mapping[str, int]:
        """Return how many vectors are kept, and their bytes."""
        with self._connections.read() as connection:
            return embedding_cache.usage(connection)

    def warm(self, namespace: str, scope: Scope) -> int:
        """Read an owner's vectors into RAM; return how many are there."""
        with self._connections.read() as connection:
            collection = self._catalog.collection(connection, namespace)
            found = query(connection, "scope_version", (collection.no, *owner(scope)))
            if not found or collection.identity is None:
                return 0
            no, epoch, last, history = found[0]
            version = Version(collection.generation, epoch, last or 0, history or 0)
            block = self._matrices.block(connection, no, version, TEXT_FIELD, collection.identity.dim)
            self._lexicons.lexicon(connection, no, version)
        return 0 if block is None else len(block.columns.keys)

    def has_expired(self) -> bool:
        """Say whether some memory has expired and was not swept yet."""
        with self._connections.read() as connection:
            return bool(query(connection, "has_expired", (_micros_now(),))[0][0])

    def revision(self, scope: Scope) -> Revision:
        """Return the state that an owner's facts are in."""
        with self._connections.read() as connection:
            no = self._catalog.scope(connection, scope)
            return () if no is None else revision(connection, no)

    def learned(self, scope: Scope, keys: Sequence[bytes]) -> dict[bytes, str]:
        """Return which of the owner's kept replies have these keys."""
        with self._connections.read() as connection:
            no = self._catalog.scope(connection, scope)
            return {} if no is None else read_replies(connection, no, keys, _micros_now())

    def claim(self, namespace: str, limit: int, leased_until: datetime, *, due_only: bool) -> list[Job]:
        """Take over extractions that are due and that nobody works on."""
        now = _micros_now()
        with self._connections.write() as connection:
            collection = self._catalog.collection(connection, namespace).no
            return claim(connection, namespace, collection, limit, leased_until, now if due_only else FOREVER, now)

    def jobs(self, namespace: str, scope: Scope | None, limit: int) -> list[Job]:
        """Return the extractions that are owed, oldest first."""
        with self._connections.read() as connection:
            collection = self._catalog.collection(connection, namespace).no
            where, values = "s.collection = ?", [collection]
            if scope is not None:
                no = self._catalog.scope(connection, scope)
                where, values = "j.scope = ?", [-1 if no is None else no]
            return read_jobs(connection, namespace, where, values, limit, _micros_now())

    def stats(self, namespace: str, scope: Scope | None) -> dict[str, Any]:
        """Return counts and sizes."""
        with self._connections.read() as connection:
            collection = self._catalog.collection(connection, namespace)
            where, values = selected(Selection(namespace, scope), collection.no, 0, dead=True)
            ((live, deleted, owners),) = query(connection, "count_memories", [_micros_now(), *values], where=where)
            ((owed,),) = query(connection, "count_vectors_owed", values, where=where)
            found: dict[str, Any] = {"memories": live, "deleted": deleted, "owed_vectors": owed}
            if scope is not None:
                return found
            found |= {"owners": owners, "jobs": dict(query(connection, "count_jobs"))}
            found |= {"namespace": namespace, "twins": collection.twins, "embedder": told_as_fields(collection.identity)}
            collections = {name: told_as_fields(identity) for name, identity in list_collections(connection).items()}
        return found | {
            "collections": collections,
            "file_bytes": self._file_bytes(),
            "log_bytes": 0 if self._connections.in_memory else log_bytes(self._connections.file),
            "matrix_cache": self._matrices.usage(),
            "versions": {"schema": len(migrations()), "sqlite": apsw.sqlite_lib_version(), "sqlite_vec": extension.package_version()},
        }

    def verify(self, namespace: str, scope: Scope | None, progress: Progress) -> Report:
        """Compare the memories with everything derived from them."""
        return verified(self._connections, lambda c: self._number(c, namespace, scope), progress).report()

    def repair(self, namespace: str, scope: Scope | None, progress: Progress) -> Report:
        """Mend what `verify` finds, and nothing else."""
        return Repairing(self._connections, lambda c: self._number(c, namespace, scope), progress).run()

    def close(self) -> None:
        """Close every connection."""
        self._connections.close()
        self._matrices.clear()
        self._lexicons.clear()
        self._item_vectors.clear()

    def _forked(self) -> None:
        self._matrices.forked()
        self._lexicons.forked()
        self._item_vectors.forked()

    def _where(self, connection: apsw.Connection, selection: Selection, dead: bool = False) -> tuple[str, list[Any]]:
        collection = self._catalog.collection(connection, selection.namespace)
        return selected(selection, collection.no, _micros_now(), dead=dead)

    def _number(self, connection: apsw.Connection, namespace: str, scope: Scope | None) -> int | None:
        """Return the number of a scope's row; None for no scope, 0 for one that is not there."""
        if scope is None:
            return None
        rows = query(connection, "find_scope", (self._catalog.collection(connection, namespace).no, *owner(scope)))
        return int(rows[0][0]) if rows else 0

    def _cursor(self, connection: apsw.Connection, selection: Selection, after: str) -> int:
        """Return the row number of the last memory of the page before; it may have been deleted since."""
        where, values = self._where(connection, Selection(selection.namespace, _bare(selection.scope), (after,)), dead=True)
        rows = query(connection, "select_nos", values, where=where)
        if not rows:
            raise NotFoundError(f"after={after!r} is no id of this scope: pass the id of the last memory of the page before")
        return int(rows[0][0])

    def _file_bytes(self) -> int:
        path = self._connections.file
        return 0 if self._connections.in_memory else sum(os.path.getsize(p) for p in (path, f"{path}-wal") if Path(p).exists())


def _bare(scope: Scope | None) -> Scope | None:
    return None if scope is None else Scope(scope.namespace, scope.user_id, path=scope.path)


def _now() -> datetime:
    return datetime.now(UTC)


def _micros_now() -> int:
    return micros(_now()) or 0
