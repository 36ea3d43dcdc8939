"""Runs `long.crash_points` and checks every file that its killed children left."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from long.crash_points import check

TESTS = Path(__file__).parent.parent


def killed_at(folder: Path, points: str, spread: int) -> list[str]:
    """Kill a program at points, check what is left each time, and return the points' names.

    Args:
        folder: For the files.
        points: A regular expression for the whole name.
        spread: At up to so many passings of each point.
    """
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))}
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "long.crash_points", str(folder), points, str(spread)],
        capture_output=True, text=True, timeout=1_200, env=env, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = []
    for line in done.stdout.splitlines():
        run = json.loads(line)
        where = f"{run['point']}, passing {run['passing']}"
        if run["status"] == 0:  # not passed this time: how often checkpoints come is for the threads to say
            continue
        assert run["status"] == -signal.SIGKILL, f"{where}: not killed but {run['status']}: {done.stderr}"
        try:
            check(Path(run["folder"]), run["acknowledged"])
        except Exception as error:
            raise AssertionError(f"killed {where}, after {run['acknowledged']} calls: {error}") from error
        names.append(run["point"])
    return names
