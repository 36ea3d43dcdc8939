"""A `BaseEmbedding` of LlamaIndex as the embedder of a memory."""

from collections.abc import Sequence

from llama_index.core.base.embeddings.base import BaseEmbedding


class LlamaIndexEmbedder:
    """What `AgentMemory(embedder=...)` takes, made of an embedding model of LlamaIndex.

    Its name, as recorded in the file, is the model's class and `model_name`.

    Args:
        model: The model.
    """

    def __init__(self, model: BaseEmbedding) -> None:
        self._model = model
        self.name = f"{type(model).__module__}.{type(model).__qualname__}:{model.model_name}"
        self.batch = model.embed_batch_size

    def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector per text."""
        return self._model.get_text_embedding_batch(list(texts))

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        return self._model.get_query_embedding(text)
