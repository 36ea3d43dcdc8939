"""fuse and score: the evidence for each candidate becomes one number, 0 to 1, and the parts it is made of.

For `using="vector"` and `"text"` there is one kind of evidence, or two (`fuse`). Both are brought to 0..1 by themselves, not by their
rank (reciprocal-rank fusion does worse than BM25 alone on conversations, see docs/adr/0003-fusion.md) and not by what else was
found, so that a score means the same on every page. By default a table of weights goes over all of the evidence (`rank`):

    score = squash(relevance + importance · (i - 1/2) + recency · r + quality · (q - 1/2))

Relevance is what the table of weights makes of the evidence, and what a quoted phrase is worth to those that have it. i is the
importance that was judged (1/2 where it was not), r is 1/2 to the power of the age in half-lives, q how far the memory can be relied
on. All are added before they are brought to 0..1, so that each shifts a hit by as much wherever it stands; what is worth how much is
in the ranking's table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...config import Using
from ...ports import Candidates, Survey
from .features import EPOCH, expand, features
from .weights import GROUPS, Ranking

Scores = NDArray[np.float64]
Places = NDArray[np.intp]

TEXT_HALF: Final = 12.0
"""The BM25 at which the words count half of what they can."""

TEXT_WEIGHT: Final = 0.6
"""How much of a hybrid score the words make up; the rest is similarity.

