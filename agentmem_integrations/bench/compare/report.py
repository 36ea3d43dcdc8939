"""What came of a comparison as Markdown: tables, who was left out and why, and where this library is behind."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from .comparison import THREADS, Result, sources
from .peer import OURS, Entry

BEGIN: Final = "<!-- made by `agentmem bench compare`: begin -->"
END: Final = "<!-- made by `agentmem bench compare`: end -->"
COMPARED: Final = {"vectors": "vectors alone", "words": "words alone", "both": "meaning and words"}

EARLY: Final = 1.5
"""A store that returns so many times faster than it is done gets a line of its own."""

Cell = tuple[str, float | None]
"""What a cell says, and its value if the best of the column is to be marked; lower is better, so negate what is not."""


def document(results: Sequence[Result], facts: Mapping[str, Any], images: Sequence[str] = ()) -> str:
    """Return the whole report.

    Args:
        results: Of everybody.
        facts: See `results.facts`.
        images: Links to plots, shown after the tables.
    """
    there = [result for result in results if not result.skipped]
    parts = [_setting(there, facts), _writing(there), _asking(there), _recall(there), _errors(there), _left_out(results), _behind(there)]
    return "\n\n".join([part for part in parts if part] + [f"![{_spoken(image)}]({image})" for image in images]) + "\n"


def replace_in(page: str, made: str) -> str:
    """Return a page with what stands between its markers replaced.

    Raises:
        ValueError: the page does not have both markers, in order.
    """
    begin, end = page.find(BEGIN), page.find(END)
    if not 0 <= begin < end:
        raise ValueError(f"the page needs two lines between which the tables go: {BEGIN} and {END}")
    return f"{page[: begin + len(BEGIN)]}\n\n{made}\n{page[end:]}"


def _spoken(image: str) -> str:
    return Path(image).stem.replace("-", " ")


def _setting(there: Sequence[Result], facts: Mapping[str, Any]) -> str:
    versions = [f"{name} {number}" for name, number in facts["versions"].items()]
    versions += [f"{name} {number}" for result in there for name, number in result.versions.items() if name != "python"]
    own = facts["versions"]["python"]
    others = [f"{r.entry.name} ran in Python {r.versions['python']}" for r in there if r.versions.get("python", own) != own]
    machine, sizes = facts["machine"], facts["sizes"]
    return (
        f"{', '.join(dict.fromkeys(versions))}. {''.join(f'{other}. ' for other in others)}{machine['cpus']} CPUs "
        f"({machine['architecture']}), a sync to disk takes {machine['sync_ms']:.2f} ms; seed {facts['seed']}; {sizes['adds']:,} adds (or "
        f"{sizes['adds_s']} s of them) in each of {sizes['rounds']} rounds, {sizes['rounds'] * sizes['asked']} questions to "
        f"{sizes['memories']:,} memories; {facts['started_at'][:10]}."
    )


def _writing(there: Sequence[Result]) -> str:
    head = [
        "", *(f"adds/s, {n} thread{'s' * (n > 1)}" for n in THREADS), "bulk, turns/s", "errors", "lost", "lost after kill -9",
        "MB on disk", "when `add` returns",
    ]  # fmt: skip
    rows: list[list[Cell]] = []
    for result in there:
        killed = "–" if result.killed is None else f"{result.killed[1]:,} of {result.killed[0]:,}"
        rows.append([
            (_name(result.entry), None), *(_rate(result.adds_per_second(n)) for n in THREADS), _rate(result.bulk),
            (f"{result.errors.total():,}", None), (f"{result.lost:,} of {result.acknowledged:,}", None), (killed, None),
            _number(result.bytes, 1e6), (result.entry.durable, None),
        ])  # fmt: skip
    early = [line for result in there for line in _returned_early(result)]
    return "\n\n".join(["**Writing**", _table(head, rows), *early])


def _returned_early(result: Result) -> Iterator[str]:
    """Say how fast adds returned, where that was before they were on disk."""
    returned = {n: median(rates) for n, rates in result.returned.items()}
    if any(rate > EARLY * (result.adds_per_second(n) or rate) for n, rate in returned.items()):
        rates = " and ".join(f"{rate:,.0f} with {n} thread{'s' * (n > 1)}" for n, rate in returned.items())
        yield f"{result.entry.name} returned faster, {rates} a second, and put everything on disk at the end, which the table counts."


def _asking(there: Sequence[Result]) -> str:
    parts = []
    for like, spoken in COMPARED.items():
        rows = [
            [
                (_name(result.entry, way), None), _number(result.search_ms(way, 50)), _number(result.search_ms(way, 95)),
                _number(result.peak, 1e6),
            ]
            for result in there for way, compared in result.entry.ways.items() if compared == like and way in result.times
        ]  # fmt: skip
        if rows:
            head = [f"asked for {spoken}", "p50, ms", "p95, ms", "MB of RAM"]
            parts.append(_table(head, rows))
    return "**Searching**\n\n" + "\n\n".join(parts) if parts else ""


def _recall(there: Sequence[Result]) -> str:
    named = sources(there)
    if not named:
        return ""
    rows: list[list[Cell]] = []
    for result in there:
        for way, found in result.recall.items():
            cells = [found.get(source) for source in named]
            rows.append([(_name(result.entry, way), None), *(_shares(cell) for cell in cells)])
    counts = {source: int(found[source][0]) for r in there for found in r.recall.values() for source in found}
    head = ["recall@5 / @10 / @20, %", *(f"{source} ({counts[source]:,} questions)" for source in named)]
    return "**Finding**\n\n" + _table(head, rows)


def _shares(found: Sequence[float] | None) -> Cell:
    return ("–", None) if found is None else (" / ".join(f"{100 * share:.1f}" for share in found[1:]), -found[2])


def _errors(there: Sequence[Result]) -> str:
    lines = [f"- {r.entry.name}: {count:,} x {text}" for r in there for text, count in sorted(r.errors.items())]
    lines += [f"- {r.entry.name} failed: {text}" for r in there for text in dict.fromkeys(r.failures)]
    return "\n".join(["**Errors**", "", *lines]) if lines else ""


def _left_out(results: Iterable[Result]) -> str:
    lines = [f"- {result.entry.name}: {result.skipped}" for result in results if result.skipped]
    return "\n".join(["**Left out**", "", *lines]) if lines else ""


def _behind(there: Sequence[Result]) -> str:
    lines = [f"- {line}" for line in behind(there)]
    return "\n".join(["**Where this library is behind in this run**", "", *(lines or ["- Nowhere."])])


def behind(there: Sequence[Result]) -> Iterator[str]:
    """Give a line for every measure by which somebody is ahead of this library, like compared with like."""
    ours = next((result for result in there if result.entry.name == OURS), None)
    if ours is None:
        return
    for what, unit, own, theirs in _measures(ours, [result for result in there if result is not ours]):
        ahead = {name: value for name, value in theirs.items() if value is not None and own is not None and value < own}
        for name, value in sorted(ahead.items(), key=lambda pair: pair[1]):
            yield f"{what}: {name}, {digits(abs(value))} {unit} against {digits(abs(own or 0))}"


def _measures(ours: Result, others: Sequence[Result]) -> Iterator[tuple[str, str, float | None, dict[str, float | None]]]:
    """Give each measure with our value and everybody's; lower is better, so what is not is negated."""
    for n in THREADS:
        yield f"adds, {n} thread{'s' * (n > 1)}", "a second", _minus(ours.adds_per_second(n)), {
            result.entry.name: _minus(result.adds_per_second(n)) for result in others
        }  # fmt: skip
    yield "bulk", "turns a second", _minus(ours.bulk), {result.entry.name: _minus(result.bulk) for result in others}
    yield "lost", "turns", ours.lost, {result.entry.name: result.lost for result in others}
    yield "on disk", "MB", _mega(ours.bytes), {result.entry.name: _mega(result.bytes) for result in others}
    yield "RAM", "MB", _mega(ours.peak), {result.entry.name: _mega(result.peak) for result in others}
    for way, like in ours.entry.ways.items():
        yield f"search for {COMPARED[like]}, p50", "ms", ours.search_ms(way, 50), {
            label(result.entry, theirs): result.search_ms(theirs, 50)
            for result in others for theirs, compared in result.entry.ways.items() if compared == like
        }  # fmt: skip
    for source in sources([ours]):
        yield f"recall@10, {source}", "%", _recall_at_10(ours, next(iter(ours.entry.ways)), source), {
            label(result.entry, way): _recall_at_10(result, way, source) for result in others for way in result.recall
        }  # fmt: skip


