"""LlamaIndex's `SimpleVectorStore`: vectors in RAM, written when one says so. It keeps no text."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ..peer import Embedder, Floats, Turn


class Simple:
    """`SimpleVectorStore`, persisted at the end."""

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self._types = import_module("llama_index.core.vector_stores")
        self._node = import_module("llama_index.core.schema").TextNode
        self._embedder = embedder
        self._path = folder / "store" / "vectors.json"
        kind = self._types.SimpleVectorStore
        self._store: Any = kind.from_persist_path(str(self._path)) if self._path.exists() else kind()

    def add(self, turn: Turn) -> object:
        """Keep one turn in RAM."""
        return self._store.add([self._made(turn, self._embedder.one(turn.text))])

    def add_many(self, turns: Sequence[Turn]) -> object:
        """Keep all in RAM."""
        vectors = self._embedder.documents([turn.text for turn in turns])
        return self._store.add([self._made(turn, vector) for turn, vector in zip(turns, vectors, strict=True)])

    def _made(self, turn: Turn, vector: Floats) -> Any:
        return self._node(id_=turn.id, text=turn.text, embedding=vector.tolist())

    def save(self) -> object:
        """Write everything."""
        return self._store.persist(str(self._path))

    def search(self, way: str, question: str, k: int) -> list[str]:
        """Compare with every vector."""
        query = self._types.VectorStoreQuery(query_embedding=self._embedder.one(question).tolist(), similarity_top_k=k)
        return [str(id) for id in self._store.query(query).ids]

    def ids(self) -> set[str]:
        """Return the keys of all vectors."""
        return set(self._store.data.embedding_dict)

    def close(self) -> None:
        """Nothing is open."""
