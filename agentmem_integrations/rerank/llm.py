"""A language model as a reranker: it reads the question with all candidates at once, and puts them in order."""

import os
from collections.abc import Callable, Sequence

from ..models import Memory, Scope
from ..ports import Judgement, Reasoner


class LlmReranker:
    """Asks a language model for an order: one call per search, or none where the same was asked within the hour.

    What the model names first counts 1, and of n candidates each further one 1/n less; of those that it does not name it has no
    opinion. Sun et al. ask listwise as well ("Is ChatGPT Good at Search? Investigating Large Language Models as Re-Ranking Agents",
    2023), for all candidates; few numbers are cheaper, and less is to be got wrong.

    Args:
        make: Returns who asks the model; called on the event loop of language models, once in every process.
        name: Which model.
    """

    def __init__(self, make: Callable[[], Reasoner], name: str) -> None:
        self.name = name
        self._make = make
        self._made: Reasoner | None = None
        self._pid = -1

    async def rerank(self, question: str, memories: Sequence[Memory], scope: Scope) -> Sequence[Judgement]:
        """Return the order as numbers.

        Raises:
            ModelError: the model failed, or answered twice what cannot be read.
        """
        answer = await self._reasoner().order(scope, question, memories)
        judged: list[Judgement] = [None] * len(memories)
        for place, named in enumerate(answer.value):
            judged[named] = 1.0 - place / len(memories)
        return judged

    def _reasoner(self) -> Reasoner:
        if self._made is None or self._pid != os.getpid():  # a forked child has none of its parent's tasks
            self._made, self._pid = self._make(), os.getpid()
        return self._made
