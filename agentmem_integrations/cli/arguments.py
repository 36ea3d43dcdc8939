"""What a command is, and the options that commands share."""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..models import KINDS
from .output import Output

EMBEDDER_HELP = "what makes vectors; 'none' goes by words alone (default: $AGENTMEM_EMBEDDER, else 'static')"


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
    grammar: argparse.ArgumentParser

    def collection(self) -> str:
        """Return the collection: `--namespace`, else AGENTMEM_NAMESPACE, else `default`."""
        return self.namespace if self.namespace is not None else os.environ.get("AGENTMEM_NAMESPACE") or "default"

    def embedder_spec(self) -> str | None:
        """Return the embedder: `--embedder`, else AGENTMEM_EMBEDDER, else `static`; None for `none`."""
        spec = self.with_embedder or os.environ.get("AGENTMEM_EMBEDDER") or "static"
        return None if spec == "none" else spec

    def reranker_spec(self) -> str | None:
        """Return the reranker: `--reranker`, else AGENTMEM_RERANKER; None for `none`, and by default."""
        spec = self.with_reranker or os.environ.get("AGENTMEM_RERANKER") or "none"
        return None if spec == "none" else spec

    def path(self, default: str = "memory.db") -> str:
        """Return the memory file: `--db`, else AGENTMEM_DB, else `default`.

        An option that was given empty, as by a variable that is not set, is none of the others: it is refused.
        """
        return self.db if self.db is not None else os.environ.get("AGENTMEM_DB") or default


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name, what it does in a line, how its options are defined, and what runs it."""

    name: str
    about: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Arguments, Output], int]


def common(
    command: argparse.ArgumentParser,
    *,
    owner: bool = True,
    narrow: bool = True,
    namespace: bool = True,
    embedder: bool = False,
    hidden: bool = False,
) -> None:
    """Define the options that commands share.

    Args:
        command: Whose.
        owner: Those that say whose memory it is.
        narrow: Those that narrow it to an agent or a session.
        namespace: The one that names the collection.
        embedder: The one that names the embedder.
        hidden: Leave them out of the help.
    """
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


def narrowing(command: argparse.ArgumentParser) -> None:
    """Define the options that choose among the memories of an owner."""
    command.add_argument("--kind", action="append", choices=KINDS, metavar="KIND", help=f"only this kind (repeatable): {', '.join(KINDS)}")
    command.add_argument("--filter", metavar="JSON", help="""condition on the metadata, such as '{"city": "Lisbon"}'""")
