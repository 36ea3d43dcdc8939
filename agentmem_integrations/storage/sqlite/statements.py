"""Reads the named statements of the `FILES`, so that SQL stays in .sql files."""

import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any, Final

import apsw

Row = tuple[Any, ...]
FILES: Final = ("statements.sql", "extractions.sql", "verify.sql", "items.sql", "diagnose.sql")


@cache
def statements() -> dict[str, str]:
    """Return every statement by its name."""
    folder = resources.files(__package__)
    text = "\n".join((folder / name).read_text(encoding="utf-8") for name in FILES)
    blocks = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return {name: body.strip() for name, body in zip(blocks[::2], blocks[1::2], strict=True)}


def query(connection: apsw.Connection, name: str, values: Sequence[Any] = (), *, where: str = "") -> list[Row]:
    """Run a named statement and return all its rows.

    Args:
        connection: Where.
        name: In one of the `FILES`.
        values: What is bound.
        where: The condition that stands for `{where}` in it, compiled by where.py.
    """
    sql = statements()[name]
    return connection.execute(sql.format(where=where) if where else sql, values).fetchall()


def migrations() -> list[str]:
    """Return the migration scripts in order; the n-th takes a file from schema n - 1 to n."""
    folder = resources.files(__package__) / "migrations"
    return [f.read_text(encoding="utf-8") for f in sorted(folder.iterdir(), key=lambda f: f.name) if f.name.endswith(".sql")]
