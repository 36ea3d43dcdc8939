"""An embedder so quick that nothing may stand before it: no queue, no cache, no other thread."""

from collections.abc import Sequence

from ..models import Identity, Scope
from ..ports import Matrix, Vector
from .model import CheckedLane, Model


class DirectEmbedder:
    """The first lane of a model, used by whoever comes: it must be safe to call from several threads.

    Args:
        model: Whose vectors.
    """

    immediate = True

    def __init__(self, model: Model) -> None:
        self.identity: Identity = model.identity
        self._lane = CheckedLane(model.lanes[0], model.identity)

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Return one unit vector per text, shape (n, dim).

        Raises:
            EmbeddingError: the model failed, or its vectors cannot be stored.
        """
        return self._lane.embed(texts, "passage")

    def embed_query(self, text: str, scope: Scope | None = None) -> Vector:
        """Return the unit vector of a question, shape (dim,).

        Raises:
            EmbeddingError: as for `embed_documents`.
        """
        vector: Vector = self._lane.embed((text,), "query")[0]
        return vector
