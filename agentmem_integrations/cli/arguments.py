"""The grammar of the command line."""

import argparse
import os
from typing import Any

from .. import __version__
from ..models import KINDS

EXAMPLES = """\
examples:
  agentmem demo
  agentmem add "I moved to Lisbon in May" --user ana
  agentmem search "where does she live?" --user ana
  agentmem add --jsonl --user ana < conversation.jsonl

Options that all commands share may also stand before the command. Settings: agentmem config. Trouble: agentmem doctor.
"""
TEXT_HELP = "what to remember; '-' reads one memory per line from stdin"
EMBEDDER_HELP = "what makes vectors; 'none' goes by words alone (default: $AGENTMEM_EMBEDDER, else 'static')"
RERANKER_HELP = "what judges the best hits once more: fastembed:<model or folder>, openai:<model> (default: $AGENTMEM_RERANKER)"
JSONL_HELP = 'read items from stdin, one JSON object per line: {"content": ..., "role": ..., "timestamp": ...}'


class Arguments(argparse.Namespace):
    """What a command line said. The common options have defaults here, so that they may stand on either side of the command."""

    command: str | None = None
    db: str | None = None
    user: str | None = None
    shared: bool = False
    agent: str | None = None
    session: str | None = None
    json: bool = False
    namespace: str | None = None
    with_embedder: str | None = None
    with_reranker: str | None = None

    def collection(self) -> str:
        """Return the collection: `--namespace`, else AGENTMEM_NAMESPACE, else `default`."""
        return self.namespace or os.environ.get("AGENTMEM_NAMESPACE") or "default"

    def embedder_spec(self) -> str | None:
        """Return the embedder: `--embedder`, else AGENTMEM_EMBEDDER, else `static`; None for `none`."""
        spec = self.with_embedder or os.environ.get("AGENTMEM_EMBEDDER") or "static"
        return None if spec == "none" else spec

    def reranker_spec(self) -> str | None:
        """Return the reranker: `--reranker`, else AGENTMEM_RERANKER; None for `none`, and by default."""
        spec = self.with_reranker or os.environ.get("AGENTMEM_RERANKER") or "none"
        return None if spec == "none" else spec

    def path(self, default: str = "memory.db") -> str:
        """Return the memory file: `--db`, else AGENTMEM_DB, else `default`."""
        return self.db or os.environ.get("AGENTMEM_DB") or default


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
    _common(top, embedder=True, hidden=True)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for define in (
        _add, _search, _list, _get, _history, _update, _delete, _purge, _stats, _export, _import, _backup, _verify, _repair, _reembed,
        _jobs, _config, _doctor, _completion, _demo, _bench,
    ):  # fmt: skip
        define(commands)
    return top


def _command(commands: Any, name: str, about: str) -> argparse.ArgumentParser:
    found: argparse.ArgumentParser = commands.add_parser(
        name, help=about, description=about[0].upper() + about[1:] + ".", allow_abbrev=False
    )
    return found


def _common(
    command: argparse.ArgumentParser,
    *,
    owner: bool = True,
    narrow: bool = True,
    namespace: bool = True,
    embedder: bool = False,
    hidden: bool = False,
) -> None:
    # SUPPRESS as default: what is not said behind the command must not undo what was said before it
    group = command.add_argument_group("common options")

    def option(name: str, about: str, **more: Any) -> None:
        group.add_argument(name, help=argparse.SUPPRESS if hidden else about, default=argparse.SUPPRESS, **more)

    option("--db", "the memory file (default: $AGENTMEM_DB, else memory.db in this folder)", metavar="PATH")
    if namespace:
        option("--namespace", "the collection in the file (default: $AGENTMEM_NAMESPACE, else 'default')", metavar="NAME")
    if embedder:
        option("--embedder", EMBEDDER_HELP, metavar="SPEC", dest="with_embedder")
    if owner:
        option("--user", "whose memory", metavar="ID")
        option("--shared", "memory that belongs to nobody in particular", action="store_true")
    if narrow:
        option("--agent", "only this agent's memory", metavar="ID")
        option("--session", "only this conversation's memory", metavar="ID")
    option("--json", "print one JSON document", action="store_true")


