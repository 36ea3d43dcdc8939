"""`agentmem search`, `list`, `get` and `history`: what only reads, and never makes a file."""

import json

from ..config import Using
from ..errors import NotFoundError, shown
from ..models import Hit, Memory
from .arguments import Arguments
from .exit_status import OK
from .output import Output, clean, day, event_record, hit_record, memory_record, minute, speaker, why
from .target import json_object, open_collection, owner, scope, whose


def search(args: Arguments, out: Output) -> int:
    """Find memories."""
    of, condition = scope(args), json_object(args.filter, "--filter")
    using: Using = args.using or ("text" if args.embedder_spec() is None else "hybrid")
    reranker = args.reranker_spec()
    reranks = True if reranker and args.with_reranker else None  # one from the environment leaves pure searches alone
    with open_collection(args, must_exist=True, embeds=using != "text", reranker=reranker) as mem:
        hits = mem.search(
            args.query, k=args.k, **of, using=using, offset=args.offset, kind=args.kind, filter=condition,
            at=args.at, after=args.after, before=args.before, min_score=args.min_score, token_budget=args.token_budget,
            explain=args.explain, rerank=reranks,
        )  # fmt: skip
    if out.json:
        out.document([hit_record(hit) for hit in hits])
    elif not hits:
        out.line(f"nothing found in the memory of {whose(args)}")
    else:
        for hit in hits:
            _show_hit(hit, out, args.explain)
    return OK


def list_memories(args: Arguments, out: Output) -> int:
    """Show a page of memories."""
    of, condition = scope(args), json_object(args.filter, "--filter")
    with open_collection(args, must_exist=True) as mem:
        found = mem.list(**of, kind=args.kind, filter=condition, after=args.after, limit=args.limit)
    if out.json:
        out.document([memory_record(memory) for memory in found])
        return OK
    if not found:
        out.line("no more memories" if args.after else f"no memories of {whose(args)}")
    for memory in found:
        out.block(f"{day(memory.occurred_at):<10}  ", memory.text)
        out.line(out.dim(f"{'':<10}  {_label(memory)}"))
    if len(found) == args.limit:
        out.line(out.dim(f"\nmore, if there are any: --after {clean(found[-1].id)}"))
    return OK


def get(args: Arguments, out: Output) -> int:
    """Show one memory."""
    with open_collection(args, must_exist=True) as mem:
        found = mem.get(args.id, user_id=owner(args))
    if found is None:
        raise NotFoundError(
            f"there is no memory {shown(args.id)}{_of(args)}: `agentmem list` shows the ids, `agentmem history` deleted ones"
        )
    if out.json:
        out.document(memory_record(found))
    else:
        show(found, out)
    return OK


def show(memory: Memory, out: Output) -> None:
    """Show a memory with all that is known of it."""
    out.line(clean(memory.text))
    for name, value in memory_record(memory).items():
        if name != "text" and value not in (None, {}):
            told = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
            out.line(out.dim(f"  {name.replace('_', ' '):<13}  {clean(told)}"))


def history(args: Arguments, out: Output) -> int:
    """Show what happened to a memory."""
    with open_collection(args, must_exist=True) as mem:
        events = mem.history(args.id, user_id=owner(args))
    if not events:
        raise NotFoundError(f"there is no memory {shown(args.id)}{_of(args)}: `agentmem list` shows the ids")
    if out.json:
        out.document([event_record(event) for event in events])
        return OK
    for event in events:
        text = event.old_text if event.new_text is None else event.new_text
        out.block(f"{minute(event.at)}  {event.event:<9}  ", text or "")
    return OK


def _of(args: Arguments) -> str:
    return f" for {whose(args)}" if args.user or args.shared else ""


def _show_hit(hit: Hit, out: Output, explain: bool) -> None:
    head = f"{hit.score:.3f}  "
    out.block(head, hit.memory.text)
    below = " " * len(head)
    for line in (f"{day(hit.memory.occurred_at)} · {_label(hit.memory)}", why(hit.parts) if explain else ""):
        if line:
            out.line(out.dim(f"{below}{line}"))
    for source in hit.sources:
        out.block(f"{below}from {day(source.occurred_at)}: ", source.text, lines=1)


def _label(memory: Memory) -> str:
    return " · ".join(filter(None, [speaker(memory), clean(memory.id)]))
