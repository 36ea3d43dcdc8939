"""Transformer models on this machine, through fastembed (ONNX, no torch): `fastembed:<model or folder>`."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import AgentMemError, ClosedError, EmbeddingError, InvalidInputError, shown
from ..fastembed_package import import_fastembed
from ..models import Identity
from ..ports import Matrix
from . import model_folder
from .model import Kind
from .model_folder import Pooling
from .onnx_sessions import Layout, Sessions, layout

if TYPE_CHECKING:
    from fastembed import TextEmbedding

DEFAULT_MODEL: Final = "BAAI/bge-small-en-v1.5"

TOKENS: Final = 384  # in one run of a core, padding included: more of them fall out of its cache, and each takes longer
TOKENS_ACCELERATED: Final = 16_384

_RETRIEVAL: Final = "Represent this sentence for searching relevant passages: "
PREFIXES: Final[tuple[tuple[str, str, str], ...]] = (
    # The beginning of a model's name, what its card puts before a question, and before a passage. fastembed adds none of them.
    ("intfloat/multilingual-e5-", "query: ", "passage: "),
    ("nomic-ai/nomic-embed-text-", "search_query: ", "search_document: "),
    ("google/embeddinggemma-", "task: search result | query: ", "title: none | text: "),
    ("snowflake/snowflake-arctic-embed-", _RETRIEVAL, ""),
    ("mixedbread-ai/mxbai-embed-large-v1", _RETRIEVAL, ""),
    ("BAAI/bge-small-en-v1.5", "", ""),  # of the v1.5 models the card says that they do well without
    ("BAAI/bge-base-en-v1.5", "", ""),
    ("BAAI/bge-large-en-v1.5", "", ""),
    ("BAAI/bge-small-en", _RETRIEVAL, ""),
    ("BAAI/bge-base-en", _RETRIEVAL, ""),
)

# Models that fastembed does not list but can run: the repository, the file in it, and how its token vectors are pooled.
UNLISTED: Final[dict[str, tuple[str, str, Pooling]]] = {
    "intfloat/multilingual-e5-small": ("intfloat/multilingual-e5-small", "onnx/model.onnx", "mean"),
}


@dataclass(frozen=True, slots=True)
class FastEmbed:
    """A model for `AgentMemory(embedder=...)`, where the spec string `"fastembed:<model>"` does not say enough.

    Attributes:
        model: A model that fastembed knows (`TextEmbedding.list_supported_models()`), intfloat/multilingual-e5-small, or a
            folder with an ONNX model and its tokenizer.
        path: A folder with the files of `model`, so that nothing is downloaded.
        sessions: Texts are embedded by so many threads at once; None for one per core.
        threads: Cores that each of them uses; None for one, and all of them for a text that comes alone.
        batch: Texts of about one length that one thread gets at once.
        providers: onnxruntime's execution providers, best first; None for CUDA where it is installed, else the CPU.
        cache_dir: Where downloads are kept; None for fastembed's own place.
        local_files_only: Use what was downloaded before, and never the network.
        pooling: How token vectors become one, where a folder does not say: `mean`, `cls`, `last` or `none`.
        query_prefix: Put before a question; None for what the model's card or folder says.
        passage_prefix: Put before what is stored; None likewise.
        model_file: The model's file in a folder; None for `model.onnx` or `onnx/model.onnx`.
    """

    model: str = DEFAULT_MODEL
    path: str | os.PathLike[str] | None = None
    sessions: int | None = None
    threads: int | None = None
    batch: int = 32
    providers: Sequence[str | tuple[str, dict[str, Any]]] | None = None
    cache_dir: str | None = None
    local_files_only: bool = False
    pooling: Pooling | None = None
    query_prefix: str | None = None
    passage_prefix: str | None = None
    model_file: str | None = None

    def open(self) -> "FastEmbedModel":
        """Load the model; download it first if it is not here.

        Raises:
            InvalidInputError: an option that is none, or no such model or folder.
            MissingExtraError: fastembed is not installed.
            EmbeddingError: the model cannot be downloaded or loaded.
        """
        for name in ("sessions", "threads", "batch"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise InvalidInputError(f"{name}={shown(value)}: pass a whole number, 1 or more" + ("" if name == "batch" else ", or None"))
        return FastEmbedModel(self)


class FastEmbedModel:
    """An open model: its identity and its lanes.

    Attributes:
        identity: Of a folder given by path alone the name is `fastembed:local`: the same files are the same embedder, wherever
            they lie, and the revision tells different ones apart.
        lanes: One per thread that may embed at the same time.
        batch: Texts for one call of a lane.
    """

    anywhere = True

    def __init__(self, spec: FastEmbed) -> None:
        library = import_fastembed()
        name, known, load = _loader(library, spec)
        accelerated = _accelerated(spec)
        self._spec = spec
        self._name = name
        self._tokens = TOKENS_ACCELERATED if accelerated else TOKENS
        self._sessions: Sessions[TextEmbedding] | None = Sessions(load, layout(spec.sessions, spec.threads, accelerated=accelerated))
        self.batch = spec.batch
        first = self._sessions.session()
        place = Path(first.model._model_dir)  # type: ignore[attr-defined]  # fastembed tells it nowhere else
        self._prefixes = _prefixes(spec, known, place)
        self.identity = Identity(name, _revision(first, place, spec, self._prefixes), self._measure(first))
        self.lanes: Sequence[FastEmbedLane] = [FastEmbedLane(self, number) for number in range(self.layout.lanes)]

    @property
    def layout(self) -> Layout:
        """How the work is spread over the cores."""
        return self._open().layout

    def arranged(self, sessions: int, threads: int) -> "FastEmbedModel":
        """Return the same model once more, with so many lanes of so many threads each."""
        return FastEmbedModel(replace(self._spec, sessions=sessions, threads=threads))

    def close(self) -> None:
        """Let go of the sessions and their memory."""
        if self._sessions is not None:
            self._sessions.close()
            self._sessions = None

    def embed(self, texts: Sequence[str], kind: Kind, lane: int) -> Matrix:
        """Return one unit vector per text, shape (n, dim), float32, made in one lane.

        Texts of about one length run together, so that little is padded. A vector's last bits may depend on how long the longest
        of its batch is, with the model and the processor.
        """
        sessions = self._open()
        # Lone surrogates are valid in a str but not in UTF-8; like control characters they carry no meaning
        ready = [(self._prefixes[kind] + text).encode("utf-8", "ignore").decode("utf-8") for text in texts]
        vectors: NDArray[np.float64] = np.empty((len(ready), self.identity.dim), np.float64)
        try:
            for rows in self._portions(ready, sessions):
                with sessions.borrowed(lane) as session:
                    run = session.query_embed if kind == "query" else session.passage_embed
                    vectors[rows] = np.stack(list(run([ready[row] for row in rows], batch_size=len(rows))))
        except AgentMemError:
            raise
        except Exception as e:  # the edge to other people's code: whatever it raises, the words must be kept
            raise EmbeddingError(f"the model {self._name} failed with {type(e).__name__}") from e
        return self._unit(vectors)

    def _portions(self, texts: Sequence[str], sessions: "Sessions[TextEmbedding]") -> Iterator[list[int]]:
        """Cut the texts into batches of about one length, shortest first, of so many tokens with padding."""
        if len(texts) < 2:
            yield from ([row] for row in range(len(texts)))
            return
        tokenizer = sessions.session().model.tokenizer  # type: ignore[attr-defined]  # every ONNX model of fastembed has one
        # One by one: `encode_batch` pads them all alike
        lengths = [len(tokenizer.encode(text).ids) for text in texts]
        rows: list[int] = []
        for row in sorted(range(len(texts)), key=lengths.__getitem__):
            if rows and (len(rows) == self.batch or (len(rows) + 1) * lengths[row] > self._tokens):
                yield rows
                rows = []
            rows.append(row)
        yield rows

    def _unit(self, vectors: NDArray[np.float64]) -> Matrix:
        norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        if not (np.isfinite(norms) & (norms > 0)).all():
            raise EmbeddingError(f"the model {self._name} returned a vector that is zero or not finite")
        unit: Matrix = (vectors / norms[:, None]).astype(np.float32)
        return unit

    def _measure(self, session: "TextEmbedding") -> int:
        try:
            (vector,) = session.embed(["dimension"])
        except Exception as e:  # as in `embed`
            if "pooling" in str(e):
                raise InvalidInputError(
                    f"the folder of {self._name} does not say how its token vectors are pooled (no 1_Pooling/config.json): "
                    "pass FastEmbed(folder, pooling='mean') or 'cls', as the model's card says"
                ) from e
            raise EmbeddingError(f"the model {self._name} failed with {type(e).__name__}: {e}") from e
        return len(vector)

    def _open(self) -> "Sessions[TextEmbedding]":
        if self._sessions is None:
            raise ClosedError(f"the model {self._name} is closed: open the memory again")
        return self._sessions


class FastEmbedLane:
    """One of the threads' ways into the model."""

    def __init__(self, model: FastEmbedModel, number: int) -> None:
        self._model = model
        self._number = number

    def embed(self, texts: Sequence[str], kind: Kind) -> Matrix:
        """Return one unit vector per text, shape (n, dim), float32.

        Raises:
            EmbeddingError: the model failed, or returned a vector that is zero or not finite.
            ClosedError: the model was closed.
        """
        return self._model.embed(texts, kind, self._number)