def _narrowing(command: argparse.ArgumentParser) -> None:
    command.add_argument("--kind", action="append", choices=KINDS, metavar="KIND", help=f"only this kind (repeatable): {', '.join(KINDS)}")
    command.add_argument("--filter", metavar="JSON", help="""condition on the metadata, such as '{"city": "Lisbon"}'""")


def _add(commands: Any) -> None:
    command = _command(commands, "add", "remember something")
    command.add_argument("text", nargs="*", metavar="TEXT", help=TEXT_HELP)
    command.add_argument("--jsonl", action="store_true", help=JSONL_HELP)
    command.add_argument("--role", help="who spoke: user, assistant, ...")
    command.add_argument("--name", help="the speaker's name")
    command.add_argument("--timestamp", metavar="TIME", help="when it was said, ISO 8601 (default: now)")
    command.add_argument("--kind", choices=KINDS, metavar="KIND", help=f"one of {', '.join(KINDS)}")
    command.add_argument("--metadata", metavar="JSON", help="""any JSON object, such as '{"city": "Lisbon"}'""")
    _common(command, embedder=True)


def _search(commands: Any) -> None:
    command = _command(commands, "search", "find memories by meaning and by words")
    command.add_argument("query", metavar="QUERY", help="the question")
    command.add_argument("-k", type=int, default=10, metavar="N", help="how many (default: 10)")
    command.add_argument(
        "--using", choices=("hybrid", "vector", "text"), help="which evidence counts (default: hybrid; text with no embedder)"
    )
    command.add_argument("--offset", type=int, default=0, metavar="N", help="skip as many of the best")
    _narrowing(command)
    command.add_argument("--at", metavar="TIME", help="what was valid at that time (default: now)")
    command.add_argument("--after", metavar="TIME", help="only what occurred then or later")
    command.add_argument("--before", metavar="TIME", help="only what occurred then or earlier; a bare date means its end")
    command.add_argument("--min-score", type=float, default=0.0, metavar="S", help="only hits at least as good, 0 to 1")
    command.add_argument("--token-budget", type=int, metavar="N", help="only hits whose texts take about N tokens together")
    command.add_argument("--reranker", dest="with_reranker", metavar="SPEC", help=RERANKER_HELP)
    command.add_argument("--explain", action="store_true", help="show what each score is made of")
    _common(command, embedder=True)


def _list(commands: Any) -> None:
    command = _command(commands, "list", "show memories in the order they were added")
    command.add_argument("--limit", type=int, default=100, metavar="N", help="how many at a time, 1 to 10,000 (default: 100)")
    command.add_argument("--after", metavar="ID", help="the last id of the page before")
    _narrowing(command)
    _common(command)


def _get(commands: Any) -> None:
    command = _command(commands, "get", "show one memory with all that is known of it")
    command.add_argument("id", metavar="ID")
    _common(command, narrow=False)


def _history(commands: Any) -> None:
    command = _command(commands, "history", "show what happened to a memory, deleted ones too")
    command.add_argument("id", metavar="ID")
    _common(command, narrow=False)


def _update(commands: Any) -> None:
    command = _command(commands, "update", "change a memory; its old text stays in its history")
    command.add_argument("id", metavar="ID")
    command.add_argument("--text", help="the new words")
    command.add_argument("--metadata", metavar="JSON", help="replaces the old metadata as a whole; '{}' for none")
    command.add_argument("--kind", choices=KINDS, metavar="KIND", help=f"one of {', '.join(KINDS)}")
    command.add_argument("--importance", type=float, metavar="X", help="0 to 1")
    command.add_argument("--ttl", type=float, metavar="SECONDS", help="from now until it is forgotten")
    command.add_argument("--expires-at", metavar="TIME", help="when it is forgotten, ISO 8601")
    _common(command, narrow=False, embedder=True)


