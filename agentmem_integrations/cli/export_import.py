"""`agentmem export`, `import` and `backup`: memories carried to another place."""

import argparse
import sys
from typing import Final

from ..errors import InvalidInputError
from .arguments import Arguments, Command, common
from .exit_status import OK
from .output import Output, memories
from .streams import binary_stdin, writing
from .target import open_collection, owner

STREAM = "-"


def export(args: Arguments, out: Output) -> int:
    """Write the memories to a file, or to stdout."""
    user = owner(args)
    if out.json and args.file == STREAM:
        raise InvalidInputError("--json and - would both write to stdout: name a file")
    with open_collection(args, must_exist=True) as mem:
        if args.file == STREAM:
            with writing():
                mem.export(sys.stdout.buffer, user_id=user, vectors=args.vectors)
            return OK
        written = mem.export(args.file, user_id=user, vectors=args.vectors, overwrite=args.overwrite, progress=sys.stderr.isatty())
    if out.json:
        out.document({"exported": written, "file": args.file})
    else:
        out.line(f"exported {memories(written)} to {args.file}")
    return OK


def _export_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", help="the file to write; '-' for stdout")
    command.add_argument("--vectors", action="store_true", help="their vectors too, so that importing need not embed them again")
    command.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")
    common(command, narrow=False)


EXPORT: Final = Command("export", "write all memories, of one user or of everybody, to a file of JSON lines", _export_options, export)


def import_(args: Arguments, out: Output) -> int:
    """Store the memories of an export."""
    read = 0

    def count(done: int) -> None:
        nonlocal read
        read = done

    from ..pipeline.export_import.importing import opened  # here, so that `agentmem --help` does not load numpy

    # First what is read: where there is none, no empty memory file is left behind
    with binary_stdin() if args.file == STREAM else opened(args.file) as source, open_collection(args, embeds=True) as mem:
        imported = mem.import_(source, progress=count)
    if out.json:
        out.document({"imported": imported, "known": read - imported})
    else:
        known = f", {read - imported:,} were known" if read > imported else ""
        out.line(f"imported {memories(imported)}{known}")
    return OK


def _import_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", help="what `agentmem export` wrote; '-' for stdin")
    common(command, owner=False, narrow=False, embedder=True)


IMPORT: Final = Command(
    "import", "store exported memories just as they were; those that are there already stay as they are", _import_options, import_
)


def backup(args: Arguments, out: Output) -> int:
    """Copy the whole memory file."""
    with open_collection(args, must_exist=True) as mem:
        size = mem.backup(args.file, overwrite=args.overwrite)
    if out.json:
        out.document({"file": args.file, "bytes": size})
    else:
        out.line(f"copied {args.path()} to {args.file}, {size:,} bytes")
    return OK


def _backup_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", help="the copy to write")
    command.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")
    common(command, owner=False, narrow=False, namespace=False)


BACKUP: Final = Command("backup", "copy the whole memory file, also while it is in use", _backup_options, backup)
