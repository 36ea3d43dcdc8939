"""The bundled embedder as LlamaIndex's `BaseEmbedding`."""

from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr

from ..embedding.bundled import BundledEmbedder


class StaticEmbedding(BaseEmbedding):
    """The embedder that ships with this package, 256 dimensions: no download, no key, no network.

    Args:
        fields: Those of `BaseEmbedding`, such as `embed_batch_size`.
    """

    _embedder: BundledEmbedder = PrivateAttr()

    def __init__(self, **fields: Any) -> None:
        embedder = BundledEmbedder()
        super().__init__(**{"model_name": embedder.identity.name, **fields})
        self._embedder = embedder

    @classmethod
    def class_name(cls) -> str:
        """Return the name that LlamaIndex knows the class by."""
        return "AgentMemStaticEmbedding"

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return [[float(x) for x in row] for row in self._embedder.embed_documents(texts)]

    def _get_query_embedding(self, query: str) -> list[float]:
        return [float(x) for x in self._embedder.embed_query(query)]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)  # quicker than handing it to a thread
