"""The reembed hallway: begin -> embed, page by page -> swap -> erase the old.

The old vectors count until the new ones are complete; the store keeps how far this has come.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ..errors import EmbedderMismatchError, EmbeddingError
from ..ports import Embedder, QueueingEmbedder, Reembed, Store, Vector, Wanting, WantingPage
from .embedded_text import spoken, vectors_of
from .write_stages.batching import Write
from .write_stages.commit import one
from .write_stages.embed import Writing

log = logging.getLogger("agentmem.pipeline")

PAGE: Final = 256  # memories embedded in one call and stored in one transaction: what a kill can cost
PAGE_CHARS: Final = 500_000  # of their texts, should they be long


@dataclass(slots=True)
class ReembedHallway:
    """Takes one collection from one embedder to another.

    Args:
        writing: The way to the store.
        namespace: The collection.
        embedder: The new one.
        adopt: Makes everything that is open of the collection in this process go on with it.

    Attributes:
        done: How many vectors were made.
    """

    writing: Writing
    namespace: str
    embedder: Embedder
    adopt: Callable[[Embedder], None]
    done: int = 0

    @property
    def _store(self) -> Store:
        return self.writing.commits.store

    def begin(self) -> int | None:
        """Set out, or go on; return how many memories want a new vector, None if the collection has the embedder already."""
        if not self._store.begin_reembedding(self.namespace, self.embedder.identity):
            return None
        return self._store.count_wanting(self.namespace)

    def embed(self, wanted: int | None, progress: Callable[[int], None]) -> int:
        """Make the new vectors and let them take the old ones' place; return how many were made.

        Args:
            wanted: What `begin` returned.
            progress: Called with the number made so far.

        Raises:
            EmbeddingError: the embedder failed; call this again to go on.
            EmbedderMismatchError: the collection is on its way to another embedder by now.
        """
        try:
            if wanted is not None:
                self._make(wanted, progress)
        except EmbedderMismatchError:
            if self._store.identity(self.namespace) != self.embedder.identity:
                raise
            wanted = None  # another process did the same, and was faster
        with self.writing.commits.stage.held():
            if wanted is not None:
                owed = self._store.swap_embedder(self.namespace, self.embedder.identity)
                log.info("collection %s was changed to %s, %d vectors are owed", self.namespace, self.embedder.identity.name, owed)
            self.adopt(self.embedder)
        if wanted is not None:
            self._pay()
        progress(self.done)
        self.writing.erase_leftovers()
        return self.done

    def _make(self, wanted: int, progress: Callable[[int], None]) -> None:
        """Walk until nothing wants a vector, or what does gets no fewer: others go on adding and rewriting meanwhile."""
        left, before = wanted, wanted + 1
        while left and left < before:
            self._walk(left, progress)
            left, before = self._store.count_wanting(self.namespace), left

    def _walk(self, wanted: int, progress: Callable[[int], None]) -> None:
        """Walk once through what wants a vector, `wanted` memories and no more than a page beyond."""
        identity, after, seen, total = self.embedder.identity, 0, 0, self.done + wanted
        while seen < wanted:
            page = _bounded(self._store.wanting(self.namespace, identity, PAGE, after))
            made, failed = self._vectors(page.memories, total)
            self.done += self.writing.commits.run(Write([Reembed(self.namespace, identity, made, failed, page.behind)], one))
            progress(self.done)
            if not page.memories:
                break
            after, seen = page.memories[-1].memory, seen + len(page.memories)

    def _vectors(self, memories: Sequence[Wanting], total: int) -> tuple[list[tuple[Wanting, Vector]], list[Wanting]]:
        """Return the memories with their vectors, and those whose text the embedder refuses.

        Raises:
            EmbeddingError: it refuses everything.
        """
        if not memories:
            return [], []
        texts = [spoken(memory.text, memory.name) for memory in memories]
        try:
            return list(zip(memories, self.embedder.embed_documents(texts), strict=True)), []
        except EmbeddingError as error:
            self._check_alive(error, total)
        found = zip(memories, vectors_of(self.embedder, texts), strict=True)
        made, failed = [], []
        for memory, vector in found:
            if isinstance(vector, EmbeddingError):
                failed.append(memory)
            else:
                made.append((memory, vector))
        return made, failed

    def _check_alive(self, error: EmbeddingError, total: int) -> None:
        """Tell a text that cannot be embedded from an embedder that cannot embed: else each text would be tried in vain."""
        try:
            if isinstance(self.embedder, QueueingEmbedder):
                self.embedder.check()
            else:
                self.embedder.embed_documents(["a"])
        except EmbeddingError:
            raise EmbeddingError(
                f"{error}; {self.done:,} of {total:,} memories have their vector of {self.embedder.identity.name}, and the collection goes "
                f"on with what it had: call reembed again to go on from there"
            ) from error

    def _pay(self) -> None:
        """Make the vectors that are owed since the swap."""
        while filled := self.writing.fill_debts(due_only=False):
            self.done += filled


def _bounded(page: WantingPage) -> WantingPage:
    """Return so much of the page as is embedded at once."""
    size = 0
    for count, memory in enumerate(page.memories, 1):
        size += len(memory.text)
        if size >= PAGE_CHARS and count < len(page.memories):
            return WantingPage(page.memories[:count], memory.memory)
    return page
