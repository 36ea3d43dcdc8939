"""Crashes by the hundred: minutes, so they run only when asked for (`make test-long`, or AGENTMEM_LONG=1).

The short forms are in `tests/core/test_durability.py` and `tests/core/test_power_loss.py`.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from long.crashes import State, after_a_crash, counted, cut_rounds

from agentmem_integrations.config import Durability
from agentmem_integrations.storage.sqlite.file import write_ahead_log

pytestmark = pytest.mark.skipif(os.environ.get("AGENTMEM_LONG") != "1", reason="takes minutes: set AGENTMEM_LONG=1")

TESTS = Path(__file__).parent.parent
KILLS, CUTS = 300, 100


def kill_rounds(folder: Path, rounds: int, durability: Durability, seed: int) -> int:
    """Kill a program `rounds` times in the middle of its writes; return how many calls it had acknowledged by then."""
    rng, acknowledged, start = random.Random(seed), 0, dict[int, State]()
    path = folder / "memory.db"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))}
    for number in range(rounds):
        if number % 10 == 0:
            for file in folder.iterdir():
                file.unlink()
            start = {}
        name = f"k{seed}x{number}"
        child = subprocess.Popen(
            [sys.executable, "-m", "long.crashes", str(path), durability, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env
        )
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(start).encode())
        child.stdin.close()
        first = child.stdout.read(1) if rng.random() < 0.9 else b""  # mostly once it is at work, sometimes while it opens the file
        time.sleep(rng.choice((0.001, 0.02, 0.1, 0.3)) * rng.random())
        child.kill()
        done = counted(first + child.stdout.read())
        child.stdout.close()
        child.wait(60)
        start, lost = after_a_crash(str(path), name, start, done)
        assert lost == 0
        acknowledged += done.total()
    return acknowledged


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_no_acknowledged_call_is_lost_however_often_the_program_is_killed(tmp_path: Path, durability: Durability) -> None:
    rounds = KILLS if durability == "full" else KILLS // 10  # the operating system keeps what was not synced either
    print(f"{rounds} kills, {kill_rounds(tmp_path, rounds, durability, seed=3)} calls acknowledged, 0 lost")


@pytest.mark.parametrize("often", [True, False], ids=["many checkpoints", "checkpoints as ever"])
def test_no_acknowledged_call_is_lost_however_often_the_power_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, often: bool) -> None:
    if often:
        monkeypatch.setattr(write_ahead_log, "STEP_PAGES", 60)
        monkeypatch.setattr(write_ahead_log, "HARD_PAGES", 250)
    acknowledged, lost = cut_rounds(tmp_path, CUTS, "full", seed=4 + often)
    print(f"{CUTS} cuts, {acknowledged} calls acknowledged, {lost} lost")
    assert lost == 0
    assert acknowledged > CUTS


def test_with_durability_normal_a_hundred_cuts_take_the_last_calls_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_ahead_log, "STEP_PAGES", 60)
    monkeypatch.setattr(write_ahead_log, "HARD_PAGES", 250)
    acknowledged, lost = cut_rounds(tmp_path, CUTS, "normal", seed=6)
    print(f"{CUTS} cuts, {acknowledged} calls acknowledged, {lost} lost")
    assert 0 < lost < acknowledged
    shutil.rmtree(tmp_path, ignore_errors=True)
