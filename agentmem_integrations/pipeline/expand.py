"""expand: what was said around each candidate, and in its session, counts as evidence for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..ports import Survey

Floats = NDArray[np.float32]
Spots = NDArray[np.intp]

K1: Final = 1.2
B: Final = 0.75
B_SESSION: Final = 0.4  # sessions differ in length for reasons of their own


@dataclass(slots=True)
class Around:
    """The evidence of each candidate's surroundings. Shapes (candidates,).

    Attributes:
        rows: Positions of the candidates in the survey.
        own: BM25 of each.
        similarity: Cosine of each; the mean of all where it has no vector.
        window: BM25 of the turn with the one before and the one after as one text.
        wide: The same with two turns to either side.
        session: BM25 of its session as one text; 0 for none.
        session_similarity: The best cosine in its session; its own where it has none.
        covered: Share of the question's words that it has, each by its weight. Names of those who speak are left out, here and
            in the windows: everything that somebody says has his name.
        window_covered: Share that it has together with the turn before and the one after.
        session_covered: Share that its session has.
        rarest: Weight of its most telling word of the question, against that of the question's most telling.
        at: Gives a column of the survey at the turn so many places before or after; 0 where there is none.
    """

    rows: Spots
    own: Floats
    similarity: Floats
    window: Floats
    wide: Floats
    session: Floats
    session_similarity: Floats
    covered: Floats
    window_covered: Floats
    session_covered: Floats
    rarest: Floats
    at: Callable[[Floats, int], Floats]


def expand(survey: Survey) -> Around:
    """Return the evidence around every candidate that is to be ranked, deep ones left out."""
    rows = np.flatnonzero(survey.found & ~survey.deep)
    steps = _steps(survey, rows)

    def at(column: Floats, step: int) -> Floats:
        padded = np.zeros(len(column) + 1, np.float32)
        padded[:-1] = column
        return padded[steps[step]]

    similarity = survey.similarity.copy()
    missing = np.isnan(similarity)
    similarity[missing] = 0.0 if missing.all() else similarity[~missing].mean()
    counts, lengths = np.vstack([survey.counts, np.zeros((1, survey.counts.shape[1]), np.float32)]), np.append(survey.lengths, 0)
    near_counts = counts[rows] + counts[steps[-1]] + counts[steps[1]]
    near_lengths = lengths[rows] + lengths[steps[-1]] + lengths[steps[1]]
    wide_counts = near_counts + counts[steps[-2]] + counts[steps[2]]
    wide_lengths = near_lengths + lengths[steps[-2]] + lengths[steps[2]]
    had = counts[rows] > 0
    weights = survey.weights if survey.naming.all() else np.where(survey.naming, np.float32(0), survey.weights)
    sessions = _sessions(survey, similarity, weights)
    scores, best, covered = (column[survey.sessions[rows]] for column in sessions)
    heaviest = float(weights.max(initial=0.0)) or 1.0
    return Around(
        rows, survey.lexical[rows], similarity[rows], _bm25(near_counts, near_lengths, weights),
        _bm25(wide_counts, wide_lengths, weights), scores, best, _covered(had, weights),
        _covered(near_counts > 0, weights), covered, (had * weights).max(axis=1, initial=0.0) / heaviest, at,
    )  # fmt: skip


def _steps(survey: Survey, rows: Spots) -> dict[int, Spots]:
    """Return the positions of the turns two and one before and after; one behind the last where there is none."""
    nowhere = len(survey.keys)
    before, after = (np.append(np.where(c < 0, nowhere, c), nowhere) for c in (survey.before, survey.after))
    return {-2: before[before[rows]], -1: before[rows], 1: after[rows], 2: after[after[rows]]}


def _bm25(counts: Floats, lengths: Floats, weights: Floats, b: float = B) -> Floats:
    mean = float(lengths.mean()) if len(lengths) else 1.0
    norms = K1 * (1 - b + b * lengths / (mean or 1.0))
    scored: Floats = (((K1 + 1) * counts / (counts + norms[:, None] + 1e-9)) @ weights).astype(np.float32)
    return scored


def _covered(had: NDArray[np.bool_], weights: Floats) -> Floats:
    total = float(weights.sum())
    share: Floats = (had.astype(np.float32) @ weights / (total or 1.0)).astype(np.float32)
    return share


def _sessions(survey: Survey, similarity: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Return BM25, best similarity and coverage of each session, and a last row of zeros for what belongs to none."""
    count = len(survey.session_lengths)
    best = np.full(count + 1, -1.0, np.float32)
    here = survey.found & ~survey.deep
    np.maximum.at(best, survey.sessions[here], similarity[here])
    best[-1] = similarity[here].mean() if here.any() else 0.0  # what belongs to none gains nothing and loses nothing
    scores: Floats = np.append(_bm25(survey.session_counts, survey.session_lengths, weights, B_SESSION), np.float32(0))
    return scores, best, np.append(_covered(survey.session_counts > 0, weights), np.float32(0))
