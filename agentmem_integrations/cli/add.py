"""`agentmem add`."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from ..errors import InvalidInputError
from ..models import KINDS, AddResult
from .arguments import Arguments, Command, common
from .exit_status import ERROR, OK
from .output import Output, in_words_of_the_command, result_record
from .streams import lines, say
from .target import json_object, open_collection, scope

TEXT_HELP = "what to remember; '-' reads one memory per line from stdin"
JSONL_HELP = 'read items from stdin, one JSON object per line: {"content": ..., "role": ..., "timestamp": ...}'


SHOWN_REFUSALS: Final = 10  # the first ones tell what is wrong with the input; thousands would bury it
SAID: Final = {"ADD": "added", "NONE": "known", "UPDATE": "updated", "SUPERSEDE": "superseded", "DELETE": "deleted"}


def add(args: Arguments, out: Output) -> int:
    """Remember texts: of the command line all or none, of stdin every good one."""
    owner, from_stdin = scope(args), args.jsonl or args.text == ["-"]
    if args.text not in ([], ["-"]) and args.jsonl:
        raise InvalidInputError("--jsonl reads stdin: leave the texts out, or leave --jsonl out")
    if not args.text and not from_stdin:
        raise InvalidInputError("what should be remembered? Pass texts, - for lines of stdin, or --jsonl")
    fields = {
        "role": args.role,
        "name": args.name,
        "timestamp": args.timestamp,
        "kind": args.kind,
        "metadata": json_object(args.metadata, "--metadata"),
    }
    numbered = list(_lines(args.jsonl)) if from_stdin else list(enumerate(args.text, 1))
    with open_collection(args, embeds=True) as mem:
        results = mem.add_batch(
            [item for _, item in numbered], **owner, **fields,
            on_error="store" if from_stdin else "raise", progress=from_stdin and sys.stderr.isatty(),
        )  # fmt: skip
    if out.json:
        out.document([result_record(result) for result in results])
    elif from_stdin:
        _summary(results, out)
    else:
        _events(results, out)
    return _refusals(results, [number for number, _ in numbered])


def _lines(jsonl: bool) -> Iterator[tuple[int, Any]]:
    """Give the items on stdin with the numbers of their lines. All are read before any is stored: a broken file changes nothing."""
    for number, line in enumerate(lines(), 1):
        if line.strip():
            yield number, _object(line, number) if jsonl else line.strip()


def _object(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"line {number} of stdin is not JSON ({error}): correct it; nothing was stored") from None


def _events(results: list[AddResult], out: Output) -> None:
    for result in results:
        owed = " (its vector follows)" if result.status == "queued" else ""
        for event in result.events:
            out.block(f"{SAID[event.event]:<8}  ", event.memory.text)
            out.line(out.dim(f"{'':<8}  {event.memory.id}{owed}"))


def _summary(results: list[AddResult], out: Output) -> None:
    counts = Counter(SAID[event.event] for result in results for event in result.events)
    counts["refused"] = sum(result.error is not None for result in results)
    counts["with their vectors to follow"] = sum(result.status == "queued" for result in results)
    told = [f"{count:,} {what}" for what, count in counts.items() if count]
    out.line(", ".join(told) or "nothing to add: stdin was empty")


def _refusals(results: list[AddResult], numbers: list[int]) -> int:
    refused = [(index, result.error) for index, result in enumerate(results) if result.error is not None]
    for index, error in refused[:SHOWN_REFUSALS]:
        say(f"agentmem: line {numbers[index]}: {in_words_of_the_command(str(error)).removeprefix(f'item {index}: ')}")
    if len(refused) > SHOWN_REFUSALS:
        say(f"agentmem: {len(refused) - SHOWN_REFUSALS:,} more lines were refused")
    return ERROR if refused else OK


def _add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("text", nargs="*", metavar="TEXT", help=TEXT_HELP)
    command.add_argument("--jsonl", action="store_true", help=JSONL_HELP)
    command.add_argument("--role", help="who spoke: user, assistant, ...")
    command.add_argument("--name", help="the speaker's name")
    command.add_argument("--timestamp", metavar="TIME", help="when it was said, ISO 8601 (default: now)")
    command.add_argument("--kind", choices=KINDS, metavar="KIND", help=f"one of {', '.join(KINDS)}")
    command.add_argument("--metadata", metavar="JSON", help="""any JSON object, such as '{"city": "Lisbon"}'""")
    common(command, embedder=True)


ADD: Final = Command("add", "remember something", _add_options, add)
