"""fuse: two candidate lists become one score.

Both kinds of evidence are brought to 0..1 by themselves, not by their rank (reciprocal-rank fusion does worse than BM25 alone
on conversations, see docs/adr/0003-fusion.md) and not by what else was found, so that a score means the same on every page.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..config import Using
from ..ports import Candidates

Scores = NDArray[np.float64]

TEXT_HALF: Final = 12.0
"""The BM25 at which the words count half of what they can."""

TEXT_WEIGHT: Final = 0.6
"""How much of a hybrid score the words make up; the rest is similarity.

Both constants were chosen from a coarse grid (halves 5 to 24, weights 1/3 to 0.6) by recall@10 over conversations with named
speakers, chats with an assistant, and documents; one step on the grid changes it by up to two points.
"""


def score(using: Using, candidates: Candidates) -> tuple[Scores, Mapping[str, Scores]]:
    """Return the score of every candidate, 0 to 1, and what it is made of.

    Args:
        using: Which evidence counts.
        candidates: From both lists, or the one asked for.

    Returns:
        Scores, shape (n,), and by name: `similarity` (cosine, -1 to 1; NaN without a vector), `text` (0 to 1), and `bm25`,
        the raw value of the words.
    """
    similarity = np.clip(np.nan_to_num(candidates.similarity, nan=0.0), 0.0, 1.0)
    text = candidates.lexical / (candidates.lexical + TEXT_HALF)
    parts = {"similarity": candidates.similarity, "text": text, "bm25": candidates.lexical}
    match using:
        case "vector":
            return similarity, {"similarity": parts["similarity"]}
        case "text":
            return text, {"text": parts["text"], "bm25": parts["bm25"]}
        case "hybrid":
            return (1 - TEXT_WEIGHT) * similarity + TEXT_WEIGHT * text, parts
