"""From the words of a command line to an exit status."""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ..errors import AgentMemError, InvalidInputError
from .add import add
from .arguments import Arguments, parser
from .completion import completion
from .config import config
from .demo import demo
from .doctor import doctor
from .exit_status import ERROR, INTERRUPTED, OK
from .export_import import backup, export, import_
from .maintenance import jobs, reembed, repair, verify
from .output import Output
from .search_get_list import get, history, list_memories, search
from .update_delete_purge import delete, purge, stats, update

COMMANDS: Final[Mapping[str, Callable[[Arguments, Output], int]]] = {
    "add": add,
    "search": search,
    "list": list_memories,
    "get": get,
    "history": history,
    "update": update,
    "delete": delete,
    "purge": purge,
    "stats": stats,
    "export": export,
    "import": import_,
    "backup": backup,
    "verify": verify,
    "repair": repair,
    "reembed": reembed,
    "jobs": jobs,
    "config": config,
    "doctor": doctor,
    "completion": completion,
    "demo": demo,
}


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
    _speak_utf8()
    try:
        status = _run(words)
        sys.stdout.flush()  # here, where a closed pipe is still ours to handle
    except AgentMemError as error:
        print(f"agentmem: {error}", file=sys.stderr)
        return ERROR
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _drop_stdout()
        return OK
    return status


def _run(words: list[str]) -> int:
    if words[:1] == ["bench"]:  # its options are its own: argparse must not read them
        from ..bench import main as bench

        return bench(words[1:])
    grammar = parser()
    args = grammar.parse_args(words, namespace=Arguments())
    if args.command is None:
        grammar.print_help(sys.stderr)
        return ERROR
    if args.command == "bench":
        raise InvalidInputError("bench has options of its own: write `agentmem bench ...`, with nothing before `bench`")
    return COMMANDS[args.command](args, Output.of(args.json))


def _speak_utf8() -> None:
    # A pipe on Windows would turn a memory's text into an encoding error, and so would a path that is no UTF-8
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=None if sys.stdout.isatty() else "utf-8", errors="backslashreplace")
    if isinstance(sys.stderr, io.TextIOWrapper):  # the default of Python's own, but not of every stream put in its place
        sys.stderr.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdin, io.TextIOWrapper) and not sys.stdin.isatty() and sys.stdin.encoding.lower() != "utf-8":
        sys.stdin.reconfigure(encoding="utf-8")


def _drop_stdout() -> None:
    # Whoever read us has seen enough. The interpreter flushes stdout once more at exit, and would complain then.
    with contextlib.suppress(OSError), open(os.devnull, "w") as nowhere:  # noqa: PTH123  # os.devnull is a name, not a path
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
