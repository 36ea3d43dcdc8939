"""One thing that `agentmem doctor` looked at."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        level: `ok`; `warning`: it works, but not as well as it could; `problem`: something does not work.
        subject: What was looked at.
        said: What was found.
        mend: What to do about it; empty for nothing.
    """

    level: Level
    subject: str
    said: str
    mend: str = ""
