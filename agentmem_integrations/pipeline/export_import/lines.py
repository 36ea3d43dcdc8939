"""The format of an export: one JSON object per line, UTF-8; a header, then a memory per line (docs/storage.md).

A line is the canonical JSON of its record (sorted keys, no spaces), so that equal records are equal bytes. Read, each is either a whole
record or named in an error.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any, Final, get_args

import numpy as np

from ...config import METADATA_LIMIT, Twins
from ...errors import EmbedderMismatchError, InvalidInputError, VectorError
from ...filters import canonical, check_json
from ...fingerprint import fingerprint
from ...models import SHARED, EventKind, Identity, Memory, Scope
from ...ports import TEXT_FIELD, Line, Record, Vector
from ..arguments import read_fraction, read_kind, read_metadata, read_moment, read_name

FORMAT: Final = "agentmem-export"
VERSION: Final = 1
_ROOT: Final = __name__.partition(".")[0]  # not imported above: the package's front names what stands on this
NAMES: Final = ("agent_id", "session_id", "role", "name", "superseded_by")
TIMES: Final = ("occurred_at", "created_at", "updated_at")
MAYBE_TIMES: Final = ("expires_at", "valid_from", "valid_to")


@dataclass(frozen=True, slots=True)
class Header:
    """The first line.

    Attributes:
        namespace: The collection it was exported from.
        twins: Its twin policy.
        embedder: Which embedder made its vectors; None for none.
        vectors: The vectors of the texts are in the file.
        memories: How many lines follow; None if it does not say.
    """

    namespace: str
    twins: Twins
    embedder: Identity | None
    vectors: bool
    memories: int | None


def header_line(header: Header) -> bytes:
    """Return the first line. It tells no time: the same memories are the same file."""
    e = header.embedder
    return _line({
        "format": FORMAT, "version": VERSION, "package": import_module(_ROOT).__version__, "namespace": header.namespace,
        "twins": header.twins, "embedder": None if e is None else {"name": e.name, "revision": e.revision, "dim": e.dim},
        "vectors": header.vectors, "memories": header.memories,
    })  # fmt: skip


def read_header(line: bytes) -> Header:
    """Read the first line.

    Raises:
        InvalidInputError: no export, or one of a newer version.
    """
    try:
        given = read_object(line.removeprefix(b"\xef\xbb\xbf"))
    except InvalidInputError:
        given = {}
    version = given.get("version")
    if given.get("format") != FORMAT or isinstance(version, bool) or not isinstance(version, int):
        raise InvalidInputError(f"this is no export: its first line should say format {FORMAT!r}; pass a file that `export` wrote")
    if version != VERSION:
        raise InvalidInputError(f"this export has version {version}, and {VERSION} is known here: upgrade agentmem-integrations")
    twins: Any = given.get("twins")
    vectors, memories = given.get("vectors", False), given.get("memories")
    if twins not in get_args(Twins) or not isinstance(vectors, bool) or not (memories is None or type(memories) is int):
        raise InvalidInputError("twins, vectors or memories of the header are damaged: export again")
    return Header(str(read_name(given.get("namespace"), "namespace")), twins, _identity(given.get("embedder")), vectors, memories)


def _identity(given: Any) -> Identity | None:
    if given is None:
        return None
    try:
        identity = Identity(given["name"], given["revision"], given["dim"])
    except (TypeError, KeyError):
        raise InvalidInputError("the embedder of the header is damaged: export again") from None
    return identity


def record_line(record: Record, header: Header) -> bytes:
    """Return the line of a record. What is None or empty is left out."""
    m = record.memory
    told: dict[str, Any] = {
        "id": m.id, "text": m.text, "kind": m.kind, "metadata": m.metadata or None, "user_id": m.user_id, "importance": m.importance,
        "provenance": m.provenance or None, "value": m.value, "deleted_at": _time(record.deleted_at),
        "history": [_history_line(line) for line in record.lines] or None, "path": record.scope.path,
        "shared": True if record.scope.path is None and record.scope.user_id is SHARED else None,
    }  # fmt: skip
    told |= {name: getattr(m, name) for name in NAMES} | {name: _time(getattr(m, name)) for name in (*TIMES, *MAYBE_TIMES)}
    told = {name: value for name, value in told.items() if value is not None}
    if record.twin != derived_twin(record, header):  # else it follows from the rest
        told["twin"] = None if record.twin is None else record.twin.hex()
    vectors: dict[str, Any] = {field: _encoded(vector) for field, vector in record.vectors.items()}
    if record.owed:
        vectors[TEXT_FIELD] = None
    if record.deleted_at is None and not _implied(record, header, vectors):
        told["vectors"] = vectors
    return _line(told)


def _implied(record: Record, header: Header, vectors: Mapping[str, Any]) -> bool:
    """Say whether the vectors need no mention: an item has none then, and any other memory wants one of its text."""
    return not vectors if record.scope.path is not None else not header.vectors and vectors.keys() <= {TEXT_FIELD}


def derived_twin(record: Record, header: Header) -> bytes | None:
    """Return the fingerprint that a record should have."""
    m = record.memory
    told_twice = header.twins == "merge" and record.scope.path is None and record.deleted_at is None and m.superseded_by is None
    return fingerprint(m) if told_twice else None


def _history_line(line: Line) -> dict[str, Any]:
    told = {"event": line.event, "at": _time(line.at), "old_text": line.old_text, "provenance": line.provenance or None}
    return {name: value for name, value in told.items() if value is not None}


def _encoded(vector: Vector) -> str:
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def read_object(line: bytes) -> dict[str, Any]:
    """Return the JSON object on a line.

    Raises:
        InvalidInputError: there is none.
    """
    try:
        given = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else f"no JSON: {error}"
        raise InvalidInputError(f"the line is {reason}") from None
    if not isinstance(given, dict):
        raise InvalidInputError("the line is no JSON object")
    return given


def _line(value: Any) -> bytes:
    return canonical(value).encode() + b"\n"


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
