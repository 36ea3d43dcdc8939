"""Embedders, and the vectors they make."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..errors import ClosedError, EmbeddingError
from ..models import Identity, Scope

Vector = NDArray[np.float32]
"""Shape (dim,), unit length."""

Matrix = NDArray[np.float32]
"""Shape (n, dim), rows of unit length."""

TEXT_FIELD = "text"
"""The name of the vector made from a memory's text. Items may have more, one per indexed field."""


class Embedder(Protocol):
    """Turns text into vectors. The same text gives the same vector, whatever the batch."""

    @property
    def identity(self) -> Identity:
        """Name, revision and dimension."""

    @property
    def immediate(self) -> bool:
        """Embedding a short text costs less than handing it to another thread, and batches gain nothing."""

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Return one row per text, shape (n, dim)."""

    def embed_query(self, text: str, scope: Scope | None = None) -> Vector:
        """Return the vector of a question, shape (dim,); `scope` is who asks."""


Answer = Vector | EmbeddingError | ClosedError
"""The vector of a text, or why there is none."""

Wish = tuple[Sequence[str], Callable[[Sequence[Answer]], None]]
"""Texts, and what is called with their answers: once, soon or later, on whatever thread."""


@runtime_checkable
class QueueingEmbedder(Embedder, Protocol):
    """An embedder that is not immediate: what many callers want becomes batches, and nobody need wait in a thread."""

    def embed_each(self, texts: Sequence[str]) -> Sequence[Answer]:
        """Wait for the answers to many texts at once, a bulk load; one bad text does not cost the others theirs."""

    def check(self) -> None:
        """Ask the model itself, past whatever was embedded before, and raise the `EmbeddingError` if it does not embed."""

    def begin(self, wishes: Sequence[Wish]) -> None:
        """Begin to embed what several callers want to store. Waits for room in the queue, not for vectors.

        Raises:
            StorageError: what was embedded before cannot be looked up; then nothing was begun.
        """

    def begin_query(self, text: str, scope: Scope, then: Callable[[Answer], None]) -> None:
        """Begin to embed a question; as `begin`.

        Args:
            text: The question.
            scope: Who asks.
            then: Called with the answer.
        """
