"""The export hallway: dump -> lines -> file."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

from ...models import Scope
from ...ports import Sweep
from ..write_stages.batching import Write
from ..write_stages.commit import Commits
from .lines import Header, header_line, record_line
from .whole_file import whole_file

EVERY: Final = 1_000  # memories between two reports of progress


@dataclass(slots=True)
class ExportHallway:
    """Writes the memories of one collection as lines.

    Args:
        commits: The store and its writer.
        namespace: The collection.
    """

    commits: Commits
    namespace: str

    def save(self, path: object, scope: Scope | None, vectors: bool, overwrite: bool, progress: Callable[[int], None]) -> int:
        """Write the file `path`; return how many memories are in it.

        Raises:
            InvalidInputError: there is such a file already.
            StoreFullError: it cannot be written.
        """
        with whole_file(path, overwrite=overwrite) as partial, partial.open("wb") as target:
            return self.write(target, scope, vectors, progress)

    def write(self, target: BinaryIO, scope: Scope | None, vectors: bool, progress: Callable[[int], None]) -> int:
        """Write to an open file; return how many memories were written."""
        self._sweep()
        done = 0
        with self.commits.store.dump(self.namespace, scope, vectors=vectors) as dump:
            header = Header(self.namespace, dump.twins, dump.identity, vectors, dump.count)
            target.write(header_line(header))
            for done, record in enumerate(dump.records, 1):
                target.write(record_line(record, header))
                if done % EVERY == 0:
                    progress(done)
        progress(done)
        return done

    def _sweep(self) -> None:
        """Bury what has expired, as would happen at any time: else two exports of the same memories could differ."""
        while self.commits.store.has_expired():
            self.commits.run(Write([Sweep()], lambda outcomes: None))
