"""`agentmem reembed`: another embedder for the memories of a file."""

import sys

from .arguments import Arguments
from .output import Output, memories
from .status import OK
from .target import open_collection


def reembed(args: Arguments, out: Output) -> int:
    """Change the embedder."""
    # Opened without one: that which made the vectors so far may be no longer to be had
    with open_collection(args, must_exist=True) as mem:
        embedded = mem.reembed(args.embedder, progress=sys.stderr.isatty())
    if out.json:
        out.document({"embedded": embedded, "embedder": args.embedder})
    else:
        out.line(
            f"embedded {memories(embedded)} with {args.embedder}"
            if embedded
            else f"nothing to do: all have their vector of {args.embedder}"
        )
    return OK
