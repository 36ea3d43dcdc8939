"""The collections of a file: number, twin policy, embedder."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

import apsw

from ...config import Twins
from ...errors import ConflictError, EmbedderMismatchError, NotFoundError
from ...models import Identity, Scope
from .rows import micros, owner
from .statements import Row, statements

KNOWN: Final = 1_000  # rows whose objects are kept


@dataclass(frozen=True, slots=True)
class Collection:
    """One row of `collections`.

    Attributes:
        no: Its number.
        twins: Its twin policy.
        identity: Which embedder made the vectors that count; None if none did yet.
        generation: Number of the vectors that count.
        last_generation: Number of those that are being made, where `next` is set.
        next: The embedder it is changing to.
        leftovers: There may be vectors of other generations than these.
    """

    no: int
    twins: Twins
    identity: Identity | None
    generation: int
    last_generation: int
    next: Identity | None
    leftovers: bool

    @property
    def generations(self) -> tuple[int, int]:
        """Those whose vectors are of use: the one that counts, and the one that is being made."""
        return self.generation, self.last_generation if self.next else self.generation


class Catalog:
    """Knows the collections.

    The row is read in every transaction: another process may change a collection's embedder at any time, and whoever went by what
    he knew would mix the vectors of two. Only what is made of a row is kept.
    """

    def __init__(self) -> None:
        self._known: dict[Row, Collection] = {}

    def collection(self, connection: apsw.Connection, name: str) -> Collection:
        """Return the collection.

        Raises:
            NotFoundError: nobody opened a collection of that name.
        """
        found = self._read(connection, name)
        if found is None:
            raise NotFoundError(f"there is no collection {name!r} in this file")
        return found

    def scope(self, connection: apsw.Connection, scope: Scope) -> int | None:
        """Return the number of an owner's row; None if nothing was ever stored for him."""
        key = (self.collection(connection, scope.namespace).no, *owner(scope))
        row = connection.execute(statements()["find_scope"], key).fetchone()
        return None if row is None else int(row[0])

    def open(self, connection: apsw.Connection, name: str, twins: Twins | None, identity: Identity | None, now: datetime) -> Collection:
        """Return the collection, made if it is new (inside a write transaction).

        Raises:
            ConflictError: it has another twin policy.
            EmbedderMismatchError: it holds another embedder's vectors.
        """
        found = self._read(connection, name)
        if found is None:
            details = (identity.name, identity.revision, identity.dim) if identity else (None, None, None)
            connection.execute(statements()["create_collection"], (name, twins or "merge", *details, micros(now)))
        elif found.identity is None and identity is not None:
            connection.execute(statements()["adopt_embedder"], (identity.name, identity.revision, identity.dim, found.no))
            connection.execute(statements()["owe_vectors"], (found.no, micros(now)))  # what it holds was found by words so far
        found = self._read(connection, name)
        assert found is not None
        return self.check(found, name, twins, identity)

    def fits(self, connection: apsw.Connection, name: str, twins: Twins | None, identity: Identity | None) -> Collection | None:
        """Return the collection if it can be used as it is; None if `open` has something to write."""
        found = self._read(connection, name)
        if found is None or (found.identity is None and identity is not None):
            return None
        return self.check(found, name, twins, identity)

    def check(self, found: Collection, name: str, twins: Twins | None, identity: Identity | None) -> Collection:
        """Return `found` if policy and embedder are the ones wanted."""
        if twins is not None and found.twins != twins:
            raise ConflictError(f"collection {name!r} was created with twins={found.twins!r}: open it so, or choose another name")
        if found.identity is not None:
            check_embedder(found, name, identity)
        return found

    def _read(self, connection: apsw.Connection, name: str) -> Collection | None:
        row = connection.execute(statements()["find_collection"], (name,)).fetchone()
        return None if row is None else self._of(row)

    def _of(self, row: Row) -> Collection:
        """Return what a row says; of one that was seen before, the object made then."""
        known = self._known.get(row)
        if known is not None:
            return known
        if len(self._known) >= KNOWN:
            self._known.clear()
        no, twins, embedder, revision, dim, generation, last, next_embedder, next_revision, next_dim, leftovers = row
        self._known[row] = found = Collection(
            no, twins, Identity(embedder, revision, dim) if embedder else None, generation, last,
            Identity(next_embedder, next_revision, next_dim) if next_embedder else None, bool(leftovers),
        )  # fmt: skip
        return found


def check_embedder(found: Collection, name: str, identity: Identity | None) -> None:
    """Refuse vectors that another embedder made than the collection's; None: it is not said which.

    Raises:
        EmbedderMismatchError: another one did.
    """
    if identity is None or found.identity == identity:
        return
    was = f"vectors of {in_words(found.identity)}" if found.identity else "no vectors yet"
    raise EmbedderMismatchError(
        f"collection {name!r} holds {was}, not of {in_words(identity)}: open it with that embedder, or change it with "
        f"AgentMemory(path, namespace={name!r}, embedder=None).reembed(...) or `agentmem reembed`, or use another namespace"
    )


def told_as_fields(identity: Identity | None) -> dict[str, str | int] | None:
    """Return an embedder as `stats` tells it."""
    return None if identity is None else asdict(identity)


def in_words(identity: Identity) -> str:
    """Return an embedder in words."""
    revision = f"revision {identity.revision}, " if identity.revision else ""
    return f"{identity.name} ({revision}{identity.dim} dimensions)"
