"""What a text shows on its surface, by rule: is it a question, a greeting, does it speak of the speaker, of a time, of a number?

English words only: in other languages the traits are simply absent, and nothing else depends on them.
"""

import re
from collections.abc import Callable, Sequence
from enum import IntFlag
from typing import Final


class Trait(IntFlag):
    """What a text shows. At most eight, for they are kept in a byte."""

    QUESTION = 1
    GREETING = 2
    FIRST_PERSON = 4
    TIME = 8
    NUMBER = 16
    NAMES = 32


# Plain numbers: the operators of a flag take longer than all the rest
QUESTION, GREETING, FIRST_PERSON, TIME, NUMBER, NAMES = (trait.value for trait in Trait)
_FIRST_PERSON: Final = "i my mine me we our us myself".split()
_TIMES: Final = """yesterday today tonight tomorrow last next ago week weekend month year morning evening monday tuesday wednesday
    thursday friday saturday sunday january february march april june july august september october november december""".split()
_NUMBERS: Final = "one two three four five six seven eight nine ten twice once dozen couple several".split()
_GREETINGS: Final = "hey hi hello thanks thank wow yeah yes bye sounds cool awesome great glad congrats sure absolutely nice".split()
_YEAR: Final = re.compile(r"(19|20)\d\d")
_capital: Final = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]{2,}").search


class Traits:
    """Tells the traits of texts whose words were cut and stemmed by somebody else.

    Args:
        terms_of: Cuts a text into terms.
    """

    def __init__(self, terms_of: Callable[[str], Sequence[str]]) -> None:
        def terms(words: Sequence[str]) -> frozenset[str]:
            return frozenset(terms_of(" ".join(words)))

        self._kinds = ((Trait.FIRST_PERSON, terms(_FIRST_PERSON)), (Trait.TIME, terms(_TIMES)), (Trait.NUMBER, terms(_NUMBERS)))
        self._greetings = terms(_GREETINGS)

    def of_term(self, term: str) -> int:
        """Return the traits that a text has because of one term."""
        traits = sum(trait.value for trait, terms in self._kinds if term in terms)
        if term[0].isdigit():
            traits |= NUMBER
            if _YEAR.fullmatch(term):
                traits |= TIME
        return traits

    def of_text(self, text: str, first: str | None) -> int:
        """Return the traits that show in the text as a whole; `first` is its first term."""
        traits = QUESTION if text.rstrip().endswith(("?", "？")) else 0
        if first in self._greetings:
            traits |= GREETING
        return traits | NAMES if _capital(text, 0, 400) else traits
