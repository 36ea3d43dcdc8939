"""Whether the bundled table is as it was shipped."""

import hashlib
from pathlib import Path
from typing import Final

TABLE_DIR: Final = Path(__file__).with_name("static_table")


def damaged_files(folder: Path = TABLE_DIR) -> list[str]:
    """Return which files of the table are missing or not those that were shipped."""
    try:
        lines = (folder / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    except OSError:
        return ["SHA256SUMS"]
    return [name for wanted, name in map(str.split, lines) if _sum(folder / name) != wanted]


def _sum(file: Path) -> str | None:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return None
