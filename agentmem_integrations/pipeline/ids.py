"""UUIDv7: ids that sort by the time they were made (RFC 9562, section 5.7)."""

import os
import time

_VERSION = 0x7 << 76
_VARIANT = 0x2 << 62
_RANDOM = (1 << 74) - 1


def new_id() -> str:
    """Return a new UUIDv7 as text.

    Random bits come from the system, not from `random`: a forked child would repeat its parent's.
    """
    bits = int.from_bytes(os.urandom(10)) & _RANDOM
    value = time.time_ns() // 1_000_000 << 80 | _VERSION | bits >> 62 << 64 | _VARIANT | bits & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
