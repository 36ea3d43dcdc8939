"""The process of one job: reads it from stdin, and writes what came of it to where stdout was."""

import json
import os
import sys

from .measurements import JOBS


def main() -> None:
    """Do the job. What a library prints goes to stderr, so that stdout has the answer alone."""
    answer = os.dup(1)
    os.dup2(2, 1)
    os.environ["AGENTMEM_BENCH_OUT"] = str(answer)  # for a job that answers as it goes
    job = json.load(sys.stdin)
    found = JOBS[job.pop("job")](**job)
    os.write(answer, (json.dumps(found) + "\n").encode())
    os._exit(0)  # no library's exit handlers: a job that is done cannot fail any more


if __name__ == "__main__":
    main()
