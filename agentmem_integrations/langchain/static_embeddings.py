"""The bundled embedder as LangChain's `Embeddings`."""

from langchain_core.embeddings import Embeddings

from ..embedding.bundled import BundledEmbedder


class StaticEmbeddings(Embeddings):
    """The embedder that ships with this package, 256 dimensions: no download, no key, no network."""

    def __init__(self) -> None:
        self._embedder = BundledEmbedder()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector per text."""
        return [] if not texts else [[float(x) for x in row] for row in self._embedder.embed_documents(texts)]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        return [float(x) for x in self._embedder.embed_query(text)]
