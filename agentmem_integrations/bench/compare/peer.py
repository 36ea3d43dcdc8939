"""What every store under comparison is given, what it must be able to do, and who is compared with whom."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ...embedding.static import StaticEmbedder
from ..recall.questions import TURN, Item

Floats = NDArray[np.float32]

DIM = StaticEmbedder.dim


@dataclass(frozen=True, slots=True)
class Turn:
    """One text to store.

    Attributes:
        id: Its name, unique in a store.
        text: The words, the speaker's name in front where there is one: the form in which vectors and BM25 find most.
        item: The same as `AgentMemory` takes it, with speaker, session and time of their own.
    """

    id: str
    text: str
    item: Item


def turn_of(item: Item) -> Turn:
    """Return an item of a file of questions as a turn."""
    name = f"{item['name']}: " if "name" in item else ""
    return Turn(item["metadata"][TURN], name + item["content"], item | {"id": item["metadata"][TURN]})


def plain_turn(id: str, text: str) -> Turn:
    """Return a bare text as a turn."""
    return Turn(id, text, {"id": id, "content": text})


class Embedder:
    """The bundled table, for everyone. The vectors of questions are made beforehand and looked up, so that a search is only that."""

    def __init__(self) -> None:
        self._table = StaticEmbedder()
        self._known: dict[str, Floats] = {}

    def prepare(self, questions: Iterable[str]) -> None:
        """Make the vectors of these questions now."""
        self._known |= {question: self._table.embed_query(question) for question in questions}

    def documents(self, texts: Sequence[str]) -> Floats:
        """Return the vectors of texts, shape (len(texts), 256), float32, unit length."""
        return self._table.embed_documents(texts)

    def one(self, text: str) -> Floats:
        """Return the vector of one text, shape (256,); of a prepared question the one that was made before."""
        known = self._known.get(text)
        return self._table.embed_query(text) if known is None else known


class Peer(Protocol):
    """A store of one owner's turns in a folder of its own.

    So nobody is slowed down by a condition on the owner, except where a library has no other way.
    """

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        """Open the store in a folder, and make it if there is none."""

    def add(self, turn: Turn) -> object:
        """Store one turn. Many threads may call this of one object."""

    def add_many(self, turns: Sequence[Turn]) -> object:
        """Store many turns in the fastest way there is."""

    def save(self) -> object:
        """Put on disk what is not there yet; nothing to do for most."""

    def search(self, way: str, question: str, k: int) -> list[str]:
        """Return the ids of the best k, in one of the ways of its `Entry`."""

    def ids(self) -> set[str]:
        """Return the ids of all that is there."""

    def close(self) -> object:
        """Let go of the files."""


def chunks(turns: Sequence[Turn], size: int) -> Iterable[Sequence[Turn]]:
    """Give the turns so many at a time."""
    return (turns[start : start + size] for start in range(0, len(turns), size))


Like = Literal["vectors", "words", "both"]
Kind = Literal["ours", "plain", "library"]

_PEERS: Final = "agentmem_integrations.bench.compare.peers"


@dataclass(frozen=True, slots=True)
class Entry:
    """One store.

    Attributes:
        name: As the tables have it.
        home: Module and class, `package.module:Class`; imported in the store's own processes only.
        ways: How it can be asked, and what that is to be compared with.
        kind: This library, something put together here, or another library.
        durable: What is certain when `add` has returned.
        needs: Distributions to install, the first of which gives it its version.
    """

    name: str
    home: str
    ways: Mapping[str, Like]
    kind: Kind
    durable: str
    needs: tuple[str, ...] = ()


OURS: Final = "AgentMemory"

ENTRIES: Final = (
    Entry(OURS, f"{_PEERS}.ours:Ours", {"hybrid": "both", "vector": "vectors", "text": "words"}, "ours", "synced to disk"),
    Entry("plain vectors", f"{_PEERS}.plain:Vectors", {"vectors": "vectors"}, "plain", "synced to disk"),
    Entry("BM25", f"{_PEERS}.plain:Words", {"words": "words"}, "plain", "synced to disk"),
    Entry("RRF", f"{_PEERS}.plain:Fused", {"both": "both"}, "plain", "synced to disk"),
    Entry("mem0", f"{_PEERS}.mem0:Mem0", {"its search": "both"}, "library", "synced to disk", ("mem0ai", "qdrant-client", "langchain")),
    Entry(
        "SqliteStore", f"{_PEERS}.sqlitestore:Sqlite", {"vectors": "vectors"}, "library", "synced to disk", ("langgraph-checkpoint-sqlite",)
    ),
    Entry("Chroma", f"{_PEERS}.chroma:Chroma", {"vectors": "vectors"}, "library", "synced to disk", ("chromadb",)),
    Entry("SimpleVectorStore", f"{_PEERS}.simple:Simple", {"vectors": "vectors"}, "library", "in RAM", ("llama-index-core",)),
)  # fmt: skip
