"""The import hallway: lines -> records -> embed -> restore.

Each line of an export is either a whole record or named in an error.
"""

import binascii
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, get_args

import numpy as np

from ...config import METADATA_LIMIT, Twins
from ...errors import AgentMemError, ConflictError, EmbedderMismatchError, InvalidInputError, StoreFullError, VectorError, shown
from ...filters import check_json
from ...models import SHARED, EventKind, Identity, Memory, Scope
from ...ports import TEXT_FIELD, Line, Record, Restore, Vector
from ..add import CHUNK
from ..arguments import read_fraction, read_kind, read_metadata, read_moment, read_name
from ..write_stages.batching import Write
from ..write_stages.commit import one
from ..write_stages.embed import Writing, spoken
from .exporting import MAYBE_TIMES, NAMES, TIMES, Header, derived_twin, read_header, read_object
from .whole_file import read_path

UNIT: Final = 1e-3  # how far from 1 the length of a stored vector may be
_KEYS: Final = {
    "id", "text", "kind", "metadata", "user_id", "shared", "path", "importance", "provenance", "value", "deleted_at", "history", "twin",
    "vectors", *NAMES, *TIMES, *MAYBE_TIMES,
}  # fmt: skip
_LINE_KEYS: Final = {"event", "at", "old_text", "provenance"}


class LineReader:
    """Reads the lines behind a header into records of one collection.

    Args:
        header: The first line.
        namespace: The collection that they are for.
        identity: Which embedder made that collection's vectors; None for none.
        text_limit: Characters in a text.
    """

    def __init__(self, header: Header, namespace: str, identity: Identity | None, text_limit: int) -> None:
        self._header = header
        self._namespace = namespace
        self._identity = identity
        self._text_limit = text_limit

    def record(self, line: bytes, number: int) -> Record:
        """Read line `number`.

        Raises:
            InvalidInputError: it is damaged.
            EmbedderMismatchError: it has vectors, of another embedder than the collection's.
        """
        given = read_object(line)
        _known(given, _KEYS, "the line")
        scope = self._scope(given)
        deleted_at = _moment(given, "deleted_at")
        record = Record(self._memory(given, scope), scope, deleted_at, _lines(given), origin=f"line {number}")
        record.twin = _twin(given["twin"]) if "twin" in given else derived_twin(record, self._header)
        if deleted_at is None:
            self._vectors(record, given)
        return record

    def _scope(self, given: Mapping[str, Any]) -> Scope:
        owners = [name for name in ("user_id", "shared", "path") if name in given]
        if len(owners) != 1 or given.get("shared", True) is not True:
            raise InvalidInputError('whose memory is it? One of "user_id", "shared": true and "path" is needed')
        if owners == ["path"]:
            path = given["path"]
            if not isinstance(path, list) or not all(isinstance(part, str) for part in path):
                raise InvalidInputError("path is no list of names")
            check_json(path, "path")
            return Scope(self._namespace, path=tuple(path))
        return Scope(self._namespace, _name(given, "user_id") if owners == ["user_id"] else SHARED)

    def _memory(self, given: Mapping[str, Any], scope: Scope) -> Memory:
        text = _text(given.get("text"), "text")
        if len(text) > self._text_limit:
            longer = f"the text has {len(text):,} characters, the limit is {self._text_limit:,}"
            raise InvalidInputError(f"{longer}: open the memory with text_limit={len(text)}")
        if scope.path is None and not text.strip():
            raise InvalidInputError("the text is empty")
        provenance, value = given.get("provenance", {}), given.get("value")
        check_json(provenance, "provenance", METADATA_LIMIT)
        check_json(value, "value")
        if not isinstance(provenance, dict):
            raise InvalidInputError("provenance is no object")
        fields: dict[str, Any] = {name: read_name(given.get(name), name) for name in NAMES}
        fields |= {name: _instant(given, name) for name in TIMES} | {name: _moment(given, name) for name in MAYBE_TIMES}
        return Memory(
            _name(given, "id"), text, read_kind(given.get("kind")), read_metadata(given.get("metadata")),
            None if scope.user_id is SHARED else scope.user_id, importance=read_fraction(given.get("importance"), "importance"),
            provenance=provenance, value=value, **fields,
        )  # fmt: skip

    def _vectors(self, record: Record, given: Mapping[str, Any]) -> None:
        """Take over the vectors, and note whether the text's is still to be made."""
        vectors = given.get("vectors", {} if record.scope.path is not None else {TEXT_FIELD: None})
        if not isinstance(vectors, dict):
            raise InvalidInputError("vectors is no object")
        nobody_embedded = self._header.embedder is None and record.scope.path is None and TEXT_FIELD not in vectors
        record.owed = nobody_embedded or vectors.get(TEXT_FIELD, b"") is None
        record.vectors = {str(read_name(field, "field")): self._vector(text) for field, text in vectors.items() if text is not None}
        record.made_by = self._identity if record.vectors else None

    def _vector(self, given: Any) -> Vector:
        identity = check_embedder(self._header, self._identity)
        vector = np.frombuffer(_bytes(given, 4 * identity.dim, base64=True), "<f4")
        length = float(np.linalg.norm(vector.astype(np.float64)))
        if not abs(length - 1) < UNIT:  # also refuses what is not finite
            raise VectorError("a vector is not of unit length")
        return vector.astype(np.float32)


