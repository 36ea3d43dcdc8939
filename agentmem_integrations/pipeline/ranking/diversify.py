"""diversify: among the best, those that say something else than the ones before them.

Maximal marginal relevance: Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and
Producing Summaries" (SIGIR 1998).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...ports import Vector


def diverse(relevance: NDArray[np.float64], vectors: Sequence[Vector | None], count: int, balance: float) -> NDArray[np.intp]:
    """Return the positions of candidates, each the best of what is left once it is compared with those before it.

    Args:
        relevance: How well each answers the question, best first, shape (n,).
        vectors: Theirs; one that has none is like no other.
        count: How many are wanted.
        balance: The lambda of the paper, 0 to 1: relevance weighs so much, and the largest similarity to one that was chosen
            before weighs the rest. 1 is the order of relevance.

    Returns:
        Positions, shape (min(count, n),); ties go to the more relevant.
    """
    wanted = min(count, len(relevance))
    blank = np.zeros(next((len(v) for v in vectors if v is not None), 0), np.float32)
    matrix = np.stack([blank if v is None else v for v in vectors]) if vectors else blank[None]
    redundancy = np.zeros(len(relevance))  # the first one is compared with nothing
    taken = np.zeros(len(relevance), np.bool_)
    chosen = np.empty(wanted, np.intp)
    for turn in range(wanted):
        worth = np.where(taken, -np.inf, balance * relevance - (1 - balance) * redundancy)
        chosen[turn] = best = np.argmax(worth) if turn or balance else 0  # with nothing but difference asked for, begin at the best
        taken[best] = True
        alike = (matrix @ matrix[best]).astype(np.float64)
        redundancy = alike if turn == 0 else np.maximum(redundancy, alike)
    return chosen
