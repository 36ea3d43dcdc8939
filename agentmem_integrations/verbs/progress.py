"""How far a long call has come."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import InvalidInputError, shown

Progress = bool | Callable[[int], None]
"""True for a bar on stderr, or a function that is called with the number of memories done so far."""


@contextmanager
def reporting(progress: Progress, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Give the function that reports how many memories are done."""
    if progress is False:
        yield lambda done: None
    elif callable(progress):
        yield progress
    elif progress is not True:
        raise InvalidInputError(f"progress={shown(progress)}: pass True, False, or a function that takes a number")
    else:
        from tqdm import tqdm

        with tqdm(total=total, unit=" memories", file=sys.stderr) as bar:
            yield lambda done: (bar.update(done - bar.n), None)[1]
