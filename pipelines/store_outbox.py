"""What waits in the outbox: what is due, what is too much, and how the store counts it."""

from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, exists, func, select

from pipelines.store_tables import DELIVERIES, INCIDENTS
from schemas.incident import OVER as INCIDENTS_OVER


def _due() -> Any:
    columns, before = DELIVERIES.c, DELIVERIES.alias("before")
    earlier = exists().where(
        before.c.incident_id == columns.incident_id,
        before.c.sink == columns.sink,
        before.c.sequence < columns.sequence,
        before.c.state == "waiting",
    )
    order = (columns.created_ms, columns.incident_id, columns.sequence)
    place = func.row_number().over(partition_by=columns.sink, order_by=order)
    waiting = and_(columns.state == "waiting", columns.next_attempt_ms <= bindparam("now_ms"), ~earlier)
    found = select(DELIVERIES, place.label("place")).where(waiting).subquery()
    query = select(found.c.body).where(found.c.place <= bindparam("limit"))
    return query.order_by(found.c.created_ms, found.c.incident_id, found.c.sequence, found.c.sink)


def _over() -> Any:
    columns, incidents = DELIVERIES.c, INCIDENTS.c
    order = (incidents.state.in_(INCIDENTS_OVER), incidents.updated_ms.desc(), columns.incident_id, columns.sequence)
    query = select(columns.body).join(INCIDENTS, incidents.id == columns.incident_id)
    waiting = query.where(columns.state == "waiting", columns.sink == bindparam("sink"))
    return waiting.order_by(*order).limit(-1).offset(bindparam("waiting_max"))


DUE = _due()
"""Asks for the bodies of waiting messages whose time has come, as `Store.deliveries_due` promises.

The outbox asks every second, and to put such a question together costs more than to answer it: it is made once."""
OVER = _over()
"""Asks for the bodies of a sink's waiting messages beyond so many, those that matter least.

Messages of open incidents stay before those of incidents that are over, newer incidents before older ones, and of one
incident the first messages, because the later ones say nothing without them."""


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
