"""What is embedded for a memory, and the vectors that come of it."""

from collections.abc import Sequence

from ..errors import ClosedError, EmbeddingError
from ..fingerprint import embedding_key
from ..ports import Embedder, QueueingEmbedder, Vector


def spoken(text: str, name: str | None) -> str:
    """Return what is embedded: the text, behind the speaker's name if there is one.

    People ask by name ("what did Ana buy?"), and a text seldom names its own speaker (docs/adr/0005-embedded-text.md).
    """
    return f"{name}: {text}" if name else text


def vectors_of(embedder: Embedder, texts: Sequence[str]) -> Sequence[Vector | EmbeddingError]:
    """Return a vector for each text, or why there is none; one bad text does not cost the others theirs.

    Raises:
        ClosedError: the memory was closed before all were embedded.
    """
    if not embedder.immediate and isinstance(embedder, QueueingEmbedder):
        found: list[Vector | EmbeddingError] = []
        for answer in embedder.embed_each(texts):
            if isinstance(answer, ClosedError):
                raise answer
            found.append(answer)
        return found
    try:
        return list(embedder.embed_documents(texts))
    except EmbeddingError as e:
        return [e] if len(texts) == 1 else [v for text in texts for v in vectors_of(embedder, [text])]


def key_of(embedder: Embedder, text: str) -> bytes | None:
    """Return under which key the vector of a text is kept; None where making it anew costs less than looking it up."""
    return None if embedder.immediate else embedding_key(embedder.identity, "passage", text)
