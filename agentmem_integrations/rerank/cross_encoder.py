"""Cross-encoders on this machine, through fastembed (ONNX, no torch): `fastembed:<model or folder>`.

A cross-encoder reads question and memory as one text and gives one number. Whether a given model's numbers are good ones nobody
has measured here: tests run the whole way on a real transformer, but none that was trained to rank. Untested on quality.
"""

import asyncio
import math
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import InvalidInputError, RerankError, shown
from ..fastembed_package import import_fastembed
from ..models import Memory, Scope
from ..ports import Judgement, shown_text

if TYPE_CHECKING:
    from fastembed.rerank.cross_encoder import TextCrossEncoder

DEFAULT_MODEL: Final = "Xenova/ms-marco-MiniLM-L-6-v2"
MODEL_FILES: Final = ("model.onnx", "onnx/model.onnx", "model_optimized.onnx")

CHARACTERS: Final = 4_000
"""Of a question or a memory, that are given to the tokenizer: models read 512 tokens, few of them more."""


@dataclass(frozen=True, slots=True)
class CrossEncoder:
    """A model for `AgentMemory(reranker=...)`, where the spec string `"fastembed:<model>"` does not say enough.

    Attributes:
        model: A model that fastembed knows (`TextCrossEncoder.list_supported_models()`), or a folder with an ONNX model of one output
            and its tokenizer.
        path: A folder with the files of `model`, so that nothing is downloaded.
        batch: Memories that one core reads at once; those of about one length run together.
        providers: onnxruntime's execution providers, best first; None for CUDA where it is installed, else the CPU.
        cache_dir: Where downloads are kept; None for fastembed's own place.
        local_files_only: Use what was downloaded before, and never the network.
        model_file: The model's file in a folder; None for `model.onnx` or `onnx/model.onnx`.
    """

    model: str = DEFAULT_MODEL
    path: str | os.PathLike[str] | None = None
    batch: int = 8
    providers: Sequence[str | tuple[str, dict[str, Any]]] | None = None
    cache_dir: str | None = None
    local_files_only: bool = False
    model_file: str | None = None

    def open(self) -> "CrossEncoderReranker":
        """Load the model; download it first if it is not here.

        Raises:
            InvalidInputError: an option that is none, or no such model or folder, or no cross-encoder.
            MissingExtraError: fastembed is not installed.
            RerankError: the model cannot be downloaded or loaded.
        """
        if not isinstance(self.batch, int) or isinstance(self.batch, bool) or self.batch < 1:
            raise InvalidInputError(f"batch={shown(self.batch)}: pass a whole number, 1 or more")
        return CrossEncoderReranker(self)


