"""BM25 for small files, where SQLite's own gives common words no weight at all.

FTS5's `bm25()` weighs a word by log((N - n + 0.5) / (n + 0.5)) and cuts that off at nearly zero once half of the rows have
it. In a file of two memories that is every word. Adding 1 inside the logarithm, as Lucene does, keeps every weight positive
(Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009). Python costs about 3 µs a row, so
this ranks files of up to `SMALL_FILE` rows; in larger ones both agree but for words that say nothing.
"""

import math
from typing import Final

import apsw

SMALL_FILE: Final = 1_000
K1: Final = 1.2  # as in FTS5's own
B: Final = 0.75
_WORDS: Final = (1, 2)  # columns body and context; column 0 is the scope's token


def register(connection: apsw.Connection) -> None:
    """Make `smooth_bm25(memories_fts)` known to a connection."""
    connection.register_fts5_function("smooth_bm25", _smooth_bm25)


def _smooth_bm25(api: apsw.FTS5ExtensionApi, *_: object) -> float:
    mean_length, weights = api.aux_data or _statistics(api)
    length = sum(api.column_size(column) for column in _WORDS)
    norm = K1 * (1 - B + B * length / mean_length)
    score = 0.0
    for phrase, weight in enumerate(weights, 1):  # phrase 0 is the scope
        count = sum(len(api.phrase_column_offsets(phrase, c)) for c in api.phrase_columns(phrase) if c in _WORDS)
        score += weight * count * (K1 + 1) / (count + norm)
    return score


def _statistics(api: apsw.FTS5ExtensionApi) -> tuple[float, list[float]]:
    """Return the mean length of a row and the weight of every word of the question; kept for all rows of the query."""
    rows = api.row_count
    weights = []
    for phrase in range(1, api.phrase_count):
        having: list[None] = []
        api.query_phrase(phrase, lambda _, found: found.append(None), having)
        weights.append(math.log(1 + (rows - len(having) + 0.5) / (len(having) + 0.5)))
    mean_length = max(1.0, sum(api.column_total_size(column) for column in _WORDS) / rows)
    api.aux_data = mean_length, weights
    return mean_length, weights
