"""What was acknowledged survives a power cut, which takes what the operating system had not synced yet.

Killing a process tests nothing of that: the operating system keeps what the process wrote. So a layer under SQLite
(`testing.faulty_disks.PowerLossVFS`) remembers what was not synced, and drops it. `tests/long` has the same with many more rounds.
"""

import random
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from long.crashes import cut_rounds, is_sound

from agentmem_integrations import AgentMemory
from agentmem_integrations.storage.sqlite.file import write_ahead_log
from agentmem_integrations.testing.faulty_disks import PowerLossVFS

Opened = Callable[..., AgentMemory]


@pytest.fixture(autouse=True)
def checkpoints_come_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short load would never reach one."""
    monkeypatch.setattr(write_ahead_log, "STEP_PAGES", 60)
    monkeypatch.setattr(write_ahead_log, "HARD_PAGES", 250)


def test_every_acknowledged_call_survives_a_power_cut(tmp_path: Path) -> None:
    acknowledged, lost = cut_rounds(tmp_path, 15, "full", seed=1)
    assert lost == 0
    assert acknowledged > 50


def test_with_durability_normal_a_power_cut_takes_the_last_calls_at_most(tmp_path: Path) -> None:
    acknowledged, lost = cut_rounds(tmp_path, 6, "normal", seed=2)
    assert 0 < lost < acknowledged  # if nothing were lost, the test above would prove nothing


@pytest.mark.parametrize("keep", ["none", "some", "all"])
def test_a_power_cut_right_after_an_acknowledgement_loses_nothing(tmp_path: Path, opened: Opened, keep: str) -> None:
    rng = random.Random(keep)
    with PowerLossVFS() as disk:
        mem = opened(tmp_path / "memory.db")
        for n in range(10):
            left = tmp_path / f"left {n}"
            left.mkdir()
            mem.add(f"note {n}", user_id="ana")
            disk.lose(left, rng, keep)  # type: ignore[arg-type]
        mem.close()
    for n in range(10):
        after = opened(tmp_path / f"left {n}" / "memory.db")
        assert [m.text for m in after.list(user_id="ana")] == [f"note {i}" for i in range(n + 1)]
        after.close()
        is_sound(str(tmp_path / f"left {n}" / "memory.db"))


@pytest.mark.parametrize(("synchronous", "rows"), [("FULL", 3), ("OFF", 0)])
def test_the_layer_loses_what_was_not_synced(tmp_path: Path, synchronous: str, rows: int) -> None:
    left = tmp_path / "left"
    left.mkdir()
    with PowerLossVFS() as disk:
        connection = apsw.Connection(str(tmp_path / "any.db"))
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
        connection.execute("CREATE TABLE t (x)")
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        connection.execute(f"PRAGMA synchronous={synchronous}")
        for n in range(3):
            connection.execute("INSERT INTO t VALUES (?)", (n,))
        disk.lose(left, random.Random(0), "none")
        connection.close()
    again = apsw.Connection(str(left / "any.db"))
    assert again.execute("SELECT count(*) FROM t").get == rows
    again.close()
    assert disk.operations > 3
    assert "power-loss" not in apsw.vfs_names()


def test_the_layer_breaks_a_file_that_is_written_without_care(tmp_path: Path) -> None:
    broken = 0
    for seed in range(10):
        left = tmp_path / f"left {seed}"
        left.mkdir()
        with PowerLossVFS() as disk:
            connection = apsw.Connection(str(tmp_path / f"{seed}.db"))
            connection.execute("PRAGMA journal_mode=OFF").fetchall()
            connection.execute("CREATE TABLE t (x); CREATE INDEX i ON t (x)").fetchall()
            for n in range(300):
                connection.execute("INSERT INTO t VALUES (hex(randomblob(50)))")
                if n == 200:
                    connection.execute("PRAGMA synchronous=OFF")
            disk.lose(left, random.Random(seed), "some")
            connection.close()
        again = apsw.Connection(str(left / f"{seed}.db"))
        try:
            broken += again.pragma("integrity_check") != "ok"
        except apsw.Error:
            broken += 1
        again.close()
    assert broken > 0
