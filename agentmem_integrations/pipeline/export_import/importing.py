"""The import hallway: lines -> records -> embed -> restore."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from ...config import Twins
from ...errors import AgentMemError, ConflictError, InvalidInputError, StoreFullError, shown
from ...models import Identity, Scope
from ...ports import Record, Restore
from ..add import CHUNK
from ..embedded_text import spoken
from ..write_stages.batching import Write
from ..write_stages.commit import one
from ..write_stages.embed import Writing
from .lines import Header, LineReader, check_embedder, read_header
from .whole_file import check_unused, read_path

CHUNK_BYTES: Final = 32 * 1024 * 1024  # of lines in one transaction, should they be long

Merged = dict[tuple[Scope, str], str]
"""By owner and id in the file: the id under which the owner has told the same already."""


@dataclass(slots=True)
class ImportHallway:
    """Restores exported memories into one collection.

    Args:
        writing: The way to the store.
        namespace: The collection.
        twins: Its twin policy.
        text_limit: Characters allowed in one memory.
    """

    writing: Writing
    namespace: str
    twins: Twins
    text_limit: int

    def load(self, source: BinaryIO, progress: Callable[[int], None]) -> int:
        """Read the lines and restore what is not there yet; return how many memories that were.

        Raises:
            InvalidInputError: a damaged line, or no export.
            ConflictError: a memory is there already and is not the same.
            EmbedderMismatchError: the vectors are another embedder's.
        """
        lines = _numbered(source)
        header, reader = self._begin(lines)
        done = stored = 0
        behind = 1  # the last line whose memory is stored
        merged: Merged = {}
        try:
            for last, records in _chunks(lines, reader):
                stored += self._restore(records, header, merged)
                done, behind = done + len(records), last
                progress(done)
        except AgentMemError as error:
            raise type(error)(f"{error}; nothing behind line {behind} was stored") from error
        if header.memories is not None and done != header.memories:
            raise InvalidInputError(
                f"the export has {done:,} memories and its first line says {header.memories:,}: it was copied in part, or changed; "
                f"what it has is stored"
            )
        return stored

    def _begin(self, lines: Iterator[tuple[int, bytes]]) -> tuple[Header, LineReader]:
        with _named(1):
            _, line = next(lines, (1, b""))
            header = read_header(line)
            if header.twins == "keep" != self.twins:
                raise ConflictError("the export is of a collection with twins='keep', which this one would merge: open one that keeps them")
            identity = self._identity()
            if header.vectors and header.embedder is not None:
                check_embedder(header, identity)
        return header, LineReader(header, self.namespace, identity, self.text_limit)

    def _identity(self) -> Identity | None:
        embedder = self.writing.embedder
        return self.writing.commits.store.identity(self.namespace) if embedder is None else embedder.identity

    def _restore(self, records: list[Record], header: Header, merged: Merged) -> int:
        for record in records:
            if (successor := record.memory.superseded_by) is not None:  # the store sees to those of one transaction
                record.memory.superseded_by = merged.get((record.scope, successor), successor)
        write = Write([Restore(records)], one, self._wanting(records, header))
        self.writing.embed_here(write)
        outcomes = [*zip(records, self.writing.commits.run(write), strict=True)]
        merged.update({(r.scope, r.memory.id): event.memory.id for r, event in outcomes if event.memory.id != r.memory.id})
        new = [record for record, event in outcomes if event.event == "ADD"]
        if any(record.owed for record in new):
            self.writing.note_debts()
        return len(new)

    def _wanting(self, records: list[Record], header: Header) -> list[tuple[Any, str]]:
        """Return the memories to embed now; a vector that was owed where they come from is owed here as well."""
        owing = [record for record in records if record.owed]
        owes = self.writing.owes
        for record in owing:
            record.owed = owes or self.writing.embedder is not None
        if self.writing.embedder is None or (header.vectors and header.embedder is not None):
            return []
        # Nobody should pay for embedding again what is there already. Looking is no promise, the store decides: what is
        # purged by then is stored with its vector owed
        taken = self.writing.commits.store.taken(owing)
        wanted = [record for record, there in zip(owing, taken, strict=True) if not there]
        for record in wanted:
            record.owed = False
        return [(record, spoken(record.memory.text, record.memory.name)) for record in wanted]


@contextmanager
def opened(path: Any) -> Iterator[BinaryIO]:
    """Open an export to be read.

    Raises:
        InvalidInputError: there is no such file.
        StoreFullError: it cannot be read.
    """
    name = read_path(path, "a file that `export` wrote")
    check_unused(Path(name))  # before it is opened: closing a database would drop the locks of every connection this process has to it
    try:
        with Path(name).open("rb") as source:
            yield source
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InvalidInputError(f"there is no file {shown(name)}: pass the name of one that `export` wrote") from error
    except OSError as error:
        raise StoreFullError(f"{name} could not be read ({error.strerror or error}): check its permissions") from error


def _chunks(lines: Iterator[tuple[int, bytes]], reader: LineReader) -> Iterator[tuple[int, list[Record]]]:
    """Give the records that are stored in one transaction, with the number of their last line."""
    records: list[Record] = []
    size = number = 0
    for number, line in lines:
        with _named(number):
            records.append(reader.record(line, number))
        size += len(line)
        if len(records) == CHUNK or size >= CHUNK_BYTES:
            yield number, records
            records, size = [], 0
    if records:
        yield number, records


def _numbered(source: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Give the lines that are not blank with their numbers. Only a line feed ends one: a text may hold other separators."""
    for number, line in enumerate(source, 1):
        if not isinstance(line, bytes):
            raise InvalidInputError(f"the file gives a {type(line).__name__} where bytes are needed: open it with mode 'rb'")
        if line.strip():
            yield number, line


@contextmanager
def _named(number: int) -> Iterator[None]:
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(f"line {number}: {error}") from error
    except AgentMemError as error:
        raise type(error)(f"line {number}: {error}") from error
