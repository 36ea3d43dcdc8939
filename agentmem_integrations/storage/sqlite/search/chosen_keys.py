"""Remembers which memories conditions chose: the same filter is asked again and again, with other questions."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BUDGET: Final = 16 * 1024 * 1024  # bytes of keys and conditions that are kept
ENTRY: Final = 200  # bytes of an entry beside these
Keys = NDArray[np.int64]


class ChosenKeys:
    """Keys of memories by scope, its version, and the conditions.

    A scope's version changes with every change of its memories, so what was chosen at one version is chosen at it for ever. There is
    no lock, for a forked child would find it held: of two threads at once, one may read what the other is reading too.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Keys] = {}
        self._bytes = 0

    def keys(self, asked: tuple[Any, ...], read: Callable[[], Keys]) -> Keys:
        """Return the keys, read if they are not known.

        Args:
            asked: Scope, version, condition and its values.
            read: Reads them.
        """
        found = self._known.get(asked)
        if found is None:
            found = read()
            size = found.nbytes + ENTRY + sum(len(value) for value in asked if isinstance(value, str))
            if self._bytes + size > BUDGET:
                self.clear()
            if size <= BUDGET:
                self._known[asked] = found
                self._bytes += size
        return found

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()
        self._bytes = 0
