"""A stub server in a process of its own, which does not share the interpreter of whom it serves."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def running_module(module: str, arguments: Sequence[str]) -> Iterator[str]:
    """Run a module that prints its URL and serves until its standard input ends; yield the URL.

    Args:
        module: As for `python -m`.
        arguments: Of its command line.
    """
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own modules
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()  # which ends it, as the end of this process would
