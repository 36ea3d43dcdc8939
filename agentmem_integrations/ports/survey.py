"""What a store tells of the memories around a question, so that they can be ranked without being read."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Places = NDArray[np.intp]
Flags = NDArray[np.bool_]

USER: Final = 1
ASSISTANT: Final = 2
OTHER_ROLE: Final = 3
"""Codes of `Survey.roles`; 0 where no role was given."""


@dataclass(slots=True)
class Survey:
    """Memories that may answer a question, and the turns said around them, column by column, in insertion order.

    Attributes:
        keys: The store's own handles, rising, shape (n,).
        found: Which may become hits: they meet every condition and are among the best; shape (n,). The others are there as the
            neighbours of these.
        deep: Which of the found are only there because many hits were asked for; shape (n,).
        similarity: Cosine, -1 to 1; NaN where a memory has no vector; shape (n,).
        around: Cosine of the question with the sum of a memory's vector and those of the turns before and after it; NaN likewise.
        kinship: Cosine of a memory with the sum of those few that fit the question best by both lists; NaN likewise.
        lexical: BM25 within the owner's memories, 0 where no word matches; shape (n,).
        counts: How often each of the question's words occurs in each memory, speaker and date included; shape (n, words).
        lengths: Words in each memory, shape (n,).
        naming: Which of the question's words are names of those who speak, shape (words,).
        weights: How telling each of the question's words is (its inverse document frequency), shape (words,).
        mean_length: Of all the owner's memories.
        sessions: Which session each belongs to, a row of the next two; -1 for none; shape (n,).
        session_counts: As `counts`, over whole sessions; shape (sessions, words).
        session_lengths: Words in each session, shape (sessions,).
        before: The turn said before in the same session, as a position in these columns; -1 if there is none, or it is not
            here; shape (n,).
        after: The turn said after it, likewise.
        speakers: The names of those who speak.
        spoken: Who speaks, as a position in `speakers`; -1 for nobody named; shape (n,).
        roles: `USER`, `ASSISTANT`, `OTHER_ROLE` or 0, shape (n,).
        traits: Bits of `text_traits.Trait`, shape (n,).
        facts: Which are facts, not verbatim words; shape (n,).
        importance: 0 to 1; NaN where not judged; shape (n,).
        confidence: 0 to 1; NaN where not said; shape (n,).
        occurred: When it was said or happened, microseconds since 1970 UTC, shape (n,).
        sources: Pairs of positions: a fact, and verbatim words it was drawn from; shape (pairs, 2).
        replaced: Pairs of positions: verbatim words that a superseded fact was drawn from, and the fact that holds now; shape
            (pairs, 2).
        seated: Share of the owner's verbatim memories that belong to a session or have a speaker, 0 to 1.
        other_voices: Share of them that is not the main speaker's.
        phrases: How many of the question's phrases each memory's text has, word for word; shape (n,), or (0,) where none was asked for.
    """

    keys: NDArray[np.int64]
    found: Flags
    deep: Flags
    similarity: Floats
    around: Floats
    kinship: Floats
    lexical: Floats
    counts: Floats
    lengths: Floats
    naming: Flags
    weights: Floats
    mean_length: float
    sessions: Places
    session_counts: Floats
    session_lengths: Floats
    before: Places
    after: Places
    speakers: tuple[str, ...]
    spoken: Places
    roles: NDArray[np.int8]
    traits: NDArray[np.uint8]
    facts: Flags
    importance: Floats
    confidence: Floats
    occurred: NDArray[np.int64]
    sources: Places
    replaced: Places
    seated: float
    other_voices: float
    phrases: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
