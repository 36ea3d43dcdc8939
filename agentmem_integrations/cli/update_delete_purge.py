"""`agentmem update`, `delete` and `purge`: what changes memories."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..errors import InvalidInputError, NotFoundError
from ..models import KINDS
from .arguments import Arguments, Command, common, narrowing
from .exit_status import DECLINED, OK
from .output import Output, memories, memory_record
from .search_get_list import show
from .streams import ask, can_be_asked, say
from .target import json_object, open_collection, owner, scope, whose

if TYPE_CHECKING:
    from ..memory import AgentMemory

COUNTED: Final = 10_000  # the longest page of `list`; beyond it the question says "or more"


def update(args: Arguments, out: Output) -> int:
    """Change a memory."""
    changes = {
        "text": args.text, "metadata": json_object(args.metadata, "--metadata"), "kind": args.kind, "importance": args.importance,
        "ttl": args.ttl, "expires_at": args.expires_at,
    }  # fmt: skip
    with open_collection(args, must_exist=True, embeds=args.text is not None) as mem:
        changed = mem.update(args.id, user_id=owner(args), **changes)
    if out.json:
        out.document(memory_record(changed))
    else:
        show(changed, out)
    return OK


def _update_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("id", metavar="ID")
    command.add_argument("--text", help="the new words")
    command.add_argument("--metadata", metavar="JSON", help="replaces the old metadata as a whole; '{}' for none")
    command.add_argument("--kind", choices=KINDS, metavar="KIND", help=f"one of {', '.join(KINDS)}")
    command.add_argument("--importance", type=float, metavar="X", help="0 to 1")
    command.add_argument("--ttl", type=float, metavar="SECONDS", help="from now until it is forgotten")
    command.add_argument("--expires-at", metavar="TIME", help="when it is forgotten, ISO 8601")
    common(command, narrow=False, embedder=True)


UPDATE: Final = Command("update", "change a memory; its old text stays in its history", _update_options, update)


def delete(args: Arguments, out: Output) -> int:
    """Make memories invisible: those named, or after a confirmation all that are selected."""
    of = _named(args) if args.id else scope(args)
    select = {**of, "kind": args.kind, "filter": json_object(args.filter, "--filter")}
    ids = list(dict.fromkeys(args.id))
    with open_collection(args, must_exist=True) as mem:
        if not ids and not args.yes and not _confirmed(mem, select, args):
            say("nothing was deleted")
            return DECLINED
        deleted = mem.delete(ids or None, **select)
    if out.json:
        out.document({"deleted": deleted})
    elif deleted or not ids:
        out.line(f"deleted {memories(deleted)}")
    if deleted < len(ids):
        missing = f"memory {ids[0]!r} was" if len(ids) == 1 else f"{len(ids) - deleted} of {len(ids)} memories were"
        raise NotFoundError(f"{missing} not found: deleted already, somebody else's, or not selected by the options")
    return OK


def _delete_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("id", nargs="*", metavar="ID", help="which; without ids, everything the options select")
    narrowing(command)
    command.add_argument("--yes", action="store_true", help="do not ask")
    common(command)


DELETE: Final = Command("delete", "make memories invisible; they stay in history", _delete_options, delete)


def purge(args: Arguments, out: Output) -> int:
    """Erase memories for good, after a confirmation, and say how many."""
    of = _named(args) if args.id and not args.all_collections else scope(args)
    select = {**of, "kind": args.kind, "filter": json_object(args.filter, "--filter")}
    ids = list(dict.fromkeys(args.id))
    with open_collection(args, must_exist=True) as mem:
        if not args.yes and not _sure(len(ids), args):
            say("nothing was erased")
            return DECLINED
        purged = mem.purge(ids or None, **select, collections="all" if args.all_collections else "this")
    if out.json:
        out.document({"purged": purged})
    else:
        out.line(f"erased {memories(purged)}")
    if not purged and ids:
        raise NotFoundError("nothing of that was found: purged already, somebody else's, or not selected by the options")
    return OK


def _purge_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("id", nargs="*", metavar="ID", help="which; without ids, everything the options select")
    narrowing(command)
    command.add_argument("--all-collections", action="store_true", help="in every collection of the file; needs --user or --shared")
    command.add_argument("--yes", action="store_true", help="do not ask")
    common(command)


PURGE: Final = Command("purge", "erase memories for good, deleted ones and their history too", _purge_options, purge)


def _named(args: Arguments) -> dict[str, Any]:
    # An id alone is enough; who is named beside it must own it
    return {"user_id": owner(args), "agent_id": args.agent, "session_id": args.session}


def _sure(ids: int, args: Arguments) -> bool:
    who = whose(args)
    what = memories(ids) if ids else "all memories" if args.kind is None and args.filter is None else "the selected memories"
    what += f" of {who}" if who else ""
    if not can_be_asked():
        raise InvalidInputError(f"this would erase {what} for good: pass --yes if that is what you want")
    where = "in every collection of" if args.all_collections else "in"
    return ask(f"Erase {what} {where} {args.path()} for good, with their history?")


def _confirmed(mem: "AgentMemory", select: Mapping[str, Any], args: Arguments) -> bool:
    count = len(mem.list(**select, limit=COUNTED))
    what = f"{memories(count)}{' or more' if count == COUNTED else ''} of {whose(args)}"
    if not count:
        raise NotFoundError(f"there are no such memories of {whose(args)}")
    if not can_be_asked():
        raise InvalidInputError(f"this would delete {what}: pass --yes if that is what you want")
    return ask(f"Delete {what}?")
