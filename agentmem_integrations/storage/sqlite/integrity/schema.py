"""Is the file itself sound: SQLite's own check, and a schema that is the one the migrations make; and what of it is made anew."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import apsw

from ..file.connections import Step
from ..statements import migrations, query, statements
from .findings import Findings

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


CREATABLE: Final = ("index", "view", "trigger")  # hold nothing that is not in a table
DERIVED: Final = ("vectors", "jobs")  # tables that are filled anew from the memories
_TREE: Final = re.compile(r"^(?:On t|T)ree (?:page )?(\d+)")
_WORD: Final = re.compile(r"\w+")


def check_schema(step: Step, findings: Findings) -> None:
    """Compare tables, indexes and views with those of this version; what others have created beside them is theirs."""
    wanted = pristine()
    there = step(objects)
    for name, (kind, sql) in wanted.objects.items():
        if name not in there:
            if name.startswith(WORDS):
                findings.add("text_broken", name)
            else:
                findings.add("schema_differs", name, mendable=kind in CREATABLE or name in DERIVED)
        elif kind in CREATABLE and (there[name][0], there[name][1].split()) != (kind, sql.split()):
            findings.add("schema_differs", name)
        elif kind == "table" and not _same_columns(step, wanted, name):
            findings.add("schema_differs", name, mendable=False)
    if not findings.has("text_broken"):
        _check_word_settings(step, wanted, findings)


def _same_columns(step: Step, wanted: Pristine, table: str) -> bool:
    if table.startswith(WORDS):
        return True  # FTS5's own; it says itself if they do not suit it
    return step(lambda c: columns(c, table)) == wanted.columns[table]


def _check_word_settings(step: Step, wanted: Pristine, findings: Findings) -> None:
    there: dict[str, Any] = dict(step(lambda c: query(c, "read_word_settings")))
    if there.get("version") is None:
        findings.add("text_broken", f"{WORDS}_config")
        return
    for setting, value in wanted.word_settings.items():
        if setting != "version" and there.get(setting) != value:
            findings.add("schema_differs", f"{WORDS}.{setting}")


def check_pages(step: Step, findings: Findings) -> None:
    """Ask SQLite whether pages, tables, indexes and the text index are sound (https://www.sqlite.org/pragma.html#pragma_integrity_check)."""
    roots = {root: (kind, name) for kind, name, _, root in step(lambda c: query(c, "read_schema"))}
    seen: set[tuple[str, str]] = set()
    for message in step(_messages):
        kind, name, mendable = _blamed(message, roots)
        if (kind, name) not in seen:
            seen.add((kind, name))
            findings.add(kind, name, mendable=mendable)


def _messages(connection: apsw.Connection) -> list[str]:
    try:
        rows = connection.execute("PRAGMA integrity_check").fetchall()
    except apsw.SQLError as error:  # the text index is so broken that SQLite gives up: ask for the other tables one by one
        tables = [name for name, (kind, _) in pristine().objects.items() if kind == "table" and not name.startswith(WORDS)]
        rows = [row for name in tables for row in connection.execute(f"PRAGMA integrity_check({name})").fetchall()]
        rows.append((f"{WORDS}: {error}",))
    except (apsw.CorruptError, apsw.NotADBError) as error:
        rows = [(str(error),)]
    return [message for (text,) in rows for message in str(text).splitlines() if message != "ok" and not message.startswith("***")]


def _blamed(message: str, roots: dict[int, tuple[str, str]]) -> tuple[str, str, bool]:
    """Return kind and name of what a message of SQLite's is about, and whether it can be made anew."""
    wanted = pristine().objects
    if "fts5" in message.lower() or WORDS in message:
        return "text_broken", WORDS, True
    tree = _TREE.match(message)
    kind, name = roots.get(int(tree[1]), ("", "")) if tree else ("", "")
    if name.startswith(WORDS):
        return "text_broken", WORDS, True
    if kind == "index":
        return "index_damaged", name, True
    if " index " in message:
        known = [word for word in _WORD.findall(message) if wanted.get(word, ("",))[0] == "index" or word.startswith("sqlite_autoindex")]
        if known:
            return "index_damaged", known[0], True
    return "file_damaged", message, False


def make_anew(connection: apsw.Connection, name: str) -> None:
    """Create an index, a view or a table that is filled from the memories; or set an option of the text index (`memories_fts.NAME`).

    Raises:
        apsw.ConstraintError: a unique index cannot be, since the rows are not.
    """
    if name.startswith(f"{WORDS}."):
        setting = name.removeprefix(f"{WORDS}.")
        set_options(connection, {setting: pristine().word_settings[setting]})
        return
    kind, sql = pristine().objects[name]
    if name in objects(connection) and kind in CREATABLE:
        query(connection, "drop", where=f'{kind} "{name}"')
    connection.execute(sql).fetchall()


def reindex(connection: apsw.Connection, name: str) -> None:
    """Fill an index from its table.

    Raises:
        apsw.ConstraintError: it is unique, and the rows are not.
    """
    query(connection, "reindex", where=f'"{name}"')


def set_options(connection: apsw.Connection, settings: Mapping[str, object]) -> None:
    """Tell the text index what it is to do."""
    for setting, value in settings.items():
        if setting != "version":  # FTS5's own
            connection.execute(statements()["set_words_option"], (setting, value))
