"""Vectors that callers bring along: some other program embeds, and this one stores and compares."""

from collections.abc import Sequence

from ..errors import EmbeddingError
from ..models import Identity, Scope
from ..ports import Matrix, Vector
from .model import check_identity

NAME = "given"


class GivenVectors:
    """Stands for an embedder in a collection whose vectors all come from its callers.

    What is added must carry a `vector`, and a search by meaning too; words are searched as ever.

    Args:
        dim: Numbers in a vector, 1 to 65,536. None: as recorded in the file; a collection that has recorded none is searched by
            words only, until it is opened with a dimension.
        name: Which model makes them. It is recorded, and the collection then takes no other's. None: whatever was recorded, and
            `given` in a new collection.

    Raises:
        InvalidInputError: a dimension or a name that is none.
    """

    def __init__(self, dim: int | None = None, name: str | None = None) -> None:
        check_identity(NAME if name is None else name, "", 1 if dim is None else dim)
        self._dim = dim
        self._name = name

    def identified(self, recorded: Identity | None) -> Identity | None:
        """Return whose vectors these are, given what a collection has recorded; None if nobody knows their length yet."""
        if recorded is not None:
            same_name = self._name is None or self._name == recorded.name
            return Identity(
                recorded.name if same_name else str(self._name), recorded.revision if same_name else "", self._dim or recorded.dim
            )
        return None if self._dim is None else Identity(NAME if self._name is None else self._name, "", self._dim)


class GivenEmbedder:
    """An embedder that makes nothing.

    Args:
        identity: Whose vectors callers bring.
    """

    immediate = True
    given = True

    def __init__(self, identity: Identity) -> None:
        self.identity = identity

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """Refuse to.

        Raises:
            EmbeddingError: always.
        """
        raise _refusal()

    def embed_query(self, text: str, scope: Scope | None = None) -> Vector:
        """Refuse to.

        Raises:
            EmbeddingError: always.
        """
        raise _refusal()


def _refusal() -> EmbeddingError:
    return EmbeddingError("the vectors of this collection come from its callers: pass vector=..., or search with using='text'")
