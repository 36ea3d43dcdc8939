"""Candidates for a search: the best of the vectors and the best of the words, in one snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass

import apsw
import numpy as np
from numpy.typing import NDArray

from ....ports import Ask, Candidates
from ..bm25 import SMALL_SCOPE, ranked
from ..rows import micros, owner
from ..statements import Row, query
from ..text_index import match_expression, phrase_expression
from ..where import chosen, narrowed, visible
from .chosen_keys import ChosenKeys
from .nearest import MatrixCache, Version

Scores = dict[int, float]


@dataclass(slots=True)
class Gatherer:
    """One question to one scope, inside one read transaction.

    Args:
        connection: The reader.
        cache: The scopes' matrices.
        chosen: What conditions chose before.
        collection: Number of the collection asked.
        generation: Which of its vectors count.
        dim: Their length.
        ask: The question.
        now: Microseconds.
    """

    connection: apsw.Connection
    cache: MatrixCache
    chosen: ChosenKeys
    collection: int
    generation: int
    dim: int
    ask: Ask
    now: int

    def candidates(self) -> Candidates:
        """Return the union of both lists, each with its similarity and its BM25."""
        found = self.scope()
        return _table({}, {}) if found is None else self.found(*found)

    def scope(self) -> tuple[int, Version] | None:
        """Return the scope's number and state; None if nothing was ever stored in it."""
        scope = self.ask.selection.scope
        assert scope is not None, "a search names its scope"
        found = query(self.connection, "scope_version", (self.collection, *owner(scope)))
        if not found:
            return None
        no, epoch, last, history = found[0]
        return no, Version(self.generation, epoch, last or 0, history or 0)

    def found(self, scope: int, version: Version) -> Candidates:
        """Return the union of both lists of a scope."""
        allowed = self.allowed(scope, version)
        words = self._words(scope, allowed)
        if self.ask.phrases:
            words = self._saying(scope, allowed) | words
        return _table(self._near(scope, version, allowed, words), words)

    def allowed(self, scope: int, version: Version) -> NDArray[np.int64] | None:
        """Return the keys that the caller's conditions leave, rising; None where only visibility limits them."""
        conditions, values = chosen(self.ask.selection)
        if not conditions:
            return None
        where = " AND ".join(conditions)

        def read() -> NDArray[np.int64]:
            rows = query(self.connection, "select_keys", [scope, *values], where=where)
            return np.unique(np.fromiter((r[0] for r in rows), np.int64, len(rows)))

        return self.chosen.keys((scope, version, where, *values), read)

    def phrases(self, scope: int, keys: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return how many of the question's phrases each of these memories has; the keys rise. Empty where none is asked for."""
        counts = np.zeros(len(keys) if self.ask.phrases else 0, np.float32)
        for having in self._having(scope):
            counts[np.isin(keys, having, assume_unique=True)] += 1
        return counts

    def _having(self, scope: int) -> list[NDArray[np.int64]]:
        """Return the keys of the memories that have each of the question's phrases; what is visible of them is for others to say."""
        expressions = [found for phrase in self.ask.phrases if (found := phrase_expression(phrase, scope)) is not None]
        matches = [query(self.connection, "match_phrase", (expression,)) for expression in expressions]
        return [np.fromiter((row[0] for row in rows), np.int64, len(rows)) for rows in matches]

    def _saying(self, scope: int, allowed: NDArray[np.int64] | None) -> Scores:
        """Return the visible memories that have a phrase, at most `limit`, with no BM25: the phrase alone makes them candidates."""
        rows = [(key, 0.0) for having in self._having(scope) for key in having.tolist()]
        return self._shown(scope, rows, None if allowed is None else set(allowed.tolist()))

    def _words(self, scope: int, allowed: NDArray[np.int64] | None) -> Scores:
        """Return BM25 by key of the visible memories that share words with the question, at most `limit`."""
        expression = None if self.ask.words is None else match_expression(self.ask.words, scope)
        if expression is None:
            return {}
        keep = None if allowed is None else set(allowed.tolist())
        ((size,),) = query(self.connection, "count_scope", (scope, SMALL_SCOPE + 1))
        if size <= SMALL_SCOPE:
            return self._shown(scope, ranked(query(self.connection, "count_words", (expression,)), size), keep)
        # Ranking inside FTS5 and checking afterwards is far cheaper than a join on every match; where the check takes
        # hits away, more are asked for, so that no memory that belongs here is missed
        reach = self.ask.limit if keep is None else 4 * self.ask.limit
        while True:
            rows = query(self.connection, "match_words", (expression, reach))
            found = self._shown(scope, rows, keep)
            if len(found) >= self.ask.limit or len(rows) < reach:
                return found
            reach *= 4

    def _shown(self, scope: int, rows: Sequence[Row], keep: set[int] | None) -> Scores:
        """Return the best of the ranked rows that are visible and among `keep`."""
        shown = self._visible(scope, [key for key, _ in rows if keep is None or key in keep])
        return dict([(key, score) for key, score in rows if key in shown][: self.ask.limit])

    def _visible(self, scope: int, keys: list[int]) -> set[int]:
        """Return which of these memories are of the scope, live and valid."""
        conditions, values = visible(self.ask.selection, self.now)
        return {r[0] for r in query(self.connection, "visible_keys", [str(keys), scope, *values], where=" AND ".join(conditions))}

    def at(self) -> int:
        """Return the instant that is asked about, in microseconds."""
        at = micros(self.ask.selection.at)
        return self.now if at is None else at

    def _near(self, scope: int, version: Version, allowed: NDArray[np.int64] | None, words: Scores) -> Scores:
        """Return the cosine by key of the `limit` nearest and of every memory in `words` that has a vector."""
        if self.ask.vector is None:
            return {}
        block = self.cache.block(self.connection, scope, version, self.ask.field, self.dim)
        if block is None:
            return self._scan(scope, words)
        keys, similarities = block.columns.keys, block.similarities(self.ask.vector)
        shown = block.visible(self.now, self.at(), self.ask.selection.any_validity)
        if allowed is not None:
            inside = np.isin(keys, allowed, assume_unique=True)
            shown = inside if shown is None else shown & inside
        rows = np.arange(len(keys)) if shown is None else np.flatnonzero(shown)
        best = rows[top(similarities[rows], self.ask.limit)]
        named = np.fromiter(words, np.int64, len(words))
        spots = np.searchsorted(keys, named)
        spots = spots[keys[np.minimum(spots, len(keys) - 1)] == named] if len(keys) else spots[:0]
        both = np.union1d(best, spots)
        return dict(zip(keys[both].tolist(), similarities[both].tolist(), strict=True))

    def _scan(self, scope: int, words: Scores) -> Scores:
        """The scope is too large to hold: let sqlite-vec rank it where it lies."""
        assert self.ask.vector is not None
        conditions, values = narrowed(self.ask.selection, self.now)
        asked = [self.ask.vector.tobytes(), scope, self.ask.field, self.generation]
        best = query(self.connection, "nearest_by_scan", [*asked, *values, self.ask.limit], where=" AND ".join(conditions))
        among = "v.memory IN (SELECT value FROM json_each(?))"
        named = query(self.connection, "nearest_by_scan", [*asked, str(list(words)), len(words)], where=among)
        return {key: max(-1.0, min(1.0, round(similarity, 6))) for key, similarity in [*best, *named]}


def _table(near: Scores, words: Scores) -> Candidates:
    keys = sorted(near.keys() | words.keys())
    return Candidates(
        np.array(keys, np.int64),
        np.array([near.get(k, np.nan) for k in keys], np.float64),
        np.array([words.get(k, 0.0) for k in keys], np.float64),
    )


def top(values: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Return the positions of the `count` largest values; among equal ones the earliest."""
    if len(values) <= count:
        return np.arange(len(values))
    floor = np.partition(values, len(values) - count)[len(values) - count]
    above = np.flatnonzero(values > floor)
    level = np.flatnonzero(values == floor)[: count - len(above)]
    return np.concatenate([above, level])
