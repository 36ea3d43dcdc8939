"""The export hallway: dump -> lines -> file.

The format: one JSON object per line, UTF-8; a header, then a memory per line (docs/storage.md). A line is the canonical JSON of its
record (sorted keys, no spaces), so that equal records are equal bytes.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any, BinaryIO, Final, get_args

import numpy as np

from ...config import Twins
from ...errors import InvalidInputError
from ...filters import canonical
from ...fingerprint import fingerprint
from ...models import SHARED, Identity, Scope
from ...ports import TEXT_FIELD, Line, Record, Sweep, Vector
from ..arguments import read_name
from ..write_stages.batching import Write
from ..write_stages.commit import Commits
from .whole_file import whole_file

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


EVERY = 1_000  # memories between two reports of progress


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
