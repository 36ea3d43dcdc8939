"""all-MiniLM-L6-v2 written down from the definition of BERT (Devlin et al. 2019), in numpy and float64.

The ONNX graph is compared with it. It shares nothing with the graph but the file of weights: one text at a time, so no padding and no mask.
"""

import json
from math import erf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer  # type: ignore[import-untyped, unused-ignore]

Floats = NDArray[np.float64]

HEADS, LAYERS, EPSILON = 12, 6, 1e-12
_erf = np.vectorize(erf, otypes=[np.float64])


class Reference:
    """The model in a folder made by `build.py`.

    Args:
        folder: Has `model.safetensors` and `tokenizer.json`.
    """

    def __init__(self, folder: Path) -> None:
        data = (folder / "model.safetensors").read_bytes()
        begin = 8 + int.from_bytes(data[:8], "little")
        self._weights: dict[str, Floats] = {}
        for name, entry in json.loads(data[8:begin]).items():
            if entry.get("dtype") == "F32":
                first, last = entry["data_offsets"]
                self._weights[name] = np.frombuffer(data[begin + first : begin + last], "<f4").reshape(entry["shape"]).astype(np.float64)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(256)

    def embed(self, text: str) -> Floats:
        """Return the unit vector of one text, shape (384,)."""
        ids = self._tokenizer.encode(text).ids
        tables = [self._weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")]
        hidden = self._norm(tables[0][ids] + tables[1][: len(ids)] + tables[2][0], "embeddings.LayerNorm")
        for layer in range(LAYERS):
            hidden = self._layer(hidden, f"encoder.layer.{layer}.")
        mean = hidden.mean(axis=0)
        return mean / np.linalg.norm(mean)

    def _layer(self, hidden: Floats, prefix: str) -> Floats:
        query, key, value = (self._heads(self._dense(hidden, f"{prefix}attention.self.{name}")) for name in ("query", "key", "value"))
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1])
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        seen = (weights / weights.sum(axis=-1, keepdims=True) @ value).transpose(1, 0, 2).reshape(hidden.shape)
        hidden = self._norm(hidden + self._dense(seen, f"{prefix}attention.output.dense"), f"{prefix}attention.output.LayerNorm")
        wide = self._dense(hidden, f"{prefix}intermediate.dense")
        wide = wide * 0.5 * (1 + _erf(wide / np.sqrt(2)))  # GELU, exactly
        return self._norm(hidden + self._dense(wide, f"{prefix}output.dense"), f"{prefix}output.LayerNorm")

    def _heads(self, vectors: Floats) -> Floats:
        return vectors.reshape(len(vectors), HEADS, -1).transpose(1, 0, 2)

    def _dense(self, vectors: Floats, name: str) -> Floats:
        return vectors @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _norm(self, vectors: Floats, name: str) -> Floats:
        centred = vectors - vectors.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
        return scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
