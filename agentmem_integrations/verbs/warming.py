"""The verb that makes the first questions as quick as the later ones: warm."""

from collections.abc import Sequence

from ..errors import InvalidInputError, shown
from ..models import UserId
from ..pipeline.checks import read_text
from ..sync_async import Call, Read, face, twin
from .scoped import Scoped


class Warming(Scoped):
    """The verb that prepares."""

    @face
    def warm(self, *, user_id: UserId | None = None, queries: Sequence[str] = ()) -> Call[int]:
        """Read into RAM what an owner's questions will need: the vectors that are searched, and those of texts embedded before.

        Args:
            user_id: The owner.
            queries: Questions that will be asked: those never asked before are embedded now, and kept in the file for the owner.

        Returns:
            How many of the owner's vectors are in RAM to be searched; 0 if there are none, or too many to hold.

        Raises:
            InvalidInputError: a question that is none.
            EmbeddingError: a question could not be embedded.
        """
        self._room.engine.check_open()
        if not isinstance(queries, list | tuple):
            raise InvalidInputError(f"queries={shown(queries)}: pass a list of questions")
        texts = [read_text(query, self._room.text_limit) for query in queries]
        scope = self._scope(user_id, None, None)
        return Read(self._room.engine, lambda: self._room.warm(scope, texts))

    awarm = twin(warm)
