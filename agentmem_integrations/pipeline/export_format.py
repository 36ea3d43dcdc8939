"""The export format: one JSON object per line, UTF-8; a header, then a memory per line (docs/storage.md).

A line is the canonical JSON of its record (sorted keys, no spaces), so that equal records are equal bytes.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any, Final, get_args

import numpy as np

from ..config import Twins
from ..errors import InvalidInputError
from ..filters import canonical
from ..fingerprint import fingerprint
from ..models import SHARED, Identity
from ..ports import TEXT_FIELD, Line, Record, Vector
from .checks import read_name

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
