"""Reads the named statements of statements.sql, so that SQL stays in .sql files."""

import re
from functools import cache
from importlib import resources


@cache
def statements() -> dict[str, str]:
    """Return every statement by its name."""
    text = (resources.files(__package__) / "statements.sql").read_text(encoding="utf-8")
    blocks = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return {name: body.strip() for name, body in zip(blocks[::2], blocks[1::2], strict=True)}


def migrations() -> list[str]:
    """Return the migration scripts in order; the n-th takes a file from schema n - 1 to n."""
    folder = resources.files(__package__) / "migrations"
    return [f.read_text(encoding="utf-8") for f in sorted(folder.iterdir(), key=lambda f: f.name) if f.name.endswith(".sql")]
