"""UUIDv7: ids that sort by the time they were made (RFC 9562, section 5.7)."""

import os
import random
import time
from functools import cache

_VERSION = 0x7 << 76
_VARIANT = 0x2 << 62


def new_id() -> str:
    """Return a new UUIDv7 as text."""
    bits = _random(os.getpid()).getrandbits(74)
    value = time.time_ns() // 1_000_000 << 80 | _VERSION | bits >> 62 << 64 | _VARIANT | bits & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@cache
def _random(process: int) -> random.Random:
    """Return the source of a process's ids: of its own, for a forked child would repeat its parent's.

    Not the functions of `random`, which a program may seed, and not the system for each id: asking it gives the interpreter away,
    and with many threads it takes long to come back. Ids are no secrets.
    """
    return random.Random(os.urandom(32))  # noqa: S311 - see above
