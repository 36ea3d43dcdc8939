"""Rerankers: models that read a question and a memory together, and say how well the one answers the other."""

from collections.abc import Sequence
from typing import Protocol

from ..models import Memory, Scope

Judgement = float | None
"""How well a memory answers, 0 to 1; None for no opinion."""


class Reranker(Protocol):
    """Judges the best candidates of a search once more. May be asked from any event loop, and many times at once."""

    @property
    def name(self) -> str:
        """Which, for messages."""

    async def rerank(self, question: str, memories: Sequence[Memory], scope: Scope) -> Sequence[Judgement]:
        """Return one judgement per memory, in their order.

        Args:
            question: The words.
            memories: Candidates, best first, at least one.
            scope: Who asks.

        Raises:
            RerankError: it failed.
            ModelError: the language model it asks failed, or answered what cannot be used.
        """


def shown_text(memory: Memory, limit: int) -> str:
    """Return a memory as a model should read it: who says it, where that is known, and so many characters of the text."""
    text = memory.text[:limit]
    return f"{memory.name}: {text}" if memory.name else text
