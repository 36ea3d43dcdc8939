"""Finds the texts that an embedder fails at, by halving: one bad text of n costs about 2 log2(n) calls more, not n."""

from collections.abc import Callable, Sequence

from ..errors import EmbeddingError
from ..ports import Answer, Matrix


def isolated(embed: Callable[[Sequence[str]], Matrix], texts: Sequence[str]) -> list[Answer]:
    """Return a vector for each text, or why there is none.

    If nothing at all succeeds within 2 log2(n) + 2 calls, it is not the texts: the service is down, and the others are not
    tried. They get the error, too.

    Args:
        embed: Embeds texts; raises `EmbeddingError`.
        texts: At least one.
    """
    return _Search(embed, len(texts)).answers(texts)


class _Search:
    def __init__(self, embed: Callable[[Sequence[str]], Matrix], count: int) -> None:
        self._embed = embed
        self._patience = 2 * (count - 1).bit_length() + 2
        self._succeeded = False
        self._failures = 0

    def answers(self, texts: Sequence[str]) -> list[Answer]:
        try:
            vectors: list[Answer] = list(self._embed(texts))
        except EmbeddingError as error:
            self._failures += 1
            if len(texts) == 1 or (not self._succeeded and self._failures >= self._patience):
                return [error] * len(texts)
            middle = len(texts) // 2
            first = self.answers(texts[:middle])
            if not self._succeeded and self._failures >= self._patience:
                return first + [error] * (len(texts) - middle)
            return first + self.answers(texts[middle:])
        self._succeeded = True
        return vectors
