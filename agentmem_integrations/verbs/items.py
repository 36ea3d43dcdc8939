"""Items of agent frameworks: what adapters of their stores stand on."""

from collections.abc import Sequence

from ..engine import Room
from ..errors import InvalidInputError, shown
from ..models import Identity, ItemAnswer, ItemOp, Path
from ..pipeline.arguments import read_name
from ..pipeline.items import ItemHallway, checked, read_path
from ..pipeline.write_stages.batching import Write
from ..pipeline.write_stages.commit import one
from ..ports import Outcome, PurgeItems, Sweep
from ..sync_async import Call, Change, Later, Read, face, twin

Answers = list[ItemAnswer]


class Items:
    """The items of one collection. Made by `AgentMemory.items`; every method has an async twin with an `a` in front.

    Safe to share like the memory it is of, which is also what closes it.

    Args:
        room: The open collection.
        sweep_every: Seconds between two deletions of what has expired; None: as usual.
    """

    def __init__(self, room: Room, sweep_every: float | None = None) -> None:
        self._room = room
        self._hallway = ItemHallway(room.engine.store, room.writing, room.namespace)
        if sweep_every is not None and (isinstance(sweep_every, bool) or not isinstance(sweep_every, int | float) or not sweep_every > 0):
            raise InvalidInputError(f"sweep_every={shown(sweep_every)}: pass a positive number of seconds")
        self._sweep_every = sweep_every
        self._expiring = room.engine.store.has_expiry()
        if self._expiring:
            room.engine.sweeping(sweep_every)

    @property
    def identity(self) -> Identity | None:
        """Which embedder makes the vectors; None if there is none."""
        return self._room.writing.identity

    @face
    def batch(self, ops: Sequence[ItemOp]) -> Call[Answers]:
        """Do several things at once.

        Questions are answered first, all from the state before the call, whatever their place in it. Then the changes are made, in
        one transaction, all or none; where several are about one item, the last of them counts. What an earlier call was
        acknowledged is always seen.

        Args:
            ops: `ItemGet`, `ItemSearch`, `ItemPaths`, `ItemPut` and `ItemDelete`, see `models.item`.

        Returns:
            One answer per operation, in order.

        Raises:
            InvalidInputError: an operation that makes no sense; nothing was done.
            EmbeddingError: a question or a text could not be embedded; nothing was stored.
        """
        engine, hallway = self._room.engine, self._hallway
        engine.check_open()
        batch = checked(ops)
        if self._expiring or batch.expires:
            self._expiring = True
            engine.sweeping(self._sweep_every)
        if not batch.changes:
            return Read(engine, lambda: hallway.read(batch))
        if not batch.reads and not batch.texts:
            return Change(self._room.writing, hallway.write(batch, [None] * batch.size))

        def prepared() -> Write[Answers]:
            return hallway.write(batch, hallway.read(batch))

        return Later(engine, self._room.writing, prepared)

    abatch = twin(batch)

    @face
    def purge(self, prefix: Path = (), *, label: str | None = None) -> Call[int]:
        """Erase items for good, with the names of their paths: no byte of them is left in the file or its log. Return how many.

        Args:
            prefix: All at this path or below it; `()` for everything in the collection.
            label: Only where the path has this label, wherever: a user's id, say.

        Raises:
            StoreBusyError: they are erased, but a reader kept the log from being emptied: purge again.
        """
        self._room.engine.check_open()
        change = PurgeItems(self._room.namespace, read_path(prefix, "the prefix"), read_name(label, "label"))

        def purged(outcomes: list[Outcome]) -> int:
            self._room.engine.vectors.clear()  # nor may RAM keep what was made of erased words
            return int(one(outcomes))

        return Change(self._room.writing, Write([change], purged))

    apurge = twin(purge)

    @face
    def sweep(self) -> Call[int]:
        """Delete what has expired in the file; return how much that was. It was invisible already, and is swept by itself."""
        self._room.engine.check_open()

        def swept() -> int:
            total = 0
            while some := int(self._room.engine.commits.run(Write([Sweep()], one))):
                total += some
            return total

        return Read(self._room.engine, swept)

    asweep = twin(sweep)
