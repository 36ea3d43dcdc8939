"""Who is compared with whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

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
