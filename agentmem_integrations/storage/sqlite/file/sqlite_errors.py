"""SQLite's errors as this library's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import apsw

from ....config import BUSY_TIMEOUT_S
from ....errors import NotADatabaseError, SchemaError, StorageError, StoreBusyError, StoreFullError

FAILURES: Final = (apsw.FullError, apsw.IOError, apsw.CantOpenError, apsw.CorruptError, apsw.NoMemError)


@contextmanager
def reported(path: str) -> Iterator[None]:
    """Turn SQLite's errors into this library's."""
    try:
        yield
    except apsw.BusyError as e:
        raise StoreBusyError(f"{path} was locked by another process for {BUSY_TIMEOUT_S:g} s: try again, or find who holds it") from e
    except apsw.NotADBError as e:
        raise NotADatabaseError(f"{path} is not a memory file: choose another path, or move that file away") from e
    except UnicodeDecodeError as e:
        raise SchemaError(f"{path} is damaged (a text in it is not UTF-8): restore a backup") from e
    except apsw.CorruptError as e:
        raise SchemaError(f"{path} is damaged ({e}): restore a backup") from e
    except apsw.FullError as e:
        raise StoreFullError(f"{path} could not be written, the disk or a quota is full: free space and try again") from e
    except (apsw.IOError, apsw.ReadOnlyError, apsw.PermissionsError, apsw.CantOpenError) as e:
        raise StoreFullError(f"{path} could not be written or read ({e}): check free space and permissions") from e
    except apsw.Error as e:
        raise StorageError(f"{path}: SQLite refused a statement ({type(e).__name__}: {e}): please report this") from e
