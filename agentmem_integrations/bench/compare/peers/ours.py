"""This library as it comes: a file, the bundled embedder, every add synced to disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, cast

from .... import AgentMemory
from ....config import MAX_PAGE
from ..peer import Embedder, Turn

USER: Final = "ana"


class Ours:
    """`AgentMemory`."""

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self._memory = AgentMemory(folder / "memory.db")
        self._embedder = embedder  # of questions alone: what is added, the memory embeds with its own

    def add(self, turn: Turn) -> object:
        """Store one turn."""
        return self._memory.add([turn.item], user_id=USER)

    def add_many(self, turns: Sequence[Turn]) -> object:
        """Store all in one call."""
        return self._memory.add_batch([turn.item for turn in turns], user_id=USER, on_error="raise")

    def save(self) -> None:
        """All is on disk."""

    def search(self, way: str, question: str, k: int) -> list[str]:
        """Ask with the question and its vector."""
        using = cast(Literal["hybrid", "vector", "text"], way)
        vector = None if using == "text" else self._embedder.one(question)
        return [hit.memory.id for hit in self._memory.search(question, vector=vector, using=using, user_id=USER, k=k)]

    def ids(self) -> set[str]:
        """Page through all."""
        found: set[str] = set()
        last = None
        while page := self._memory.list(user_id=USER, limit=MAX_PAGE, after=last):
            found |= {memory.id for memory in page}
            last = page[-1].id
        return found

    def close(self) -> None:
        """Close the file."""
        self._memory.close()
