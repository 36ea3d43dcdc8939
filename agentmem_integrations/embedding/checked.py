"""Trusts no lane: what it returns is checked, what it raises becomes one error. Here for every adapter, and nowhere else."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EmbeddingError
from ..models import Identity
from ..ports import Matrix
from .model import Kind, Lane


class CheckedLane:
    """A lane whose vectors can be stored.

    Args:
        lane: What it asks.
        identity: Whose vectors these are to be.
    """

    def __init__(self, lane: Lane, identity: Identity) -> None:
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
