"""Postings: which memories have a term, and how often, as arrays."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ....text_traits import Traits
from .nearest import Keys

MERGE: Final = 0.5  # segments are merged once the next is so large against the one before
Ints = NDArray[np.int32]


class Vocabulary:
    """Numbers for terms, shared by all scopes, and the traits that each term gives a text."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self._traits = bytearray()
        self.rules: Traits | None = None

    def number(self, terms: Iterable[str]) -> list[int]:
        """Return the terms' numbers; new ones are given out. Call with the lock of the cache held."""
        numbers = self.numbers
        try:
            return [numbers[term] for term in terms]
        except KeyError:
            assert self.rules is not None, "the vocabulary is given its rules with the first text"
            for term in terms:
                if term not in numbers:
                    self._traits.append(self.rules.of_term(term))
                    numbers[term] = len(numbers)
            return [numbers[term] for term in terms]

    def traits(self) -> NDArray[np.uint8]:
        """Return the traits of every term by its number."""
        return np.frombuffer(bytes(self._traits), np.uint8)


@dataclass(frozen=True, slots=True)
class Segment:
    """Postings of some memories, by term.

    Attributes:
        terms: Numbers of terms, rising, each once.
        starts: Where each term's postings begin, and the end of the last.
        rows: Positions of memories.
        counts: How often.
    """

    terms: Ints
    starts: Keys
    rows: Ints
    counts: NDArray[np.uint16]

    @property
    def size(self) -> int:
        """Bytes held."""
        return self.terms.nbytes + self.starts.nbytes + self.rows.nbytes + self.counts.nbytes

    @staticmethod
    def of(terms: Ints, rows: Ints, counts: NDArray[np.uint16]) -> "Segment":
        """Return the postings, one triple each, in any order."""
        order = np.lexsort((rows, terms))
        return Segment.of_sorted(terms[order], rows[order], counts[order])

    @staticmethod
    def of_sorted(terms: Ints, rows: Ints, counts: NDArray[np.uint16]) -> "Segment":
        """Return the postings, one triple each, sorted by term and row."""
        heads = np.flatnonzero(np.diff(terms, prepend=-1))
        return Segment(terms[heads], np.append(heads, len(terms)), rows, counts)

    def triples(self) -> tuple[Ints, Ints, NDArray[np.uint16]]:
        """Return what it was made of."""
        return np.repeat(self.terms, np.diff(self.starts)), self.rows, self.counts

    def without(self, gone: NDArray[np.bool_]) -> "Segment":
        """Return it without the postings of some memories."""
        kept = ~gone[self.rows]
        before = np.concatenate([[0], np.cumsum(kept)])  # how many are kept of the first so many
        return Segment(self.terms, before[self.starts], self.rows[kept], self.counts[kept])

    def find(self, term: int) -> slice:
        """Return where the postings of a term are."""
        at = int(np.searchsorted(self.terms, term))
        if at == len(self.terms) or self.terms[at] != term:
            return slice(0, 0)
        return slice(int(self.starts[at]), int(self.starts[at + 1]))


def merged(segments: list[Segment]) -> tuple[Segment, ...]:
    """Merge small segments behind larger ones, so that they stay few."""
    merged: list[Segment] = []
    for segment in segments:
        merged.append(segment)
        while len(merged) > 1 and len(merged[-1].rows) >= MERGE * len(merged[-2].rows):
            last, before = merged.pop(), merged.pop()
            (terms, rows, counts), (more, others, often) = before.triples(), last.triples()
            merged.append(Segment.of(np.concatenate([terms, more]), np.concatenate([rows, others]), np.concatenate([counts, often])))
    return tuple(merged)
