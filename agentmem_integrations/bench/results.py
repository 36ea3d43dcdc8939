"""Measured numbers with unit and spread, and results as a table for people and as JSON for programs."""

import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median
from time import perf_counter
from typing import Any

import apsw
import numpy as np
import sqlite_vec

from .. import __version__
from ..embedding.static import StaticEmbedder
from .plan import Plan


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


_SYNCS = 50


def table(benchmark: str, figures: Sequence[Figure]) -> str:
    """Return the figures of one benchmark, aligned."""
    rows = [(f.name, _number(f.value), f.unit, _spread(f), f.goal) for f in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        f"  {name:<{widths[0]}}  {value:>{widths[1]}} {unit:<{widths[2]}}  {spread:<{widths[3]}}  {goal}".rstrip()
        for name, value, unit, spread, goal in rows
    ]
    return "\n".join([benchmark, *lines, ""])


def heading(plan: Plan, facts: Mapping[str, Any]) -> str:
    """Return what was measured with, in two lines."""
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    machine = facts["machine"]
    return (
        f"{versions}\n{machine['cpus']} CPUs ({machine['architecture']}), a sync to disk takes {machine['sync_ms']:.2f} ms; "
        f"durability {plan.durability}, embedder {facts['embedder']}, seed {plan.seed}; texts: {plan.texts.source}\n"
    )


def facts(plan: Plan, command: Sequence[str]) -> dict[str, Any]:
    """Return all that a reader needs to make the same run, and the machine it was made on."""
    return {
        "command": ["agentmem", "bench", *command],
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "agentmem_integrations": __version__,
            "python": platform.python_version(),
            "sqlite": apsw.sqlite_lib_version(),
            "apsw": apsw.apsw_version(),
            "sqlite_vec": sqlite_vec.__version__,
            "numpy": version("numpy"),
        },
        "machine": {
            "cpus": os.cpu_count(),
            "system": sys.platform,
            "architecture": platform.machine(),
            "sync_ms": _sync_time(plan),
        },
        "seed": plan.seed,
        "durability": plan.durability,
        "embedder": StaticEmbedder.name,
        "texts": plan.texts.source,
        "sizes": asdict(plan.sizes),
    }


def results(measured: Mapping[str, Sequence[Figure]]) -> dict[str, list[dict[str, Any]]]:
    """Return the figures of every benchmark as JSON objects."""
    return {benchmark: [asdict(figure) for figure in figures] for benchmark, figures in measured.items()}


def _sync_time(plan: Plan) -> float:
    """Return the milliseconds it takes to get one page onto the disk: the floor under every acknowledged add."""
    with plan.fresh_folder() as folder, (folder / "sync").open("wb", buffering=0) as file:

        def sync() -> None:
            file.write(bytes(8_192))
            os.fsync(file.fileno())

        return 1e3 * median(seconds(sync) for _ in range(_SYNCS))


def _spread(figure: Figure) -> str:
    if figure.p95 is not None and figure.p99 is not None:
        return f"p50; p95 {_number(figure.p95)}, p99 {_number(figure.p99)}; n={figure.n:,}"
    if figure.low is not None and figure.high is not None and figure.n > 1:
        return f"{_number(figure.low)} to {_number(figure.high)}; n={figure.n:,}"
    return ""


def _number(value: float) -> str:
    """Return three significant digits, whole numbers from 100 on."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:#.3g}"
