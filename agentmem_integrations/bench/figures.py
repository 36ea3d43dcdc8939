"""Measured numbers: one figure with its unit and spread, and how many measurements become one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a report.

    Attributes:
        name: What was measured; unique in its benchmark.
        value: The number, a median where `n` is more than 1.
        unit: Of `value` and of the numbers below.
        goal: What it is to be compared with; empty for none.
        n: Repeats, or single calls.
        low: The least of the repeats.
        high: The greatest of the repeats.
        p95: Of single calls; `value` is then their p50.
        p99: Of single calls.
    """

    name: str
    value: float
    unit: str
    goal: str = ""
    n: int = 1
    low: float | None = None
    high: float | None = None
    p95: float | None = None
    p99: float | None = None


def typical(name: str, values: Sequence[float], unit: str, goal: str = "") -> Figure:
    """Return the median of several repeats with their range."""
    return Figure(name, median(values), unit, goal, len(values), min(values), max(values))


def latency(name: str, seconds: Sequence[float]) -> Figure:
    """Return p50, p95 and p99 of single calls, in milliseconds."""
    p50, p95, p99 = np.percentile(np.asarray(seconds) * 1e3, (50, 95, 99)).tolist()
    return Figure(name, p50, "ms", n=len(seconds), p95=p95, p99=p99)


def ratios(name: str, above: Sequence[float], below: Sequence[float], goal: str = "") -> Figure:
    """Return the median ratio of measurements that were made side by side, repeat by repeat."""
    return typical(name, [a / b for a, b in zip(above, below, strict=True)], "x", goal)


def seconds(work: Callable[[], object]) -> float:
    """Return how long the work took."""
    began = perf_counter()
    work()
    return perf_counter() - began


def in_turn(variants: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Measure every variant once per round, so that a machine that speeds up or slows down does so for all of them.

    Args:
        variants: What to measure, by name; each returns its number.
        repeats: Rounds. Each begins with another variant.
    """
    names = list(variants)
    found: dict[str, list[float]] = {name: [] for name in names}
    for round in range(repeats):
        start = round % len(names)
        for name in names[start:] + names[:start]:
            found[name].append(variants[name]())
    return found