def _recall_at_10(result: Result, way: str, source: str) -> float | None:
    found = result.recall.get(way, {}).get(source)
    return None if found is None else -100 * found[2]


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _mega(value: int | None) -> float | None:
    return None if value is None else value / 1e6


def _name(entry: Entry, way: str = "") -> str:
    name = label(entry, way)
    return f"**{name}**" if entry.kind == "ours" else f"*{name}*" if entry.kind == "plain" else name


def label(entry: Entry, way: str) -> str:
    """Return what a store, asked in a way, is called."""
    return f"{entry.name}, {way}" if way and len(entry.ways) > 1 else entry.name


def _rate(value: float | None) -> Cell:
    return ("–", None) if value is None else (f"{value:,.0f}", -value)


def _number(value: float | None, unit: float = 1) -> Cell:
    return ("–", None) if value is None else (digits(value / unit), value)


def digits(value: float) -> str:
    """Return three significant digits, whole numbers from 100 on."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return a table, the best of each column in bold."""
    values = [[value for _, value in column if value is not None] for column in zip(*rows, strict=True)]
    lines = [
        [f"**{text}**" if value is not None and value == min(values[column]) else text for column, (text, value) in enumerate(row)]
        for row in rows
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in [list(head), ["---", *["---:"] * (len(head) - 1)], *lines])


def plain_text(made: str) -> str:
    """Return a report for a terminal: without marks of emphasis."""
    return re.sub(r"\*+([^*\n]+)\*+", r"\1", made)
