"""Makes a real cross-encoder: the MiniLM of the embedding tests under a head whose answers can be worked out beside it."""

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

HERE = Path(__file__).parents[1] / "embedding"
MINILM = Path(__file__).parents[2] / ".cache" / "minilm"


BIAS = 12.5  # brings the answers to the test's texts to both sides of 0


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def made(folder: Path, head: np.ndarray) -> Path:
    if not (MINILM / "SHA256SUMS").exists():
        pytest.fail("the model of the tests is not there: run `make .cache/minilm/SHA256SUMS`, or all of `make test`")
    build = module(HERE / "onnx_minilm" / "build.py")
    weights = build.tensors((MINILM / "model.safetensors").read_bytes())
    model = build.build(weights, json.loads((MINILM / "config.json").read_text()))
    graph = model.graph
    added = [onnx.numpy_helper.from_array(head, "head"), onnx.numpy_helper.from_array(np.array(0, np.int64), "first")]
    added.append(onnx.numpy_helper.from_array(np.array(BIAS, np.float32), "bias"))
    graph.initializer.extend(added)
    graph.node.extend([
        helper.make_node("Gather", ["last_hidden_state", "first"], ["cls"], axis=1),
        helper.make_node("MatMul", ["cls", "head"], ["raw"]),
        helper.make_node("Add", ["raw", "bias"], ["logits"]),
    ])  # fmt: skip
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", head.shape[1]]))
    onnx.checker.check_model(model)
    onnx.save(model, folder / "model.onnx")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "config.json"):
        shutil.copy(MINILM / name, folder / name)
    return folder
