"""Killed at a named point of a write, a program leaves whole changes only. All points: `tests/long/test_crash_points_long.py`."""

import os
from pathlib import Path

import pytest
from long.killing import killed_at

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

POINTS = [
    "before BEGIN IMMEDIATE",  # nothing is written yet
    "after insert_memory",  # the row is, its words are not
    "after insert_words",
    "after insert_vectors",
    "after insert_history",
    "after insert_job",
    "after replace_item",  # an item has its new value, and no vector
    "after note_item_change",
    "before COMMIT",
    "after COMMIT",  # stored, and not acknowledged
    "before create_collection",  # a new file without its collection
    "after CREATE VIRTUAL TABLE memories_fts",  # in the middle of making a new file
    "before write of file",  # in a checkpoint, or in the scrubbing of a purge
    "before PRAGMA wal_checkpoint\\(TRUNCATE\\)",  # purged, and still in the log
    "before UPDATE collections SET no",  # scrubbed, and the log not cut once more
    "before write of copy",  # in a backup
    "before rename",  # a backup or an export without its name
]


def test_a_program_killed_at_a_named_point_leaves_whole_changes_only(tmp_path: Path) -> None:
    killed = killed_at(tmp_path, "|".join(POINTS), 1)
    assert set(killed) == {point.replace("\\", "") for point in POINTS}
