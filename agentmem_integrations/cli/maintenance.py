"""`agentmem verify` and `repair`, `jobs`, `reembed`: what looks after a file."""

import argparse
import sys
from dataclasses import asdict
from typing import Any, Final

from ..models import UNHARMFUL, Finding, Report
from .arguments import Arguments, Command, common
from .exit_status import DIFFERS, OK
from .output import Output, clean, memories
from .target import open_collection, owner


def verify(args: Arguments, out: Output) -> int:
    """Compare, and tell what differs."""
    user = owner(args)
    with open_collection(args, must_exist=True) as mem:
        report = mem.verify(user_id=user, progress=sys.stderr.isatty())
    _tell(report, out, repaired=False)
    return OK if report.ok else DIFFERS


def _verify_options(command: argparse.ArgumentParser) -> None:
    common(command, narrow=False)


VERIFY: Final = Command("verify", "compare the memories with every index, of one user or of the whole file", _verify_options, verify)


def repair(args: Arguments, out: Output) -> int:
    """Mend, and tell what is left."""
    user = owner(args)
    with open_collection(args, must_exist=True, embeds=True) as mem:
        report = mem.repair(user_id=user, progress=sys.stderr.isatty())
    _tell(report, out, repaired=True)
    return OK if report.ok else DIFFERS


def _repair_options(command: argparse.ArgumentParser) -> None:
    common(command, narrow=False, embedder=True)


REPAIR: Final = Command("repair", "mend what verify finds, and nothing else", _repair_options, repair)


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


def _reembed_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("embedder", metavar="EMBEDDER", help="the new one, such as 'static'")
    common(command, owner=False, narrow=False)


REEMBED: Final = Command(
    "reembed", "change the embedder: embed every memory anew; goes on where it was interrupted", _reembed_options, reembed
)


def jobs(args: Arguments, out: Output) -> int:
    """List what is owed, or have what was given up tried again."""
    user = owner(args)
    with open_collection(args, must_exist=True) as mem:
        revived = mem.retry_jobs() if args.retry else 0
        owed = mem.jobs(user_id=user, limit=args.limit)
    if out.json:
        told = [
            {
                "id": job.id, "state": job.state, "attempts": job.attempts, "due": job.due.isoformat(), "error": job.error,
                "memories": [memory.id for memory in job.memories],
            }
            for job in owed
        ]  # fmt: skip
        out.document({"jobs": told, "revived": revived})
        return OK
    if args.retry:
        out.line(f"{revived} to be tried again, by whoever opens the memory with a language model")
    for job in owed:
        out.line(f"{job.id}  {job.state:<7}  {job.attempts} attempts  of {len(job.memories)} memories  {job.error or ''}".rstrip())
    if not owed:
        out.line("nothing is owed")
    return OK


def _jobs_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--retry", action="store_true", help="have those tried again that were given up")
    command.add_argument("--limit", type=int, default=100, metavar="N", help="how many at most (default: %(default)s)")
    common(command, narrow=False)


JOBS: Final = Command("jobs", "list the facts that a language model still has to draw, and why it could not", _jobs_options, jobs)


def _tell(report: Report, out: Output, *, repaired: bool) -> None:
    if out.json:
        out.document({
            "ok": report.ok, "mended": report.mended, "owed": report.owed, "checked": report.checked,
            "findings": [_record(finding) for finding in report.findings],
        })  # fmt: skip
        return
    for finding in report.findings:
        mended = f", {finding.mended:,} mended" if repaired else ""
        out.line(f"{out.bold(finding.kind)}: {finding.count:,} {finding.meaning}{mended}")
        out.line(out.dim(f"  {_named(finding)}"))
        if finding.mended < finding.count:
            out.line(f"  {finding.advice}")
    if report.owed:
        out.line(f"owed vectors: {report.owed:,}, made when their collection is open with its embedder")
    out.line(_verdict(report, repaired=repaired))


def _verdict(report: Report, *, repaired: bool) -> str:
    if "memories" not in report.checked:
        return "the memories are compared once this is mended: `agentmem repair`" if not repaired else "some differences are left"
    of = memories(report.checked["memories"])
    if not report.ok:
        return f"{of}: some differences are left" if repaired else f"{of}: `agentmem repair` mends what can be mended"
    return f"{of}: mended" if repaired and report.mended else f"{of}: sound"


def _named(finding: Finding) -> str:
    more = finding.count - len(finding.ids)
    return clean(", ".join(finding.ids)) + (f" and {more:,} more" if more > 0 else "")


def _record(finding: Finding) -> dict[str, Any]:
    return {**asdict(finding), "meaning": finding.meaning, "harmful": finding.kind not in UNHARMFUL}
