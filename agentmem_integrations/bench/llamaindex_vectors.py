"""The vector store of LlamaIndex beside two others: `SimpleVectorStore`, in RAM and written at the end, and Chroma, if it is installed.

Each is filled in a process of its own; then all are asked in turn, in one process, so that a machine that slows down does so for all.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from ..llamaindex import AgentMemVectorStore
from .plan import Plan
from .results import Figure, latency, ratios, seconds

DIM: Final = 384
CATEGORIES: Final = 20
K: Final = 10
_WORDS: Final = 20_000  # of the vocabulary, the n-th used as often as 1/n
_LENGTH: Final = 60  # words of a node
_UPLOAD: Final = 5_000  # of Chroma, which takes no more at once
_FILL: Final = """
import json, sys
from agentmem_integrations.bench.llamaindex_vectors import fill
print(json.dumps(fill(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
"""


class Arm(Protocol):
    """A vector store under test."""

    def add(self, nodes: Sequence[Any]) -> object:
        """Store nodes so that they are on disk."""

    def ask(self, vector: list[float], category: int | None) -> object:
        """Find the nearest, of one category if it is given."""

    def close(self) -> None:
        """Let go of the files."""


class Ours:
    """`AgentMemVectorStore`."""

    def __init__(self, folder: Path) -> None:
        self._store = AgentMemVectorStore(folder / "memory.db")

    def add(self, nodes: Sequence[Any]) -> object:
        """Store nodes."""
        return self._store.add(nodes)

    def ask(self, vector: list[float], category: int | None) -> object:
        """Find the nearest."""
        return self._store.query(_query(vector, category))

    def close(self) -> None:
        """Close the file."""
        self._store.close()


class Simple:
    """`SimpleVectorStore`."""

    def __init__(self, folder: Path) -> None:
        kind = import_module("llama_index.core.vector_stores").SimpleVectorStore
        self._path = folder / "store" / "vectors.json"
        self._store = kind.from_persist_path(str(self._path)) if self._path.exists() else kind()

    def add(self, nodes: Sequence[Any]) -> object:
        """Store nodes and write all of them."""
        self._store.add(nodes)
        return self._store.persist(str(self._path))

    def ask(self, vector: list[float], category: int | None) -> object:
        """Find the nearest."""
        return self._store.query(_query(vector, category))

    def close(self) -> None:
        """Nothing is open."""


class Chroma:
    """A collection of Chroma, filled and asked as LlamaIndex's adapter of it does."""

    def __init__(self, folder: Path) -> None:
        chroma = import_module("chromadb")
        client = chroma.PersistentClient(path=str(folder), settings=chroma.Settings(anonymized_telemetry=False))
        self._nodes = client.get_or_create_collection("nodes", metadata={"hnsw:space": "cosine"}, embedding_function=None)

    def add(self, nodes: Sequence[Any]) -> object:
        """Store nodes."""
        flat = import_module("llama_index.core.vector_stores.utils").node_to_metadata_dict
        for start in range(0, len(nodes), _UPLOAD):
            part = nodes[start : start + _UPLOAD]
            self._nodes.add(
                ids=[node.node_id for node in part], embeddings=[node.get_embedding() for node in part],
                metadatas=[flat(node, remove_text=True, flat_metadata=True) for node in part],
                documents=[node.get_content() for node in part],
            )  # fmt: skip
        return None

    def ask(self, vector: list[float], category: int | None) -> object:
        """Find the nearest."""
        where = None if category is None else {"category": f"c{category}"}
        return self._nodes.query(query_embeddings=[vector], n_results=K, where=where, include=["documents", "metadatas", "distances"])

    def close(self) -> None:
        """It cannot be closed."""


ARMS: Final[dict[str, Callable[[Path], Arm]]] = {"AgentMemVectorStore": Ours, "SimpleVectorStore": Simple, "Chroma": Chroma}


def measure(plan: Plan) -> list[Figure]:
    """Run the benchmark."""
    names = [name for name in ARMS if name != "Chroma" or find_spec("chromadb") is not None]
    count, figures, speeds = plan.sizes.nodes, [], {}
    with plan.fresh_folder() as folder:
        for name in names:
            (folder / name).mkdir()
            command = [sys.executable, "-c", _FILL, name, str(folder / name), str(count), str(plan.seed)]
            done = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])  # noqa: S603 - our own script
            speeds[name] = count / done["seconds"]
            size = sum(file.stat().st_size for file in (folder / name).rglob("*") if file.is_file())
            figures += [
                Figure(f"{count:,} nodes x {DIM} into {name}", speeds[name], "nodes/s"),
                Figure(f"{name}: on disk", size / 1e6, "MB"),
                Figure(f"{name}: RAM it added to the process at its peak", done["ram"] / 1e6, "MB"),
            ]
        if "Chroma" in names:
            figures.append(Figure("AgentMemVectorStore / Chroma, nodes per second", speeds[names[0]] / speeds["Chroma"], "x", "at least 3"))
        return figures + _asked({name: ARMS[name](folder / name) for name in names}, plan)


def _asked(arms: dict[str, Arm], plan: Plan) -> list[Figure]:
    drawn = np.random.default_rng(plan.seed + 1)
    figures: list[Figure] = []
    ways: dict[str, Callable[[int], int | None]] = {
        "no filter": lambda turn: None,
        "a filter that is asked again": lambda turn: 3,
        "a filter asked for the first time": lambda turn: 4 + turn % (CATEGORIES - 4),
    }
    for way, category in ways.items():
        took: dict[str, list[float]] = {name: [] for name in arms}
        for turn in range(-1, min(plan.sizes.questions, CATEGORIES - 5)):
            vector, asked = drawn.standard_normal(DIM).tolist(), category(turn)
            for name, arm in arms.items():
                time = seconds(partial(arm.ask, vector, asked))
                if turn >= 0:  # the first one warms up
                    took[name].append(time)
        figures += [latency(f"{name}, {way}", times) for name, times in took.items()]
        figures += [ratios(f"{name} / AgentMemVectorStore, {way}", took[name], took["AgentMemVectorStore"]) for name in list(arms)[1:]]
    for arm in arms.values():
        arm.close()
    return figures


def fill(name: str, folder: str, count: int, seed: int) -> dict[str, float]:
    """Fill a store with made-up nodes; return the seconds it took, and the bytes of RAM it added to the process at its peak."""
    nodes = made(count, seed)
    before = _status("VmRSS")
    arm = ARMS[name](Path(folder))
    took = seconds(lambda: arm.add(nodes))
    arm.close()
    return {"seconds": took, "ram": max(0, _status("VmHWM") - before)}


def made(count: int, seed: int) -> list[Any]:
    """Return nodes with random vectors and words, fifty of a document."""
    schema = import_module("llama_index.core.schema")
    drawn = np.random.default_rng(seed)
    often = 1 / np.arange(1, _WORDS + 1)
    words = np.array([f"w{number:x}" for number in range(_WORDS)])
    texts = drawn.choice(words, (count, _LENGTH), p=often / often.sum())
    vectors = drawn.standard_normal((count, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [
        schema.TextNode(
            id_=f"node-{n}", text=" ".join(texts[n]), embedding=vectors[n].tolist(),
            metadata={"category": f"c{n % CATEGORIES}", "page": n % 500, "source": f"file-{n // 50}.txt"},
            relationships={schema.NodeRelationship.SOURCE: schema.RelatedNodeInfo(node_id=f"doc-{n // 50}")},
        )
        for n in range(count)
    ]  # fmt: skip


def _query(vector: list[float], category: int | None) -> Any:
    types = import_module("llama_index.core.vector_stores")
    filters = None if category is None else types.MetadataFilters(filters=[types.MetadataFilter(key="category", value=f"c{category}")])
    return types.VectorStoreQuery(query_embedding=vector, similarity_top_k=K, filters=filters)


def _status(line: str) -> int:
    """Return a line of /proc/self/status in bytes; 0 where there is none."""
    try:
        with Path("/proc/self/status").open() as status:
            return next(int(text.split()[1]) for text in status if text.startswith(line)) * 1024
    except OSError:
        return 0
