"""Embedders for tests: no model, no download, the same vectors everywhere.

Each has `embed_documents` and `embed_query` and can be passed as `AgentMemory(..., embedder=...)`. They share one identity, so
a file written with one can be opened with another: with a working one after a failing one, say.
"""

import hashlib
import re
import threading
import time
from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..embedding.model import Kind, Lane
from ..models import Identity
from ..ports import Matrix, Vector

Flaw = Literal["zero", "nan", "infinite", "short", "few", "scalar"]


class HashEmbedder:
    """Texts that share words are similar, others nearly orthogonal: a text is the sum of its words' hashed directions.

    Args:
        dim: Length of the vectors, 1 or more. Two texts without a common word have a cosine of about `dim ** -0.5`.
        name: The identity's name.

    Attributes:
        batches: Every list of documents it was asked for, oldest first.
        queries: Every question, oldest first.
    """

    revision = "1"

    def __init__(self, dim: int = 64, name: str = "hash") -> None:
        self.dim = dim
        self.name = name
        self.batches: list[list[str]] = []
        self.queries: list[str] = []

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Return one unit vector per text, shape (n, dim)."""
        self.batches.append(list(texts))
        return np.stack([self._vector(text) for text in texts])

    def embed_query(self, text: str) -> Vector:
        """Return the unit vector of a question, shape (dim,)."""
        self.queries.append(text)
        return self._vector(text)

    def _vector(self, text: str) -> Vector:
        words = re.findall(r"\w+", text.lower()) or [text]
        whole = np.sum([self._direction(word) for word in words], axis=0)
        norm = float(np.linalg.norm(whole))
        unit: Vector = (whole / norm if norm else self._direction(text)).astype(np.float32)
        return unit

    def _direction(self, word: str) -> Vector:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])
        direction = np.random.default_rng(seed).standard_normal(self.dim)
        unit: Vector = (direction / np.linalg.norm(direction)).astype(np.float32)
        return unit


class FailingEmbedder(HashEmbedder):
    """Raises `ConnectionError` for as long as `failing` is true, and for texts that contain `poison` always.

    Args:
        dim: As for `HashEmbedder`.
        failing: Whether it fails; change it whenever the service is to come back.
        poison: Text that no request may contain; None for none.
    """

    def __init__(self, dim: int = 64, *, failing: bool = True, poison: str | None = None) -> None:
        super().__init__(dim)
        self.failing = failing
        self.poison = poison

    def _vector(self, text: str) -> Vector:
        if self.failing or (self.poison is not None and self.poison in text):
            raise ConnectionError("the embedding service is down")
        return super()._vector(text)


class BlockingEmbedder(HashEmbedder):
    """Waits inside `embed_documents` until it is released: a slow service without a slow test.

    Args:
        dim: As for `HashEmbedder`.
        timeout: Seconds after which it gives up waiting, so that a broken test ends.

    Attributes:
        entered: Set once somebody waits inside.
        released: Set it to let everybody through.
    """

    def __init__(self, dim: int = 64, timeout: float = 30.0) -> None:
        super().__init__(dim)
        self.entered = threading.Event()
        self.released = threading.Event()
        self._timeout = timeout

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Return what `HashEmbedder` does, once released."""
        self.entered.set()
        if not self.released.wait(self._timeout):
            raise TimeoutError("nobody released the embedder")
        return super().embed_documents(texts)


class LyingEmbedder(HashEmbedder):
    """Returns what no memory may store.

    Args:
        dim: As for `HashEmbedder`.
        flaw: `zero`, `nan` and `infinite` spoil the values; `short` leaves out a dimension, `few` a text, `scalar` all but one
            number. None tells the truth; change it whenever the service is to be mended.
    """

    def __init__(self, flaw: Flaw | None, dim: int = 64) -> None:
        super().__init__(dim)
        self.flaw = flaw

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Return flawed vectors."""
        return self._spoilt(super().embed_documents(texts), few=True)

    def embed_query(self, text: str) -> Vector:
        """Return a flawed vector."""
        vector: Vector = self._spoilt(super().embed_query(text)[None, :])
        return vector[0] if vector.ndim == 2 else vector

    def _spoilt(self, matrix: Matrix, few: bool = False) -> Matrix:
        match self.flaw:
            case "zero":
                matrix = np.zeros_like(matrix)
            case "nan" | "infinite":
                matrix = matrix.copy()
                matrix[:, 0] = np.nan if self.flaw == "nan" else np.inf
            case "short":
                matrix = matrix[:, :-1]
            case "few" if few:
                matrix = matrix[:-1]
            case "scalar":
                matrix = matrix[0, 0]
            case _:
                pass
        return matrix


class SleepingModel:
    """A `Model` that costs what a model costs, without computing: a call takes a fixed time, and some for each padded character.

    Args:
        lanes: How many calls it takes at the same time.
        fixed_ms: Milliseconds of each call.
        text_ms: Milliseconds of each text as long as `usual`; every text of a batch costs what the longest does.
        usual: Characters.
        batch: Texts of one call.
        dim: Length of the vectors.

    Attributes:
        calls: Texts of every call, in the order of beginning.
    """

    def __init__(
        self, lanes: int = 1, fixed_ms: float = 2.0, text_ms: float = 0.5, usual: int = 100, batch: int = 32, dim: int = 64
    ) -> None:
        self.identity = Identity("sleeping", "1", dim)
        self.batch = batch
        self._costs = fixed_ms, text_ms, usual
        self.calls: list[int] = []
        self.lanes: Sequence[Lane] = [_SleepingLane(self, fixed_ms / 1e3, text_ms / 1e3 / usual) for _ in range(lanes)]

    def arranged(self, sessions: int, threads: int) -> "SleepingModel":
        """Return the model with so many lanes; sleeping is no faster with more threads."""
        return SleepingModel(sessions, *self._costs, batch=self.batch, dim=self.identity.dim)

    def close(self) -> None:
        """Nothing to let go of."""


class _SleepingLane:
    def __init__(self, model: SleepingModel, fixed: float, per_character: float) -> None:
        self._model = model
        self._fixed = fixed
        self._per_character = per_character

    def embed(self, texts: Sequence[str], kind: Kind) -> Matrix:
        self._model.calls.append(len(texts))
        time.sleep(self._fixed + self._per_character * len(texts) * max(map(len, texts)))
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) for text in texts]
        matrix = np.stack([np.random.default_rng(seed).standard_normal(self._model.identity.dim) for seed in seeds])
        unit: Matrix = (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32)
        return unit
