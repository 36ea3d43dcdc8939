"""What an adapter of an embedding model gives to the queue in front of it."""

from collections.abc import Sequence
from typing import Literal, Protocol

from ..models import Identity
from ..ports import Matrix

Kind = Literal["passage", "query"]
"""What a text is: something stored, or a question. Some models want another prefix before each."""


class Lane(Protocol):
    """One way into a model that one thread at a time may use: a session, a connection, an object."""

    def embed(self, texts: Sequence[str], kind: Kind) -> Matrix:
        """Return one vector per text, shape (n, dim).

        Raises:
            EmbeddingError: the model failed, or returned vectors that cannot be stored.
        """


class Model(Protocol):
    """A model, whatever runs it: how its vectors are called, and the lanes that make them."""

    @property
    def identity(self) -> Identity:
        """Name, revision and dimension."""

    @property
    def lanes(self) -> Sequence[Lane]:
        """At least one; different lanes may be used at the same time."""

    @property
    def batch(self) -> int:
        """Texts of about one length that a lane embeds best in one call."""

    def close(self) -> None:
        """Let go of sessions and connections."""