def _accelerated(spec: FastEmbed) -> bool:
    import onnxruntime

    wanted = [name if isinstance(name, str) else name[0] for name in spec.providers or ()]
    if spec.providers is None:
        wanted = [name for name in onnxruntime.get_available_providers() if name == "CUDAExecutionProvider"]
    return any(name != "CPUExecutionProvider" for name in wanted)


def _loader(library: Any, spec: FastEmbed) -> tuple[str, str | None, "Callable[[int | None], TextEmbedding]"]:
    """Return the identity's name, the model's name if it has one, and what loads a session of so many threads.

    Raises:
        InvalidInputError: no such model or folder.
    """
    listed = {model["model"].lower(): model["model"] for model in library.TextEmbedding.list_supported_models()}
    unlisted = {name.lower(): name for name in UNLISTED}
    known = listed.get(spec.model.lower()) or unlisted.get(spec.model.lower())
    place = None if spec.path is None else Path(spec.path).expanduser()
    if known is None and place is None:
        place = Path(spec.model).expanduser()
    if place is not None and not place.is_dir():
        raise InvalidInputError(
            f"{str(place)!r} is neither a folder nor a model that fastembed knows: see TextEmbedding.list_supported_models(), "
            "or pass a folder with model.onnx and its tokenizer"
        )
    listing = known if known is not None and known.lower() in listed else _listed(library, spec, known, place)

    def load(threads: int | None) -> "TextEmbedding":
        try:
            session: TextEmbedding = library.TextEmbedding(
                listing, cache_dir=spec.cache_dir, threads=threads, providers=spec.providers, local_files_only=spec.local_files_only,
                specific_model_path=None if place is None else str(place),
            )  # fmt: skip
        except Exception as e:  # the edge to other people's code: downloads, files and graphs fail in many ways
            advice = (
                "check the folder's files"
                if place
                else "check the network, or fetch its files elsewhere and pass FastEmbed(model, path=folder)"
            )
            raise EmbeddingError(f"the model {known or place} cannot be loaded ({type(e).__name__}: {e}): {advice}") from e
        return session

    return f"fastembed:{known or 'local'}", known, load


