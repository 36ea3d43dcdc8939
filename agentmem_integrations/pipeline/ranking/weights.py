"""The table of weights that a ranking goes by, and how it is read."""

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidInputError, shown
from ...ports import Survey
from .features import NAMES

Floats = NDArray[np.float32]

COLUMNS: Final = ("talk", "chat", "diary", "notes", "documents")
"""What kind of memory a weight is for: turns of a conversation, short or long; those of one person alone; texts that nobody said to
anybody, short or long."""

SHORT: Final = 45.0
LONG: Final = 90.0
"""Mean words of a memory, speaker and date included, up to which all counts as short, and from which on as long."""

OTHERS: Final = 0.25
"""Share of the words of others than the main speaker from which on it is a conversation in full, not one person's notes in it."""

SIZE_LIMIT: Final = 1_000_000  # bytes of a table of one's own
_POSITIVE: Final = ("half_life_days", "spread")
_SCORE: Final = ("importance", "recency", "half_life_days", "quality", "phrase", "spread")
CENTRES: Final = "centres"


@dataclass(frozen=True, slots=True)
class Ranking:
    """What evidence is worth.

    Attributes:
        table: One row per name in `COLUMNS`, one column per name in `features.NAMES`.
        importance: What the most important memory gains on one not judged, twice over, on the scale of relevance; not negative.
        recency: What the newest memory gains on one of long ago; not negative.
        half_life_days: In so many days recency halves.
        quality: What a fact that is certain gains on verbatim words, twice over; not negative.
        phrase: What a memory gains on the scale of relevance that says a quoted phrase word for word, for each; not negative.
        centres: The relevance that becomes a score of 1/2, by kind of memory, shape (kinds,).
        spread: How far from that it becomes 3/4.
    """

    table: Floats
    importance: float
    recency: float
    half_life_days: float
    quality: float
    phrase: float
    spread: float
    centres: Floats

    def weights(self, survey: Survey) -> Floats:
        """Return one weight per kind of evidence, for the kind of memory that the survey is of."""
        return mixture(survey) @ self.table

    def centre(self, survey: Survey) -> float:
        """Return the relevance that becomes a score of 1/2, for the kind of memory that the survey is of."""
        return float(mixture(survey) @ self.centres)


def mixture(survey: Survey) -> Floats:
    """Return how far the owner's memory is of each kind in `COLUMNS`; the shares add up to 1.

    Nothing here is told: it is read off how long the memories are, whether they belong to sessions or have speakers, and
    whether more than one speaks.
    """
    length = math.log(max(survey.mean_length, 1.0))
    long = min(1.0, max(0.0, (length - math.log(SHORT)) / (math.log(LONG) - math.log(SHORT))))
    alone = 1.0 - min(1.0, survey.other_voices / OTHERS)
    seated, loose = survey.seated, 1.0 - survey.seated
    together = seated * (1.0 - alone)
    return np.array([together * (1 - long), together * long, seated * alone, loose * (1 - long), loose * long], np.float32)


def _columns(*names: str) -> list[int]:
    return [column for column, name in enumerate(NAMES) if name in names]


def _groups() -> dict[str, list[int]]:
    groups = {
        "meaning": _columns("similarity", "kinship"),
        "words": _columns("bm25", "bm25 share", "coverage", "rarest word"),
        "session": _columns("session bm25", "session similarity", "session coverage"),
        "time": _columns("when × time", "time", "time asked"),
        "speaker": _columns("speaker named", "assistant", *(name for name in NAMES if name.startswith("assistant × "))),
        "form": _columns("is question", "length", "many × number", "first person", "greeting", "names something"),
        "breadth": _columns(*(name for name in NAMES if name.startswith("broad × "))),
    }
    told = {column for columns in groups.values() for column in columns}
    return groups | {"around": [column for column in range(len(NAMES)) if column not in told]}


GROUPS: Final[Mapping[str, list[int]]] = _groups()
"""Kinds of evidence that `explain` sums up under one name."""

