"""How long whatever failed waits until it is tried again."""

from datetime import timedelta
from typing import Final

RETRY_AFTER: Final = timedelta(seconds=5)  # doubled with every attempt, up to
RETRY_AT_MOST: Final = timedelta(hours=1)


def retry_after(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts before this one."""
    doubled: timedelta = RETRY_AFTER * 2 ** min(attempts, 20)
    return min(doubled, RETRY_AT_MOST)
