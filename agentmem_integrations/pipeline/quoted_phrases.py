"""Phrases: what a question quotes, such as `who said "see you in Lisbon"?`."""

import re
from typing import Final

MOST: Final = 8
"""Phrases of one question that count, the first ones."""

LONGEST: Final = 1_000
"""Characters of a phrase; what is longer is a text that is quoted, and no phrase to look for."""

# An opening quote stands where a word begins, a closing one where a word ends: the marks in `a 27" and a 24" screen` quote nothing
_QUOTED: Final = re.compile(
    r'(?<!\w)"(?=\S)([^"]*\S)"(?!\w)|“([^“”„]+)”|„([^“”„]+)[“”]|«([^«»]+)»|「([^「」]+)」',
)
_word: Final = re.compile(r"\w").search


def quoted(question: str) -> tuple[str, ...]:
    """Return what stands in double quotes, each once: "...", “...”, „...“, «...» and 「...」.

    A quote that is not closed is just text, as is an apostrophe, and as are quotes around nothing that is a word.
    """
    found = (next(filter(None, match.groups())).strip() for match in _QUOTED.finditer(question))
    return tuple(dict.fromkeys(phrase for phrase in found if len(phrase) <= LONGEST and _word(phrase)))[:MOST]
