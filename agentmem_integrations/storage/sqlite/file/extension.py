"""The extension that compares vectors, sqlite-vec: found and loaded, or told why not and what to do.

It is a shared library in a wheel. For some platforms there is no wheel, and no source package to build one from, so this is where
an installation that is otherwise sound fails: the error says on which platform, and the way out there.
"""

import contextlib
import sysconfig
from typing import Any

import apsw

from ....errors import StorageError

with contextlib.suppress(ImportError):  # told when a file is opened
    import sqlite_vec  # noqa: F401 - now, for a program that gives up its rights to read files before it opens one


def load(connection: apsw.Connection) -> None:
    """Load sqlite-vec into a connection.

    Raises:
        StorageError: it cannot be imported or loaded.
    """
    library = _package().loadable_path()
    connection.enable_load_extension(True)
    try:
        connection.load_extension(library)
    except apsw.Error as e:
        raise StorageError(f"sqlite-vec, which compares vectors, cannot be loaded on {_platform()} ({e}): {way_out()}") from e
    finally:
        connection.enable_load_extension(False)


def package_version() -> str:
    """Return the version of the installed package.

    Raises:
        StorageError: it cannot be imported.
    """
    return str(_package().__version__)


def way_out() -> str:
    """Return how a sqlite-vec that works is come by, on this platform."""
    if _musl():
        return "it has no wheel for musl (Alpine): use an image with glibc, such as python:3.13-slim"
    if sysconfig.get_platform() == "win-arm64":
        return "it has no wheel for Windows on ARM: use a Python for x64, which Windows runs there"
    return 'pip install --force-reinstall "sqlite-vec>=0.1.9,<0.2"; docs/versions.md has the platforms it is made for'


def _package() -> Any:
    try:
        import sqlite_vec
    except ImportError as e:
        raise StorageError(f"sqlite-vec, which compares vectors, cannot be imported on {_platform()} ({e}): {way_out()}") from e
    return sqlite_vec


def _platform() -> str:
    return sysconfig.get_platform() + (" with musl" if _musl() else "")


def _musl() -> bool:
    return "musl" in str(sysconfig.get_config_var("SOABI") or "")
