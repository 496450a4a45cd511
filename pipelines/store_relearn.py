"""Learning anew: what detection knows is dropped from a store, and everything else in it stays."""

import sqlite3
from contextlib import closing
from pathlib import Path

from pipelines.store_copy import copy
from pipelines.store_words import failure

FORGOTTEN = ("snapshots", "minutes", "partials", "series", "history")
"""Tables of what is learned, and of charts, whose rows are numbered by the series of the detectors."""
NOTE = "what was learned is dropped by `limen store relearn`: baselines and charts begin anew"


def relearn(path: Path, at_ms: int) -> Path:
    """Drop what was learned, note it in the journal at this time of day, and give the copy that holds all of it.

    Positions, counts, alerts, incidents and messages stay, so no record is read twice and nobody is told twice. The
    caller has the lease. Raises `StoreError`; nothing has changed then.
    """
    kept = path.with_name(f"{path.name}.before-relearn")
    copy(path, kept)
    try:
        with closing(sqlite3.connect(path)) as connection, connection:
            for table in FORGOTTEN:
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own, from the list above
            connection.execute("INSERT INTO journal (at_ms, what) VALUES (?, ?)", (at_ms, NOTE))
    except sqlite3.Error as error:
        raise failure(error, str(path)) from None
    return kept
