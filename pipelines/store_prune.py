"""What is dropped from the store: everything in it has an age or a number at which it goes.

Cells and minutes go when their minutes close or a snapshot holds them, and series have their cap in
`cohorts.series_max`; rejects also have their number in `storage.rejects_max`; everything else is here.
"""

from typing import Any

from sqlalchemy import Connection, and_, delete, func, select

from pipelines import store_tables as t
from pipelines.store_audit import shorten
from pipelines.store_catalogue import CATALOGUE, file_missing
from pipelines.store_rejects import drop
from pipelines.store_terms import Retention
from schemas.incident import OVER
from schemas.minutes import MINUTE_MS

ACTIVE = ("pending", "firing")
"""The states of an alert that may still change."""
JOURNAL_LINES_MAX = 100_000
"""Two lines a minute for a month: a partition that falls silent and comes back writes that many."""
FREED_PAGES_MAX = 8_192
"""Pages given back at one time: 64 MB, which holds writers up for a moment only."""


def prune(connection: Connection, keep: Retention) -> str:
    """Drop what is not to be kept; gives a line where history is shorter than its hours say, else ""."""
    incidents, alerts, deliveries, journal = t.INCIDENTS.c, t.ALERTS.c, t.DELIVERIES.c, t.JOURNAL.c
    connection.execute(delete(t.HISTORY).where(t.HISTORY.c.minute < keep.history_from_minute))
    at_ms = t.REJECTS.c.at_ms
    drop(connection, and_(at_ms >= 0, at_ms < keep.history_from_minute * MINUTE_MS))
    told = _shorten(connection, keep.history_bytes_max)
    old = and_(incidents.state.in_(OVER), incidents.updated_ms < keep.finished_from_ms)
    gone = select(incidents.id).where(old)
    with_it = ((t.DELIVERIES, deliveries), (t.ACTS, t.ACTS.c), (t.RESPONSES, t.RESPONSES.c), (CATALOGUE, CATALOGUE.c))
    for table, column in with_it:
        connection.execute(delete(table).where(column.incident_id.in_(gone)))
    connection.execute(delete(t.INCIDENTS).where(old))
    connection.execute(delete(t.ALERTS).where(alerts.state.not_in(ACTIVE), alerts.last_seen_ms < keep.finished_from_ms))
    last = connection.execute(select(func.max(journal.id))).scalar() or 0
    connection.execute(
        delete(t.JOURNAL).where((journal.at_ms < keep.finished_from_ms) | (journal.id <= last - JOURNAL_LINES_MAX))
    )
    shorten(connection, keep.finished_from_ms)
    connection.execute(delete(t.SILENCES).where(t.SILENCES.c.ends_ms < keep.finished_from_ms))
    file_missing(connection)
    return told


def free_pages(connection: Connection) -> None:
    """Give free pages back to the disk, as many as take a moment; the next time goes on. Raises `sqlite3.Error`."""
    raw: Any = connection.connection.driver_connection
    # As a script, because the driver would take one step of a statement without rows, which frees one page.
    raw.executescript(f"PRAGMA incremental_vacuum({FREED_PAGES_MAX})")


def _shorten(connection: Connection, bytes_max: int) -> str:
    """Drop the oldest history that is over a number of bytes, and say so."""
    if not bytes_max:
        return ""
    minute, size = t.HISTORY.c.minute, func.length(t.HISTORY.c.body)
    kept = func.sum(size).over(order_by=minute.desc())
    sizes = select(minute.label("minute"), kept.label("bytes")).subquery()
    last_over = connection.execute(select(func.max(sizes.c.minute)).where(sizes.c.bytes > bytes_max)).scalar()
    if last_over is None:
        return ""
    dropped = connection.execute(delete(t.HISTORY).where(minute <= last_over)).rowcount
    return (
        f"storage.history_bytes_max: {dropped:,} minutes of charts were dropped before their time: "
        "raise it, or lower storage.history_hours"
    )
