"""The comparison as pictures. The only file that knows matplotlib; it draws without a screen."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ...errors import MissingExtraError
from .comparison import THREADS, Result, sources
from .peer import Kind
from .report import COMPARED, digits, label

# Okabe and Ito's colours, which those who see fewer of them can tell apart; they differ in lightness too
_COLOURS: Final[Mapping[Kind, str]] = {"ours": "#0072B2", "plain": "#BDBDBD", "library": "#E69F00"}
_MEANINGS: Final[Mapping[Kind, str]] = {"ours": "this library", "plain": "put together for comparison", "library": "other libraries"}
_STYLE: Final = {
    "font.family": "sans-serif", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10,
    "axes.titlelocation": "left", "svg.hashsalt": "agentmem", "svg.fonttype": "none", "figure.dpi": 110,
}  # fmt: skip
_WIDTH: Final = 10.0  # inches
_BAR: Final = 0.3  # inches

Bar = tuple[str, Kind, float, str]
"""Whose it is, of what kind, how long it is, and what stands beside it."""


class Plots:
    """Draws into a folder.

    Args:
        folder: Made if there is none.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OSError: the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._matplotlib: Any = import_module("matplotlib")
        except ModuleNotFoundError as error:
            raise MissingExtraError('plots need matplotlib: pip install "agentmem-integrations[bench]"') from error
        self._matplotlib.use("agg")
        self._figure: Any = import_module("matplotlib.figure").Figure
        self._number: Any = import_module("matplotlib.ticker").FuncFormatter(lambda value, place: f"{value:,g}")
        self._patch: Any = import_module("matplotlib.patches").Patch
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def draw(self, results: Sequence[Result]) -> list[Path]:
        """Draw everything there are figures for; return the PNG files. An SVG lies beside each."""
        there = [result for result in results if not result.skipped]
        drawn = {
            "compare-recall": (_recall(there), "recall@10, %", False),
            "compare-adds": (_adds(there), "adds per second, everything on disk (logarithmic)", True),
            "compare-search": (_searches(there), "milliseconds of one search, p50 (logarithmic)", True),
        }
        with self._matplotlib.rc_context(_STYLE):
            return [self._draw(name, *what) for name, what in drawn.items() if what[0]]

    def _draw(self, name: str, panels: Mapping[str, Sequence[Bar]], axis: str, logarithmic: bool) -> Path:
        rows = max(len(bars) for bars in panels.values())
        figure = self._figure(figsize=(_WIDTH, _BAR * rows + 1.3), layout="constrained")
        figure.get_layout_engine().set(wspace=0.06)  # or the last number of one axis touches the first of the next
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        alike = len({tuple(bar[0] for bar in bars) for bars in panels.values()}) == 1
        for number, (ax, (title, bars)) in enumerate(zip(axes, panels.items(), strict=True)):
            self._panel(ax, title, bars, rows)
            self._scale(ax, [bar[2] for of in panels.values() for bar in of], logarithmic)
            if alike and number:
                ax.tick_params(labelleft=False)
        figure.supxlabel(axis, fontsize=9)
        kinds = dict.fromkeys(bar[1] for bars in panels.values() for bar in bars)
        handles = [self._patch(color=_COLOURS[kind], label=_MEANINGS[kind]) for kind in kinds]
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), frameon=False)
        path = self._folder / f"{name}.png"
        figure.savefig(path, metadata={"Software": None})
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
        return path

    @staticmethod
    def _panel(ax: Any, title: str, bars: Sequence[Bar], rows: int) -> None:
        places = range(len(bars))
        drawn = ax.barh(places, [bar[2] for bar in bars], color=[_COLOURS[bar[1]] for bar in bars], height=0.72)
        ax.bar_label(drawn, [bar[3] for bar in bars], padding=3, fontsize=8)
        ax.set_yticks(places, [bar[0] for bar in bars])
        ax.set_ylim(rows - 0.4, -0.6)  # the first on top, and bars of one height in all panels
        ax.set_title(title)
        ax.tick_params(axis="y", length=0)

    def _scale(self, ax: Any, values: Sequence[float], logarithmic: bool) -> None:
        """Scale by the values of all panels, so that bars of two panels can be compared."""
        if logarithmic:
            ax.set_xscale("log")
            ax.set_xlim(min(values) / 3, max(values) * 8)  # room for the numbers
            ax.xaxis.set_major_formatter(self._number)
        else:
            ax.set_xlim(0, max(values) * 1.3)
        ax.minorticks_off()


def _recall(there: Sequence[Result]) -> dict[str, list[Bar]]:
    return {
        source: [
            (label(result.entry, way), result.entry.kind, 100 * found[source][2], f"{100 * found[source][2]:.1f}")
            for result in there for way, found in result.recall.items() if source in found
        ]
        for source in sources(there)
    }  # fmt: skip


def _adds(there: Sequence[Result]) -> dict[str, list[Bar]]:
    panels: dict[str, list[Bar]] = {}
    for threads in THREADS:
        rates = [(result.entry, result.adds_per_second(threads)) for result in there]
        bars: list[Bar] = [(entry.name, entry.kind, rate, f"{rate:,.0f}") for entry, rate in rates if rate]
        if bars:
            panels[f"{threads} thread{'s' * (threads > 1)}"] = bars
    return panels


def _searches(there: Sequence[Result]) -> dict[str, list[Bar]]:
    panels: dict[str, list[Bar]] = {}
    for like, title in COMPARED.items():
        timed = [
            (result.entry, way, result.search_ms(way, 50))
            for result in there for way, compared in result.entry.ways.items() if compared == like
        ]  # fmt: skip
        bars: list[Bar] = [(label(entry, way), entry.kind, ms, digits(ms)) for entry, way, ms in timed if ms]
        if bars:
            panels[title] = bars
    return panels
