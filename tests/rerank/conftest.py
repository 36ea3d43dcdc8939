"""A real cross-encoder, and what it must answer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from headed import BIAS, HERE, MINILM, made, module


@pytest.fixture(scope="session")
def head() -> np.ndarray:
    """The weights of the classification head: one number from the first token's vector."""
    return np.random.default_rng(7).normal(size=(384, 1)).astype(np.float32)


@pytest.fixture(scope="session")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory, head: np.ndarray) -> Path:
    """A folder with a BERT of six layers and a head of one output on its first token, as cross-encoders are made."""
    return made(tmp_path_factory.mktemp("cross"), head)


@pytest.fixture(scope="session")
def logit(head: np.ndarray) -> Callable[[str, str], float]:
    """What the model must answer, from the definition of BERT in numpy, one pair at a time: no padding, no batch, no ONNX."""
    reference = module(HERE / "onnx_minilm" / "reference.py")
    bert = reference.Reference(MINILM)

    def answer(question: str, text: str) -> float:
        pair = bert._tokenizer.encode(question, text)
        words, places, types = (bert._weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type"))
        hidden = bert._norm(words[pair.ids] + places[: len(pair.ids)] + types[pair.type_ids], "embeddings.LayerNorm")
        for layer in range(reference.LAYERS):
            hidden = bert._layer(hidden, f"encoder.layer.{layer}.")
        return float((hidden[0] @ head.astype(np.float64))[0]) + BIAS

    return answer
