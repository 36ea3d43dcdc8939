"""Which file a store is in: made for its owner alone, named by its whole path, and still the one it was."""

import os
from pathlib import Path

from ....errors import NotADatabaseError, StorageError, StoreFullError


def file_id(path: str) -> tuple[int, int] | None:
    """Return what tells one file from another under the same name; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - for every write: a Path would cost as much again
    except OSError:
        return None
    return found.st_dev, found.st_ino


def absolute(path: str) -> str:
    """Return the whole path.

    Raises:
        StorageError: the folder that the program is in was removed.
    """
    try:
        return str(Path(path).absolute())
    except FileNotFoundError as e:
        raise StorageError(f"{path}: the current folder is gone, name the file with its whole path") from e


def claim(path: Path) -> None:
    """Create the file, readable by its owner alone, or check that the path can be one.

    A file that is there is not opened here: closing it would drop the locks of every connection this process has to it.

    Raises:
        StorageError: it cannot.
    """
    try:
        if path.is_dir():
            raise NotADatabaseError(f"{path} is a directory: name a file in it, such as {path / 'memory.db'}")
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError as e:
        if not path.exists():  # a link to nowhere: SQLite makes the file where it points
            return
        if not path.is_file():
            raise NotADatabaseError(f"{path} is a device, a pipe or a socket: name a file") from e
        if not os.access(path, os.R_OK | os.W_OK):
            raise StoreFullError(f"{path} cannot be opened for writing: check its permissions") from e
    except FileNotFoundError as e:
        raise StoreFullError(f"the folder {path.parent} does not exist: create it first") from e
    except OSError as e:
        raise StoreFullError(f"{path} cannot be opened for writing ({e.strerror}): check its permissions") from e
