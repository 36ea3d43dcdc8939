"""What the folder of a downloaded or exported model says about itself, as sentence-transformers lays such folders out."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

from ..errors import InvalidInputError

Pooling = Literal["mean", "cls", "last", "none"]
"""How token vectors become one: their mean, the first token's, the last one's; none: the model's output is one already."""

MODEL_FILES: Final = ("model.onnx", "onnx/model.onnx", "model_optimized.onnx")
TOKENIZER_FILES: Final = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")

_POOLING_MODES: Final[dict[str, Pooling]] = {
    "mean": "mean", "mean_tokens": "mean", "cls": "cls", "cls_token": "cls", "lasttoken": "last",
}  # fmt: skip
_PROMPTS: Final = {"query": ("query",), "passage": ("passage", "document", "corpus")}


def model_file(folder: Path, wanted: str | None) -> str:
    """Return the name of the model's file in the folder.

    Raises:
        InvalidInputError: it is not there.
    """
    for name in (wanted,) if wanted else MODEL_FILES:
        if (folder / name).is_file():
            return name
    names = wanted or ", ".join(MODEL_FILES)
    raise InvalidInputError(f"the folder {str(folder)!r} has no {names}: export the model to ONNX, or name its file with model_file=")


def pooling(folder: Path) -> Pooling | None:
    """Return the pooling that `1_Pooling/config.json` asks for; None if there is no such file.

    Raises:
        InvalidInputError: a pooling that cannot be done here.
    """
    config = _read(folder / "1_Pooling" / "config.json")
    if not config:
        return None
    modes = [key.removeprefix("pooling_mode_") for key, on in config.items() if key.startswith("pooling_mode_") and on is True]
    if isinstance(config.get("pooling_mode"), str):  # sentence-transformers 5.4 and newer write one word
        modes = [config["pooling_mode"]]
    if len(modes) != 1 or modes[0] not in _POOLING_MODES:
        raise InvalidInputError(f"1_Pooling/config.json of {str(folder)!r} asks for {modes}: only mean, cls or lasttoken can be done here")
    return _POOLING_MODES[modes[0]]


def prompt(folder: Path, kind: Literal["query", "passage"]) -> str | None:
    """Return what `config_sentence_transformers.json` puts before a text of this kind; None if it does not say."""
    prompts = _read(folder / "config_sentence_transformers.json").get("prompts") or {}
    return next((prompts[name] for name in _PROMPTS[kind] if isinstance(prompts.get(name), str)), None)


def revision(folder: Path, file: str, *settings: str) -> str:
    """Return a fingerprint that changes when the vectors do: 12 hex digits.

    The files are read whole, not sampled: weights that differ anywhere must never pass for the same, and reading them takes
    less time than loading them.

    Args:
        folder: Where the files are.
        file: The model's file; its external data lies beside it under a longer name.
        settings: What else changes a vector, such as pooling and prefixes.
    """
    model = folder / file
    beside = sorted(path for path in model.parent.glob(f"{model.stem}.*") if path.name != model.name and path.name.startswith(model.name))
    parts = [_digest(path) for path in (model, *beside, *_existing(folder / name for name in TOKENIZER_FILES))]
    return hashlib.sha256("\n".join([*parts, *(repr(setting) for setting in settings)]).encode()).hexdigest()[:12]


def _existing(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.is_file()]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}"


def _read(path: Path) -> dict[str, Any]:
    """Return the JSON object in the file; empty if there is no such file.

    Raises:
        InvalidInputError: the file holds something else.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as e:
        raise InvalidInputError(f"{str(path)!r} is no JSON: fetch the model again") from e
    if not isinstance(config, dict):
        raise InvalidInputError(f"{str(path)!r} holds no JSON object: fetch the model again")
    return config
