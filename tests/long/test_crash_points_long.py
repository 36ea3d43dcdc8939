"""Killed at every point that can be named, several times each: minutes, so only when asked for (`make test-long`)."""

import os
from pathlib import Path

import pytest
from long.killing import killed_at

pytestmark = pytest.mark.skipif(
    os.environ.get("AGENTMEM_LONG") != "1" or not hasattr(os, "fork"), reason="takes minutes: set AGENTMEM_LONG=1; needs fork"
)


def test_a_program_killed_at_any_point_leaves_whole_changes_only(tmp_path: Path) -> None:
    killed = killed_at(tmp_path, ".*", 4)
    print(f"killed {len(killed)} times at {len(set(killed))} points")
    assert len(set(killed)) > 130
    assert len(killed) > 300


@pytest.mark.parametrize(("kind", "least"), [("log", 60), ("file", 60), ("copy", 30)])  # a backup writes each page but once
def test_a_program_killed_at_many_writes_to_a_file_leaves_whole_changes_only(tmp_path: Path, kind: str, least: int) -> None:
    killed = killed_at(tmp_path, f"before (write|sync|truncate) of {kind}", 60)
    print(f"killed {len(killed)} times")
    assert len(killed) > least
