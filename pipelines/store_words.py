"""What to tell a person when the database fails, or holds what this version cannot read."""

import sqlite3

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from pipelines.store_tables import FORMAT
from pipelines.store_terms import StoreError

ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space and start again; nothing that was written is lost",
    sqlite3.SQLITE_BUSY: "another process is writing to it: stop that one, or give each Limen its own storage.url",
    sqlite3.SQLITE_LOCKED: "another process is writing to it: stop that one, or give each Limen its own storage.url",
    sqlite3.SQLITE_NOTADB: "is not a database: name another file in storage.url",
    sqlite3.SQLITE_CORRUPT: (
        "is damaged: put a backup in its place with `limen store restore`, or move it away to begin anew"
    ),
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: check the path, and the right to write to its folder",
    sqlite3.SQLITE_READONLY: "may only be read: give the user that runs this the right to write to it",
    sqlite3.SQLITE_PERM: "may not be used: give the user that runs this the right to read and write it",
    sqlite3.SQLITE_IOERR: "cannot be read or written: check its disk",
}
"""SQLite's primary result code -> what to say and do."""
UNREADABLE_ROW = "look through it with `limen store check`, and put a backup in its place with `limen store restore`"
"""What to do about a row whose bytes make no sense."""
PRIMARY_CODE = 0xFF
"""SQLite's extended result codes carry the primary one in the lowest byte."""


def failure(error: SQLAlchemyError | sqlite3.Error, where: str) -> StoreError:
    """Turn a failure of the database into one line for a person."""
    original = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(original, "sqlite_errorcode", None)
    if code is not None and code & PRIMARY_CODE in ADVICE:
        return StoreError(f"{where}: {ADVICE[code & PRIMARY_CODE]}")
    said = " ".join(str(original or error).split("\n")[0].split())
    return StoreError(f"{where}: the database failed ({said}): check it with `limen store check`, or restore a backup")


def format_problem(version: int) -> str:
    """Say why a store of another format is not read as it is.

    >>> format_problem(FORMAT + 1).split(": ")[1]
    'use the Limen that wrote it, or a newer one'
    """
    if version < FORMAT:
        return f"has format {version}, and this Limen reads {FORMAT}: `limen run` keeps a copy and brings it up to date"
    return f"has format {version}, and this Limen knows {FORMAT}: use the Limen that wrote it, or a newer one"
