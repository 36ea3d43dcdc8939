"""What may answer a question, with what was said around it: the evidence that a ranking weighs, from RAM in one snapshot."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ....ports import Survey, Vector
from ..bm25 import K1
from .gather import Gatherer, top
from .lexicon import Lexicon, Lexicons
from .nearest import Block, Keys, Version, products
from .sayings import Reader

REACH: Final = 2  # turns to either side that count as neighbours
NEAR: Final = 0.5  # what the turn before and the one after count, where the best by their surroundings are chosen
KIN: Final = 5  # memories that the others are likened to
MOST_NAMES: Final = 100  # speakers whose names are known as such

Floats = NDArray[np.float32]
Spots = NDArray[np.intp]
Mask = NDArray[np.bool_]
Postings = tuple[NDArray[np.int32], Floats]


@dataclass(slots=True)
class Surveyor:
    """One question to one scope, inside one read transaction.

    Args:
        gatherer: Knows the question, its conditions and the vectors.
        lexicons: The scopes' words.
    """

    gatherer: Gatherer
    lexicons: Lexicons

    def survey(self) -> Survey:
        """Return the best candidates, and their neighbours."""
        found = self.gatherer.scope()
        if found is None:
            return _nothing()
        scope, version = found
        ask = self.gatherer.ask
        block = None
        if ask.vector is not None:
            block = self.gatherer.cache.block(self.gatherer.connection, scope, version, ask.field, self.gatherer.dim)
        lexicon = self.lexicons.lexicon(self.gatherer.connection, scope, version) if block is not None or ask.vector is None else None
        if lexicon is None:
            return self._from_lists(scope, version)
        return self._from_words(lexicon, block, scope, version)

    def _from_words(self, lexicon: Lexicon, block: Block | None, scope: int, version: Version) -> Survey:
        """Weigh every memory of the scope, and take the best."""
        ask, keys = self.gatherer.ask, lexicon.sayings.keys
        terms, naming = self._terms(lexicon)
        postings = [lexicon.postings(term) for term in terms]
        weights = _weights(lexicon, postings)
        lexical = np.zeros(len(keys), np.float32)
        for weight, (having, counts) in zip(weights, postings, strict=True):
            lexical[having] += weight * (K1 + 1) * counts / (counts + lexicon.norms[having])
        similarity = np.full(len(keys), np.nan, np.float32)
        if block is not None and ask.vector is not None:
            similarity = _spread(keys, block.columns.keys, block.similarities(ask.vector))
        shown = lexicon.visible(self.gatherer.now, self.gatherer.at(), ask.selection.any_validity)
        allowed = self.gatherer.allowed(scope, version)
        eligible = shown
        if allowed is not None:
            inside = np.isin(keys, allowed, assume_unique=True)
            eligible = inside if shown is None else shown & inside
        phrases = self.gatherer.phrases(scope, keys)
        head = _with_successors(lexicon, _best(lexicon, similarity, lexical, phrases, eligible, ask.limit), eligible)
        found = head
        if ask.depth > ask.limit:
            found = np.union1d(head, _best(lexicon, similarity, lexical, phrases, eligible, ask.depth))
        rows = _with_neighbours(lexicon, found, shown)
        survey = self._table(lexicon, rows, found, head, similarity[rows], lexical[rows], postings, weights, naming)
        if len(phrases):
            survey.phrases = phrases[rows]
        if block is not None and ask.vector is not None:
            _add_vectors(survey, block, ask.vector)
        return survey

    def _from_lists(self, scope: int, version: Version) -> Survey:
        """The scope is too large to hold: rank what SQLite finds, without neighbours."""
        ask = self.gatherer.ask
        candidates = self.gatherer.found(scope, version)
        if ask.depth > ask.limit:
            head, self.gatherer.ask = candidates, replace(ask, limit=ask.depth)
            candidates = self.gatherer.found(scope, version)
        else:
            head = candidates
        lexicon = self.lexicons.some(self.gatherer.connection, candidates.keys.tolist(), scope, version)
        kept = np.isin(candidates.keys, lexicon.sayings.keys, assume_unique=True)
        rows = np.arange(int(kept.sum()))
        terms, naming = self._terms(lexicon)
        postings = [lexicon.postings(term) for term in terms]
        weights = _weights(lexicon, postings)
        best = np.flatnonzero(np.isin(lexicon.sayings.keys, head.keys, assume_unique=True))
        similarity, lexical = candidates.similarity[kept].astype(np.float32), candidates.lexical[kept].astype(np.float32)
        survey = self._table(lexicon, rows, rows, best, similarity, lexical, postings, weights, naming)
        survey.phrases = self.gatherer.phrases(scope, lexicon.sayings.keys)
        return survey

    def _terms(self, lexicon: Lexicon) -> tuple[list[str], Mask]:
        """Return the question's terms, and which of them are names of those who speak."""
        words = self.gatherer.ask.words
        if words is None:
            return [], np.zeros(0, np.bool_)
        reader = Reader(self.gatherer.connection, lexicon.vocabulary)
        terms = reader.asked(words)
        names = {term for name in list(lexicon.name_codes)[:MOST_NAMES] for term in reader.terms(name)}
        return terms, np.array([term in names for term in terms], np.bool_)

    def _table(
        self, lexicon: Lexicon, rows: Spots, found: Spots, head: Spots, similarity: Floats, lexical: Floats,
        postings: list[Postings], weights: Floats, naming: Mask,
    ) -> Survey:  # fmt: skip
        s, size = lexicon.sayings, len(lexicon.sayings.keys)
        place = np.full(size + 1, -1, np.intp)  # the last is where -1 points
        place[rows] = np.arange(len(rows))
        codes, sessions = np.unique(s.sessions[rows], return_inverse=True)
        if len(codes) and codes[0] < 0:
            codes, sessions = codes[1:], sessions - 1
        counts, session_counts = np.zeros((len(rows), len(postings)), np.float32), np.zeros((len(codes), len(postings)), np.float32)
        for column, (where, often) in enumerate(postings):
            spots = place[where]
            here = spots >= 0
            counts[spots[here], column] = often[here]
            if len(codes):
                of = s.sessions[where]
                seated = of >= 0
                session_counts[:, column] = np.bincount(of[seated], often[seated], len(lexicon.session_codes))[codes]
        before, after = lexicon.neighbours
        is_found, is_deep = np.zeros(size, np.bool_), np.ones(size, np.bool_)
        is_found[found], is_deep[head] = True, False
        return Survey(
            s.keys[rows], is_found[rows], is_deep[rows] & is_found[rows], similarity, similarity, similarity, lexical,
            counts, s.lengths[rows], naming, weights, lexicon.mean_length, sessions.astype(np.intp), session_counts,
            lexicon.session_lengths[codes], place[before[rows]], place[after[rows]], tuple(lexicon.name_codes),
            s.names[rows].astype(np.intp), s.roles[rows], s.traits[rows], s.facts[rows], s.importance[rows], s.confidence[rows],
            s.occurred[rows], _pairs(s.keys, place, lexicon.sources), _pairs(s.keys, place, lexicon.replaced.items()), *lexicon.shares,
        )  # fmt: skip


