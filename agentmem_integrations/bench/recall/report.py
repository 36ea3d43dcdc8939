"""`agentmem bench recall` and `agentmem bench fit`: how good the ranking is on files of questions, stage by stage, and its weights."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...pipeline.ranking.features import NAMES
from ...pipeline.ranking.weights import GROUPS, Ranking, read_ranking
from .evidence import Case, K, cases, default_for
from .fit import report_fit
from .questions import read, variants

Floats = NDArray[np.float32]
Scorer = Callable[[Case], Floats]

DRAWS: Final = 10_000  # of the bootstrap
SEED: Final = 20_261
WORDS: Final = "words alone (BM25)"
FULL: Final = "everything"


def main(command: str, argv: Sequence[str]) -> int:
    """Run `recall` or `fit` and print what came of it; return the exit status."""
    args = _parser(command).parse_args(argv)
    try:
        told = [one for path in args.paths for one in read(Path(path))]
        if command == "fit":
            told += [variant for one in told for variant in variants(one)]
        embedders = args.embedder or ["static"]
        if command == "fit":
            report_fit(
                [case for embedder in embedders for case in _labelled(cases(told, embedder), embedder, embedders)], cross_validate=args.cv
            )
        else:
            for embedder in embedders:
                ranking = default_for(embedder) if args.ranker is None else read_ranking(args.ranker)
                _recall(_labelled(cases(told, embedder), embedder, embedders), ranking)
    except (OSError, ValueError, ImportError) as error:  # InvalidInputError and MissingExtraError are among these
        print(f"agentmem bench: {error}", file=sys.stderr)
        return 1
    return 0


def _parser(command: str) -> argparse.ArgumentParser:
    about = {
        "recall": "Share of the answers among the first 10 hits, by stage of the ranking and by kind of question.",
        "fit": "Fit the ranking's weights to files of questions and print them as a table for AgentMemory(ranker=...).",
    }[command]
    parser = argparse.ArgumentParser(f"agentmem bench {command}", description=about)
    parser.add_argument("paths", nargs="+", metavar="PATH", help="LoCoMo (.json), BEAM (.jsonl), or documents with queries (.json)")
    several = "as for AgentMemory(embedder=...); may be given several times (default: static)"
    parser.add_argument("--embedder", action="append", metavar="SPEC", help=several)
    if command == "fit":
        parser.add_argument("--cv", action="store_true", help="also measure each conversation by weights that were fitted without it")
    else:
        parser.add_argument("--ranker", metavar="FILE", help="other weights than the package's own")
    return parser


def _labelled(gathered: Sequence[Case], embedder: str, embedders: Sequence[str]) -> Sequence[Case]:
    """Return the cases with the embedder in the names of their sources, if there are several."""
    return gathered if len(embedders) == 1 else [replace(case, source=f"{case.source}, {embedder}") for case in gathered]


def stages(ranking: Ranking) -> dict[str, Scorer]:
    """Return ways to rank, by name: each kind of evidence by itself, the whole, and the whole without one group of evidence."""
    bm25, similarity = NAMES.index("bm25"), NAMES.index("similarity")

    def without(group: str) -> Scorer:
        table = ranking.table.copy()
        table[:, GROUPS[group]] = 0
        return lambda case: case.evidence @ (case.mixture @ table)

    return {
        WORDS: lambda case: case.evidence[:, bm25],
        "meaning alone (vectors)": lambda case: case.evidence[:, similarity],
        "both, z-scores added up": lambda case: case.evidence[:, bm25] + case.evidence[:, similarity],
        FULL: lambda case: case.evidence @ (case.mixture @ ranking.table),
    } | {f"everything but {group}": without(group) for group in GROUPS}


def chance(differences: Floats) -> tuple[float, float]:
    """Return between which means 95 of 100 samples of as many paired differences lie (percentile bootstrap)."""
    random = np.random.default_rng(SEED)
    means = [random.choice(differences, len(differences)).mean() for _ in range(DRAWS)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _recall(gathered: Sequence[Case], ranking: Ranking) -> None:
    for source in dict.fromkeys(case.source for case in gathered):
        mine = [case for case in gathered if case.source == source]
        print(f"{source}: recall@{K}, {len(mine):,} questions")
        found = {name: _recalls(mine, scorer) for name, scorer in stages(ranking).items()}
        for name, values in found.items():
            print(f"  {name:<28} {100 * values.mean():5.1f}")
        print(f"\n  {'by kind of question':<28} {WORDS:>18} {FULL:>12}   difference (95 %)")
        for kind in sorted({case.kind for case in mine}):
            rows = np.array([case.kind == kind for case in mine])
            words, full = found[WORDS][rows], found[FULL][rows]
            low, high = chance(full - words)
            verdict = "  worse" if high < 0 else ""
            print(
                f"  {kind:<28} {100 * words.mean():18.1f} {100 * full.mean():12.1f}   "
                f"{100 * (full - words).mean():+.1f} ({100 * low:+.1f} to {100 * high:+.1f}), n={len(words)}{verdict}"
            )
        print()


def _recalls(mine: Sequence[Case], scorer: Scorer) -> Floats:
    return np.array([case.recall_of(scorer(case), K) for case in mine], np.float32)
