"""`agentmem jobs`: the facts that are still to be drawn."""

from .arguments import Arguments
from .output import Output
from .status import OK
from .target import open_collection, owner


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
