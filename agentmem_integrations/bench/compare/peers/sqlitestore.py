"""LangGraph's `SqliteStore`. It loads sqlite-vec into Python's own `sqlite3`, which not every Python allows."""

import sqlite3
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ..peer import DIM, Embedder, Turn, chunks

_OWNER: Final = ("ana",)
_BATCH: Final = 500
_ALL: Final = 10_000_000


def missing() -> str | None:
    """Return why it cannot be used in this Python."""
    if hasattr(sqlite3.Connection, "enable_load_extension"):
        return None
    return "this Python's sqlite3 cannot load extensions, which it needs: name another one with --python SqliteStore=PYTHON"


class Sqlite:
    """`SqliteStore`, one namespace."""

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self._put = import_module("langgraph.store.base").PutOp
        kind = import_module("langgraph.store.sqlite").SqliteStore

        def embed(texts: Sequence[str]) -> list[list[float]]:
            if len(texts) == 1:
                return [embedder.one(texts[0]).tolist()]
            return [vector.tolist() for vector in embedder.documents(texts)]

        index = {"dims": DIM, "embed": embed, "text_fields": ["text"]}
        self._opened: Any = kind.from_conn_string(str(folder / "store.db"), index=index)
        self._store: Any = self._opened.__enter__()
        self._store.setup()

    def add(self, turn: Turn) -> object:
        """Put one item."""
        return self._store.put(_OWNER, turn.id, {"text": turn.text})

    def add_many(self, turns: Sequence[Turn]) -> None:
        """Put items in batches."""
        for part in chunks(turns, _BATCH):
            self._store.batch([self._put(_OWNER, turn.id, {"text": turn.text}) for turn in part])

    def save(self) -> None:
        """It writes as it goes."""

    def search(self, way: str, question: str, k: int) -> list[str]:
        """Search the namespace."""
        return [str(item.key) for item in self._store.search(_OWNER, query=question, limit=k)]

    def ids(self) -> set[str]:
        """Search without a question."""
        return {str(item.key) for item in self._store.search(_OWNER, limit=_ALL)}

    def close(self) -> None:
        """Close the file."""
        self._opened.__exit__(None, None, None)