class CrossEncoderReranker:
    """An open cross-encoder.

    The model's number (a logit) becomes 0 to 1 by the logistic function, as its training had it. Batches run side by side in a few
    threads, all in one session that has none of its own: the weights are there once, and no pool of threads is lost in a forked child.

    Args:
        spec: Which model, and how.
    """

    def __init__(self, spec: CrossEncoder) -> None:
        import_fastembed()
        from fastembed.rerank.cross_encoder import TextCrossEncoder

        self._encoders = TextCrossEncoder
        self._listing, known, self._place = _listing(TextCrossEncoder, spec)
        self.name = f"fastembed:{known or 'local'}"
        self._spec = spec
        self._loading = threading.Lock()
        self._inherited: list[TextCrossEncoder] = []
        self._session = self._load()
        self._pid = os.getpid()
        _check_outputs(self._session, self.name)

    async def rerank(self, question: str, memories: Sequence[Memory], scope: Scope) -> Sequence[Judgement]:
        """Return the probability, by the model, that each memory answers.

        Raises:
            RerankError: the model failed, or returned a number that is not finite.
        """
        texts = [shown_text(memory, CHARACTERS) for memory in memories]
        by_length = sorted(range(len(texts)), key=lambda row: len(texts[row]))  # texts of about one length, so that little is padded
        portions = [by_length[start : start + self._spec.batch] for start in range(0, len(texts), self._spec.batch)]
        asked = _encodable(question[:CHARACTERS])
        work = (asyncio.to_thread(self._judged, asked, [_encodable(texts[row]) for row in rows]) for rows in portions)
        judged: list[Judgement] = [None] * len(texts)
        for rows, scores in zip(portions, await asyncio.gather(*work), strict=True):
            for row, score in zip(rows, scores, strict=True):
                judged[row] = score
        return judged

    def _judged(self, question: str, texts: list[str]) -> list[float]:
        try:
            logits = [float(logit) for logit in self._ready().rerank(question, texts, batch_size=len(texts))]
        except RerankError:
            raise
        except Exception as e:  # the edge to other people's code: whatever it raises, it is the reranker that failed
            raise RerankError(f"the reranker {self.name} failed with {type(e).__name__}: search with rerank=False") from e
        if not all(map(math.isfinite, logits)):
            raise RerankError(f"the reranker {self.name} returned a number that is not finite: search with rerank=False")
        return [_probability(logit) for logit in logits]

    def _ready(self) -> "TextCrossEncoder":
        """Return the session, a new one in a forked child: some thread that is not there may hold a lock of the parent's."""
        if self._pid != os.getpid():
            with self._loading:
                if self._pid != os.getpid():
                    self._inherited.append(self._session)  # never freed here, where its threads are not
                    self._session, self._pid = self._load(), os.getpid()
        return self._session

    def _load(self) -> "TextCrossEncoder":
        spec, place = self._spec, self._place
        try:
            return self._encoders(
                self._listing, cache_dir=spec.cache_dir, threads=1, providers=spec.providers, local_files_only=spec.local_files_only,
                specific_model_path=None if place is None else str(place),
            )  # fmt: skip
        except Exception as e:  # the edge to other people's code: downloads, files and graphs fail in many ways
            advice = "check the folder's files" if place else "check the network, or pass a folder: CrossEncoder(model, path=...)"
            raise RerankError(f"the model {place or spec.model} cannot be loaded ({type(e).__name__}: {e}): {advice}") from e


def _listing(encoders: "type[TextCrossEncoder]", spec: CrossEncoder) -> tuple[str, str | None, Path | None]:
    """Return the name of the model in fastembed's list, its own if it has one, and the folder its files are in if that was said.

    Raises:
        InvalidInputError: no such model or folder.
    """
    listed = {model["model"].lower(): model["model"] for model in encoders.list_supported_models()}
    known = listed.get(spec.model.lower())
    place = None if spec.path is None else Path(spec.path).expanduser()
    if known is None and place is None:
        place = Path(spec.model).expanduser()
    if place is not None and not place.is_dir():
        raise InvalidInputError(
            f"{shown(str(place))} is neither a folder nor a model that fastembed knows: see TextCrossEncoder.list_supported_models(), "
            "or pass a folder with model.onnx and its tokenizer"
        )
    if known is not None or place is None:
        return known or spec.model, known, place
    file = _model_file(place, spec.model_file)
    name = f"agentmem-integrations/{file}"
    if name.lower() not in listed:
        from fastembed.common.model_description import ModelSource

        encoders.add_custom_model(name, ModelSource(hf="none/none"), file)
    return name, None, place


def _model_file(folder: Path, wanted: str | None) -> str:
    for name in (wanted,) if wanted else MODEL_FILES:
        if (folder / name).is_file():
            return name
    names = wanted or ", ".join(MODEL_FILES)
    raise InvalidInputError(f"the folder {str(folder)!r} has no {names}: export the model to ONNX, or name its file with model_file=")


def _check_outputs(session: "TextCrossEncoder", name: str) -> None:
    """Refuse a model that is no cross-encoder: fastembed would take the first of its numbers, whatever that means.

    Raises:
        InvalidInputError: it gives more than one number for a pair, or less.
    """
    shape = session.model.model.get_outputs()[0].shape  # type: ignore[attr-defined]  # fastembed tells it nowhere else
    if len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != 1):
        raise InvalidInputError(f"the model {name} gives the shape {shown(list(shape))} and not one number for a pair: it is no reranker")


def _probability(logit: float) -> float:
    return 0.5 + 0.5 * math.tanh(logit / 2)  # the logistic function; the usual form of it overflows


def _encodable(text: str) -> str:
    """Return the text without lone surrogates, which are valid in a str but not in UTF-8, and carry no meaning."""
    return text.encode("utf-8", "ignore").decode("utf-8")
