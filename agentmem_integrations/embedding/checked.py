"""A wrapper that trusts no embedder: what it returns is checked, what it raises becomes one error."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import ID_LIMIT, MAX_DIM
from ..errors import EmbeddingError, InvalidInputError, shown
from ..models import Identity
from ..ports import Matrix, Vector


class CheckedEmbedder:
    """Any object with `embed_documents` and `embed_query`, as an `Embedder`.

    Args:
        inner: Has `embed_documents(texts)` and `embed_query(text)`; may have `name`, `revision` and `dim`. A missing `dim` is
            found by embedding one word; a missing `name` is the class's.

    Raises:
        InvalidInputError: one of the methods is missing.
        EmbeddingError: the dimension could not be found.
    """

    immediate = False

    def __init__(self, inner: Any) -> None:
        for method in ("embed_documents", "embed_query"):
            if not callable(getattr(inner, method, None)):
                raise InvalidInputError(f"embedder={type(inner).__name__} has no {method}(): pass 'static' or an object that has it")
        self._inner = inner
        name = str(getattr(inner, "name", None) or f"{type(inner).__module__}.{type(inner).__qualname__}")
        dim, revision = getattr(inner, "dim", None), str(getattr(inner, "revision", None) or "")
        if not (name + revision).isprintable() or len(name) > ID_LIMIT or len(revision) > ID_LIMIT:
            raise InvalidInputError(f"embedder: its name {shown(name)} or revision {shown(revision)} is too long or not printable")
        if dim is not None and (isinstance(dim, bool) or not isinstance(dim, int) or not 0 < dim <= MAX_DIM):
            raise InvalidInputError(f"embedder: its dim is {shown(dim)}, and 1 to {MAX_DIM:,} is possible")
        self.identity = Identity(name, revision, dim if dim is not None else self._measure())

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Return one unit vector per text, shape (n, dim), float32.

        Raises:
            EmbeddingError: the embedder failed, or returned a wrong shape, a zero, NaN or infinite vector.
        """
        matrix = self._called(self._inner.embed_documents, list(texts))
        if matrix.shape != (len(texts), self.identity.dim):
            raise EmbeddingError(f"{self.identity.name} returned the shape {matrix.shape}, not {(len(texts), self.identity.dim)}")
        return self._unit(matrix)

    def embed_query(self, text: str) -> Vector:
        """Return the unit vector of a question, shape (dim,), float32.

        Raises:
            EmbeddingError: as for `embed_documents`.
        """
        vector = self._called(self._inner.embed_query, text)
        if vector.shape != (self.identity.dim,):
            raise EmbeddingError(f"{self.identity.name} returned the shape {vector.shape} for a question of {self.identity.dim} dimensions")
        unit: Vector = self._unit(vector[None, :])[0]
        return unit

    def _called(self, method: Callable[[Any], Any], argument: Any) -> NDArray[Any]:
        try:
            result: NDArray[Any] = np.asarray(method(argument), dtype=np.float32)
        except Exception as e:  # the edge to other people's code: whatever it raises, the words must be kept
            raise EmbeddingError(f"the embedder {type(self._inner).__name__} failed with {type(e).__name__}") from e
        return result

    def _unit(self, matrix: NDArray[Any]) -> Matrix:
        squares = np.einsum("ij,ij->i", matrix, matrix, dtype=np.float64)
        if not (np.isfinite(squares) & (squares > 0)).all():
            raise EmbeddingError(f"{self.identity.name} returned a vector that is zero or not finite")
        if (np.abs(squares - 1) < 1e-6).all():  # already of unit length: the same bytes for the same text, whatever the batch
            return matrix
        scaled: Matrix = (matrix / np.sqrt(squares)[:, None]).astype(np.float32)
        return scaled

    def _measure(self) -> int:
        vector = self._called(self._inner.embed_query, "dimension")
        if vector.ndim != 1 or not len(vector):
            raise EmbeddingError(f"the embedder {type(self._inner).__name__} returned the shape {vector.shape} for one text")
        return len(vector)
