"""What `agentmem doctor` says of the memory file. It is looked at, and never changed."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..config import MEMORY_URL
from ..errors import StorageError
from ..models import Identity
from .doctor_check import Check, Level
from .output import memories
from .target import is_special

if TYPE_CHECKING:
    from ..storage.sqlite.file.diagnose import FileState

ROOM: Final = 100 * 2**20  # bytes that should be free, or as many as the file has, whichever is more: a backup, a burst of the log


def check_file(path: str, namespace: str, embedder: str | None) -> Iterator[Check]:
    """Look at the memory file and the collection that the options name; `embedder` is the chosen spec."""
    if unfit := _no_file(path):
        yield unfit
        return
    file = Path(path)
    yield from _folder(file)
    if not os.path.exists(path):  # noqa: PTH110 - pathlib raises for a name that is too long
        yield Check("ok", "file", f"{path} is not there yet", "`agentmem add` makes it")
        return
    yield from _permissions(file)
    try:
        from ..build import look_at_file  # here, so that `agentmem --help` does not load numpy

        state = look_at_file(path)
    except ImportError:  # told already
        return
    except StorageError as error:
        yield Check("problem", "file", str(error))
        return
    yield from _state(path, state)
    yield from _collections(state, namespace, embedder)
    yield from _owed(state)


def _no_file(path: str) -> Check | None:
    """Say why the path can be no memory file, if so. A device may let itself be opened, and even look empty."""
    other = "name another file with --db"
    if not path:
        return Check("problem", "file", "the name after --db is empty", other)
    if path == MEMORY_URL:
        return Check("problem", "file", f"{path} lasts as long as its process, and the commands keep nothing in it", other)
    if "://" in path:
        return Check("problem", "file", f"{path} is no file", other)
    if os.path.isdir(path):  # noqa: PTH112 - pathlib raises for a name that is too long
        return Check("problem", "file", f"{path} is a directory", f"name a file in it, such as {Path(path) / 'memory.db'}")
    if is_special(path):
        return Check("problem", "file", f"{path} is a device, a pipe or a socket", other)
    try:
        Path(path).absolute()
    except OSError:
        return Check("problem", "folder", "the one that this was started in is gone", "cd to one that is there")
    return None


def _folder(file: Path) -> Iterator[Check]:
    folder = file.absolute().parent
    if not os.path.isdir(folder):  # noqa: PTH112 - as above
        yield Check("problem", "folder", f"{folder} does not exist", "create it, or name another file with --db")
        return
    if not os.access(folder, os.W_OK):
        mend = "let its owner give write access: the log is made beside the file"
        yield Check("problem", "folder", f"{folder} cannot be written to", mend)
    else:
        yield Check("ok", "folder", f"{folder} can be written to")
    free, wanted = shutil.disk_usage(folder).free, max(ROOM, _size(file))
    said = f"{free / 2**20:,.0f} MiB are free"
    yield (
        Check("ok", "disk", said)
        if free >= wanted
        else Check("warning", "disk", said, f"a backup or a burst of writing may need {wanted / 2**20:,.0f} MiB: make room")
    )


def _permissions(file: Path) -> Iterator[Check]:
    if not os.access(file, os.R_OK | os.W_OK):
        yield Check("problem", "file", f"{file} cannot be read and written by this user", "change its owner or its permissions")
    elif os.name == "posix" and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Check("warning", "file", f"{file} is open to other users of this machine", "chmod 600, unless that is meant")


def _state(path: str, state: "FileState") -> Iterator[Check]:
    size = _size(Path(path))
    if state.network is not None:
        said = f"lies on {state.network}, where locks and shared memory cannot be relied on"
        yield Check("warning", "filesystem", said, "keep it on a local disk, and carry it with `agentmem backup`")
    if not state.schema:
        yield Check("ok", "file", f"{path} is empty", "`agentmem add` fills it")
    elif state.schema < state.newest:
        yield Check(
            "ok",
            "schema",
            f"{state.schema}, brought to {state.newest} when the file is next opened",
            "`agentmem backup` first, if you like",
        )
    else:
        yield Check("ok", "schema", str(state.schema))
    if state.damage:
        yield Check("problem", "file", f"SQLite finds it damaged ({'; '.join(state.damage)})", "`agentmem verify`, then `agentmem repair`")
    else:
        yield Check(
            "ok", "file", f"{size / 2**20:,.1f} MiB, and SQLite's quick check finds nothing (`agentmem verify` compares everything)"
        )
    log = f"{state.log_bytes / 2**20:,.1f} MiB"
    yield (
        Check("ok", "log", log)
        if not state.log_is_long
        else Check(
            "warning", "log", f"{log}, which is long", "some process reads without a pause, or was stopped in the middle: find and end it"
        )
    )


def _collections(state: "FileState", namespace: str, embedder: str | None) -> Iterator[Check]:
    for name, identity in state.collections.items():
        said = (
            f"vectors of {identity.name} (revision {identity.revision or 'none'}, {identity.dim} dimensions)"
            if identity
            else "no vectors yet"
        )
        level, mend = _fit(identity, embedder) if name == namespace else ("ok", "")
        chosen = f", and {embedder} is chosen" if level != "ok" else ""
        yield Check(level, f"collection {name!r}", f"{said}{chosen}", mend)
    if state.collections and namespace not in state.collections:
        yield Check(
            "warning", f"collection {namespace!r}", "is not in the file", "`agentmem add` makes it, or name another with --namespace"
        )


def _fit(identity: Identity | None, embedder: str | None) -> tuple[Level, str]:
    """Say whether vectors may be of an embedder. Models are not loaded to look at a file: their names are compared."""
    if identity is None or embedder is None:
        return "ok", ""
    kind, made_by = embedder.partition(":")[0], identity.name.partition(":")[0]
    if embedder == "static":
        same = _bundled() in (identity, None)
    else:
        same = identity.name == embedder or (kind == made_by and kind in ("fastembed", "model2vec"))  # whose folders have other names
    if same:
        return "ok", ""
    return "problem", f"--embedder (or $AGENTMEM_EMBEDDER) with that one, or `agentmem reembed {embedder}`"


def _bundled() -> Identity | None:
    """Return the bundled embedder; None where a package it needs is missing, which is told already."""
    try:
        from ..embedding.static import StaticEmbedder  # here, as above
    except ImportError:
        return None
    return Identity(StaticEmbedder.name, StaticEmbedder.revision, StaticEmbedder.dim)


def _owed(state: "FileState") -> Iterator[Check]:
    owed = False
    for (name, kind, job), number in state.owed.items():
        owed = True
        subject = f"collection {name!r}"
        if kind == "embed":
            yield Check(
                "warning",
                subject,
                f"{memories(number)} wait for their vector",
                "made when it is next opened with its embedder and added to",
            )
        elif job == "dead":
            yield Check(
                "warning",
                subject,
                f"{number:,} extractions of facts were given up",
                "`agentmem jobs` says why, `agentmem jobs --retry` has them tried again",
            )
        else:
            yield Check("ok", subject, f"{number:,} extractions of facts are {job}", "done by whoever opens it with a language model")
    if state.schema == state.newest and not owed:
        yield Check("ok", "jobs", "nothing is owed")


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
