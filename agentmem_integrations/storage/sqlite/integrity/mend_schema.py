"""Makes parts of the schema anew that hold nothing of their own."""

import apsw

from ..statements import query
from .check_file import CREATABLE
from .mend_words import set_options
from .pristine import WORDS, objects, pristine


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
