"""The words of one scope, held in RAM: which memory has which, who said it, and what was said before and after.

FTS5 finds words in any file, but it can tell neither what a neighbouring turn says nor what a session is about without reading
texts. Here the terms of a scope's memories are held as postings (term -> memories, counts), cut by FTS5's own tokenizer, and a
question is weighed against all of them with a few array operations. Kept and brought up to date like the scope's vectors
(see search/nearest.py), in the same budget of bytes; a scope too large for its share is left to FTS5.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import apsw
import numpy as np
from numpy.typing import NDArray

from ....ports import OTHER_ROLE
from ..bm25 import K1, B
from ..statements import Row, query
from .nearest import FOREVER, MatrixCache, Version
from .postings import Ints, Segment, Vocabulary, merged
from .sayings import Reader, Sayings

SHARE: Final = 0.25  # of the budget, that one scope's words may take: what its vectors leave
TOMBSTONES: Final = 0.25  # a scope is read anew once so much of it has been deleted
MAX_TERMS: Final = 2_000_000  # numbered before numbering begins anew
NO_LINEAGE: Final[tuple[frozenset[tuple[int, int]], Mapping[int, int]]] = frozenset(), {}


@dataclass(frozen=True)
class Lexicon:
    """The words of one scope. Never changed once it is shared, only replaced; its codes are only ever added to.

    Attributes:
        sayings: The memories.
        segments: Their postings, older and larger first.
        session_codes: Code by session; as are `name_codes` by name.
        version: The scope's state that this is; its generation, which is the vectors', is always 0.
        vocabulary: What its terms' numbers mean.
        sources: Pairs of row numbers: a fact, and verbatim words that it was drawn from.
        replaced: Row number of the fact that holds now, by that of verbatim words that a superseded fact was drawn from.
    """

    sayings: Sayings
    segments: tuple[Segment, ...]
    session_codes: dict[str, int]
    name_codes: dict[str, int]
    version: Version
    vocabulary: Vocabulary
    sources: frozenset[tuple[int, int]] = frozenset()
    replaced: Mapping[int, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes held, about."""
        return sum(a.nbytes for a in self.sayings.arrays()) + sum(s.size for s in self.segments) + 100 * len(self.session_codes)

    @cached_property
    def timed(self) -> bool:
        """Some memory expires or holds for a time only, or was deleted."""
        s = self.sayings
        return bool((s.expires != FOREVER).any() or (s.since != -FOREVER).any() or (s.until != FOREVER).any() or not s.alive.all())

    @cached_property
    def neighbours(self) -> tuple[Ints, Ints]:
        """What was said before and after each memory in its session, as positions; -1 for nothing. Facts are not said."""
        s = self.sayings
        before, after = np.full(len(s.keys), -1, np.int32), np.full(len(s.keys), -1, np.int32)
        said = np.flatnonzero((s.sessions >= 0) & s.alive & ~s.facts)
        said = said[np.argsort(s.sessions[said], kind="stable")]
        same = s.sessions[said[1:]] == s.sessions[said[:-1]]
        before[said[1:][same]], after[said[:-1][same]] = said[:-1][same], said[1:][same]
        return before, after

    @cached_property
    def total(self) -> int:
        """How many memories there are."""
        return int(self.sayings.alive.sum())

    @cached_property
    def mean_length(self) -> float:
        """Mean number of terms in a memory; at least 1."""
        return max(1.0, float(self.sayings.lengths.sum()) / max(1, self.total))

    @cached_property
    def norms(self) -> NDArray[np.float32]:
        """What BM25 adds to each memory's counts for its length."""
        norms: NDArray[np.float32] = (K1 * (1 - B + B * self.sayings.lengths / self.mean_length)).astype(np.float32)
        return norms

    @cached_property
    def shares(self) -> tuple[float, float]:
        """Which share of the verbatim memories belongs to a session or has a speaker, and which is not the main speaker's."""
        s = self.sayings
        words = np.flatnonzero(s.alive & ~s.facts)
        if not len(words):
            return 0.0, 0.0
        voices = np.bincount(np.where(s.names[words] >= 0, s.names[words] + OTHER_ROLE + 1, s.roles[words]))
        seated = (s.sessions[words] >= 0) | (s.roles[words] > 0) | (s.names[words] >= 0)
        return float(seated.mean()), 1 - float(voices.max()) / len(words)

    @cached_property
    def session_lengths(self) -> NDArray[np.float32]:
        """Terms in each session, by code."""
        s = self.sayings
        seated = s.sessions >= 0
        return np.bincount(s.sessions[seated], s.lengths[seated], len(self.session_codes)).astype(np.float32)

    def postings(self, term: str) -> tuple[Ints, NDArray[np.float32]]:
        """Return in which memories a term is, as positions, and how often; in no order across segments."""
        number = self.vocabulary.numbers.get(term, -1)
        found = [(segment.rows[at], segment.counts[at]) for segment in self.segments if (at := segment.find(number)).stop]
        if len(found) == 1:
            return found[0][0], found[0][1].astype(np.float32)
        if not found:
            return np.empty(0, np.int32), np.empty(0, np.float32)
        return np.concatenate([rows for rows, _ in found]), np.concatenate([counts for _, counts in found]).astype(np.float32)

    def visible(self, now: int, at: int, any_validity: bool) -> NDArray[np.bool_] | None:
        """Return which memories are live at `now` and valid at `at`; None means all."""
        if not self.timed:
            return None
        s = self.sayings
        live: NDArray[np.bool_] = s.alive & (s.expires > now)
        return live if any_validity else live & (s.since <= at) & (s.until > at)


