"""The standard streams of the process. Each may be closed, full, or hold something else than text."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import BinaryIO, Final, TextIO

from ..errors import InvalidInputError, StoreFullError

BYTE_ORDER_MARK: Final = "\ufeff"  # what some editors, and PowerShell, put before UTF-8
_UTF16: Final = ("\udcff\udcfe", "\udcfe\udcff")  # its byte order marks, read as UTF-8


def prepare() -> None:
    """Make the streams speak UTF-8, whatever the locale.

    Raises:
        StoreFullError: there is no stdout. Nothing should be changed where it cannot be told what was.
    """
    if sys.stdout is None:
        raise StoreFullError(f"stdout is closed, and nothing was done: send it to a file, or to {os.devnull}")
    # A pipe on Windows would turn a memory's text into an encoding error, and so would a path that is no UTF-8
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=None if sys.stdout.isatty() else "utf-8", errors="backslashreplace")
    if isinstance(sys.stderr, io.TextIOWrapper):  # the default of Python's own, but not of every stream put in its place
        sys.stderr.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdin, io.TextIOWrapper):
        # Wrong bytes come through as lone surrogates: the decoder, which works on blocks, could not name their line
        sys.stdin.reconfigure(encoding=None if sys.stdin.isatty() else "utf-8", errors="surrogateescape")


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Write to stdout inside. A reader that has hung up has seen enough: then the rest goes nowhere, and the command goes on.

    Raises:
        StoreFullError: stdout cannot be written.
    """
    try:
        yield
    except BrokenPipeError:
        drop(sys.stdout)
    except OSError as error:
        drop(sys.stdout)
        raise StoreFullError(f"stdout could not be written ({error.strerror or error}): check where it is sent to") from error


def flush() -> None:
    """Write what waits for stdout now, where a failure can still be told.

    Raises:
        StoreFullError: stdout cannot be written.
    """
    with writing():
        sys.stdout.flush()


def drop(stream: TextIO) -> None:
    """Send what waits for a stream nowhere: the interpreter flushes it once more at exit, and would complain then."""
    with contextlib.suppress(OSError), open(os.devnull, "w") as nowhere:  # noqa: PTH123 - as above
        os.dup2(nowhere.fileno(), stream.fileno())


def say(text: str) -> None:
    """Tell a person something on stderr. Where that cannot be written, the exit status has to do."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        drop(sys.stderr)


@contextlib.contextmanager
def some_stderr() -> Iterator[None]:
    """Have a stderr inside: where it was closed, Python has none, and `print` takes stdout for none."""
    if sys.stderr is not None:
        yield
        return
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):  # noqa: PTH123 - os.devnull is a name, not a path
        yield


def can_be_asked() -> bool:
    """Say whether somebody sits at stdin who can answer."""
    return sys.stdin is not None and sys.stdin.isatty()


def ask(question: str) -> bool:
    """Put a question, on stderr because stdout may be a file, and say whether the answer was yes.

    Raises:
        InvalidInputError: the question cannot be shown, or no answer read.
    """
    try:
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    except OSError as error:
        raise InvalidInputError(f"you could not be asked on stderr ({error.strerror or error}): pass --yes if you are sure") from error
    with _reading() as stdin:
        return stdin.readline().strip().lower() in ("y", "yes")


def lines() -> Iterator[str]:
    """Give the lines on stdin, without a byte order mark.

    Raises:
        InvalidInputError: stdin is closed, cannot be read, or is not UTF-8.
    """
    with _reading() as stdin:
        for number, line in enumerate(stdin, 1):
            if number == 1 and line.startswith(_UTF16):
                raise InvalidInputError("stdin is UTF-16: convert it to UTF-8; nothing was stored")
            try:
                line.encode()
            except UnicodeEncodeError as error:
                where = f"line {number} of stdin is not UTF-8 from its character {error.start + 1} on"
                raise InvalidInputError(f"{where}: convert it; nothing was stored") from None
            yield line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line


@contextlib.contextmanager
def binary_stdin() -> Iterator[BinaryIO]:
    """Read the bytes of stdin inside.

    Raises:
        InvalidInputError: stdin is closed, or cannot be read.
    """
    with _reading() as stdin:
        yield stdin.buffer


@contextlib.contextmanager
def _reading() -> Iterator[TextIO]:
    if sys.stdin is None:
        raise InvalidInputError("stdin is closed: pipe something in, or send a file with <")
    try:
        yield sys.stdin
    except OSError as error:
        raise InvalidInputError(f"stdin could not be read ({error.strerror or error}): check where it comes from") from error
