"""How much of a language model's context hits take."""

import re
from collections.abc import Iterable
from typing import Final

from ...models import Hit

CHARS_PER_TOKEN: Final = 4
"""Of Latin text, in the common tokenizers; text of scripts without spaces counts a token a character."""

_dense: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")


def tokens_of(text: str) -> int:
    """Return about how many tokens a text is; at least 1."""
    dense = 0 if text.isascii() else len(_dense.findall(text))
    return dense + max(1, -(-(len(text) - dense) // CHARS_PER_TOKEN))


def within(hits: Iterable[Hit], budget: int) -> list[Hit]:
    """Return the best hits whose texts fit into so many tokens together; one that is too long is passed over for the next."""
    kept: list[Hit] = []
    for hit in hits:
        cost = tokens_of(hit.memory.text)
        if cost <= budget:
            kept.append(hit)
            budget -= cost
    return kept
