"""The comparison itself: every store does the same jobs, in turn, and what goes wrong with one is a line of its result."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from .apart import PeerError, run, run_and_kill
from .peer import Entry

THREADS: Final = (1, 8)


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much is measured. The defaults are a full run.

    Attributes:
        adds: Adds in one round, by one thread and by eight.
        adds_s: A round ends after so many seconds, however many are done.
        rounds: Of adds, and of searches.
        killed: Adds before the process is killed.
        memories: In the store that is searched.
        asked: Questions in one round.
        timeout_s: A job may take so long.
    """

    adds: int = 2_000
    adds_s: float = 10
    rounds: int = 3
    killed: int = 200
    memories: int = 10_000
    asked: int = 100
    timeout_s: float = 600


QUICK: Final = Amounts(60, 2, 1, 10, 200, 5)


@dataclass(slots=True)
class Result:
    """What came of one store.

    Attributes:
        entry: Which.
        versions: Of what it needs, and of its Python.
        skipped: Why it was left out; empty if it was not.
        failures: Jobs that failed, and how.
        rates: By number of threads, adds per second of each round, until everything was on disk.
        returned: The same, until the last add returned.
        errors: How often an add, or saving and closing after them, raised what, all rounds.
        acknowledged: Adds that returned, all rounds and the killed one apart.
        lost: How many of these were not there when the store was opened again.
        killed: How many were acknowledged before the process was killed, and how many of these were lost.
        bulk: Turns per second in the fastest way there is.
        bytes: Of the full store on disk.
        peak: Most memory of a process that searches it, in bytes.
        times: By way, the seconds of every search.
        recall: By way and data set, the number of questions and the mean recall at 5, 10 and 20.
    """

    entry: Entry
    versions: dict[str, str] = field(default_factory=dict)
    skipped: str = ""
    failures: list[str] = field(default_factory=list)
    rates: dict[int, list[float]] = field(default_factory=dict)
    returned: dict[int, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    lost: int = 0
    killed: tuple[int, int] | None = None
    bulk: float | None = None
    bytes: int | None = None
    peak: int | None = None
    times: dict[str, list[float]] = field(default_factory=dict)
    recall: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def adds_per_second(self, threads: int) -> float | None:
        """Return the median of the rounds."""
        return median(self.rates[threads]) if threads in self.rates else None

    def search_ms(self, way: str, percentile: float) -> float | None:
        """Return a percentile of the searches, in milliseconds."""
        return float(1e3 * np.percentile(self.times[way], percentile)) if self.times.get(way) else None


class Comparison:
    """One run.

    Args:
        entries: Who takes part.
        amounts: How much is measured.
        folder: Of everything that is written.
        seed: Of texts and questions.
        pythons: Another interpreter, by the name of an entry.
        paths: Files of questions.
    """

    def __init__(
        self, entries: Sequence[Entry], amounts: Amounts, folder: Path, seed: int, pythons: Mapping[str, str], paths: Sequence[Path]
    ) -> None:
        self._amounts, self._folder, self._seed = amounts, folder, seed
        self._pythons, self._paths = pythons, [str(path.resolve()) for path in paths]
        self.results = [Result(entry) for entry in entries]

    def run(self) -> list[Result]:
        """Measure everything; return what came of each."""
        with TemporaryDirectory(dir=self._folder) as name:
            full = Path(name)
            self._each("look", self._probe)
            if self._paths:
                self._each("recall", self._recall)
            for round in range(self._amounts.rounds):
                for threads in THREADS:
                    self._each(f"adds, round {round + 1}, threads {threads}", partial(self._adds, threads), first=round)
            self._each("kill -9", self._kill)
            self._each("fill", partial(self._fill, full))
            for round in range(self._amounts.rounds):
                self._each(f"search, round {round + 1}", partial(self._search, full, round), first=round)
        return self.results

    def _each(self, what: str, work: Callable[[Result], object], first: int = 0) -> None:
        """Let everybody do it in turn; each round begins with another one."""
        there = [result for result in self.results if not result.skipped]
        first %= max(1, len(there))
        for result in there[first:] + there[:first]:
            print(f"{what}: {result.entry.name}", file=sys.stderr, flush=True)
            try:
                work(result)
            except PeerError as error:
                result.failures.append(str(error))

    def _run(self, result: Result, job: str, folder: Path, **given: Any) -> dict[str, Any]:
        return run(result.entry, job, self._python(result), self._amounts.timeout_s, folder=str(folder), seed=self._seed, **given)

    def _python(self, result: Result) -> str:
        return self._pythons.get(result.entry.name, sys.executable)

    def _fresh(self) -> "TemporaryDirectory[str]":
        return TemporaryDirectory(dir=self._folder, ignore_cleanup_errors=True)

    def _probe(self, result: Result) -> None:
        with self._fresh() as folder:
            try:
                found = self._run(result, "probe", Path(folder), needs=result.entry.needs)
            except PeerError as error:
                result.skipped = str(error)
                return
        result.skipped, result.versions = found["missing"] or "", found["versions"]

    def _recall(self, result: Result) -> None:
        with self._fresh() as folder:
            result.recall = self._run(result, "recall", Path(folder), paths=self._paths, ways=list(result.entry.ways))

    def _adds(self, threads: int, result: Result) -> None:
        with self._fresh() as folder:
            count, limit = self._amounts.adds, self._amounts.adds_s
            done = self._run(result, "adds", Path(folder), count=count, threads=threads, limit_s=limit)
            names = done["acknowledged"]
            result.rates.setdefault(threads, []).append(len(names) / done["seconds"])
            result.returned.setdefault(threads, []).append(len(names) / done["returned"])
            result.errors.update(done["errors"])
            self._count_lost(result, Path(folder), names)

    def _count_lost(self, result: Result, folder: Path, names: Sequence[str]) -> None:
        result.acknowledged += len(names)
        result.lost += self._run(result, "lost", folder, acknowledged=names)["lost"]

    def _kill(self, result: Result) -> None:
        with self._fresh() as folder:
            names = run_and_kill(
                result.entry, self._python(result), self._amounts.timeout_s, self._amounts.killed, folder=folder, seed=self._seed
            )
            result.killed = len(names), self._run(result, "lost", Path(folder), acknowledged=names)["lost"]

    def _fill(self, full: Path, result: Result) -> None:
        folder = full / result.entry.name
        folder.mkdir()
        done = self._run(result, "fill", folder, memories=self._amounts.memories)
        result.bulk, result.bytes = self._amounts.memories / done["seconds"], done["bytes"]

    def _search(self, full: Path, round: int, result: Result) -> None:
        if result.bytes is None:
            return  # could not be filled, which is said already
        done = self._run(
            result,
            "searches",
            full / result.entry.name,
            memories=self._amounts.memories,
            asked=self._amounts.asked,
            turn=round,
            ways=list(result.entry.ways),
        )
        for way, times in done["times"].items():
            result.times.setdefault(way, []).extend(times)
        result.peak = max(result.peak or 0, done["peak"])
        if round == 0:
            result.acknowledged += self._amounts.memories
            result.lost += done["lost"]


def sources(results: Iterable[Result]) -> list[str]:
    """Return the names of all data sets, in the order they were read."""
    return list(dict.fromkeys(source for result in results for found in result.recall.values() for source in found))
