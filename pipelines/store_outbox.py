"""What waits in the outbox, as the store counts it."""

from sqlalchemy import Connection, case, func, select

from pipelines.store_tables import DELIVERIES


def counts(connection: Connection) -> dict[str, dict[str, int]]:
    """Give the number of messages by sink and state."""
    columns = DELIVERIES.c
    query = select(columns.sink, columns.state, func.count().label("total")).group_by(columns.sink, columns.state)
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(query.order_by(columns.sink, columns.state)):
        found.setdefault(row.sink, {})[row.state] = row.total
    return found


def oldest(connection: Connection) -> dict[str, int | None]:
    """Give when the oldest waiting message of each sink was written (epoch ms), None where none waits."""
    columns = DELIVERIES.c
    waiting = func.min(case((columns.state == "waiting", columns.created_ms))).label("since")
    query = select(columns.sink, waiting).group_by(columns.sink).order_by(columns.sink)
    return {row.sink: row.since for row in connection.execute(query)}
