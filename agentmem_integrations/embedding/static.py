"""The default embedder: a bundled table of token vectors, averaged per text, with no model to run.

The table was taught by sentence-transformers/all-MiniLM-L6-v2: a text's vector, the normalised sum of its tokens' rows, points about
where the transformer's would. Each row carries its weight as its length. It starts from SIF, a / (a + p(token)) with a = 1e-4 (Arora,
Liang and Ma, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", ICLR 2017), and is learned from there. How it was built:
`static_table/README.md`.
"""

import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer  # type: ignore[import-untyped, unused-ignore]

__all__ = ["StaticEmbedder"]

TABLE_DIR: Final = Path(__file__).with_name("static_table")
REVISION: Final = "eea00d2970e1"  # first 12 hex digits of table.npy's SHA-256; `static_table/build.py` prints it
UNKNOWN_TOKEN: Final = "[UNK]"  # noqa: S105 - a token of text

# The tokenizer always breaks at these four blanks and at ASCII punctuation, and whatever else it does to a text
# (dropping control characters and accents, lower case, further breaks) never reaches across one of them. So a text
# may be cut there and the pieces tokenized apart: the ids are the same, and a piece seen before costs one dict lookup.
_BLANK: Final = r" \t\n\r"
_PUNCTUATION: Final = r"!-/:-@\[-`{-~"
_pieces: Final = re.compile(rf"[^{_BLANK}{_PUNCTUATION}]+|[{_PUNCTUATION}]").findall

_CACHE_PIECES: Final = 32_768  # about 9 MB when full of words, 40 MB at worst
_CACHE_CHARS: Final = 24  # longer pieces are seldom words and seldom come again
_BLOCK_TOKENS: Final = 1_024  # rows gathered at once: 1 MiB of float32, which stays in the cache of a core
_BLOCK_TEXTS: Final = 1_024  # vectors normalised at once: 2 MiB of float64


class _TokenIds(dict[str, tuple[int, ...]]):
    """Token ids of a piece of text, computed when first asked for and then remembered, within bounds.

    Safe to read from many threads: what a key maps to never changes, so a race can only compute it twice.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        # Only `encode` is called, never `encode_batch`: that starts the tokenizers package's thread pool, which a
        # forked child cannot use and about which many of its releases complain on stderr at every later fork.
        self._encode = tokenizer.encode

    def __missing__(self, piece: str) -> tuple[int, ...]:
        # Lone surrogates are valid in a str but not in UTF-8; like control characters they carry no meaning.
        text = piece.encode("utf-8", "ignore").decode("utf-8")
        ids = tuple(self._encode(text, add_special_tokens=False).ids)
        if len(piece) <= _CACHE_CHARS:
            if len(self) >= _CACHE_PIECES:
                self.clear()  # starting afresh is cheap (about 5 µs a piece) and needs no lock and no bookkeeping
            self[piece] = ids
        return ids


class StaticEmbedder:
    """Embeds text with the bundled table: same text, same vector, whatever the batch, thread or process.

    Opening one reads about 8 MB and holds about 30 MB, and some more for words it has seen. All methods may be called from
    many threads at once, and in a child process after a fork. The whole of a text counts: nothing is cut off.

    Attributes:
        name: Which table this is.
        revision: First 12 hex digits of the SHA-256 of `table.npy`.
        dim: Length of a vector.
    """

    name: str = "static:minilm-256"
    revision: str = REVISION
    dim: int = 256

    def __init__(self) -> None:
        """Load the table and its tokenizer.

        Raises:
            OSError: a file of the table is missing or cannot be read: the installation is broken.
        """
        tokenizer: Tokenizer = Tokenizer.from_file(str(TABLE_DIR / "tokenizer.json"))
        scales: NDArray[np.float32] = np.load(TABLE_DIR / "scales.npy")
        # Dequantised once here: 30 MB, but a gather then needs no arithmetic.
        self._table: NDArray[np.float32] = np.load(TABLE_DIR / "table.npy") * scales[:, None]
        unknown = tokenizer.token_to_id(UNKNOWN_TOKEN)
        self._unknown = _unit(self._table[[unknown]], np.zeros(self.dim, np.float32))[0]
        # Unknown tokens say nothing about a text that has known ones. As zeros they add nothing to a sum, and a sum
        # of zero means that no token was known.
        self._table[unknown] = 0
        self._ids = _TokenIds(tokenizer)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector for each text.

        Args:
            texts: Any number of texts of any length; none are skipped. A text without a known token (empty, emoji
                only, an unknown script) gets the vector of the unknown token, never zeros.

        Returns:
            Shape (len(texts), 256), float32, rows of unit length in the order of `texts`.

        Raises:
            TypeError: `texts` is a single string, or one of its items is not a string.
        """
        if isinstance(texts, str):
            raise TypeError("texts must be a sequence of strings, not one string: use embed_query for one text")
        sums = np.zeros((len(texts), self.dim), np.float32)
        for row, text in zip(sums, texts, strict=True):
            self._add_rows(text, row)
        return _unit(sums, self._unknown)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Return the vector of one text: the same that `embed_documents` gives it.

        Args:
            text: Of any length, and possibly empty.

        Returns:
            Shape (256,), float32, unit length.

        Raises:
            TypeError: `text` is not a string.
        """
        vector: NDArray[np.float32] = self.embed_documents((text,))[0]
        return vector

    def _add_rows(self, text: str, total: NDArray[np.float32]) -> None:
        """Add the table rows of the tokens of `text` to `total`, shape (256,), which must be zeros.

        Each text is summed by itself, rows in token order within blocks and blocks in order, so that neither the
        batch nor the processor's vector width can change the rounding.
        """
        ids = list(chain.from_iterable(map(self._ids.__getitem__, _pieces(text))))
        for start in range(0, len(ids), _BLOCK_TOKENS):
            rows = self._table.take(ids[start : start + _BLOCK_TOKENS], axis=0)
            total += np.add.reduce(rows, axis=0)


def _unit(sums: NDArray[np.float32], unknown: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale the rows of `sums`, shape (n, 256), to unit length in place and return it; rows of zeros become `unknown`.

    Squares of float32 are exact in float64 and the quotient is rounded to float32 last, so that a platform's own
    order of summation does not show in the result.
    """
    for start in range(0, len(sums), _BLOCK_TEXTS):
        block = sums[start : start + _BLOCK_TEXTS]
        wide = block.astype(np.float64)
        norms = np.sqrt(np.add.reduce(wide * wide, axis=1))
        nothing = norms == 0
        wide[nothing], norms[nothing] = unknown, 1
        block[:] = wide / norms[:, None]
    return sums