def _listed(library: Any, spec: FastEmbed, known: str | None, place: Path | None) -> str:
    """Enter a model into fastembed's list, once per way of running it, and return the name it has there."""
    from fastembed.common.model_description import ModelSource, PoolingType

    repository, file, pooling = UNLISTED[known] if known else ("none/none", "", "none")
    if place is not None:
        file = model_folder.model_file(place, spec.model_file)
        pooling = model_folder.pooling(place) or pooling
    pooling = spec.pooling or pooling
    types = {"mean": PoolingType.MEAN, "cls": PoolingType.CLS, "last": PoolingType.LAST_TOKEN, "none": PoolingType.DISABLED}
    if pooling not in types:
        raise InvalidInputError(f"pooling={shown(pooling)}: use one of {', '.join(map(repr, types))}")
    name = f"agentmem-integrations/{known or 'local'}/{pooling}/{file}"
    if not any(model["model"].lower() == name.lower() for model in library.TextEmbedding.list_supported_models()):
        library.TextEmbedding.add_custom_model(
            # The dimension is required here and read from the model later
            name, types[pooling], normalization=False, sources=ModelSource(hf=repository), dim=0, model_file=file,
        )  # fmt: skip
    return name


def _prefixes(spec: FastEmbed, known: str | None, place: Path) -> dict[Kind, str]:
    """Return what is put before a question and before a passage: as told, else as the card says, else as the folder says."""
    query, passage = next(((q, p) for name, q, p in PREFIXES if known and known.lower().startswith(name.lower())), (None, None))
    query = next(text for text in (spec.query_prefix, query, model_folder.prompt(place, "query"), "") if text is not None)
    passage = next(text for text in (spec.passage_prefix, passage, model_folder.prompt(place, "passage"), "") if text is not None)
    return {"query": query, "passage": passage}


def _revision(session: "TextEmbedding", place: Path, spec: FastEmbed, prefixes: dict[Kind, str]) -> str:
    model: Any = session.model
    # How a model is pooled has changed between releases of fastembed: the class that does it is part of what a vector is
    pooling = str(getattr(model, "_pooling", type(model).__name__))
    return model_folder.revision(place, model.model_description.model_file, pooling, prefixes["query"], prefixes["passage"])