def check_embedder(header: Header, identity: Identity | None) -> Identity:
    """Return whose vectors are in the file, which must be the collection's embedder too.

    Raises:
        EmbedderMismatchError: it is another one.
    """
    was = header.embedder
    if was is None or was != identity:
        here = "none" if identity is None else f"{identity.name} (revision {identity.revision}, {identity.dim} dimensions)"
        there = "none" if was is None else f"{was.name} (revision {was.revision}, {was.dim})"
        raise EmbedderMismatchError(
            f"the export holds vectors of {there}, the collection is of {here}: open it with that embedder, or export without vectors"
        )
    return was


def _known(given: Mapping[str, Any], keys: set[str], what: str) -> None:
    if unknown := sorted(given.keys() - keys):
        raise InvalidInputError(f"{what} has the unknown key {unknown[0][:100]!r}")


def _lines(given: Mapping[str, Any]) -> tuple[Line, ...]:
    lines = given.get("history", [])
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
        raise InvalidInputError("history is no list of objects")
    return tuple(map(_read_line, lines))


def _read_line(given: Mapping[str, Any]) -> Line:
    _known(given, _LINE_KEYS, "a line of the history")
    event: Any = given.get("event")
    provenance = given.get("provenance", {})
    if event not in get_args(EventKind) or event == "NONE" or not isinstance(provenance, dict):
        raise InvalidInputError("event or provenance of a line of the history is damaged")
    check_json(provenance, "provenance", METADATA_LIMIT)
    old_text = given.get("old_text")
    return Line(event, _instant(given, "at"), None if old_text is None else _text(old_text, "old_text"), provenance)


def _name(given: Mapping[str, Any], what: str) -> str:
    name = read_name(given.get(what), what)
    if name is None:
        raise InvalidInputError(f"{what} is missing")
    return name


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise InvalidInputError(f"{what} is no text")
    check_json(value, what)
    return value


def _moment(given: Mapping[str, Any], what: str) -> datetime | None:
    return read_moment(given.get(what), what)


def _instant(given: Mapping[str, Any], what: str) -> datetime:
    moment = read_moment(given.get(what), what)
    if moment is None:
        raise InvalidInputError(f"{what} is missing")
    return moment


def _twin(given: Any) -> bytes | None:
    return None if given is None else _bytes(given, 16)


def _bytes(given: Any, length: int, *, base64: bool = False) -> bytes:
    """Read so many bytes that were written in hexadecimal digits, or in base64."""
    try:
        found = binascii.a2b_base64(given, strict_mode=True) if base64 else bytes.fromhex(given)
    except (ValueError, TypeError):
        found = b""
    if len(found) != length:
        raise InvalidInputError(f"a vector or twin is not {length} bytes in {'base64' if base64 else 'hexadecimal digits'}")
    return found


CHUNK_BYTES: Final = 32 * 1024 * 1024  # of lines in one transaction, should they be long


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
        try:
            for last, records in _chunks(lines, reader):
                stored += self._restore(records, header)
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

    def _restore(self, records: list[Record], header: Header) -> int:
        write = Write([Restore(records)], one, self._wanting(records, header))
        self.writing.embed_here(write)
        events = self.writing.commits.run(write)
        new = [record for record, event in zip(records, events, strict=True) if event.event == "ADD"]
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