def _add_vectors(survey: Survey, block: Block, vector: Vector) -> None:
    """Fill in what takes the vectors themselves: what was said around each memory found, and its likeness to the best."""
    keys = block.columns.keys
    spots = np.minimum(np.searchsorted(keys, survey.keys), len(keys) - 1)
    has = keys[spots] == survey.keys if len(keys) else np.zeros(len(survey.keys), np.bool_)
    rows = np.flatnonzero(survey.found & ~survey.deep & has)
    if not len(rows):
        return
    vectors = block.columns.matrix[spots]
    own = vectors[rows]
    fit = survey.similarity[rows] + survey.lexical[rows] / (survey.lexical.max(initial=0.0) or 1.0)
    centre = own[np.argsort(-fit, kind="stable")[:KIN]].sum(axis=0)
    kinship = products(own, centre / (np.linalg.norm(centre) + 1e-9))
    for step in (survey.before, survey.after):
        beside = step[rows]
        there = np.flatnonzero((beside >= 0) & has[beside])
        own[there] += vectors[beside[there]]
    around = products(own, vector) / (np.sqrt(np.einsum("ij,ij->i", own, own)) + 1e-9)
    survey.around, survey.kinship = (np.full(len(survey.keys), np.nan, np.float32) for _ in range(2))
    survey.around[rows], survey.kinship[rows] = np.round(around, 6), np.round(kinship, 6)


