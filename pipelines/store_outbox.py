"""What waits in the outbox: what is due, what is too much, what became of it, and how the store counts it."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, case, exists, func, or_, select, update

from pipelines.store_acts import standing_state
from pipelines.store_part import Part
from pipelines.store_rows import delivery_row
from pipelines.store_tables import DELIVERIES, INCIDENTS, RESPONSES
from schemas.incident import OPEN, Delivery, Notification
from schemas.incident import OVER as INCIDENTS_OVER

STANDING_MAX = 10_000
"""Most incidents that a sink which forgets is told of again, the newest: far more than people could have open."""

UNSENT = ("waiting", "held")
"""The states of a message that may still go out."""

_delivery = msgspec.msgpack.Decoder(Delivery).decode


def _due() -> Any:
    columns, before, after = DELIVERIES.c, DELIVERIES.alias("before"), DELIVERIES.alias("after")
    earlier = exists().where(
        before.c.incident_id == columns.incident_id,
        before.c.sink == columns.sink,
        before.c.sequence < columns.sequence,
        before.c.state == "waiting",
    )
    later = exists().where(
        after.c.incident_id == columns.incident_id,
        after.c.sink == columns.sink,
        after.c.sequence > columns.sequence,
        after.c.state.in_(UNSENT),
    )
    query = select(columns.body).where(
        or_(columns.state == "waiting", and_(columns.state == "held", ~later)),
        columns.sink == bindparam("sink"),
        columns.next_attempt_ms <= bindparam("now_ms"),
        ~earlier,
    )
    return query.order_by(columns.created_ms, columns.incident_id, columns.sequence).limit(bindparam("limit"))


def _over() -> Any:
    columns, incidents = DELIVERIES.c, INCIDENTS.c
    order = (incidents.state.in_(INCIDENTS_OVER), incidents.updated_ms.desc(), columns.incident_id, columns.sequence)
    query = select(columns.body).join(INCIDENTS, incidents.id == columns.incident_id)
    waiting = query.where(columns.state == "waiting", columns.sink == bindparam("sink"))
    return waiting.order_by(*order).limit(-1).offset(bindparam("waiting_max"))


def _standing() -> Any:
    columns = DELIVERIES.c
    ends = (
        select(
            columns.incident_id,
            func.min(columns.sequence).label("first"),
            func.max(columns.sequence).label("latest"),
            func.max(columns.created_ms).label("at_ms"),
        )
        .where(columns.sink == bindparam("sink"), columns.state == "sent")
        .group_by(columns.incident_id)
        .subquery()
    )
    told = and_(ends.c.incident_id == columns.incident_id, columns.sequence.in_((ends.c.first, ends.c.latest)))
    query = select(columns.body).join(ends, told).join(INCIDENTS, INCIDENTS.c.id == columns.incident_id)
    query = query.outerjoin(RESPONSES, RESPONSES.c.incident_id == columns.incident_id)
    stands = or_(standing_state.in_(OPEN), ends.c.at_ms >= bindparam("since_ms"))
    query = query.where(columns.sink == bindparam("sink"), columns.state == "sent", stands)
    return query.order_by(ends.c.at_ms.desc(), columns.incident_id, columns.sequence).limit(2 * STANDING_MAX)


def _strangers() -> Any:
    columns = DELIVERIES.c
    named: Any = bindparam("sinks", expanding=True)
    query = select(columns.body).where(columns.sink.not_in(named), columns.state.in_(UNSENT))
    return query.order_by(columns.created_ms, columns.incident_id, columns.sequence).limit(bindparam("limit"))


_DUE = _due()
"""The outbox asks every second, and to put such a question together costs more than to answer it: it is made once."""
_STRANGERS = _strangers()
_OVER = _over()
"""Messages of open incidents stay before those of incidents that are over, newer incidents before older ones, and of
one incident the first messages, because the later ones say nothing without them."""
_STANDING = _standing()


class Deliveries(Part):
    """The outbox of one store."""

    def due(self, sink: str, now_ms: int, limit: int) -> list[Delivery]:
        """Give a sink's waiting messages whose time has come, oldest first; of one incident only the next in order.

        What is held comes too, when its time has come and nothing newer is there of its incident.
        """
        return self._read(_DUE, sink=sink, now_ms=now_ms, limit=limit)

    def waiting(self, sink: str) -> list[Delivery]:
        """Give all waiting messages of a sink, by incident and in order."""
        columns = DELIVERIES.c
        query = select(columns.body).where(columns.sink == sink, columns.state == "waiting")
        return self._read(query.order_by(columns.incident_id, columns.sequence))

    def over(self, sink: str, waiting_max: int) -> list[Delivery]:
        """Give the waiting messages of a sink beyond so many, those that matter least."""
        return self._read(_OVER, sink=sink, waiting_max=waiting_max)

    def strangers(self, sinks: Collection[str], limit: int) -> list[Delivery]:
        """Give waiting and held messages to other sinks than these."""
        return self._read(_STRANGERS, sinks=list(sinks), limit=limit)

    def dead(self, sink: str | None, limit: int) -> list[Delivery]:
        """Give the dead messages of a sink, or of all, the newest first."""
        columns = DELIVERIES.c
        query = select(columns.body).where(columns.state == "dead")
        query = query if sink is None else query.where(columns.sink == sink)
        return self._read(query.order_by(columns.created_ms.desc(), columns.incident_id, columns.sequence).limit(limit))

    def heard(self, sink: str, incident_ids: Collection[str]) -> dict[str, bool]:
        """Say of which incidents a sink has heard (True), or may have heard although it did not say so (False)."""
        columns = DELIVERIES.c
        query = select(columns.body).where(columns.sink == sink, columns.incident_id.in_(list(incident_ids)))
        found: dict[str, bool] = {}
        for delivery in self._read(query):
            if delivery.state == "sent":
                found[delivery.notification.incident_id] = True
            elif delivery.perhaps:
                found.setdefault(delivery.notification.incident_id, False)
        return found

    def held(self, sink: str, incident_ids: Collection[str]) -> list[Delivery]:
        """Give the messages to a sink about these incidents that are held back."""
        columns = DELIVERIES.c
        about = columns.incident_id.in_(list(incident_ids))
        return self._read(select(columns.body).where(columns.sink == sink, about, columns.state == "held"))

    def last_told(self, sink: str, incident_id: str) -> Notification | None:
        """Give the latest message about an incident that a sink has, or may have, None where it has none."""
        columns = DELIVERIES.c
        query = select(columns.body).where(columns.sink == sink, columns.incident_id == incident_id)
        newest = self._read(query.order_by(columns.sequence.desc()))
        return next((each.notification for each in newest if each.state == "sent" or each.perhaps), None)

    def standing(self, sink: str, since_ms: int) -> list[tuple[Notification, Notification]]:
        """Give the first and the latest sent message of each incident that is open, or was told of since."""
        ends: dict[str, tuple[Notification, Notification]] = {}
        for delivery in self._read(_STANDING, sink=sink, since_ms=since_ms):
            told = delivery.notification
            first, _ = ends.get(told.incident_id, (told, told))
            ends[told.incident_id] = (first, told)
        return list(ends.values())

    def record(self, deliveries: Sequence[Delivery]) -> None:
        """Write what became of messages, in one transaction."""
        with self._writing() as connection:
            for delivery in deliveries:
                known = DELIVERIES.c.id == delivery.notification.id
                connection.execute(update(DELIVERIES).where(known).values(delivery_row(delivery)))

    def replay(self, ids: Collection[str]) -> tuple[int, int]:
        """Let dead messages wait again, and give how many do and how many do not.

        One does not where its sink has heard something newer of the incident since: that says more.
        """
        columns, later = DELIVERIES.c, DELIVERIES.alias("later")
        newer = exists().where(
            later.c.incident_id == columns.incident_id,
            later.c.sink == columns.sink,
            later.c.sequence > columns.sequence,
            later.c.state == "sent",
        )
        query = select(columns.body, newer.label("newer")).where(columns.id.in_(list(ids)), columns.state == "dead")
        again, stale = 0, 0
        with self._writing() as connection:
            for row in connection.execute(query).all():
                delivery = _delivery(row.body)
                if row.newer:
                    stale += 1
                    continue
                again += 1
                fresh = msgspec.structs.replace(delivery, state="waiting", attempts=0, next_attempt_ms=0, error="")
                known = columns.id == delivery.notification.id
                connection.execute(update(DELIVERIES).where(known).values(delivery_row(fresh)))
        return again, stale

    def _read(self, query: Any, **parameters: Any) -> list[Delivery]:
        with self._reading() as connection:
            return [_delivery(body) for body in connection.execute(query, parameters).scalars()]


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
