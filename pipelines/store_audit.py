"""The audit log in the store: lines are only added, and go by age or number alone."""

from sqlalchemy import Connection, delete, func, insert, select

from pipelines.store_part import Part
from pipelines.store_tables import AUDIT
from schemas.audit import WHAT_CHARS_MAX, AuditLine

AUDIT_LINES_MAX = 100_000
"""A line a minute for two months; a busy team writes some hundred a day."""


class Audit(Part):
    """The audit log of one store."""

    def add(self, line: AuditLine) -> None:
        """Write a line."""
        with self._writing() as connection:
            note(connection, line)

    def lines(self, limit: int) -> list[AuditLine]:
        """Give the latest lines, newest first."""
        query = select(AUDIT).order_by(AUDIT.c.id.desc()).limit(limit)
        with self._reading() as connection:
            return [AuditLine(row.at_ms, row.who, row.what, row.origin) for row in connection.execute(query)]


def note(connection: Connection, line: AuditLine) -> None:
    """Write a line in a transaction that does what the line tells."""
    row = {"at_ms": line.at_ms, "who": line.who, "what": line.what[:WHAT_CHARS_MAX], "origin": line.where}
    connection.execute(insert(AUDIT), [row])


def shorten(connection: Connection, from_ms: int) -> None:
    """Drop the lines from before a time, and the oldest beyond the number that is kept."""
    last = connection.execute(select(func.max(AUDIT.c.id))).scalar() or 0
    connection.execute(delete(AUDIT).where((AUDIT.c.at_ms < from_ms) | (AUDIT.c.id <= last - AUDIT_LINES_MAX)))