Both constants were chosen from a coarse grid (halves 5 to 24, weights 1/3 to 0.6) by recall@10 over conversations with named
speakers, chats with an assistant, and documents; one step on the grid changes it by up to two points.
"""


def fuse(using: Using, candidates: Candidates) -> tuple[Scores, Mapping[str, Scores]]:
    """Return the score of every candidate, 0 to 1, and what it is made of.

    Args:
        using: Which evidence counts.
        candidates: From both lists, or the one asked for.

    Returns:
        Scores, shape (n,), and by name: `similarity` (cosine, -1 to 1; NaN without a vector), `text` (0 to 1), and `bm25`,
        the raw value of the words.
    """
    text = _of_words(candidates.lexical)
    parts = {"similarity": candidates.similarity, "text": text, "bm25": candidates.lexical}
    match using:
        case "vector":
            return _of_meaning(candidates.similarity), {"similarity": parts["similarity"]}
        case "text":
            return text, {"text": parts["text"], "bm25": parts["bm25"]}
        case "hybrid":
            return _fused(candidates.similarity, candidates.lexical), parts


def _of_words(lexical: Scores) -> Scores:
    found: Scores = lexical / (lexical + TEXT_HALF)
    return found


def _of_meaning(similarity: Scores) -> Scores:
    return np.clip(np.nan_to_num(similarity, nan=0.0), 0.0, 1.0)


def _fused(similarity: Scores, lexical: Scores) -> Scores:
    return (1 - TEXT_WEIGHT) * _of_meaning(similarity) + TEXT_WEIGHT * _of_words(lexical)


DIGITS: Final = 6  # equal evidence must give equal scores, whatever the last bits of a matrix product are
SAME: Final = 100  # a fact and its source are one hit if both are among so many of the best
UNJUDGED: Final = 0.5
VERBATIM: Final = 0.5
"""Quality of verbatim words: certain to have been said, but neither short nor self-contained."""

DRAWN: Final = 0.75
"""Quality of a fact of which no confidence is known; with one, half of that and half of the confidence."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates in order, best first. All positions are those of the survey.

    Attributes:
        order: Positions.
        scores: By position, 0 to 1.
        parts: What the scores are made of, by name and position; NaN where a part does not apply.
        sources: Positions of the verbatim words that go with a fact instead of being hits themselves, by the fact's.
        replaced: Pairs of positions: words that are out of date, and the fact that holds now, which they must stay behind.
    """

    order: Places
    scores: Scores
    parts: Mapping[str, Scores]
    sources: Mapping[int, list[int]]
    replaced: Places


def rank(ranking: Ranking, question: str, survey: Survey, at: datetime, *, now: bool, explain: bool = True) -> Ranked:
    """Return the candidates in order.

    Args:
        ranking: What the evidence is worth.
        question: The words.
        survey: The candidates.
        at: The instant the question is asked from.
        now: It is the present: what is out of date goes behind what holds.
        explain: Give every part of the scores, not just similarity and text.
    """
    around = expand(survey)
    rows, evidence = around.rows, features(question, survey, around, at)
    weighed = evidence * ranking.weights(survey)
    relevance = weighed.sum(axis=1, dtype=np.float64)
    said = ranking.phrase * survey.phrases[rows] if len(survey.phrases) else None
    if said is not None:
        relevance += said
    judged = survey.importance[rows].astype(np.float64)
    importance = np.where(np.isnan(judged), UNJUDGED, judged)
    recency, quality = _recency(survey, rows, at, ranking.half_life_days), _quality(survey, rows)
    centre = ranking.centre(survey)
    total = relevance + ranking.importance * (importance - UNJUDGED) + ranking.recency * recency + ranking.quality * (quality - VERBATIM)
    scores = np.full(len(survey.keys), np.nan)
    scores[rows] = np.round(_squash((total - centre) / ranking.spread), DIGITS)
    scores = _with_deep(survey, scores)
    sources = _merge(survey, scores)
    replaced = _replaced(survey, now=now)
    put_behind(replaced, scores)
    gone = [source for of in sources.values() for source in of]
    found = np.flatnonzero(survey.found)
    if gone:
        found = found[~np.isin(found, gone)]
    similarity = survey.similarity[found]
    nearest = -np.where(np.isnan(similarity), -1.0, similarity)  # where all else is equal the cosine still tells near from far
    order = found[np.lexsort((found, nearest, -scores[found]))]
    own: dict[str, Scores] = {}
    if explain:
        own = {"relevance": _squash((relevance - centre) / ranking.spread)}
        own |= {"importance": importance, "recency": recency, "quality": quality}
        own |= {name: weighed[:, columns].sum(axis=1) for name, columns in GROUPS.items()}
        if said is not None:
            own["words"] = own["words"] + said
    return Ranked(order, scores, _parts(survey, rows, own), sources, replaced)


def _parts(survey: Survey, rows: Places, own: Mapping[str, Scores]) -> dict[str, Scores]:
    lexical = survey.lexical.astype(np.float64)
    parts = {"similarity": survey.similarity.astype(np.float64), "text": _of_words(lexical), "bm25": lexical}
    for name, values in own.items():
        parts[name] = np.full(len(survey.keys), np.nan)
        parts[name][rows] = values
    return parts


def _squash(values: Scores) -> Scores:
    """Bring any number to 0..1; 0 becomes 1/2. Unlike a logistic curve it never gets so flat that two numbers become one."""
    squashed: Scores = 0.5 + 0.5 * values / (1 + np.abs(values))
    return squashed


def _recency(survey: Survey, rows: Places, at: datetime, half_life_days: float) -> Scores:
    asked = (at.replace(second=0, microsecond=0) - EPOCH) // timedelta(microseconds=1)  # whole minutes: asked again, the same answer
    days: Scores = np.maximum(0, asked - survey.occurred[rows]) / 86_400e6
    recency: Scores = np.power(2.0, -days / half_life_days)
    return recency.round(DIGITS)


def _quality(survey: Survey, rows: Places) -> Scores:
    confidence = survey.confidence[rows].astype(np.float64)
    drawn = np.where(np.isnan(confidence), DRAWN, VERBATIM + (1 - VERBATIM) * confidence)
    quality: Scores = np.where(survey.facts[rows], drawn, VERBATIM)
    return quality


def _with_deep(survey: Survey, scores: Scores) -> Scores:
    """Give scores to what is only there because many hits were asked for: behind all the others, by plain fusion."""
    deep = survey.found & survey.deep
    if deep.any():
        scores[deep] = (
            _fused(survey.similarity[deep].astype(np.float64), survey.lexical[deep].astype(np.float64))
            * np.nanmin(scores, initial=1.0)
            * 0.99
        )
    return scores


def _merge(survey: Survey, scores: Scores) -> dict[int, list[int]]:
    """Take facts and their sources together where both are among the best; the pair has the better of the two scores."""
    if not len(survey.sources):
        return {}
    ranked = np.argsort(-np.nan_to_num(scores, nan=-1.0), kind="stable")[:SAME]
    best = set(ranked[survey.found[ranked]].tolist())
    merged: dict[int, list[int]] = {}
    taken: set[int] = set()
    pairs = [(fact, source) for fact, source in survey.sources.tolist() if fact in best and source in best]
    for fact, source in sorted(pairs, key=lambda pair: (-scores[pair[0]], pair)):
        merged.setdefault(fact, []).append(source)
        if source not in taken:  # only the fact that fits best stands for its words
            scores[fact] = max(scores[fact], scores[source])
        taken.add(source)
    return merged


def _replaced(survey: Survey, *, now: bool) -> Places:
    """Return the pairs of words that say what is no longer so and the fact that holds now, of which both were found."""
    pairs = survey.replaced if now else survey.replaced[:0]
    return pairs[survey.found[pairs].all(axis=1)] if len(pairs) else pairs


def put_behind(replaced: Places, scores: Scores) -> None:
    """Let words that say what is no longer so never rank above the fact that holds now; changes the scores."""
    for old, current in replaced.tolist():
        scores[old] = min(scores[old], scores[current] - 10.0**-DIGITS)
