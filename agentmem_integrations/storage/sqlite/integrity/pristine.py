"""The schema as the migrations make it: what a file is compared with, and where repair takes what is missing from."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import apsw

from ..statements import migrations, query

WORDS = "memories_fts"  # the text index; the tables it keeps its words in begin with this name


@dataclass(frozen=True, slots=True)
class Pristine:
    """A schema.

    Attributes:
        objects: Type and SQL of tables, indexes, views and triggers by name.
        columns: Name, type, NOT NULL and place in the primary key of each table's columns.
        word_settings: What the text index is told to do.
        tokenizer: How it cuts text into words: name and arguments.
    """

    objects: dict[str, tuple[str, str]]
    columns: dict[str, list[tuple[Any, ...]]]
    word_settings: dict[str, Any]
    tokenizer: list[str]


@cache
def pristine() -> Pristine:
    """Return the schema of this version."""
    connection = apsw.Connection(":memory:")
    try:
        for script in migrations():
            connection.execute(script).fetchall()
        found = objects(connection)
        tokenizer = re.search(r"tokenize\s*=\s*'([^']*)'", found[WORDS][1])
        assert tokenizer is not None, "the text index names its tokenizer"
        return Pristine(
            found,
            {name: columns(connection, name) for name, (kind, _) in found.items() if kind == "table"},
            dict(query(connection, "read_word_settings")),
            tokenizer[1].split(),
        )
    finally:
        connection.close()


def objects(connection: apsw.Connection) -> dict[str, tuple[str, str]]:
    """Return type and SQL by name of everything that somebody created."""
    rows = query(connection, "read_schema")
    return {name: (kind, sql) for kind, name, sql, _ in rows if sql and not name.startswith("sqlite_")}


def columns(connection: apsw.Connection, table: str) -> list[tuple[Any, ...]]:
    """Return name, type, NOT NULL and place in the primary key of a table's columns."""
    return connection.execute("SELECT name, type, [notnull], pk FROM pragma_table_xinfo(?)", (table,)).fetchall()
