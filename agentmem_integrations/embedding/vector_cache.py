"""Vectors of texts embedded before: in RAM, and behind that in the file. A vector found costs no call of the model.

A vector is a pure function of embedder, kind and text, so what one owner's text was embedded for serves another's. Nobody reads
another's words this way; that a call was quicker may tell that somebody stored or asked exactly this text before
(docs/embedding-queue-and-cache.md).
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from cachetools import LRUCache

from ..fingerprint import embedding_key
from ..models import Identity, Scope
from ..ports import Answer, Matrix, Vector, Wish
from .model import Kind
from .queue import QueuedEmbedder

ENTRY_BYTES: Final = 350  # of an entry beside its vector: key, array header, links (tracemalloc counts 343 with CPython 3.11)

Find = Callable[[Sequence[bytes]], Mapping[bytes, Vector]]
Keep = Callable[[Scope, bytes, Vector], None]


class VectorCache:
    """Vectors in RAM by key, those used last; shared by all embedders of an open memory.

    Args:
        budget: Bytes for all of them.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._start_anew()

    def find(self, keys: Iterable[bytes]) -> dict[bytes, Vector]:
        """Return those that are here."""
        wanted = list(keys)
        with self._guard():
            found = {key: self._vectors[key] for key in wanted if key in self._vectors}
            self._hits += len(found)
            self._misses += len(wanted) - len(found)
        return found

    def peek(self, key: bytes) -> Vector | None:
        """Return one if it is here, without counting."""
        with self._guard():
            return self._vectors.get(key)

    def put(self, vectors: Mapping[bytes, Vector]) -> None:
        """Keep these; what was not used for longest makes way."""
        with self._guard():
            for key, vector in vectors.items():
                if _size(vector) <= self.budget:
                    copy = vector.copy()  # a row of a batch would keep the whole batch alive
                    copy.flags.writeable = False
                    self._vectors[key] = copy

    def clear(self) -> None:
        """Forget everything."""
        with self._guard():
            self._vectors.clear()

    def usage(self) -> dict[str, int]:
        """Return hits, misses, entries and bytes."""
        with self._guard():
            return {"hits": self._hits, "misses": self._misses, "entries": len(self._vectors), "bytes": int(self._vectors.currsize)}

    def _guard(self) -> threading.Lock:
        if os.getpid() != self._pid:  # a forked child: some thread that is not there may have held the lock, half way through
            self._start_anew()
        return self._lock

    def _start_anew(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._vectors: LRUCache[bytes, Vector] = LRUCache(self.budget, getsizeof=_size)
        self._hits = self._misses = 0


class CachedEmbedder:
    """A queue with what was embedded before in front of it.

    Args:
        queue: Makes what is not there.
        ram: The first place to look.
        find: Looks keys up in the file.
        keep: Keeps the vector of a question in the file, later; what is stored brings its own there.
    """

    immediate = False

    def __init__(self, queue: QueuedEmbedder, ram: VectorCache, find: Find, keep: Keep) -> None:
        self.identity: Identity = queue.identity
        self.queue = queue
        self._ram = ram
        self._find = find
        self._keep = keep
        self._hits = self._misses = 0  # in the file; counted without a lock: a figure for people
        queue.remember(
            lambda kind, text: ram.peek(self._key(text, kind)),
            lambda kind, text, vector: ram.put({self._key(text, kind): vector}),
        )

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Return one unit vector per text, shape (n, dim), float32.

        Raises:
            EmbeddingError: there is none for one of the texts.
            ClosedError: the memory was closed.
        """
        answers = self.embed_each(texts)
        return np.stack([_raised(answer) for answer in answers]) if answers else np.empty((0, self.identity.dim), np.float32)

    def embed_query(self, text: str, scope: Scope | None = None) -> Vector:
        """Return the unit vector of a question, shape (dim,), float32.

        Args:
            text: The question.
            scope: Who asks; None: the vector is not kept in the file.

        Raises:
            EmbeddingError: there is none.
            ClosedError: the memory was closed.
        """
        key = self._key(text, "query")
        found = self._known({text: key})
        if found:
            return found[text]
        vector = self.queue.embed_query(text)
        self._asked(key, vector, scope)
        return vector

    def embed_each(self, texts: Sequence[str]) -> Sequence[Answer]:
        """Wait for the answers to a bulk load, in the order of its texts; the same text twice is embedded once."""
        keys = {text: self._key(text, "passage") for text in texts}
        found = self._known(keys)
        missing = [text for text in keys if text not in found]
        made = self._made(missing, keys, self.queue.embed_each(missing))
        return [found[text] if text in found else made[text] for text in texts]

    def check(self) -> None:
        """Ask the model itself, and no cache.

        Raises:
            EmbeddingError: it does not embed.
            ClosedError: the memory was closed.
        """
        self.queue.check()

    def begin(self, wishes: Sequence[Wish]) -> None:
        """Answer what is known at once, and queue the rest."""
        keys = {text: self._key(text, "passage") for texts, _ in wishes for text in texts}
        found = self._known(keys)
        for texts, then in wishes:
            missing = [text for text in dict.fromkeys(texts) if text not in found]
            self.queue.begin([(missing, self._completing(texts, found, missing, keys, then))])

    def begin_query(self, text: str, scope: Scope, then: Callable[[Answer], None]) -> None:
        """Answer a question that is known at once, or queue it."""
        key = self._key(text, "query")
        found = self._known({text: key})
        if found:
            then(found[text])
            return

        def made(answer: Answer) -> None:
            if not isinstance(answer, Exception):
                self._asked(key, answer, scope)
            then(answer)

        self.queue.begin_query(text, scope, made)

    def remember(self, vectors: Mapping[bytes, Vector]) -> None:
        """Take vectors that were read from the file into RAM."""
        self._ram.put(vectors)

    def file_usage(self) -> dict[str, int]:
        """Return how often the file had what RAM had not, and how often neither did."""
        return {"hits": self._hits, "misses": self._misses}

    def _key(self, text: str, kind: Kind) -> bytes:
        return embedding_key(self.identity, kind, text)

    def _known(self, keys: Mapping[str, bytes]) -> dict[str, Vector]:
        """Return the vectors of those texts that were embedded before, from RAM or else from the file."""
        found = self._ram.find(keys.values())
        if len(found) < len(keys):
            wanted = [key for key in keys.values() if key not in found]
            fitting = {key: vector for key, vector in self._find(wanted).items() if vector.shape == (self.identity.dim,)}
            self._hits += len(fitting)
            self._misses += len(wanted) - len(fitting)
            self._ram.put(fitting)
            found |= fitting
        return {text: found[key] for text, key in keys.items() if key in found}

    def _made(self, texts: Sequence[str], keys: Mapping[str, bytes], answers: Sequence[Answer]) -> dict[str, Answer]:
        made = dict(zip(texts, answers, strict=True))
        self._ram.put({keys[text]: answer for text, answer in made.items() if not isinstance(answer, Exception)})
        return made

    def _completing(
        self,
        texts: Sequence[str],
        found: Mapping[str, Vector],
        missing: Sequence[str],
        keys: Mapping[str, bytes],
        then: Callable[[Sequence[Answer]], None],
    ) -> Callable[[Sequence[Answer]], None]:
        """Return what puts the answers to `missing` beside those found, and passes on the answers to all texts."""

        def complete(answers: Sequence[Answer]) -> None:
            made = self._made(missing, keys, answers)
            then([found[text] if text in found else made[text] for text in texts])

        return complete

    def _asked(self, key: bytes, vector: Vector, scope: Scope | None) -> None:
        self._ram.put({key: vector})
        if scope is not None:
            self._keep(scope, key, vector)


def _size(vector: Vector) -> int:
    return vector.nbytes + ENTRY_BYTES


def _raised(answer: Answer) -> Vector:
    if isinstance(answer, Exception):
        raise answer
    return answer
