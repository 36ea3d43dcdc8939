"""`agentmem search`, `list`, `get`, `history` and `stats`: what only reads, and never makes a file."""

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..config import Using
from ..errors import NotFoundError, shown
from ..models import Hit, Memory
from .arguments import Arguments, Command, common, narrowing
from .exit_status import OK
from .output import Output, clean, day, event_record, hit_record, memory_record, minute, speaker, why
from .target import json_object, open_collection, owner, scope, whose

RERANKER_HELP = "what judges the best hits once more: fastembed:<model or folder>, openai:<model> (default: $AGENTMEM_RERANKER)"


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


def _search_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("query", metavar="QUERY", help="the question")
    command.add_argument("-k", type=int, default=10, metavar="N", help="how many (default: 10)")
    command.add_argument(
        "--using", choices=("hybrid", "vector", "text"), help="which evidence counts (default: hybrid; text with no embedder)"
    )
    command.add_argument("--offset", type=int, default=0, metavar="N", help="skip as many of the best")
    narrowing(command)
    command.add_argument("--at", metavar="TIME", help="what was valid at that time (default: now)")
    command.add_argument("--after", metavar="TIME", help="only what occurred then or later")
    command.add_argument("--before", metavar="TIME", help="only what occurred then or earlier; a bare date means its end")
    command.add_argument("--min-score", type=float, default=0.0, metavar="S", help="only hits at least as good, 0 to 1")
    command.add_argument("--token-budget", type=int, metavar="N", help="only hits whose texts take about N tokens together")
    command.add_argument("--reranker", dest="with_reranker", metavar="SPEC", help=RERANKER_HELP)
    command.add_argument("--explain", action="store_true", help="show what each score is made of")
    common(command, embedder=True)


SEARCH: Final = Command("search", "find memories by meaning and by words", _search_options, search)


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


def _list_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--limit", type=int, default=100, metavar="N", help="how many at a time, 1 to 10,000 (default: 100)")
    command.add_argument("--after", metavar="ID", help="the last id of the page before")
    narrowing(command)
    common(command)


LIST: Final = Command("list", "show memories in the order they were added", _list_options, list_memories)


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


def _get_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("id", metavar="ID")
    common(command, narrow=False)


GET: Final = Command("get", "show one memory with all that is known of it", _get_options, get)


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


def _history_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("id", metavar="ID")
    common(command, narrow=False)


HISTORY: Final = Command("history", "show what happened to a memory, deleted ones too", _history_options, history)


def stats(args: Arguments, out: Output) -> int:
    """Count memories."""
    user = owner(args)
    with open_collection(args, must_exist=True) as mem:
        figures = mem.stats(user_id=user)
    if out.json:
        out.document(figures)
        return OK
    lines = list(_flat(figures))
    widest = max((len(name) for name, _ in lines), default=0)
    for name, value in lines:
        out.line(f"{name:<{widest}}  {value}")
    return OK


def _stats_options(command: argparse.ArgumentParser) -> None:
    common(command, narrow=False)


STATS: Final = Command("stats", "count memories, of one user or of the whole file", _stats_options, stats)


def show(memory: Memory, out: Output) -> None:
    """Show a memory with all that is known of it."""
    out.line(clean(memory.text))
    for name, value in memory_record(memory).items():
        if name != "text" and value not in (None, {}):
            told = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
            out.line(out.dim(f"  {name.replace('_', ' '):<13}  {clean(told)}"))


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


def _flat(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in figures.items():
        label = f"{prefix}{name.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{label} ")
        else:
            yield label, f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
