"""features: the evidence for each candidate as a table of numbers, one column per kind of evidence.

First it is gathered (`expand`): what was said around each candidate, and in its session, counts as evidence for it.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...ports import ASSISTANT, Survey
from ...text_traits import Trait
from ..dates.asked_time import Period, asked_periods

Floats = NDArray[np.float32]
Spots = NDArray[np.intp]

K1: Final = 1.2
B: Final = 0.75
B_SESSION: Final = 0.4  # sessions differ in length for reasons of their own

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_when: Final = re.compile(r"\s*(when|how long|how recently|(on |in )?(what|which) (year|month|date|day|time))\b", re.IGNORECASE).match
_many: Final = re.compile(r"\bhow (many|much|often|old)\b", re.IGNORECASE).search
# What asks about a whole history rather than one moment of it: its answer is spread over many sessions
_broad: Final = re.compile(
    r"\b(summar(y|ies|i[sz]e[sd]?)|overview|recap|throughout|across|over time|so far|in total|altogether|all (the|my|of)|evolve[sd]?"
    r"|how many (different|total))\b", re.IGNORECASE,
).search  # fmt: skip

FARTHEST: Final = np.float32(-1.5)
"""Spreads below the mean beyond which a cosine says no more against a memory: one that only its words find must stay findable."""

SHIFTED: Final = (1, -1, 2, -2)
PLAIN: Final = (
    "similarity", "similarity ±1", "kinship", "bm25", "bm25 ±1", "bm25 ±2", "session bm25", "session similarity", "coverage", "coverage ±1",
    "session coverage", "bm25 share", "rarest word", "is question", "answers a question", "length", "when × time", "time", "time asked",
    "many × number", "first person", "greeting", "names something", "speaker named", "assistant",
)  # fmt: skip
OF_ASSISTANT: Final = ("similarity", "bm25", "coverage", "coverage ±1", "session bm25", "length", "rarest word")
OF_BROAD: Final = ("bm25", "similarity", "coverage", "coverage ±1", "length", "session bm25")
NAMES: Final = (
    *PLAIN, *(f"{what} {step:+}" for step in SHIFTED for what in ("bm25", "similarity")), *(f"assistant × {what}" for what in OF_ASSISTANT),
    *(f"broad × {what}" for what in OF_BROAD),
)  # fmt: skip
"""The columns, in order."""

OF_TEXT: Final = (
    "similarity", "kinship", "bm25", "coverage", "bm25 share", "rarest word", "length", "when × time", "time asked",
    "many × number", "names something", "broad × bm25", "broad × similarity", "broad × coverage", "broad × length",
)  # fmt: skip
"""Those that a text has by itself, whether or not anybody said it to somebody."""


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


def features(question: str, survey: Survey, around: Around, at: datetime) -> Floats:
    """Return one row per candidate and one column per name in `NAMES`, float32; `at` is when it is asked."""
    rows = around.rows
    if not len(rows):
        return np.zeros((0, len(NAMES)), np.float32)
    traits = survey.traits[rows]
    when, many, broad = float(bool(_when(question))), float(bool(_many(question))), np.float32(bool(_broad(question)))
    bm25, similarity = _Scale(around.own), _Scale(around.similarity)
    time, number = _has(traits, Trait.TIME), _has(traits, Trait.NUMBER)
    assistant = (survey.roles[rows] == ASSISTANT).astype(np.float32)
    best = float(survey.weights.sum()) or 1.0
    known = np.where(np.isnan(survey.similarity), np.float32(similarity.mean), survey.similarity)
    table = {
        "similarity": np.maximum(similarity(around.similarity), FARTHEST),
        "similarity ±1": _filled(survey.around[rows]),
        "kinship": np.maximum(_filled(survey.kinship[rows]), FARTHEST),
        "bm25": bm25(around.own),
        "bm25 ±1": _Scale(around.window)(around.window),
        "bm25 ±2": _Scale(around.wide)(around.wide),
        "session bm25": _Scale(around.session)(around.session),
        "session similarity": _Scale(around.session_similarity)(around.session_similarity),
        "coverage": around.covered,
        "coverage ±1": around.window_covered,
        "session coverage": around.session_covered,
        "bm25 share": around.own / best,
        "rarest word": around.rarest,
        "is question": _has(traits, Trait.QUESTION),
        "answers a question": around.at(_has(survey.traits, Trait.QUESTION), -1),
        "length": np.log1p(survey.lengths[rows]),
        "when × time": when * time,
        "time": (1 - when) * time,
        "time asked": _within(survey.occurred[rows], asked_periods(question, at)),
        "many × number": many * number,
        "first person": _has(traits, Trait.FIRST_PERSON),
        "greeting": _has(traits, Trait.GREETING),
        "names something": _has(traits, Trait.NAMES),
        "speaker named": named(question, survey.speakers)[survey.spoken[rows]],
        "assistant": assistant,
    }
    for step in SHIFTED:
        table[f"bm25 {step:+}"] = around.at(bm25(survey.lexical), step)
        table[f"similarity {step:+}"] = around.at(similarity(known), step)
    for what in OF_ASSISTANT:
        table[f"assistant × {what}"] = assistant * table[what]
    for what in OF_BROAD:
        table[f"broad × {what}"] = broad * table[what]
    return np.stack([table[name] for name in NAMES], axis=1).astype(np.float32)


def named(question: str, speakers: tuple[str, ...]) -> Floats:
    """Return 1 for each speaker whom the question names, else 0; and a last 0 for nobody."""
    asked = question.casefold()
    return np.array([*(_names(asked, speaker.casefold()) for speaker in speakers), 0], np.float32)


def _names(asked: str, speaker: str) -> bool:
    first = speaker.split(maxsplit=1)[0] if speaker.split() else speaker
    for name in {speaker, first}:
        if name and name in asked and (not name.isascii() or re.search(rf"\b{re.escape(name)}(?:'?s)?\b", asked)):
            return True
    return False


def _within(occurred: NDArray[np.int64], periods: list[Period]) -> Floats:
    """Return 1 for what occurred in one of the periods, else 0."""
    within = np.zeros(len(occurred), np.bool_)
    for start, end in periods:
        since, until = ((moment - EPOCH) // timedelta(microseconds=1) for moment in (start, end))
        within |= (occurred >= since) & (occurred < until)
    return within.astype(np.float32)


def _has(traits: NDArray[np.uint8], trait: Trait) -> Floats:
    return ((traits & int(trait)) > 0).astype(np.float32)


def _filled(values: Floats) -> Floats:
    """Return the values on their own scale; the mean where there is none."""
    missing = np.isnan(values)
    if not missing.any():
        return _Scale(values)(values)
    if missing.all():
        return np.zeros_like(values)
    filled = np.where(missing, values[~missing].mean(), values).astype(np.float32)
    return _Scale(filled)(filled)


class _Scale:
    """Brings values to mean 0 and spread 1 of those it was made of."""

    def __init__(self, values: Floats) -> None:
        # By hand: `mean` and `std` of so few numbers take three times as long, nearly all of it before they begin
        self.mean = float(np.add.reduce(values, dtype=np.float64)) / len(values)
        rest = values - self.mean
        self._spread = math.sqrt(float(rest @ rest) / len(values)) + 1e-6

    def __call__(self, values: Floats) -> Floats:
        return (values - np.float32(self.mean)) / np.float32(self._spread)