def _weights(lexicon: Lexicon, postings: list[Postings]) -> Floats:
    """Return how telling each word is: log(1 + (N - n + 0.5) / (n + 0.5)), see bm25.py."""
    having = np.array([len(rows) for rows, _ in postings], np.float32)
    weights: Floats = np.log1p((lexicon.total - having + 0.5) / (having + 0.5)).astype(np.float32)
    return weights


def _best(lexicon: Lexicon, similarity: Floats, lexical: Floats, phrases: Floats, eligible: Mask | None, limit: int) -> Spots:
    """Return the best by vector, by words, by phrases, and by both together with what was said before and after; rising."""
    rows = np.arange(len(lexical)) if eligible is None else np.flatnonzero(eligible)
    if len(rows) <= limit:
        some = ~np.isnan(similarity[rows]) | (lexical[rows] > 0)
        return rows[some | (phrases[rows] > 0)] if len(phrases) else rows[some]
    near, words = rows[~np.isnan(similarity[rows])], rows[lexical[rows] > 0]
    chosen = [near[top(similarity[near], limit)], words[top(lexical[words], limit)]]
    if len(phrases):
        saying = rows[phrases[rows] > 0]
        chosen.append(saying[top(phrases[saying] + lexical[saying] / (1 + lexical.max(initial=0.0)), limit)])
    before, after = lexicon.neighbours
    if len(lexicon.session_codes):
        both = np.nan_to_num(similarity) / (np.nanmax(similarity, initial=0.0) or 1.0) + lexical / (lexical.max() or 1.0)
        around = np.append(both, 0.0)
        wide = both + NEAR * (around[before] + around[after])
        chosen.append(rows[top(wide[rows], limit)])
    return np.unique(np.concatenate(chosen))


def _with_neighbours(lexicon: Lexicon, found: Spots, shown: Mask | None) -> Spots:
    """Return the memories found and those said around them; what is not to be seen at all stays away."""
    if not len(lexicon.session_codes):
        return found
    mask = np.zeros(len(lexicon.sayings.keys) + 1, np.bool_)
    mask[found] = True
    for step in lexicon.neighbours:
        spots = found
        for _ in range(REACH):
            spots = step[spots].astype(np.intp)
            spots = spots[spots >= 0]
            mask[spots] = True
    mask = mask[:-1] if shown is None else mask[:-1] & shown
    return np.flatnonzero(mask)


def _spread(keys: Keys, some: Keys, values: Floats) -> Floats:
    """Return the values of some of the keys, in the order of all of them; NaN for the others."""
    if len(keys) == len(some) and np.array_equal(keys, some):
        return values
    spread = np.full(len(keys), np.nan, np.float32)
    spots = np.searchsorted(keys, some)
    there = spots < len(keys)
    there[there] = keys[spots[there]] == some[there]
    spread[spots[there]] = values[there]
    return spread


def _pairs(keys: Keys, place: Spots, pairs: Collection[tuple[int, int]]) -> Spots:
    """Return where pairs of keys stand in the survey: those of which both do."""
    if not pairs:
        return np.zeros((0, 2), np.intp)
    wanted = np.array(list(pairs), np.int64)
    spots = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    places = np.where(keys[spots] == wanted, place[spots], -1)
    there: Spots = places[(places >= 0).all(axis=1)]
    return there


def _with_successors(lexicon: Lexicon, found: Spots, eligible: Mask | None) -> Spots:
    """Return the memories found and, for words that are out of date, the facts that hold now."""
    if not lexicon.replaced:
        return found
    keys = lexicon.sayings.keys
    current = [new for old in keys[found].tolist() if (new := lexicon.replaced.get(old)) is not None]
    spots = np.flatnonzero(np.isin(keys, current))
    return np.union1d(found, spots if eligible is None else spots[eligible[spots]])


def _nothing() -> Survey:
    empty, places, flags = np.zeros(0, np.float32), np.zeros(0, np.intp), np.zeros(0, np.bool_)
    table = np.zeros((0, 0), np.float32)
    return Survey(
        np.zeros(0, np.int64), flags, flags, empty, empty, empty, empty, table, empty, flags, empty, 1.0, places, table, empty, places,
        places, (), places, np.zeros(0, np.int8), np.zeros(0, np.uint8), flags, empty, empty, np.zeros(0, np.int64),
        np.zeros((0, 2), np.intp), np.zeros((0, 2), np.intp), 0.0, 0.0,
    )  # fmt: skip
