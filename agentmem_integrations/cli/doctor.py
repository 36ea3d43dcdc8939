"""`agentmem doctor`: what is wrong with this installation or with the memory file, and how it is mended."""

import argparse
from collections import Counter
from typing import Final

from .arguments import Arguments, Command, common
from .doctor_check import Check
from .doctor_file import check_file
from .doctor_installation import check_installation
from .exit_status import DIFFERS, OK
from .output import Output, clean


def doctor(args: Arguments, out: Output) -> int:
    """Look at everything, and tell it line by line."""
    checks = [*check_installation(args.embedder_spec()), *check_file(args.path(), args.collection(), args.embedder_spec())]
    problems = sum(check.level == "problem" for check in checks)
    if out.json:
        told = [{"level": check.level, "subject": check.subject, "said": check.said, "mend": check.mend} for check in checks]
        out.document({"ok": not problems, "checks": told})
    else:
        for check in checks:
            _show(check, out)
        counts = Counter(check.level for check in checks)
        out.line(f"\n{counts['problem']} problems, {counts['warning']} warnings, {counts['ok']} ok")
    return DIFFERS if problems else OK


def _show(check: Check, out: Output) -> None:
    level = f"{check.level:<7}"
    mend = f": {check.mend}" if check.mend else ""
    out.line(f"{level if check.level == 'ok' else out.bold(level)}  {check.subject}: {clean(check.said)}{clean(mend)}")


def _doctor_options(command: argparse.ArgumentParser) -> None:
    common(command, owner=False, narrow=False, embedder=True)


DOCTOR: Final = Command(
    "doctor", "look at this installation and at the memory file, and say how to mend what is wrong", _doctor_options, doctor
)
