"""What an adapter of an embedding model gives to the queue in front of it, and the checks that trust none.

What a lane returns is checked, what it raises becomes one error: here for every adapter, and nowhere else. The texts that an embedder
fails at are found by halving: one bad text of n costs about 2 log2(n) calls more, not n.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..config import ID_LIMIT, MAX_DIM
from ..errors import EmbeddingError, InvalidInputError, shown
from ..models import Identity
from ..ports import Answer, Matrix

Kind = Literal["passage", "query"]
"""What a text is: something stored, or a question. Some models want another prefix before each."""


class Lane(Protocol):
    """One way into a model that one thread at a time may use: a session, a connection, an object."""

    def embed(self, texts: Sequence[str], kind: Kind) -> Matrix:
        """Return one vector per text, shape (n, dim).

        Raises:
            EmbeddingError: the model failed, or returned vectors that cannot be stored.
        """


class Model(Protocol):
    """A model, whatever runs it: how its vectors are called, and the lanes that make them."""

    @property
    def identity(self) -> Identity:
        """Name, revision and dimension."""

    @property
    def lanes(self) -> Sequence[Lane]:
        """At least one; different lanes may be used at the same time."""

    @property
    def batch(self) -> int:
        """Texts of about one length that a lane embeds best in one call."""

    def close(self) -> None:
        """Let go of sessions and connections."""


def isolated(embed: Callable[[Sequence[str]], Matrix], texts: Sequence[str]) -> list[Answer]:
    """Return a vector for each text, or why there is none.

    If nothing at all succeeds within 2 log2(n) + 2 calls, it is not the texts: the service is down, and the others are not
    tried. They get the error, too.

    Args:
        embed: Embeds texts; raises `EmbeddingError`.
        texts: At least one.
    """
    return _Search(embed, len(texts)).answers(texts)


class _Search:
    def __init__(self, embed: Callable[[Sequence[str]], Matrix], count: int) -> None:
        self._embed = embed
        self._patience = 2 * (count - 1).bit_length() + 2
        self._succeeded = False
        self._failures = 0

    def answers(self, texts: Sequence[str]) -> list[Answer]:
        try:
            vectors: list[Answer] = list(self._embed(texts))
        except EmbeddingError as error:
            self._failures += 1
            if len(texts) == 1 or (not self._succeeded and self._failures >= self._patience):
                return [error] * len(texts)
            middle = len(texts) // 2
            first = self.answers(texts[:middle])
            if not self._succeeded and self._failures >= self._patience:
                return first + [error] * (len(texts) - middle)
            return first + self.answers(texts[middle:])
        self._succeeded = True
        return vectors


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
