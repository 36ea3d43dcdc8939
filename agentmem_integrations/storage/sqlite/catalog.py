"""The collections of a file: number, twin policy, embedder."""

from dataclasses import dataclass
from datetime import datetime

import apsw

from ...config import Twins
from ...errors import ConflictError, EmbedderMismatchError, NotFoundError
from ...models import Identity
from .rows import micros
from .statements import statements


@dataclass(frozen=True, slots=True)
class Collection:
    """One row of `collections`."""

    no: int
    twins: Twins
    identity: Identity | None


class Catalog:
    """Knows the collections. Number and twin policy never change, so what was read once (and committed) stays true."""

    def __init__(self) -> None:
        self._known: dict[str, Collection] = {}

    def collection(self, connection: apsw.Connection, name: str) -> Collection:
        """Return the collection.

        Raises:
            NotFoundError: nobody opened a collection of that name.
        """
        found = self._known.get(name) or self._read(connection, name)
        if found is None:
            raise NotFoundError(f"there is no collection {name!r} in this file")
        if found.identity is not None:  # else another process may be the first to open it with an embedder
            self._known[name] = found
        return found

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
        if identity is not None and found.identity is not None and found.identity != identity:
            was, now = found.identity, identity
            raise EmbedderMismatchError(
                f"collection {name!r} holds vectors of {was.name} (revision {was.revision}, {was.dim} dimensions), not of "
                f"{now.name} (revision {now.revision}, {now.dim}): open it with that embedder, or use another namespace"
            )
        return found

    def _read(self, connection: apsw.Connection, name: str) -> Collection | None:
        row = connection.execute(statements()["find_collection"], (name,)).fetchone()
        if row is None:
            return None
        no, twins, embedder, revision, dim = row
        return Collection(no, twins, Identity(embedder, revision, dim) if embedder else None)
