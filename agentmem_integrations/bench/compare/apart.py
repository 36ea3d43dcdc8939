"""Run a job in a process of its own, so that a store's memory and its crash are its own."""

import json
import os
import re
import signal
import site
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any, Final

from .peer import Entry

_CHILD: Final = "agentmem_integrations.bench.compare.child"
_ROOT: Final = str(Path(__file__).parents[3])
_REASON: Final = 160  # characters
_ERROR: Final = re.compile(r"[\w.]+(Error|Exception|Exit|Interrupt)\b")
_FOLDERS: Final = re.compile(r"(/[\w.@+-]+)+/")


class PeerError(Exception):
    """A store did not do what it was asked; the message says what happened, without a path of this machine."""


def run(entry: Entry, job: str, python: str, timeout_s: float, **given: Any) -> dict[str, Any]:
    """Do a job and return what came of it.

    Args:
        entry: Whose job.
        job: A key of `measurements.JOBS`.
        python: The interpreter.
        timeout_s: After so many seconds the process is killed.
        given: What the job takes besides.

    Raises:
        PeerError: the job failed, crashed or took too long.
    """
    sent = json.dumps({"job": job, "home": entry.home} | given)
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [python, "-m", _CHILD], input=sent, capture_output=True, text=True, errors="replace", timeout=timeout_s,
            env=environment(python), check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise PeerError(f"{job}: took more than {timeout_s:.0f} s") from None
    except OSError as error:
        raise PeerError(f"{job}: {python} cannot be run ({error.strerror})") from None
    if done.returncode:
        raise PeerError(f"{job}: {_reason(done.returncode, done.stderr)}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run_and_kill(entry: Entry, python: str, timeout_s: float, after: int, **given: Any) -> list[str]:
    """Let a store add turns and kill its process, as with `kill -9`, when so many adds have returned; return their ids.

    Raises:
        PeerError: it ended by itself, or took too long.
    """
    sent = json.dumps({"job": "killed", "home": entry.home, "count": 10 * after} | given)
    with subprocess.Popen(  # noqa: S603 - our own module
        [python, "-m", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(python), text=True
    ) as process:
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        late = Timer(timeout_s, process.kill)
        late.start()
        with suppress(BrokenPipeError):  # it died before it was asked, which the count shows
            process.stdin.write(sent)
            process.stdin.close()
        acknowledged = [line for _, line in zip(range(after), process.stdout, strict=False)]
        process.kill()
        late.cancel()
        acknowledged += process.stdout  # came before the signal did
    if len(acknowledged) < after:
        raise PeerError(f"killed: ended by itself, or stood still, after {len(acknowledged)} adds")
    return [line.strip() for line in acknowledged if line.endswith("\n")]


def environment(python: str) -> Mapping[str, str]:
    """Return the environment of a job: another interpreter gets this one's packages, and must be of the same version."""
    paths = [_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    if python != sys.executable:
        paths += site.getsitepackages()
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNINGS": "ignore"}


def _reason(status: int, stderr: str) -> str:
    """Return the last line of what a process said, or the signal that ended it."""
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    lines = [line.strip() for line in stderr.splitlines() if line.strip()] or ["without a word"]
    said = next((line for line in reversed(lines) if _ERROR.match(line)), lines[-1])
    return without_paths(said)[:_REASON]


def without_paths(text: str) -> str:
    """Return a text that is fit to be shown elsewhere: of paths, only the last name."""
    return _FOLDERS.sub(".../", text)