class Lexicons:
    """Lexicons of the scopes searched last.

    Args:
        cache: What keeps them, beside the vectors.
    """

    def __init__(self, cache: MatrixCache) -> None:
        self._cache = cache
        self._vocabulary = Vocabulary()
        self._lock = threading.Lock()
        self._too_large: set[int] = set()

    def forked(self) -> None:
        """Be usable in a forked child: some thread that is not there may have held the lock."""
        self._lock = threading.Lock()
        self._vocabulary = Vocabulary()

    def clear(self) -> None:
        """Forget every word."""
        self._vocabulary = Vocabulary()  # whoever still reads has the old one with his lexicon
        self._too_large = set()

    def lexicon(self, connection: apsw.Connection, scope: int, version: Version) -> Lexicon | None:
        """Return the scope's words as of the reader's snapshot; None if they are too many to hold."""
        version = replace(version, generation=0)
        known = self._cache.known(scope)
        if isinstance(known, Lexicon) and known.version == version:
            return known
        with self._lock:  # one at a time: they number terms, and would only wait for each other's bytecode
            known = self._cache.known(scope)
            if isinstance(known, Lexicon) and known.version == version:
                return known
            if scope in self._too_large:
                return None
            found = None
            if isinstance(known, Lexicon) and version.continues(known.version):
                found = _refreshed(connection, known, scope, version)
            if found is None:
                rows = query(connection, "load_sayings", (scope, 0))
                found = _read(connection, rows, scope, version, self._current())
            if found.size > SHARE * self._cache.budget:
                self._too_large.add(scope)
                return None
            self._cache.keep((scope, None), found)
            return found

    def some(self, connection: apsw.Connection, keys: Sequence[int], scope: int, version: Version) -> Lexicon:
        """Return the words of some memories of a scope that is too large to hold."""
        with self._lock:
            rows = query(connection, "load_some_sayings", (scope, json.dumps(list(keys))))
            return _read(connection, rows, scope, version, self._current())

    def _current(self) -> Vocabulary:
        if len(self._vocabulary.numbers) > MAX_TERMS:
            self._vocabulary = Vocabulary()
        return self._vocabulary


def _read(connection: apsw.Connection, rows: Sequence[Row], scope: int, version: Version, vocabulary: Vocabulary) -> Lexicon:
    sessions: dict[str, int] = {}
    names: dict[str, int] = {}
    sayings, segment = Reader(connection, vocabulary).read(rows, 0, sessions, names)
    sources, replaced = _lineage(connection, scope) if sayings.facts.any() else NO_LINEAGE
    return Lexicon(sayings, (segment,), sessions, names, version, vocabulary, sources, replaced)


def _refreshed(connection: apsw.Connection, old: Lexicon, scope: int, version: Version) -> Lexicon | None:
    """Return `old` with the rows read anew that were added or changed since; None if it had better be read as a whole."""
    reader = Reader(connection, old.vocabulary)
    added = query(connection, "load_sayings", (scope, old.version.last))
    changed = [no for (no,) in query(connection, "changed_since", (scope, old.version.history)) if no <= old.version.last]
    sayings, segments = old.sayings, list(old.segments)
    if changed and not len(sayings.keys):
        return None  # all that there was had been deleted before, and some of it is back
    if changed:
        rows = query(connection, "load_some_sayings", (scope, json.dumps(changed)))
        spots = np.searchsorted(sayings.keys, np.array(changed, np.int64))
        spots = spots[np.isin(sayings.keys[np.minimum(spots, len(sayings.keys) - 1)], changed)]
        again = np.searchsorted(sayings.keys, np.array([row[0] for row in rows], np.int64))
        if not np.array_equal(sayings.keys[np.minimum(again, len(sayings.keys) - 1)], [row[0] for row in rows]):
            return None  # one that was deleted is back
        gone = np.zeros(len(sayings.keys), np.bool_)
        gone[spots] = True
        segments = [segment.without(gone) for segment in segments]
        buried, lengths = sayings.alive & ~gone, np.where(gone, 0, sayings.lengths).astype(np.float32)
        sayings = replace(sayings, alive=buried, lengths=lengths)
        if len(rows):
            fresh, segment = reader.read(rows, 0, old.session_codes, old.name_codes)
            sayings = sayings.overwritten(again, fresh)
            segments.append(replace(segment, rows=again.astype(np.int32)[segment.rows]))
        if (~sayings.alive).mean() > TOMBSTONES:
            return None
    if added:
        fresh, segment = reader.read(added, len(sayings.keys), old.session_codes, old.name_codes)
        sayings = sayings.joined(fresh)
        segments.append(segment)
    facts = bool(changed) or bool(sayings.facts[len(old.sayings.keys) :].any())
    sources, replaced = _lineage(connection, scope) if facts else (old.sources, old.replaced)
    return Lexicon(sayings, merged(segments), old.session_codes, old.name_codes, version, old.vocabulary, sources, replaced)


def _lineage(connection: apsw.Connection, scope: int) -> tuple[frozenset[tuple[int, int]], Mapping[int, int]]:
    """Return which verbatim words each fact was drawn from, and which of them a fact that holds now has put out of date."""
    sources = frozenset(query(connection, "sources_of_facts", (scope,)))
    successor: dict[int, int] = dict(query(connection, "successors", (scope,)))
    replaced: dict[int, int] = {}
    for fact, episode in sorted(sources):
        current, seen = fact, {fact}
        while (new := successor.get(current)) is not None and new not in seen:
            current = new
            seen.add(new)
        if current != fact and (current, episode) not in sources:
            replaced[episode] = current
    return sources, replaced
