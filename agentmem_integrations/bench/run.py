"""The run itself: measure what was asked for, print each table as it is ready, write the JSON at the end."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TextIO

from ..config import Durability
from . import embed, fast, intelligent, langgraph_store, model_decisions, search, soak, storage
from .plan import QUICK, Plan, Sizes
from .results import Figure, facts, heading, results, table
from .texts import Conversation, Lines


def _vectors(plan: Plan) -> list[Figure]:
    from . import llamaindex_vectors  # needs llama-index-core

    return llamaindex_vectors.measure(plan)


MEASURES: Final[dict[str, Callable[[Plan], list[Figure]]]] = {
    "fast": fast.measure,
    "batch": fast.measure_batches,
    "search": search.measure,
    "storage": storage.measure,
    "embed": embed.measure,
    "soak": soak.measure,
    "intelligent": intelligent.measure,
    "decisions": model_decisions.measure,
    "langgraph": langgraph_store.measure,
    "vectors": _vectors,
}


def run(
    names: Sequence[str],
    command: Sequence[str],
    *,
    json_to: str | None,
    quick: bool,
    seed: int,
    durability: Durability,
    folder: str | None,
    texts_from: str | None,
    minutes: float | None = None,
    embedders: Sequence[str] = ("static",),
    tune: bool = False,
    base_url: str | None = None,
    model: str = "stub",
) -> None:
    """Run benchmarks and report.

    Args:
        names: Keys of `MEASURES`.
        command: The arguments as given, for the report.
        json_to: A file for the JSON, or `-` for stdout; the table then goes to stderr.
        quick: Small sizes.
        seed: Of texts, questions and users drawn.
        durability: Of the files.
        folder: Where a folder for the files is made; None for the system's own place.
        texts_from: A file of texts, one per line; None to make them up.
        minutes: How long the soak goes on; None for as long as the sizes say.
        embedders: What `embed` measures.
        tune: Let it try other layouts.
        base_url: The endpoint of a language model for `intelligent`; None for a stub that takes 50 ms.
        model: Which model is asked there.

    Raises:
        OSError: a file or folder cannot be read or written.
        ValueError: the file of texts is empty or not UTF-8, or a spec names no embedder.
    """
    tables: TextIO = sys.stderr if json_to == "-" else sys.stdout
    texts = Conversation(seed) if texts_from is None else Lines(Path(texts_from))
    if json_to not in (None, "-"):
        Path(str(json_to)).touch()  # better to fail now than in six minutes
    with TemporaryDirectory(prefix="agentmem-bench-", dir=folder) as name:
        sizes = QUICK if quick else Sizes()
        if minutes is not None:
            sizes = replace(sizes, soak_minutes=minutes)
        plan = Plan(sizes, seed, durability, Path(name), texts, tuple(embedders), tune, base_url, model)
        known = facts(plan, command)
        print(heading(plan, known), file=tables, flush=True)
        measured: dict[str, list[Figure]] = {}
        for benchmark in names:
            measured[benchmark] = MEASURES[benchmark](plan)
            print(table(benchmark, measured[benchmark]), file=tables, flush=True)
    document = json.dumps(known | {"results": results(measured)}, indent=2, ensure_ascii=False) + "\n"
    if json_to == "-":
        print(document, end="")
    elif json_to is not None:
        Path(json_to).write_text(document, encoding="utf-8")
