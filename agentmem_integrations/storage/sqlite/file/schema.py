"""Whether a file is one of ours, and how it comes to the newest schema."""

from typing import Final

import apsw

from ....errors import NotADatabaseError, SchemaError
from ..statements import migrations

APPLICATION_ID: Final = 0x61676D65  # "agme", in the file's header


def version(connection: apsw.Connection, path: str) -> int:
    """Return the file's schema number, 0 for a new file. Reads only: a file of somebody else's must stay as it is.

    Raises:
        NotADatabaseError: an SQLite file of another program.
        SchemaError: a newer schema, or none that can be.
    """
    # In this order: another program may be making the file, and with the tables the rest is there as well
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    application, number = (int(str(connection.pragma(p))) for p in ("application_id", "user_version"))
    if application != APPLICATION_ID and tables:
        raise NotADatabaseError(f"{path} is an SQLite file of another program: choose another path")
    if number > (newest := len(migrations())):
        raise SchemaError(f"{path} has schema {number}, this version knows {newest}: upgrade agentmem-integrations")
    if number < 0 or (tables and not number):
        raise SchemaError(f"{path} is damaged (it says schema {number}): restore a backup")
    return number


def migrate(connection: apsw.Connection, path: str) -> None:
    """Bring the file to the newest schema, inside the write transaction that the caller holds."""
    scripts = migrations()
    for number in range(version(connection, path), len(scripts)):
        connection.execute(scripts[number]).fetchall()
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}").fetchall()
    connection.execute(f"PRAGMA user_version={len(scripts)}").fetchall()
