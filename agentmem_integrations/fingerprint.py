"""When two memories are the same utterance told twice, and when two texts have the same vector."""

import hashlib
import unicodedata

from .models import Identity, Memory


def normalise(text: str) -> str:
    """Return `text` in Unicode NFC with runs of white space as single spaces: what twins are compared by.

    Case and punctuation count: in code, names and quotations they carry meaning.
    """
    text = " ".join(text.split())
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def fingerprint(memory: Memory) -> bytes:
    """Return 16 bytes that are equal for twins.

    Twins agree in agent, session, role, name, given timestamp and normalised text; that they also agree in namespace and
    owner is the store's to see to. A timestamp was given if `occurred_at` is not the instant of storing.
    """
    said_at = None if memory.occurred_at == memory.created_at else memory.occurred_at
    told = (memory.agent_id, memory.session_id, memory.role, memory.name, said_at and said_at.timestamp(), normalise(memory.text))
    # repr of a tuple of text, numbers and None is injective, so no separator can be forged
    return hashlib.blake2b(repr(told).encode(), digest_size=16).digest()


def embedding_key(identity: Identity, kind: str, text: str) -> bytes:
    """Return 32 bytes under which the vector of a text is kept: others for another embedder, revision, dimension or kind.

    Args:
        identity: Whose vector.
        kind: `passage` or `query`: some models embed the same words differently.
        text: What was embedded.
    """
    told = (identity.name, identity.revision, identity.dim, kind, text)
    return hashlib.blake2b(repr(told).encode(errors="surrogatepass"), digest_size=32).digest()
