"""Fit a table of token vectors to a teacher: the sum of a text's rows is to point where the teacher's vector points.

The method is that of static embeddings learned from a transformer's sentence vectors; nothing in it is new:

1. Teacher vectors are centred and reduced to 256 numbers by PCA over the texts.
2. A row starts as the teacher's vector of that token alone, in the same 256 numbers, with its SIF weight a / (a + p(token))
   (Arora, Liang and Ma, ICLR 2017), p by Zipf's law from the token's rank in the vocabulary.
3. Adam lowers 1 - cosine(sum of rows, teacher), over ten passes with a learning rate that falls to zero along a cosine.
   A row is touched only by texts with its token: what no text has keeps the teacher's own vector.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer  # type: ignore[import-untyped, unused-ignore]

Floats = NDArray[np.float32]
Ids = Sequence[NDArray[np.int64]]
Rows = Sequence[int]

SIF_COEFFICIENT = 1e-4
START_NORM = 4.0  # of a row before its SIF weight: against it, LEARNING_RATE is how far a row may wander
LEARNING_RATE = 0.02
BATCH = 1024
PASSES = 10
HELD_OUT = 20  # every so manieth text is not learned from, and tells how well the rest was learned
COMPARED = 4_000  # of those are compared with one another


class Taught(NamedTuple):
    """What the teacher said: texts, their vectors (n, 384), and those of single tokens (n_tokens, 384)."""

    texts: list[str]
    vectors: Floats
    tokens: Floats


def read(work: Path, rows: Rows) -> Taught:
    """Read what `teach.py` wrote; `rows` are the teacher's ids of the tokens of the table, in its order."""
    texts = [text for _, text in json.loads((work / "texts.json").read_text("utf-8"))]
    vectors = np.concatenate([np.load(file).astype(np.float32) for file in sorted(work.glob("texts-*.npy"))])
    if len(vectors) != len(texts):
        raise SystemExit(f"{work}: {len(vectors):,} of {len(texts):,} texts have their vector; run teach.py to its end")
    return Taught(texts, vectors, np.load(work / "tokens.npy")[list(rows)])


def ids_of(texts: Sequence[str], tokenizer: Tokenizer) -> list[NDArray[np.int64]]:
    """Return the ids that a text's vector is made of: those that are known, or the unknown one alone."""
    unknown = tokenizer.token_to_id("[UNK]")
    ids = ([i for i in tokenizer.encode(text, add_special_tokens=False).ids if i != unknown] for text in texts)
    return [np.array(known or [unknown]) for known in ids]


def reduce(taught: Taught, dim: int) -> tuple[Floats, Floats]:
    """Return where the texts are to point, shape (n, dim), and where the tokens do, both of unit length."""
    mean = taught.vectors.mean(axis=0)
    centred = taught.vectors - mean
    _, directions = np.linalg.eigh((centred.T @ centred / len(centred)).astype(np.float64))  # by rising variance
    axes = directions[:, ::-1][:, :dim].astype(np.float32)
    return unit(centred @ axes), unit((taught.tokens - taught.tokens.mean(axis=0)) @ axes)


def starting_table(tokens: Floats) -> Floats:
    """Return the table that learning starts from."""
    inverse = 1 / np.arange(2, len(tokens) + 2)
    weights = SIF_COEFFICIENT / (SIF_COEFFICIENT + inverse / inverse.sum())
    return (START_NORM * weights[:, None] * tokens).astype(np.float32)


def fit(start: Floats, ids: Ids, targets: Floats) -> Floats:
    """Return the table that learned from all but the held-out texts."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # how work is split between threads shows in the last bits
    bag = torch.nn.EmbeddingBag.from_pretrained(torch.from_numpy(start.copy()), mode="sum", freeze=False, sparse=True)
    optimizer = torch.optim.SparseAdam(list(bag.parameters()), lr=LEARNING_RATE)
    learned = np.flatnonzero(np.arange(len(ids)) % HELD_OUT)
    points = torch.from_numpy(targets)
    order = np.random.default_rng(0)
    steps = len(learned) // BATCH
    for done in range(PASSES):
        shuffled = order.permutation(learned)
        for step in range(steps):
            batch = shuffled[step * BATCH : (step + 1) * BATCH]
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * (0.5 + 0.5 * np.cos(np.pi * (done * steps + step) / (PASSES * steps)))
            some = [ids[i] for i in batch]
            starts = np.cumsum([0, *map(len, some[:-1])])
            sums = bag(torch.from_numpy(np.concatenate(some)), torch.from_numpy(starts))
            loss = 1 - torch.nn.functional.cosine_similarity(sums, points[batch]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"pass {done + 1} of {PASSES}: 1 - cosine is {loss.item():.3f}", flush=True)
    fitted: Floats = bag.weight.detach().numpy()
    return fitted


def agreement(table: Floats, ids: Ids, teacher: Floats) -> tuple[float, float]:
    """Return how a table agrees with the teacher on held-out texts.

    Returns:
        The correlation of their cosines over all pairs, and the share of a text's ten nearest that are the same for both.
    """
    held_out = range(0, len(ids), HELD_OUT)[:COMPARED]
    ours = unit(np.array([table[ids[i]].sum(axis=0) for i in held_out]))
    theirs = unit(teacher[held_out] - teacher.mean(axis=0))
    ours, theirs = ours @ ours.T, theirs @ theirs.T
    pairs = np.triu_indices(len(ours), 1)
    correlation = float(np.corrcoef(ours[pairs], theirs[pairs])[0, 1])
    nearest = [np.argsort(np.where(np.eye(len(one), dtype=bool), -2, one), axis=1)[:, -10:] for one in (ours, theirs)]
    return correlation, float(np.mean([len({*a} & {*b}) / 10 for a, b in zip(*nearest, strict=True)]))


def unit(vectors: NDArray[np.float32]) -> Floats:
    """Return the rows scaled to unit length."""
    scaled: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled
