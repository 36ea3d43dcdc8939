"""mem0 without a language model (`infer=False`), on its default local store, Qdrant in the process.

Its keyword search needs a model that fastembed downloads, and its boost for names needs spaCy: what is not installed, it does without.
"""

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ..peer import DIM, Embedder, Turn

_USER: Final = "ana"
_ALL: Final = 1_000_000


class Mem0:
    """`mem0.Memory`."""

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        os.environ |= {"MEM0_TELEMETRY": "False", "MEM0_DIR": str(folder)}  # read when it is imported
        model = _embeddings(embedder)
        unused = {"provider": "openai", "config": {"api_key": "none", "model": "none"}}  # wanted, and never asked
        self._memory: Any = import_module("mem0").Memory.from_config({
            "vector_store": {"provider": "qdrant", "config": {"path": str(folder / "qdrant"), "embedding_model_dims": DIM}},
            "embedder": {"provider": "langchain", "config": {"model": model, "embedding_dims": DIM}},
            "history_db_path": str(folder / "history.db"), "llm": unused,
        })  # fmt: skip

    def add(self, turn: Turn) -> object:
        """Store one turn as it is."""
        return self._memory.add(turn.text, user_id=_USER, metadata={"turn": turn.id}, infer=False)

    def add_many(self, turns: Sequence[Turn]) -> None:
        """Store one after the other: it has no other way."""
        for turn in turns:
            self.add(turn)

    def save(self) -> None:
        """It writes as it goes."""

    def search(self, way: str, question: str, k: int) -> list[str]:
        """Ask, without its least score, which would leave hits out."""
        found = self._memory.search(question, filters={"user_id": _USER}, top_k=k, threshold=0.0)["results"]
        return [str(hit["metadata"]["turn"]) for hit in found]

    def ids(self) -> set[str]:
        """List all."""
        return {str(one["metadata"]["turn"]) for one in self._memory.get_all(filters={"user_id": _USER}, top_k=_ALL)["results"]}

    def close(self) -> None:
        """Close its files."""
        self._memory.close()


def _embeddings(embedder: Embedder) -> Any:
    base: Any = import_module("langchain_core.embeddings").Embeddings

    def embed_query(self: object, text: str) -> list[float]:
        return [float(x) for x in embedder.one(text)]

    def embed_documents(self: object, texts: list[str]) -> list[list[float]]:
        return [[float(x) for x in row] for row in embedder.documents(texts)]

    return type("Bundled", (base,), {"embed_query": embed_query, "embed_documents": embed_documents})()
