"""From the words of a command line to an exit status."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from .. import __version__
from ..errors import AgentMemError, InvalidInputError, shown
from .add import ADD
from .arguments import Arguments, Command, common
from .completion import COMPLETION
from .config import CONFIG
from .demo import DEMO
from .doctor import DOCTOR
from .exit_status import ERROR, INTERRUPTED, OK
from .export_import import BACKUP, EXPORT, IMPORT
from .maintenance import JOBS, REEMBED, REPAIR, VERIFY
from .output import Output, in_words_of_the_command
from .search_get_list import GET, HISTORY, LIST, SEARCH, STATS
from .streams import drop, flush, prepare, say, some_stderr
from .update_delete_purge import DELETE, PURGE, UPDATE

EXAMPLES = """\
examples:
  agentmem demo
  agentmem add "I moved to Lisbon in May" --user ana
  agentmem search "where does she live?" --user ana
  agentmem add --jsonl --user ana < conversation.jsonl

Options that all commands share may also stand before the command. Settings: agentmem config. Trouble: agentmem doctor.
"""
_ALL: Final = (
    *(ADD, SEARCH, LIST, GET, HISTORY, UPDATE, DELETE, PURGE, STATS),
    *(EXPORT, IMPORT, BACKUP, VERIFY, REPAIR, REEMBED, JOBS),
    *(CONFIG, DOCTOR, COMPLETION, DEMO),
)
COMMANDS: Final[Mapping[str, Command]] = {command.name: command for command in _ALL}
"""By name, as the help lists them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words behind `agentmem`; default those of the process.

    Returns:
        The exit status: 0; 1 if the user declined, or the file is not sound; 2 for an error, told in one line on stderr; 130 after Ctrl-C.

    Raises:
        SystemExit: after `--help`, `--version` and usage errors, as argparse does.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    with some_stderr():
        try:
            prepare()
            return _flushed(words)
        except AgentMemError as error:
            say(f"agentmem: {in_words_of_the_command(str(error))}")
        except ImportError as error:
            if error.name is None or error.name.startswith(__name__.partition(".")[0]):
                raise  # a mistake of this package, and no missing one
            say(f"agentmem: {error.name} cannot be imported, and is needed: `agentmem doctor` says what to do")
        except BrokenPipeError:  # of the help, or of a benchmark's tables
            drop(sys.stdout)
            return OK
        except OSError as error:
            say(f"agentmem: {_refused(error)}")
        except KeyboardInterrupt:
            say("")
            return INTERRUPTED
        return ERROR


def _flushed(words: list[str]) -> int:
    try:
        status = _run(words)
    except SystemExit:  # of `--help` and `--version`, which print as well
        flush()
        raise
    flush()
    return status


def _refused(error: OSError) -> str:
    """Say what the operating system refused, where no layer below has said it better."""
    if error.filename is None:
        try:
            os.getcwd()  # noqa: PTH109 - no path is wanted, only whether there is one
        except OSError:
            return "the folder that this was started in is gone: cd to one that is there"
    what = f"{shown(error.filename)}: " if error.filename is not None else ""
    return f"{what}{error.strerror or error}"


def _run(words: list[str]) -> int:
    if words[:1] == ["bench"]:  # its options are its own: argparse must not read them
        from ..bench.command import main as bench

        return ERROR if bench(words[1:]) else OK
    grammar = parser()
    args = grammar.parse_args(words, namespace=Arguments())
    if args.command is None:
        grammar.print_help(sys.stderr)
        return ERROR
    if args.command == "bench":
        raise InvalidInputError("bench has options of its own: write `agentmem bench ...`, with nothing before `bench`")
    return COMMANDS[args.command].run(args, Output.of(args.json))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        "agentmem",
        description="Long-term memory for agents, in one SQLite file.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"agentmem {__version__}")
    common(top, embedder=True, hidden=True)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for command in COMMANDS.values():
        about = command.about[0].upper() + command.about[1:] + "."
        command.options(commands.add_parser(command.name, help=command.about, description=about, allow_abbrev=False))
    bench = commands.add_parser("bench", help="measure this machine: agentmem bench --help", add_help=False)
    bench.add_argument("rest", nargs=argparse.REMAINDER)
    top.set_defaults(grammar=top)
    return top
