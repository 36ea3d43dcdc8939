"""fuse: two candidate lists become one score."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..ports import Candidates

Scores = NDArray[np.float64]

LEXICAL_WEIGHT: Final = 0.7


def fused(candidates: Candidates) -> tuple[Scores, dict[str, Scores]]:
    """Return hybrid scores and their parts."""
    sim = np.nan_to_num(candidates.similarity, nan=0.0)
    s = (z(sim) + LEXICAL_WEIGHT * z(candidates.lexical))
    return 1 / (1 + np.exp(-s / 2)), {"similarity": candidates.similarity, "text": candidates.lexical}


def z(x: Scores) -> Scores:
    return (x - x.mean()) / (x.std() + 1e-9)


def by_vector(candidates: Candidates) -> tuple[Scores, dict[str, Scores]]:
    """Return scores of similarity alone."""
    return np.clip(np.nan_to_num(candidates.similarity, nan=0.0), 0, 1), {"similarity": candidates.similarity}


def by_text(candidates: Candidates) -> tuple[Scores, dict[str, Scores]]:
    """Return scores of words alone."""
    top = candidates.lexical.max(initial=0.0)
    return candidates.lexical / (top or 1.0), {"text": candidates.lexical}
