"""The command: `agentmem bench compare [PATH...]`."""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from ..plan import QUICK as QUICK_PLAN
from ..plan import Plan
from ..recall.questions import read
from ..results import facts
from ..texts import Conversation
from .comparison import QUICK, Amounts, Comparison, Result
from .peer import ENTRIES, OURS, Entry
from .plots import Plots
from .report import document, plain_text, replace_in

_SEED: Final = 20_261
_DESCRIPTION: Final = """\
The same turns and questions, with the same vectors, into this library, into three plain stores put together for the purpose (vectors,
BM25, both fused by reciprocal rank), and into what is installed of mem0, LangGraph's SqliteStore, Chroma and LlamaIndex's
SimpleVectorStore. Each runs in processes of its own; what is not installed is named, and what fails is a line of the report."""


def main(argv: Sequence[str]) -> int:
    """Compare, print the report, and write what was asked for; return the exit status."""
    args = _parser().parse_args(argv)
    try:
        entries, pythons = _chosen(args.peer), _interpreters(args.python)
        paths = [Path(path) for path in args.paths]
        for path in paths:
            read(path)  # better to fail now than in every store
        page = None if args.write is None else Path(args.write)
        if page is not None:
            replace_in(page.read_text(encoding="utf-8"), "")
        plots = None if args.plots is None else Plots(Path(args.plots))
        compare(
            entries, QUICK if args.quick else Amounts(), ["compare", *argv], seed=args.seed, folder=args.dir, pythons=pythons, paths=paths,
            json_to=args.json, plots=plots, page=page,
        )  # fmt: skip
    except (OSError, ValueError, ImportError) as error:  # InvalidInputError and MissingExtraError are among these
        print(f"agentmem bench: {error}", file=sys.stderr)
        return 1
    return 0


def compare(
    entries: Sequence[Entry],
    amounts: Amounts,
    command: Sequence[str],
    *,
    seed: int = _SEED,
    folder: str | None = None,
    pythons: Mapping[str, str] | None = None,
    paths: Sequence[Path] = (),
    json_to: str | None = None,
    plots: Plots | None = None,
    page: Path | None = None,
) -> list[Result]:
    """Measure, report, and write what was asked for.

    Args:
        entries: Who takes part.
        amounts: How much is measured.
        command: The arguments as given, for the report.
        seed: Of texts and questions.
        folder: Where a folder for the files is made; None for the system's own place.
        pythons: Another interpreter, by the name of an entry.
        paths: Files of questions.
        json_to: A file for the JSON, or `-` for stdout; the report then goes to stderr.
        plots: Draws the pictures; None for none.
        page: A page with two markers, between which the report goes.

    Returns:
        What came of each.
    """
    if json_to not in (None, "-"):
        Path(str(json_to)).touch()
    with TemporaryDirectory(prefix="agentmem-bench-", dir=folder, ignore_cleanup_errors=True) as name:
        plan = Plan(QUICK_PLAN, seed, "full", Path(name), Conversation(seed))
        known = facts(plan, command) | {"sizes": asdict(amounts)}
        results = Comparison(entries, amounts, Path(name), seed, pythons or {}, paths).run()
    images = [] if plots is None else plots.draw(results)
    print(plain_text(document(results, known)), file=sys.stderr if json_to == "-" else sys.stdout, flush=True)
    if page is not None:
        links = [Path(os.path.relpath(image, page.parent)).as_posix() for image in images]
        page.write_text(replace_in(page.read_text(encoding="utf-8"), document(results, known, links)), encoding="utf-8")
    _write_json(json_to, known | {"results": [_figures(result) for result in results]})
    return results


def _write_json(to: str | None, figures: Mapping[str, Any]) -> None:
    text = json.dumps(figures, indent=2, ensure_ascii=False) + "\n"
    if to == "-":
        print(text, end="")
    elif to is not None:
        Path(to).write_text(text, encoding="utf-8")


def _figures(result: Result) -> dict[str, Any]:
    """Return a result as a JSON object: of the searches p50 and p95, and how many there were."""
    searches = {
        way: {"n": len(times), "p50_ms": result.search_ms(way, 50), "p95_ms": result.search_ms(way, 95)}
        for way, times in result.times.items()
    }
    return asdict(replace(result, errors=Counter())) | {"errors": dict(result.errors), "times": searches}  # asdict cannot copy a Counter


def _chosen(names: Sequence[str] | None) -> list[Entry]:
    by_name = {entry.name.lower(): entry for entry in ENTRIES}
    if unknown := [name for name in names or () if name.lower() not in by_name]:
        raise ValueError(f"nobody is called {unknown[0]!r}: choose from {', '.join(entry.name for entry in ENTRIES)}")
    return [entry for entry in ENTRIES if not names or entry.name == OURS or entry.name.lower() in {name.lower() for name in names}]


def _interpreters(given: Sequence[str]) -> dict[str, str]:
    pythons = {}
    for word in given:
        name, _, python = word.partition("=")
        (entry,) = [entry for entry in _chosen([name]) if entry.name.lower() == name.lower()]
        if not python:
            raise ValueError(f"--python {word}: write NAME=PYTHON, such as SqliteStore=python3.11")
        pythons[entry.name] = python
    return pythons


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "agentmem bench compare", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="files of questions, for recall: LoCoMo (.json), BEAM (.jsonl), documents with queries (.json)",
    )
    parser.add_argument("--peer", metavar="NAME", action="append", help="only this one beside AgentMemory; may be given several times")
    parser.add_argument(
        "--python", metavar="NAME=PYTHON", action="append", default=[],
        help="run this one in another build of the same Python version, with this one's packages",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it works, measures little")
    parser.add_argument("--write", metavar="PAGE", help="replace what stands between the two markers of this Markdown page")
    parser.add_argument("--plots", metavar="FOLDER", help="draw PNG and SVG files there (extra bench)")
    parser.add_argument("--json", metavar="FILE", help="write all figures there as JSON; - for stdout (the report then goes to stderr)")
    parser.add_argument("--seed", type=int, default=_SEED, metavar="N", help="of texts and questions (default: %(default)s)")
    parser.add_argument("--dir", metavar="FOLDER", help="make the files there (default: the system's temporary folder)")
    return parser
