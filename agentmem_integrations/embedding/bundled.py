"""The bundled embedder, loaded when the first text comes: opening a file to list it should not read a table of 8 MB."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import EmbeddingError
from ..models import Identity, Scope
from ..ports import Matrix, Vector

if TYPE_CHECKING:
    from .static import StaticEmbedder


class BundledEmbedder:
    """`StaticEmbedder` behind the `Embedder` port."""

    immediate = True

    def __init__(self) -> None:
        from .static import StaticEmbedder  # imports tokenizers

        self.identity = Identity(StaticEmbedder.name, StaticEmbedder.revision, StaticEmbedder.dim)
        self._make = StaticEmbedder
        self._loaded: StaticEmbedder | None = None

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Return one unit vector per text, shape (n, 256)."""
        return (self._loaded or self._load()).embed_documents(texts)

    def embed_query(self, text: str, scope: Scope | None = None) -> Vector:
        """Return the unit vector of a question, shape (256,)."""
        return (self._loaded or self._load()).embed_query(text)

    def _load(self) -> "StaticEmbedder":
        # No lock: two threads that come first at once load the same table twice, and a forked child never finds one held
        try:
            self._loaded = self._make()
        except OSError as e:
            raise EmbeddingError(f"the bundled table cannot be read ({e}): reinstall agentmem-integrations") from e
        return self._loaded
