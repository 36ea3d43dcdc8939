"""The command: `agentmem bench [NAME...]`, and what else stands behind `agentmem bench`."""

import argparse
import sys
from collections.abc import Sequence

BENCHMARKS = ("fast", "batch", "search", "storage", "embed")
ON_REQUEST = ("soak", "intelligent", "decisions", "langgraph", "vectors")
"""Benchmarks that run only when named."""

_DESCRIPTION = """\
Measure this library on this machine. Without a name, all benchmarks run one after the other:

  fast     single adds per second, by one and by many callers
  batch    add_batch against single adds
  search   time of one search, by size of the scope and among many users
  storage  size of the file, time to import and start, memory used
  embed    an embedder by itself, behind its queue, and searched with during a bulk load

and, only when named:

  soak         mixed work for minutes: latencies, growth, errors, losses
  intelligent  adds that draw facts with a language model: a stub that takes 50 ms, or --base-url
  decisions    what the model at --base-url makes of ten simple changes
  langgraph    LangGraph's store: search and puts, beside its SqliteStore where that is installed
  vectors      the vector store of LlamaIndex beside SimpleVectorStore, and Chroma if it is installed

and, with files of questions whose answers are known (see `agentmem bench recall --help`), which `compare` may go without:

  recall PATH...      how much of the answers the ranking finds, stage by stage
  fit [--cv] PATH...  weights for the ranking, fitted to them
  compare [PATH...]   speed, losses and recall beside mem0, SqliteStore, Chroma, SimpleVectorStore and plain stores
"""
OF_RANKING = ("recall", "fit")


def main(argv: Sequence[str] | None = None) -> int:
    """Run benchmarks and print their tables.

    Args:
        argv: Arguments behind `agentmem bench`; None for those of the process.

    Returns:
        The exit status: 0, or 1 if a file cannot be read or written.

    Raises:
        SystemExit: the arguments make no sense (status 2), or help was asked for.
    """
    command = list(sys.argv[1:] if argv is None else argv)
    if command and command[0] in OF_RANKING:
        from .recall.report import main as report

        return report(command[0], command[1:])
    if command and command[0] == "compare":
        from .compare.command import main as compare

        return compare(command[1:])
    parser = _parser()
    args = parser.parse_intermixed_args(command)
    if unknown := [name for name in args.names if name not in (*BENCHMARKS, *ON_REQUEST)]:
        parser.error(f"unknown benchmark {unknown[0]!r}: choose from {', '.join((*BENCHMARKS, *ON_REQUEST))}")
    from .run import run  # loads numpy and the library; `--help` and a typing error need neither

    try:
        run(
            list(dict.fromkeys(args.names)) or BENCHMARKS, command, json_to=args.json, quick=args.quick, seed=args.seed,
            durability=args.durability, folder=args.dir, texts_from=args.texts, minutes=args.minutes,
            embedders=args.embedder or ("static",), tune=args.tune, base_url=args.base_url, model=args.model,
        )  # fmt: skip
    except BrokenPipeError:  # whoever read the tables has seen enough, which is for the command to say
        raise
    except (OSError, ValueError, ImportError) as e:  # InvalidInputError and MissingExtraError are among these
        print(f"agentmem bench: {e}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("agentmem bench", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run: " + ", ".join((*BENCHMARKS, *ON_REQUEST)))
    parser.add_argument("--json", metavar="FILE", help="write all figures there as JSON; - for stdout (the tables then go to stderr)")
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it works, measures little")
    parser.add_argument("--seed", type=int, default=20_261, metavar="N", help="of all random choices (default: %(default)s)")
    parser.add_argument("--durability", choices=("full", "normal"), default="full", help="of the files (default: %(default)s)")
    parser.add_argument("--dir", metavar="FOLDER", help="make the files there (default: the system's temporary folder)")
    parser.add_argument("--texts", metavar="FILE", help="store this file's lines instead of made-up talk")
    parser.add_argument("--minutes", type=_minutes, metavar="N", help="how long the soak goes on (default: 5)")
    parser.add_argument(
        "--embedder", metavar="SPEC", action="append",
        help="of `embed`, and may be given several times: static (the default), a spec as for AgentMemory(embedder=...), "
        "or sleeping:LANES, which stands for a model of 2 ms a call and 0.5 ms a text",
    )  # fmt: skip
    parser.add_argument("--tune", action="store_true", help="`embed` tries other layouts of a model that has them: sessions x threads")
    parser.add_argument("--base-url", metavar="URL", help="ask this OpenAI-compatible endpoint in place of the stub (intelligent)")
    parser.add_argument("--model", default="stub", metavar="NAME", help="which model is asked there")
    return parser


def _minutes(word: str) -> float:
    minutes = float(word)
    if not 0 < minutes <= 10_000:
        raise argparse.ArgumentTypeError(f"{word}: a soak goes on for more than 0 and at most 10,000 minutes")
    return minutes
