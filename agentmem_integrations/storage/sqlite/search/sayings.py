"""What is known of each memory of a scope: its columns, and how a row and its words are read into them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import apsw
import numpy as np
from numpy.typing import NDArray

from ....ports import ASSISTANT, OTHER_ROLE, USER
from ....text_traits import Traits
from ..rows import NOT_AS_WRITTEN, damaged
from ..statements import Row
from ..text_index import question_words
from .nearest import FOREVER, Keys
from .postings import Ints, Segment, Vocabulary

TOKENIZER: Final = ("porter", ["unicode61", "remove_diacritics", "2"])  # as the text index has it
COLUMNS: Final = 14  # of `load_sayings`
_ROLES: Final = {None: 0, "user": USER, "human": USER, "assistant": ASSISTANT, "ai": ASSISTANT}


@dataclass(frozen=True, slots=True)
class Sayings:
    """What is known of each memory beside its words, column by column, in insertion order. Shapes (n,).

    Attributes:
        keys: Row numbers, rising.
        alive: It was not deleted.
        lengths: Terms in it.
        traits: Bits of `text_traits.Trait`.
        sessions: Code of its session; -1 for none. `names` likewise.
        roles: See `ports.survey`.
        facts: It is not verbatim.
        importance: NaN where not judged; as is `confidence`.
        occurred: Microseconds; as are `expires`, `since` and `until`.
    """

    keys: Keys
    alive: NDArray[np.bool_]
    lengths: NDArray[np.float32]
    traits: NDArray[np.uint8]
    sessions: Ints
    names: Ints
    roles: NDArray[np.int8]
    facts: NDArray[np.bool_]
    importance: NDArray[np.float32]
    confidence: NDArray[np.float32]
    occurred: Keys
    expires: Keys
    since: Keys
    until: Keys

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """Return the columns in order."""
        return tuple(getattr(self, name) for name in self.__slots__)

    def joined(self, more: "Sayings") -> "Sayings":
        """Return these and more behind them."""
        return Sayings(*(np.concatenate(pair) for pair in zip(self.arrays(), more.arrays(), strict=True)))

    def overwritten(self, spots: NDArray[np.intp], by: "Sayings") -> "Sayings":
        """Return a copy with some rows replaced."""
        copies = [a.copy() for a in self.arrays()]
        for copy, values in zip(copies, by.arrays(), strict=True):
            copy[spots] = values
        return Sayings(*copies)


class Reader:
    """Reads memories' words from one connection.

    Args:
        connection: Where.
        vocabulary: Numbers their terms.
    """

    def __init__(self, connection: apsw.Connection, vocabulary: Vocabulary) -> None:
        self._connection = connection
        self._tokenizer = connection.fts5_tokenizer(*TOKENIZER)
        self._vocabulary = vocabulary
        if vocabulary.rules is None:
            vocabulary.rules = Traits(self.terms)

    def terms(self, text: str) -> list[str]:
        """Return the terms of a text, in order."""
        flags = apsw.FTS5_TOKENIZE_DOCUMENT
        return list(map(str, self._tokenizer(text.encode(), flags, None, include_offsets=False, include_colocated=False)))

    def asked(self, question: str) -> list[str]:
        """Return the question's telling terms, each once."""
        return list(dict.fromkeys(term for word in question_words(question) for term in self.terms(word)))

    def read(self, rows: Sequence[Row], first: int, sessions: dict[str, int], names: dict[str, int]) -> tuple[Sayings, Segment]:
        """Return rows of `load_sayings` as columns and postings.

        Args:
            rows: They, in insertion order.
            first: Position of the first of them.
            sessions: Codes of sessions; new ones are added.
            names: Codes of speakers; new ones are added.

        Raises:
            SchemaError: one of them is damaged.
        """
        try:
            return self._read(rows, first, sessions, names)
        except (*NOT_AS_WRITTEN, AttributeError) as error:
            raise damaged(error) from error

    def _read(self, rows: Sequence[Row], first: int, sessions: dict[str, int], names: dict[str, int]) -> tuple[Sayings, Segment]:
        number, rules = self._vocabulary.number, self._vocabulary
        flat: list[int] = []
        lengths, shown = [], []
        for _, text, body, context, *_ in rows:
            terms = self.terms(text if body is None else body)
            said = terms[0] if terms else None
            assert rules.rules is not None
            shown.append(rules.rules.of_text(text, said))
            numbers = number(terms)
            own = len(numbers)
            if context:
                numbers += number(self.terms(context))
            flat += numbers
            lengths.append((own, len(numbers)))
        own_lengths, all_lengths = np.array(lengths, np.int64).reshape(-1, 2).T
        terms_flat = np.array(flat, np.int64)
        rows_flat = np.repeat(np.arange(first, first + len(rows)), all_lengths)
        traits = np.array(shown, np.uint8)
        self._add_term_traits(traits, terms_flat, own_lengths, all_lengths)
        packed, counts = np.unique(terms_flat << 32 | rows_flat, return_counts=True)
        segment = Segment.of_sorted(
            (packed >> 32).astype(np.int32), (packed & 0xFFFFFFFF).astype(np.int32), np.minimum(counts, 65_535).astype(np.uint16)
        )
        return _sayings(rows, all_lengths, traits, sessions, names), segment

    def _add_term_traits(self, traits: NDArray[np.uint8], terms: Keys, own: Keys, whole: Keys) -> None:
        """Add the traits of the terms of each text itself, not of its context."""
        starts = np.cumsum(whole) - whole
        filled = np.flatnonzero(own)
        if len(filled):
            bits = self._vocabulary.traits()[terms]
            bits[np.arange(len(terms)) - np.repeat(starts, whole) >= np.repeat(own, whole)] = 0
            traits[filled] |= np.bitwise_or.reduceat(bits, starts[filled])


def _sayings(rows: Sequence[Row], lengths: Keys, traits: NDArray[np.uint8], sessions: dict[str, int], names: dict[str, int]) -> Sayings:
    count = len(rows)
    columns = list(zip(*rows, strict=True)) if rows else [()] * COLUMNS
    keys, _, _, _, seats, speakers, roles, kinds, importance, confidence, occurred, expires, since, until = columns

    def times(values: Sequence[Any], missing: int) -> Keys:
        return np.full(count, missing) if values.count(None) == count else np.array([missing if v is None else v for v in values], np.int64)

    def fractions(values: Sequence[Any]) -> NDArray[np.float32]:
        return np.array([np.nan if v is None else float(v) for v in values], np.float32)

    def codes(values: Sequence[Any], known: dict[str, int]) -> Ints:
        return np.array([-1 if v is None else known.setdefault(v, len(known)) for v in values], np.int32)

    return Sayings(
        np.array(keys, np.int64), np.ones(count, np.bool_), lengths.astype(np.float32), traits, codes(seats, sessions),
        codes(speakers, names), np.array([_ROLES.get(role, OTHER_ROLE) for role in roles], np.int8),
        np.array([kind != "episode" for kind in kinds], np.bool_), fractions(importance), fractions(confidence),
        np.array(occurred, np.int64), times(expires, FOREVER), times(since, -FOREVER), times(until, FOREVER),
    )  # fmt: skip
