"""BM25 counted within one scope, for scopes so small that counting in Python is quicker than counting the whole file.

FTS5's own `bm25()` counts how rare a word is over every row of the file, so that a user of twenty memories pays for two
hundred thousand of others, and it gives words that half of the rows have no weight at all: in a file of two memories that is
every word. Here only the rows that matched are counted, and the weight is log(1 + (N - n + 0.5) / (n + 0.5)), which is always
positive (as Lucene has it; Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009).
"""

import math
from collections.abc import Iterable
from typing import Final

import apsw

SMALL_SCOPE: Final = 256  # memories; Python costs about 4 µs for each that matches
K1: Final = 1.2  # as in FTS5's own
B: Final = 0.75
_WORDS: Final = (1, 2)  # columns body and context; column 0 is the scope's token

Counted = tuple[int, str]
"""Row number, and what `word_counts` says of it."""


def register(connection: apsw.Connection) -> None:
    """Make `word_counts(memories_fts)` known to a connection."""
    connection.register_fts5_function("word_counts", _word_counts)


def _word_counts(api: apsw.FTS5ExtensionApi, *_: object) -> str:
    """Return the row's length and how often each word of the question is in it, as numbers with blanks between."""
    counts = [sum(api.column_size(column) for column in _WORDS)]
    counts += [
        sum(len(api.phrase_column_offsets(phrase, c)) for c in api.phrase_columns(phrase) if c in _WORDS)
        for phrase in range(1, api.phrase_count)  # phrase 0 is the scope
    ]
    return " ".join(map(str, counts))


def ranked(rows: Iterable[Counted], total: int) -> list[tuple[int, float]]:
    """Return row numbers and BM25 of the rows that matched, best first; ties in insertion order.

    Args:
        rows: All rows of the scope that share words with the question.
        total: Memories in the scope.
    """
    counted = [(key, [int(n) for n in counts.split()]) for key, counts in rows]
    if not counted:
        return []
    mean_length = sum(counts[0] for _, counts in counted) / len(counted) or 1.0
    having = [sum(1 for count in column if count) for column in list(zip(*(c for _, c in counted), strict=True))[1:]]
    weights = [math.log(1 + (total - n + 0.5) / (n + 0.5)) for n in having]

    def score(counts: list[int]) -> float:
        norm = K1 * (1 - B + B * counts[0] / mean_length)
        return sum(weight * n * (K1 + 1) / (n + norm) for weight, n in zip(weights, counts[1:], strict=True))

    return sorted(((key, score(counts)) for key, counts in counted), key=lambda pair: (-pair[1], pair[0]))