def _delete(commands: Any) -> None:
    command = _command(commands, "delete", "make memories invisible; they stay in history")
    command.add_argument("id", nargs="*", metavar="ID", help="which; without ids, everything the options select")
    _narrowing(command)
    command.add_argument("--yes", action="store_true", help="do not ask")
    _common(command)


def _purge(commands: Any) -> None:
    command = _command(commands, "purge", "erase memories for good, deleted ones and their history too")
    command.add_argument("id", nargs="*", metavar="ID", help="which; without ids, everything the options select")
    _narrowing(command)
    command.add_argument("--all-collections", action="store_true", help="in every collection of the file; needs --user or --shared")
    command.add_argument("--yes", action="store_true", help="do not ask")
    _common(command)


def _stats(commands: Any) -> None:
    _common(_command(commands, "stats", "count memories, of one user or of the whole file"), narrow=False)


def _jobs(commands: Any) -> None:
    command = _command(commands, "jobs", "list the facts that a language model still has to draw, and why it could not")
    command.add_argument("--retry", action="store_true", help="have those tried again that were given up")
    command.add_argument("--limit", type=int, default=100, metavar="N", help="how many at most (default: %(default)s)")
    _common(command, narrow=False)


def _export(commands: Any) -> None:
    command = _command(commands, "export", "write all memories, of one user or of everybody, to a file of JSON lines")
    command.add_argument("file", metavar="FILE", help="the file to write; '-' for stdout")
    command.add_argument("--vectors", action="store_true", help="their vectors too, so that importing need not embed them again")
    command.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")
    _common(command, narrow=False)


def _import(commands: Any) -> None:
    command = _command(commands, "import", "store exported memories just as they were; those that are there already stay as they are")
    command.add_argument("file", metavar="FILE", help="what `agentmem export` wrote; '-' for stdin")
    _common(command, owner=False, narrow=False, embedder=True)


def _backup(commands: Any) -> None:
    command = _command(commands, "backup", "copy the whole memory file, also while it is in use")
    command.add_argument("file", metavar="FILE", help="the copy to write")
    command.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")
    _common(command, owner=False, narrow=False, namespace=False)


def _verify(commands: Any) -> None:
    _common(_command(commands, "verify", "compare the memories with every index, of one user or of the whole file"), narrow=False)


def _repair(commands: Any) -> None:
    _common(_command(commands, "repair", "mend what verify finds, and nothing else"), narrow=False, embedder=True)


def _reembed(commands: Any) -> None:
    command = _command(commands, "reembed", "change the embedder: embed every memory anew; goes on where it was interrupted")
    command.add_argument("embedder", metavar="EMBEDDER", help="the new one, such as 'static'")
    _common(command, owner=False, narrow=False)


def _config(commands: Any) -> None:
    _common(_command(commands, "config", "show the settings, and where each comes from"), owner=False, narrow=False, embedder=True)


def _doctor(commands: Any) -> None:
    command = _command(commands, "doctor", "look at this installation and at the memory file, and say how to mend what is wrong")
    _common(command, owner=False, narrow=False, embedder=True)


def _completion(commands: Any) -> None:
    command = _command(commands, "completion", "print a script that completes the words of this command in a shell")
    command.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish")


def _demo(commands: Any) -> None:
    command = _command(commands, "demo", "store a sample conversation and ask it eight questions")
    command.add_argument("--db", default=argparse.SUPPRESS, metavar="PATH", help="the memory file (default: demo.db in this folder)")
    command.add_argument("--user", default=argparse.SUPPRESS, metavar="ID", help="store it as this user's (default: nora)")
    command.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON document")


def _bench(commands: Any) -> None:
    command = commands.add_parser("bench", help="measure this machine: agentmem bench --help", add_help=False)
    command.add_argument("rest", nargs=argparse.REMAINDER)
