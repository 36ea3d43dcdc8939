"""Files that appear whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ...config import PATH_LIMIT
from ...errors import InvalidInputError, StoreFullError, shown

SIDES: Final = ("-wal", "-shm", "-journal")  # what SQLite keeps beside a file that is in use, or was when its program died
_DATABASE: Final = (b"SQLite format 3\x00", b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")  # first bytes of a file, and of its log


@contextmanager
def whole_file(path: Any, *, overwrite: bool, database: bool = False) -> Iterator[Path]:
    """Give an empty file, readable by its owner alone, that takes the place of `path` when all went well.

    It lies beside `path` until then. It is synced before it is renamed, so that after a power cut there is the whole file, the
    one before, or none.

    Args:
        path: A file name.
        overwrite: Replace a file that is there.
        database: What is written is a database, and may replace one.

    Raises:
        InvalidInputError: there is a file of that name already, or something that must not be replaced.
        StoreFullError: the file cannot be written.
    """
    target = _target(path)
    if database and not _has_bytes(str(target), "utf-8"):
        raise InvalidInputError(f"path={shown(path)}: SQLite opens only names that are UTF-8, choose another")
    _check_free(target, overwrite, database)
    partial = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.partial")
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            yield partial
            _sync(partial)
            _check_free(target, overwrite, database)
            os.replace(partial, target)  # noqa: PTH105 - beside os.open, as one of a kind
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        _sync(target.parent)
    except OSError as error:
        raise StoreFullError(f"{target} could not be written ({error.strerror or error}): check free space and permissions") from error


def read_path(path: Any, what: str) -> str:
    """Return the name of a file as text.

    Raises:
        InvalidInputError: no name, or one that no file can have.
    """
    name = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(name, str) or not 0 < len(name) <= PATH_LIMIT or "\x00" in name or not _has_bytes(name):
        raise InvalidInputError(f"path={shown(path)}: pass the name of {what}")
    return name


def _has_bytes(name: str, encoding: str | None = None) -> bool:
    try:
        name.encode(encoding) if encoding else os.fsencode(name)
    except UnicodeEncodeError:  # a lone surrogate that stands for no byte
        return False
    return True


def _target(path: Any) -> Path:
    name = read_path(path, "the file to write")
    if not Path(name).name:
        raise InvalidInputError(f"path={shown(path)}: pass the name of the file to write")
    if name.endswith(SIDES):
        raise InvalidInputError(f"path={shown(name)}: SQLite keeps files of its own under such names, choose another")
    try:
        return Path(name).absolute()
    except FileNotFoundError as error:
        raise InvalidInputError(f"path={shown(path)}: the current folder is gone, name the file with its whole path") from error


def _check_free(target: Path, overwrite: bool, database: bool) -> None:
    if not os.path.lexists(target):
        if database:
            check_unused(target)
        return
    if not _is_file(target):
        raise InvalidInputError(f"{target} is a directory or a device: name a file")
    if not overwrite:
        raise InvalidInputError(f"{target} is there already: pass overwrite=True to replace it, or choose another name")
    if database:
        check_unused(target)
    else:
        check_unused(target)  # before it is opened: closing it would drop the locks of every connection this process has to it
        with target.open("rb") as there:
            if there.read(16).startswith(_DATABASE):
                raise InvalidInputError(f"{target} is a database: an export must not replace it, choose another name")


def _is_file(target: Path) -> bool:
    try:
        return target.is_file()
    except OSError:  # links in a circle
        return False


def check_unused(target: Path) -> None:
    """Refuse a database that is in use, under whatever name.

    An old log beside a new file would be played back into it, and a file in use would be pulled away under its user.

    Raises:
        InvalidInputError: SQLite's files are beside it, or beside what it is a link to.
    """
    for name in dict.fromkeys((str(target), os.path.realpath(target))):
        if beside := next((s for s in SIDES if os.path.lexists(f"{name}{s}")), None):
            raise InvalidInputError(f"{name} is in use, or was when its program died ({name}{beside} is there): choose another name")


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # Windows opens no directories, and needs no such sync
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