assert set(NAMES) == set().union(*({NAMES[column] for column in columns} for columns in GROUPS.values()))


@cache
def default_ranking(*, contextual: bool = False) -> Ranking:
    """Return the ranking that comes with the package: a file beside this one, which says how it was found.

    Args:
        contextual: For vectors that a model makes of a text as a whole, such as a transformer's. They tell more than those of a
            table of words, and count for more: `ranking_contextual.toml` instead of `ranking.toml`.
    """
    name = "ranking_contextual.toml" if contextual else "ranking.toml"
    return ranking_of(tomllib.loads((resources.files(__package__) / name).read_text(encoding="utf-8")), name)


def read_ranking(path: Any) -> Ranking:
    """Return the ranking of a file, TOML or JSON, in the form of `ranking.toml`.

    Raises:
        InvalidInputError: it cannot be read, or is none; nothing of it is used then.
    """
    if not isinstance(path, str | Path):
        raise InvalidInputError(f"ranker={shown(path)}: pass the path of a table of weights, TOML or JSON")
    try:
        raw = Path(path).read_bytes()[: SIZE_LIMIT + 1]
        if len(raw) > SIZE_LIMIT:
            raise InvalidInputError(f"ranker={shown(str(path))} is larger than {SIZE_LIMIT:,} bytes: it is no table of weights")
        text = raw.decode("utf-8")
        document = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except OSError as error:
        raise InvalidInputError(f"ranker={shown(str(path))} cannot be read ({error.strerror}): name a file") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"ranker={shown(str(path))} is neither TOML nor JSON ({type(error).__name__})") from None
    return ranking_of(document, str(path))


def ranking_of(document: Any, source: str) -> Ranking:
    """Return the ranking that a parsed document means.

    Args:
        document: A table `score` and a table `evidence`.
        source: Where it is from, for messages.

    Raises:
        InvalidInputError: it lacks something, or has something that is unknown or no number.
    """
    score, evidence = (_section(document, name, source) for name in ("score", "evidence"))
    _all_known(score, (*_SCORE, CENTRES), f"{source}, [score]")
    _all_known(evidence, NAMES, f"{source}, [evidence]")
    numbers = {name: _number(score[name], f"{source}, [score] {name}") for name in _SCORE}
    for name, value in numbers.items():
        if name in _POSITIVE and value <= 0:
            raise InvalidInputError(f"{source}, [score] {name}={value:g}: pass a number above 0")
        if value < 0:
            raise InvalidInputError(f"{source}, [score] {name}={value:g}: pass a number from 0")
    table = np.array([_weights(evidence[name], f"{source}, [evidence] {name!r}") for name in NAMES], np.float32).T
    centres = np.array(_weights(score[CENTRES], f"{source}, [score] {CENTRES}"), np.float32)
    return Ranking(table, **numbers, centres=centres)


def _section(document: Any, name: str, source: str) -> Mapping[str, Any]:
    found = document.get(name) if isinstance(document, dict) else None
    if not isinstance(found, dict):
        raise InvalidInputError(f"{source} has no table [{name}]: start from the package's own, pipeline/ranking/ranking.toml")
    return found


def _all_known(found: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    if unknown := sorted(found.keys() - set(names)):
        raise InvalidInputError(f"{where}: {shown(unknown[0])} is unknown: use {', '.join(names)}")
    if missing := [name for name in names if name not in found]:
        raise InvalidInputError(f"{where}: {missing[0]!r} is missing")


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e6:
        raise InvalidInputError(f"{where}: {shown(value)} is no number between -1,000,000 and 1,000,000")
    return float(value)


def _weights(value: Any, where: str) -> list[float]:
    if not isinstance(value, list) or len(value) != len(COLUMNS):
        raise InvalidInputError(f"{where}: pass {len(COLUMNS)} numbers, for {', '.join(COLUMNS)}")
    return [_number(item, where) for item in value]
