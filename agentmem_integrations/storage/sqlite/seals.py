"""The seal of a vector: two content hashes that tell, years later, whether it is still the one that was stored.

The first half is of the words it was made of, the second of its numbers. Two halves and not one hash of both, so that a check can say
which of the two changed: words that somebody rewrote underneath the vector, or bits of the vector itself.
"""

from hashlib import blake2b
from typing import Final

HALF: Final = 8  # bytes: accidents find each other in one of 2**64 cases


def seal(text: str, name: str | None, vector: bytes) -> bytes:
    """Return the seal of a vector, 16 bytes.

    Args:
        text: The memory's text.
        name: The memory's speaker, whose name is embedded with the text.
        vector: Little-endian float32.
    """
    return words_half(text, name) + numbers_half(vector)


def words_half(text: str, name: str | None) -> bytes:
    """Return the half that changes with the words."""
    return blake2b(f"{name or ''}\0{text}".encode(), digest_size=HALF).digest()


def numbers_half(vector: bytes) -> bytes:
    """Return the half that changes with the numbers."""
    return blake2b(vector, digest_size=HALF).digest()
