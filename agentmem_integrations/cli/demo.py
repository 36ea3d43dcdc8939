"""`agentmem demo`: a conversation of half a year is stored, and eight questions are put to it."""

import argparse
import json
import shlex
import statistics
import time
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..config import MEMORY_URL
from ..models import AddResult, Hit, Memory, UserId
from .arguments import Arguments, Command
from .exit_status import OK
from .output import Output, hit_record, minute, speaker, why
from .target import open_memory, owner

if TYPE_CHECKING:
    from ..memory import AgentMemory

SHOWN: Final = 3  # memories below a question: where something changed, the new statement and the old one are among them
USER: Final = "nora"

QUESTIONS: Final = (
    ("In which city does Nora live now?", "it changed"),
    ("What is her cat called?", "it changed"),
    ("When is the stipend application due now?", "it changed"),
    ("When is the trip to Iceland?", "it changed"),
    ("Does she eat fish?", "it changed"),
    ("Can we go climbing in the mountains?", "not in these words"),
    ("Which sport is fine despite her injury?", "not in these words"),
    ("Which novel did the assistant suggest?", "said by the assistant"),
)
"""What is asked, and what is special about its answer."""


@dataclass(slots=True)
class Run:
    """What came of one demonstration. Times are in milliseconds."""

    db: str
    user: UserId
    ready_ms: float = 0.0
    stored: list[AddResult] = field(default_factory=list)
    store_ms: float = 0.0
    answers: list[list[Hit]] = field(default_factory=list)
    search_ms: list[float] = field(default_factory=list)
    memories: int = 0
    file_bytes: int = 0

    @property
    def turns(self) -> list[Memory]:
        """The memories of the conversation."""
        return [event.memory for result in self.stored for event in result.events]

    @property
    def known(self) -> list[Memory]:
        """Those that were there before."""
        return [event.memory for result in self.stored for event in result.events if event.event == "NONE"]


def demo(args: Arguments, out: Output) -> int:
    """Store the sample conversation and ask it the questions."""
    run = Run("demo.db" if args.db is None else args.db, owner(args) or USER)  # not AGENTMEM_DB: a demonstration stays out of real memory
    start = time.perf_counter()
    with open_memory(run.db) as mem:
        mem.search(QUESTIONS[0][0], user_id=run.user)  # loads the embedder, which is not what storing takes
        run.ready_ms = _since(start)
        _perform(run, mem)
    if "://" not in run.db:
        run.file_bytes = Path(run.db).stat().st_size  # of the closed file: no write-ahead log
    if out.json:
        out.document(_record(run))
        return OK
    _show_stored(run, out)
    for number, ((question, note), hits) in enumerate(zip(QUESTIONS, run.answers, strict=True), 1):
        _show_answer(number, question, note, hits, out)
    _show_figures(run, out)
    return OK


def conversation() -> list[dict[str, Any]]:
    """Return the turns of the sample conversation, as `add_batch` takes them."""
    text = resources.files(__package__).joinpath("demo_conversation.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000


def _perform(run: Run, mem: "AgentMemory") -> None:
    turns = conversation()
    start = time.perf_counter()
    run.stored = mem.add_batch(turns, user_id=run.user, on_error="raise")
    run.store_ms = _since(start)
    for question, _ in QUESTIONS:
        start = time.perf_counter()
        run.answers.append(mem.search(question, user_id=run.user, k=SHOWN))
        run.search_ms.append(_since(start))
    run.memories = mem.stats(user_id=run.user)["memories"]
    run.file_bytes = mem.stats()["file_bytes"]


def _show_stored(run: Run, out: Output) -> None:
    turns, known = run.turns, run.known
    sessions = len({turn.session_id for turn in turns})
    out.line(out.bold("Nora talks to her assistant"))
    out.line(f"{len(turns)} turns, {sessions} conversations, {_date(turns[0].occurred_at)} to {_date(turns[-1].occurred_at)}.\n")
    if known:
        rest = "nothing is stored twice" if len(known) == len(turns) else f"stored the other {len(turns) - len(known)} now"
        out.line(f"{len(known)} of {len(turns)} turns were already there: {rest}.")
        out.line(f"The answers come from {run.db}, as stored at {minute(known[0].created_at)} UTC.\n")
    else:
        out.line(f"Stored all {len(turns)} turns in {run.db}, as the memory of {_whose(run)}.\n")
    out.line(f"Eight questions, and the {SHOWN} memories that rank highest for each. Where something")
    out.line("changed, plain search finds the new statement and the old one: see the dates.\n")


def _show_answer(number: int, question: str, note: str, hits: list[Hit], out: Output) -> None:
    out.line(f"{out.bold(f'{number}  {question}')}  {out.dim(f'({note})')}")
    for hit in hits:
        out.block(f"   {hit.score:.3f}  ", hit.memory.text, lines=1)
        out.line(out.dim(f"          {_date(hit.memory.occurred_at)}, {speaker(hit.memory)} · {why(hit.parts)}"))
    out.line()


def _show_figures(run: Run, out: Output) -> None:
    stored = f"{len(run.turns)} turns {'checked' if run.known else 'stored'} in {run.store_ms:.0f} ms"
    searched = f"search median {statistics.median(run.search_ms):.1f} ms"
    out.line(out.bold(f"Ready in {run.ready_ms:.0f} ms · {stored} · {searched}"))
    kept = run.db != MEMORY_URL
    out.line(out.bold(f"{run.memories} memories · {f'file {run.file_bytes / 1024:.0f} KiB' if kept else 'kept nowhere'}"))
    db = f"--db {shlex.quote(run.db)}"
    whose = f"--user {shlex.quote(run.user)}" if isinstance(run.user, str) else "--shared"
    out.line("\nWhat to try next")
    if not kept:
        out.line(f"  agentmem demo --db demo.db   {out.dim('# in a file, which can be asked more')}")
        return
    out.line(f'  agentmem search "Who keeps her spare key?" {whose} {db} --explain')
    out.line(f"  agentmem list {whose} {db} --limit 5")
    out.line(f"  agentmem demo {db}{'' if run.user == USER else f' {whose}'}   {out.dim('# again: it knows all of this')}")
    out.line('  agentmem add "I prefer a window seat" --user me')


def _record(run: Run) -> dict[str, Any]:
    asked = zip(QUESTIONS, run.answers, strict=True)
    return {
        "db": run.db,
        "user_id": run.user if isinstance(run.user, str) else None,
        "turns": len(run.turns),
        "already_there": len(run.known),
        "memories": run.memories,
        "ready_ms": run.ready_ms,
        "store_ms": run.store_ms,
        "search_ms_median": statistics.median(run.search_ms),
        "file_bytes": run.file_bytes,
        "questions": [{"question": question, "hits": [hit_record(hit) for hit in hits]} for (question, _), hits in asked],
    }


def _whose(run: Run) -> str:
    return run.user if isinstance(run.user, str) else "nobody in particular"


def _date(at: datetime | None) -> str:
    return f"{at.day} {at:%b %Y}" if at else "undated"


def _demo_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--db", default=argparse.SUPPRESS, metavar="PATH", help="the memory file (default: demo.db in this folder)")
    command.add_argument("--user", default=argparse.SUPPRESS, metavar="ID", help="store it as this user's (default: nora)")
    command.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON document")


DEMO: Final = Command("demo", "store a sample conversation and ask it eight questions", _demo_options, demo)
