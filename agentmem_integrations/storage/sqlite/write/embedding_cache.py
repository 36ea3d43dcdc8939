"""Keeps vectors of texts embedded before in the file, up to a number of bytes: the oldest go first."""

import json
from collections.abc import Sequence
from typing import Final

import apsw
import numpy as np

from ....ports import Vector
from ..statements import query, statements

UNIT: Final = 1e-3  # how far from 1 the squared length of a unit vector in float32 may be

Kept = tuple[bytes, int, int | None, Vector]
"""Key, scope, memory and vector."""


def keep(connection: apsw.Connection, entries: Sequence[Kept], budget: int) -> None:
    """Keep vectors that are not there yet, inside a write transaction.

    Args:
        connection: Where.
        entries: What to keep.
        budget: Bytes of vectors that may be kept in all; no vector is larger.
    """
    values = [(key, scope, memory, vector.tobytes()) for key, scope, memory, vector in entries]
    connection.executemany(statements()["keep_vector"], values)
    connection.execute(statements()["forget_oldest_vectors"], (budget,))


def kept(connection: apsw.Connection, keys: Sequence[bytes]) -> dict[bytes, Vector]:
    """Return those vectors that are kept."""
    rows = query(connection, "kept_vectors", (json.dumps([key.hex() for key in keys]),))
    return {key: vector for key, vector in ((key, vector_of(numbers)) for key, numbers in rows) if vector is not None}


def kept_for(connection: apsw.Connection, scope: int, most: int) -> dict[bytes, Vector]:
    """Return what is kept of an owner's texts and questions, the newest first, up to so many bytes."""
    found: dict[bytes, Vector] = {}
    size = 0
    for key, vector in connection.execute(statements()["kept_vectors_of_scope"], (scope,)):
        size += len(vector)
        if size > most:
            break
        numbers = vector_of(vector)
        if numbers is not None:
            found[key] = numbers
    return found


def usage(connection: apsw.Connection) -> dict[str, int]:
    """Return entries, and bytes of their vectors."""
    ((entries, size),) = query(connection, "count_kept_vectors")
    return {"entries": entries, "bytes": size}


def vector_of(numbers: bytes) -> Vector | None:
    """Return a kept vector; None for one that is not of unit length, as all were that were kept: the file is damaged there."""
    if len(numbers) % 4:
        return None
    vector = np.frombuffer(numbers, "<f4")
    square = float(np.einsum("i,i->", vector, vector, dtype=np.float64))  # in float64 nothing overflows
    return vector if abs(square - 1.0) < UNIT else None
