"""Trusts no lane: what it returns is checked, what it raises becomes one error. Here for every adapter, and nowhere else."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import ID_LIMIT, MAX_DIM
from ..errors import EmbeddingError, InvalidInputError, shown
from ..models import Identity
from ..ports import Matrix
from .model import Kind, Lane


def check_identity(name: str, revision: str, dim: Any) -> None:
    """Refuse what no file should record, nor a message show.

    Raises:
        InvalidInputError: the name or revision is too long or not printable, or the dimension is none.
    """
    if not (name + revision).isprintable() or len(name) > ID_LIMIT or len(revision) > ID_LIMIT:
        raise InvalidInputError(f"embedder: its name {shown(name)} or revision {shown(revision)} is too long or not printable")
    if isinstance(dim, bool) or not isinstance(dim, int) or not 0 < dim <= MAX_DIM:
        raise InvalidInputError(f"embedder: its dim is {shown(dim)}, and 1 to {MAX_DIM:,} is possible")


class CheckedLane:
    """A lane whose vectors can be stored.

    Args:
        lane: What it asks.
        identity: Whose vectors these are to be.

    Raises:
        InvalidInputError: see `check_identity`.
    """

    def __init__(self, lane: Lane, identity: Identity) -> None:
        check_identity(identity.name, identity.revision, identity.dim)
        self._lane = lane
        self._identity = identity

    def embed(self, texts: Sequence[str], kind: Kind) -> Matrix:
        """Return one unit vector per text, shape (n, dim), float32.

        Raises:
            EmbeddingError: the lane failed, or returned a wrong shape, a zero, NaN or infinite vector.
        """
        try:
            matrix: NDArray[Any] = np.asarray(self._lane.embed(texts, kind), dtype=np.float32)
        except EmbeddingError:
            raise
        except Exception as e:  # the edge to other people's code: whatever it raises, the words must be kept
            raise EmbeddingError(f"the embedder {self._identity.name} failed with {type(e).__name__}") from e
        if matrix.shape != (len(texts), self._identity.dim):
            raise EmbeddingError(f"{self._identity.name} returned the shape {matrix.shape}, not {(len(texts), self._identity.dim)}")
        return self._unit(matrix)

    def _unit(self, matrix: NDArray[Any]) -> Matrix:
        squares = np.einsum("ij,ij->i", matrix, matrix, dtype=np.float64)
        if not (np.isfinite(squares) & (squares > 0)).all():
            raise EmbeddingError(f"{self._identity.name} returned a vector that is zero or not finite")
        if (np.abs(squares - 1) < 1e-6).all():  # already of unit length: the same bytes for the same text, whatever the batch
            return matrix
        scaled: Matrix = (matrix / np.sqrt(squares)[:, None]).astype(np.float32)
        return scaled
