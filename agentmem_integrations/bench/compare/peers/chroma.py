"""Chroma, in the process and on disk, with vectors that it is given."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ..peer import Embedder, Turn, chunks

_UPLOAD: Final = 5_000  # it takes no more at once


class Chroma:
    """A collection of a `PersistentClient`, by cosine."""

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        chroma = import_module("chromadb")
        self._embedder = embedder
        self._client = chroma.PersistentClient(path=str(folder), settings=chroma.Settings(anonymized_telemetry=False))
        self._turns: Any = self._client.get_or_create_collection("turns", metadata={"hnsw:space": "cosine"}, embedding_function=None)

    def add(self, turn: Turn) -> object:
        """Store one turn."""
        return self._turns.add(ids=[turn.id], embeddings=[self._embedder.one(turn.text)], documents=[turn.text])

    def add_many(self, turns: Sequence[Turn]) -> None:
        """Store as many at once as it takes."""
        for part in chunks(turns, _UPLOAD):
            texts = [turn.text for turn in part]
            self._turns.add(ids=[turn.id for turn in part], embeddings=self._embedder.documents(texts), documents=texts)

    def save(self) -> None:
        """It writes as it goes."""

    def search(self, way: str, question: str, k: int) -> list[str]:
        """Return the nearest that its index finds."""
        found = self._turns.query(query_embeddings=[self._embedder.one(question)], n_results=k, include=["documents", "distances"])
        return [str(id) for id in found["ids"][0]]

    def ids(self) -> set[str]:
        """Read all ids."""
        return set(self._turns.get(include=[])["ids"])

    def close(self) -> None:
        """Close the client."""
        self._client.close()
