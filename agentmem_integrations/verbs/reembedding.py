"""The verb that changes a collection's embedder."""

from typing import Any

from ..build import open_embedder
from ..errors import InvalidInputError
from ..pipeline.reembed import ReembedHallway
from ..sync_async import Call, Read, face, twin
from .progress import Progress, reporting
from .scoped import Scoped


class Reembedding(Scoped):
    """The verb that changes a collection's embedder."""

    @face
    def reembed(self, embedder: Any, *, progress: Progress = False) -> Call[int]:
        """Change the collection's embedder: embed every memory anew; return how many were embedded by this call.

        Meanwhile the collection is searched with the old vectors, and added to, by everybody. Once all new vectors are there
        they take the old ones' place, at one instant. From then on this memory and its views use the new embedder; whoever
        else holds the old one gets `EmbedderMismatchError` from his next vector search, or write that carries a vector.

        An interrupted call, also one that was killed, goes on where it stopped when it is made again. With another embedder it
        starts anew; with the one the collection has, it gives up what was begun and returns 0. Open the memory with
        `embedder=None` if its old embedder is no longer to be had.

        Args:
            embedder: As for `AgentMemory`, but not None.
            progress: True for a bar on stderr, or a function that is called with the number embedded so far.

        Raises:
            EmbeddingError: the new embedder failed. The collection goes on with the old one; call this again to go on.
            EmbedderMismatchError: somebody else called this meanwhile, with another embedder.
            ConflictError: there are items with vectors of several fields, which only the program that stored them can make.
        """
        self._room.engine.check_open()
        room = self._room

        def change() -> int:
            new = open_embedder(room.engine, embedder, room.namespace)
            if new is None:
                raise InvalidInputError("reembed(None): pass the embedder that the collection is to have, such as 'static'")
            hallway = ReembedHallway(room.writing, room.namespace, new, room.adopt)
            wanted = hallway.begin()
            with reporting(progress, wanted) as report:
                return hallway.embed(wanted, report)

        return Read(room.engine, change)

    areembed = twin(reembed)
