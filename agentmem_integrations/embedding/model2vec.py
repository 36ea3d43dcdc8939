"""Static tables of the user's choice, through model2vec: `model2vec:<folder or id>`."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EmbeddingError, MissingExtraError
from ..models import Identity
from ..ports import Matrix, Vector
from .model import Kind, Lane


class Model2VecModel:
    """A `StaticModel`: the mean of its tokens' rows. Any thread, any process, the same vector whatever the batch.

    The sum is made here, of the arrays that model2vec loaded: its own `encode` changes the tokenizer's settings at every call,
    which two threads at once must not do, and starts a thread pool that a forked child cannot use.

    Args:
        model: A folder, or a repository's id; the latter is downloaded unless it was before.

    Attributes:
        identity: Of a folder the name is `model2vec:local`: the same files are the same embedder, wherever they lie.
        immediate: Looking rows up costs less than handing the text to another thread.
        batch: Texts in one call: any number is as good.

    Raises:
        MissingExtraError: model2vec is not installed.
        EmbeddingError: the model cannot be downloaded or loaded.
    """

    immediate = True
    batch = 1_024

    def __init__(self, model: str) -> None:
        try:
            from model2vec import StaticModel
        except ImportError as e:
            raise MissingExtraError('model2vec is not installed: pip install "agentmem-integrations[model2vec]"') from e
        place = Path(model).expanduser()
        local = place.is_dir()
        try:
            # Its default is to download again every time
            loaded = StaticModel.from_pretrained(place if local else model, force_download=False)
        except Exception as e:  # the edge to other people's code: downloads and files fail in many ways
            advice = "check its files" if local else "check the name and the network, or fetch its files elsewhere and name the folder"
            raise EmbeddingError(f"the model {model!r} cannot be loaded ({type(e).__name__}: {e}): {advice}") from e
        self._tokenizer: Any = loaded.tokenizer
        self._unknown_token = loaded.unk_token_id
        self._table: NDArray[Any] = loaded.embedding
        self._mapping: NDArray[Any] | None = loaded.token_mapping
        self._weights: NDArray[Any] | None = loaded.weights
        self._chars = None if loaded.max_length is None else loaded.max_length * loaded.median_token_length  # as `encode` cuts
        self.identity = Identity(f"model2vec:{'local' if local else model}", _revision(loaded), int(loaded.dim))
        self._nothing = self._without_tokens()
        self.lanes: Sequence[Lane] = (self,)

    def embed(self, texts: Sequence[str], kind: Kind) -> Matrix:
        """Return one unit vector per text, shape (n, dim), float32; questions and passages are treated alike.

        A text without a known token gets the same fixed vector as every other such text, never zeros.
        """
        vectors = np.empty((len(texts), self.identity.dim), np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._vector(text)
        return vectors

    def close(self) -> None:
        """The table goes with the object."""

    def _vector(self, text: str) -> Vector:
        # Lone surrogates are valid in a str but not in UTF-8; like control characters they carry no meaning
        known = text[: self._chars].encode("utf-8", "ignore").decode("utf-8")
        # Never `encode_batch`: it starts the tokenizers package's thread pool
        ids = [i for i in self._tokenizer.encode(known, add_special_tokens=False).ids if i != self._unknown_token]
        vector = _unit(self._rows(ids).sum(axis=0, dtype=np.float64)) if ids else None
        return self._nothing.copy() if vector is None else vector

    def _rows(self, ids: Sequence[int]) -> NDArray[Any]:
        rows: NDArray[Any] = self._table[list(ids) if self._mapping is None else self._mapping[list(ids)]]
        return rows if self._weights is None else rows * self._weights[list(ids)][:, None]

    def _without_tokens(self) -> Vector:
        """Return the vector of a text that the table knows nothing of: the middle of the table."""
        vector = _unit(self._table.sum(axis=0, dtype=np.float64))
        if vector is None:
            raise EmbeddingError(f"the table of {self.identity.name} is zero or not finite: fetch the model again")
        return vector


def _unit(total: NDArray[np.float64]) -> Vector | None:
    """Return the vector scaled to unit length; None if it is zero or not finite."""
    norm = float(np.linalg.norm(total))
    if not (np.isfinite(norm) and norm > 0):
        return None
    unit: Vector = (total / norm).astype(np.float32)
    return unit


def _revision(model: Any) -> str:
    """Return a fingerprint of the table: its tokens, rows, and what chooses and weighs them; 12 hex digits."""
    digest = hashlib.sha256("\n".join(model.tokens).encode("utf-8", "surrogatepass"))
    for array in (model.embedding, model.token_mapping, model.weights):
        digest.update(b"none" if array is None else str((array.dtype, array.shape)).encode() + np.ascontiguousarray(array).tobytes())
    digest.update(str(model.max_length).encode())
    return digest.hexdigest()[:12]
