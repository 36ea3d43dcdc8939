"""Copies a whole file while it is in use, with SQLite's online backup (https://www.sqlite.org/backup.html)."""

from pathlib import Path
from typing import Final

import apsw

from ....errors import StorageError
from .connections import Step
from .sqlite_errors import reported

STEP_PAGES: Final = 1_000  # copied at a time (8 MB)


def copy_to(target: str, step: Step) -> None:
    """Copy what the snapshot behind `step` holds into the empty file `target`, and check the copy.

    The snapshot is held from beginning to end: a backup whose source is written to starts anew, and beside writers that never
    pause it would never be done.

    Args:
        target: The file.
        step: Works on the snapshot.

    Raises:
        StorageError: the file cannot be written, or the copy is damaged, as the original then is.
    """
    with reported(target):
        copy = apsw.Connection(target)
        try:
            # Nothing to roll back and nothing to sync: a copy that is not finished is thrown away, one that is gets synced
            for pragma in ("journal_mode=OFF", "synchronous=OFF"):
                copy.execute(f"PRAGMA {pragma}").fetchall()
            backup = step(lambda source: copy.backup("main", source, "main"))
            try:
                while not backup.done:
                    step(lambda _: _advance(backup, target))
            finally:
                step(lambda _: backup.close(force=True))  # else it would raise a failed step's error once more
        finally:
            copy.close()
        _check(target)


def _advance(backup: apsw.Backup, target: str) -> None:
    with reported(target):  # what fails here is, nearly always, the writing
        backup.step(STEP_PAGES)


def _check(target: str) -> None:
    # Immutable: the copy says that it is kept with a write-ahead log, and checking it must not leave one beside it
    copy = apsw.Connection(f"{Path(target).absolute().as_uri()}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        found = copy.execute("PRAGMA quick_check").fetchall()
    finally:
        copy.close()
    if found != [("ok",)]:
        raise StorageError(f"the copy is damaged ({found[0][0]}), and so is the file: restore an older backup")
