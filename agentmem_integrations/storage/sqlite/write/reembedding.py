"""A collection on its way from one embedder to the next (docs/adr/0009-reembed.md).

Its memories are walked in the order of their numbers. How far the walk has come is kept with the collection, and so are the
memories that were passed by and lack a vector all the same; whatever happens in between, these two say what is left to do.
"""

import json
from typing import Final

import apsw

from ....errors import ConflictError, EmbedderMismatchError
from ....models import Identity
from ....ports import TEXT_FIELD, EraseLeftovers, Reembed, Wanting, WantingPage
from ..collection_catalog import Collection, in_words
from ..rows import seal
from ..statements import Row, query, statements

ERASED_AT_ONCE: Final = 1_000  # memories whose old vectors go in one transaction
_ALL: Final = -1  # as a LIMIT


def begun(connection: apsw.Connection, name: str, found: Collection, identity: Identity) -> bool | None:
    """Say whether there is something to do to get to `identity`: False: it is there; True: on its way; None: `begin` must.

    Raises:
        ConflictError: there are vectors that nobody could make anew.
    """
    if found.identity == identity:
        return False if found.next is None else None
    if found.next == identity:
        return True
    ((other,),) = query(connection, "has_other_fields", (found.no,))
    if other:
        raise _other_fields(name)
    return None


def begin(connection: apsw.Connection, found: Collection, identity: Identity) -> None:
    """Set out for `identity`, or stay where it is made already; another one that was set out for is abandoned."""
    connection.execute(statements()["clear_reembedding"], (found.no,))
    if found.identity == identity:
        connection.execute(statements()["abandon_reembedding"], (found.no,))
    else:
        connection.execute(statements()["begin_reembedding"], (identity.name, identity.revision, identity.dim, found.no))


def page(connection: apsw.Connection, name: str, found: Collection, identity: Identity, limit: int, after: int) -> WantingPage:
    """Return the next memories that want a vector of `identity`, behind number `after`.

    Raises:
        EmbedderMismatchError: somebody has set out for another embedder.
        ConflictError: there are vectors that nobody could make anew.
    """
    _check_next(name, found, identity)
    rows = _lacking(connection, name, found, limit, after)
    # Where the page is the last one, all that is there has been looked at, other collections' memories too
    behind = rows[-1][0] if len(rows) == limit else query(connection, "last_memory")[0][0]
    return WantingPage([Wanting(no, text, speaker) for no, _, text, speaker, _ in rows], behind or 0)


def applied(connection: apsw.Connection, found: Collection, change: Reembed | EraseLeftovers) -> int:
    """Make a change inside a write transaction; return its outcome."""
    return _keep(connection, found, change) if isinstance(change, Reembed) else _erase_leftovers(connection, found, change)


def _keep(connection: apsw.Connection, found: Collection, change: Reembed) -> int:
    """Store new vectors, and note how far the walk has come and whom it left behind; return how many were stored.

    Raises:
        EmbedderMismatchError: somebody has set out for another embedder.
    """
    _check_next(change.namespace, found, change.identity)
    sql, stored = statements(), 0
    for wanting, vector in change.made:
        row = connection.execute(sql["live_text"], (wanting.memory,)).fetchone()
        if row is None:  # deleted meanwhile
            continue
        scope, text, speaker, _ = row
        if (text, speaker) == (wanting.text, wanting.name):
            numbers = vector.tobytes()
            values = (wanting.memory, scope, TEXT_FIELD, numbers, seal(text, speaker, numbers), found.last_generation)
            connection.execute(sql["insert_next_vector"], values)
            connection.execute(sql["end_lacking"], (wanting.memory,))
            stored += 1
        else:
            connection.execute(sql["insert_lacking"], (wanting.memory, found.no))
    for wanting in change.failed:
        if connection.execute(sql["live_text"], (wanting.memory,)).fetchone() is not None:
            connection.execute(sql["insert_lacking"], (wanting.memory, found.no))
    connection.execute(sql["pass_by"], (change.behind, found.no))
    return stored


def swap(connection: apsw.Connection, name: str, found: Collection, identity: Identity, at: int) -> int:
    """Let the new vectors count in place of the old; return how many memories lack one, and are owed it.

    Costs as much as there are memories lacking and debts, whatever the size of the collection: no vector is touched.

    Args:
        connection: Inside a write transaction.
        name: The collection's name.
        found: The collection.
        identity: The embedder that it was changing to.
        at: The instant, in microseconds.

    Raises:
        EmbedderMismatchError: somebody has set out for another embedder.
        ConflictError: there are vectors that nobody could make anew.
    """
    _check_next(name, found, identity)
    ((other,),) = query(connection, "has_items_of_fields", (found.no,))
    if other:
        raise _other_fields(name)
    lacking = _lacking(connection, name, found, _ALL, 0)
    connection.execute(statements()["erase_debts"], (found.no,))
    connection.executemany(statements()["insert_job"], [("embed", scope, no, at, at) for no, scope, *_ in lacking])
    connection.execute(statements()["swap_embedder"], (found.no,))
    connection.execute(statements()["clear_reembedding"], (found.no,))
    return len(lacking)


def state(found: Collection) -> int:
    """Return a number that grows with every begin, swap and abandonment; 0 if there are no leftovers to erase."""
    return found.generation + found.last_generation if found.leftovers else 0


def _erase_leftovers(connection: apsw.Connection, found: Collection, change: EraseLeftovers) -> int:
    """Erase vectors that no longer count, of some memories; return the number of the last of these, 0 for the end."""
    if state(found) != change.state:
        return 0
    rows = query(connection, "page_of_leftovers", (found.no, change.after, ERASED_AT_ONCE))
    if rows:
        connection.execute(statements()["erase_leftovers"], (json.dumps([no for (no,) in rows]), *found.generations))
    if len(rows) == ERASED_AT_ONCE:
        return int(rows[-1][0])
    connection.execute(statements()["end_leftovers"], (found.no,))
    return 0


def _check_next(name: str, found: Collection, identity: Identity) -> None:
    """Refuse to go on towards an embedder that is not the one the collection is changing to.

    Raises:
        EmbedderMismatchError: it is another one, or none.
    """
    if found.next != identity:
        instead = (
            f"is being changed to {in_words(found.next)}"
            if found.next
            else f"holds vectors of {in_words(found.identity)}"
            if found.identity
            else ""
        )
        raise EmbedderMismatchError(
            f"collection {name!r} {instead} by now, not to {in_words(identity)}: "
            "somebody else called reembed; agree on one and call it again"
        )


def _lacking(connection: apsw.Connection, name: str, found: Collection, limit: int, after: int) -> list[Row]:
    rows = query(connection, "lacking_noted", (found.no, after, limit))
    if len(rows) != limit:
        rows += query(connection, "lacking_ahead", (found.no, after, limit if limit == _ALL else limit - len(rows)))
    if any(other for *_, other in rows):
        raise _other_fields(name)
    return rows


def _other_fields(name: str) -> ConflictError:
    return ConflictError(
        f"collection {name!r} holds items with vectors of several fields, which only the program that stored them can make: store "
        f"them anew in another namespace that is opened with the new embedder"
    )
