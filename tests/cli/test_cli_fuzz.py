"""Whatever words follow `agentmem`, its exit status is one of `cli/exit_status.py`, and no traceback is shown."""

import io
import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from agentmem_integrations import AgentMemory
from agentmem_integrations.cli import exit_status, main
from agentmem_integrations.cli.main import COMMANDS

STATUSES = {value for name, value in vars(exit_status).items() if name.isupper()}
ROUNDS = 4_000 if os.environ.get("AGENTMEM_LONG") == "1" else 250

WORDS = [
    *"--user ana --shared --agent --session --json --kind episode --filter --yes --limit 3 -k --after --before --at 2026-05-02".split(),
    *"--min-score 0.5 --explain --offset --using text --metadata --jsonl --vectors --overwrite --timestamp --role --name".split(),
    *"--all-collections --db other.db one tea out.jsonl memory.db - -- -1 nan inf 1e999 --help --version --unknown * . %s".split(),
    *"no/such/folder file:memory.db?mode=ro memory:// postgresql://x :memory:".split(),
    "", " ", "9" * 5_000, "x" * 5_000, "a\0b", "a\ud800b", "a\udcffb", "'; DROP TABLE memories; --", "\u202e",
    '{"a": 1}', '{"a": ' * 500, "[" * 100_000, '{"a": {"$gt": {}}}', '{"n": ' + "9" * 5_000 + "}", '{"a": NaN}',
]  # fmt: skip
INPUTS = [
    b"", b"\n\n", b"tea\nmilk\n", b'{"content": "tea"}\n', b"{\n", b"\xff\xfe", b"[" * 100_000,
    b'{"content": {"a": 1}}\n[]\n1\n"x"\nnull\n', b'{"content": "x", "metadata": ' + b'{"a":' * 50 + b"1" + b"}" * 50 + b"}\n",
    b'{"n": ' + b"9" * 5_000 + b"}\n", b'{"content": "\\ud800"}\n',
]  # fmt: skip


def words(rng: random.Random) -> list[str]:
    """Return a command line, mostly with a command and an owner."""
    said = [rng.choice(sorted(COMMANDS.keys() - {"demo"}))] if rng.random() < 0.95 else []
    if rng.random() < 0.6:
        said += ["--user", "ana"]
    said += [rng.choice(WORDS) for _ in range(rng.randrange(6))]
    if rng.random() < 0.1:
        rng.shuffle(said)
    return said


@pytest.mark.parametrize("seed", range(2))
def test_the_status_is_always_one_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("AGENTMEM_DB", raising=False)
    with AgentMemory("memory.db") as mem:
        mem.add_batch(["one", "two", {"content": "three", "metadata": {"a": 1}}], user_id="ana")
        mem.add("kept", user_id="keeper")
    rng, seen = random.Random(seed), dict[int, int]()
    for _ in range(ROUNDS):
        said = words(rng)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(rng.choice(INPUTS)), encoding="utf-8"))
        answer: Any
        try:
            answer = main(said)
        except SystemExit as stop:  # argparse
            answer = stop.code
        except BaseException as error:
            error.add_note(f"agentmem {said!r}"[:1_000])
            raise
        assert answer in STATUSES, said
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err, said
        assert answer or not printed.err.startswith("agentmem: "), said
        seen[answer] = seen.get(answer, 0) + 1
    assert seen[exit_status.OK] > ROUNDS / 50
    assert seen[exit_status.ERROR] > ROUNDS / 5
    with AgentMemory("memory.db") as mem:
        assert [memory.text for memory in mem.list(user_id="keeper")] == ["kept"]
