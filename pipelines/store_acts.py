"""What people and clocks did about incidents, in the store: acts that are only added, and what they have come to."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, bindparam, case, func, select, update
from sqlalchemy.dialects.sqlite import insert

from pipelines.store_catalogue import renew
from pipelines.store_part import Part
from pipelines.store_rows import delivery_row, incident_row, upsert
from pipelines.store_tables import ACTS, DELIVERIES, INCIDENTS, PROGRESS, RESPONSES
from schemas.act import Act, Heard, Response, standing
from schemas.act_words import entry_of
from schemas.incident import FINISHED, OPEN, OVER, Delivery, Incident, Notification
from schemas.ladder import Names

HEARD_MAX = 1_000
"""Most acts that are heard of at one time; the next time goes on where this one ended."""

_act = msgspec.msgpack.Decoder(Act).decode
_incident = msgspec.msgpack.Decoder(Incident).decode
_response = msgspec.msgpack.Decoder(Response).decode
_encode = msgspec.msgpack.Encoder().encode

_OF_ACT = RESPONSES.c.incident_id == ACTS.c.incident_id
standing_state = case(
    (RESPONSES.c.state.in_(FINISHED), RESPONSES.c.state),
    (INCIDENTS.c.state.in_(OVER), INCIDENTS.c.state),
    else_=func.coalesce(RESPONSES.c.state, INCIDENTS.c.state),
)
"""The state that counts, as `schemas.act.state_of` has it."""


def standing_incidents(states: Collection[str] | None, limit: int, offset: int = 0) -> Select[Any]:
    """Ask for the bodies of the latest incidents in these states (None: in any) with their responses, newest first."""
    columns = INCIDENTS.c
    query = select(columns.body, RESPONSES.c.body.label("response")).outerjoin(RESPONSES)
    query = query.order_by(columns.detected_ms.desc(), columns.id).limit(limit).offset(offset)
    return query if states is None else query.where(standing_state.in_(states))


def read_response(body: bytes | None) -> Response | None:
    """Read a response back, None where nobody has acted."""
    return None if body is None else _response(body)


def _heard(row: Any) -> Heard:
    """Read an incident and its response back."""
    return Heard(_incident(row.body), read_response(row.response))


def _asking() -> Select[Any]:
    said = func.coalesce(RESPONSES.c.state, "triage")
    behind = (INCIDENTS.c.state == "resolved") & (said != "resolved")
    asks = said.not_in(FINISHED) & (INCIDENTS.c.state.in_(OPEN) | said.in_(OPEN) | behind)
    query = select(INCIDENTS.c.body, RESPONSES.c.body.label("response")).outerjoin(RESPONSES).where(asks)
    return query.order_by(INCIDENTS.c.detected_ms.desc(), INCIDENTS.c.id).limit(bindparam("limit"))


_ASKING = _asking()
"""Asked every second, and to put it together costs more than to answer it: it is made once."""


def responses_of(connection: Connection) -> tuple[Response, ...]:
    """Give what people did about incidents that are not finished."""
    query = select(RESPONSES.c.body).join(INCIDENTS).where(INCIDENTS.c.state.not_in(FINISHED))
    return tuple(map(_response, connection.execute(query.order_by(INCIDENTS.c.id)).scalars()))


class Acts(Part):
    """The acts of one store."""

    def of(self, incident_id: str) -> list[Act]:
        """Give the acts of an incident, the first first."""
        query = select(ACTS.c.body).where(ACTS.c.incident_id == incident_id).order_by(ACTS.c.number)
        with self._reading() as connection:
            return [_act(body) for body in connection.execute(query).scalars()]

    def found(self, incident_id: str) -> Heard | None:
        """Give what machine and people know of an incident, None where there is none of this id."""
        query = standing_incidents(None, 1).where(INCIDENTS.c.id == incident_id)
        with self._reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _heard(row)

    def standing(self, heard: Heard, names: Names = "sev1-sev4") -> Incident:
        """Give an incident as it stands, with what people did in its timeline, in the words of the house."""
        entries = tuple(entry_of(act, names) for act in self.of(heard.incident.id))
        return standing(heard.incident, heard.response, entries)

    def among(self, states: Collection[str], limit: int) -> list[Heard]:
        """Give what machine and people know of the latest incidents in these states, newest first."""
        with self._reading() as connection:
            rows = connection.execute(standing_incidents(states, limit)).all()
        return [_heard(row) for row in rows]

    def these(self, incident_ids: Collection[str]) -> dict[str, Heard]:
        """Give what machine and people know of some incidents, by id."""
        query = standing_incidents(None, len(incident_ids)).where(INCIDENTS.c.id.in_(list(incident_ids)))
        with self._reading() as connection:
            found = [_heard(row) for row in connection.execute(query)]
        return {each.incident.id: each for each in found}

    def over_since(self, from_ms: int, limit: int) -> list[Incident]:
        """Give the latest incidents that were detected since a time and that the machine has ended."""
        columns = INCIDENTS.c
        query = select(columns.body).where(columns.state.in_(OVER), columns.detected_ms >= from_ms)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(columns.detected_ms.desc(), columns.id).limit(limit))
            return [_incident(body) for body in rows.scalars()]

    def asking(self, limit: int) -> list[Heard]:
        """Give the incidents of which somebody may be told something now, newest first.

        Those are the open ones, by machine or people, unless people have finished them, and what the machine has
        resolved and the response does not say yet.
        """
        with self._reading() as connection:
            rows = connection.execute(_ASKING, {"limit": limit}).all()
        return [_heard(row) for row in rows]

    def put(
        self,
        acts: Sequence[Act],
        response: Response,
        notifications: Sequence[Notification] = (),
        opened: Incident | None = None,
    ) -> bool:
        """Add acts of one incident with what they come to and the messages that tell of it, in one transaction.

        `opened` is the incident itself where these acts open it. False, and nothing is written, where somebody else has
        acted since: the first act's number is taken, or the incident there.
        """
        incident_id, first = acts[0].incident_id, acts[0].number
        assert all(act.number == first + at for at, act in enumerate(acts)), "acts are numbered one after the other"
        with self._writing() as connection:
            if opened is not None:
                known = select(INCIDENTS.c.id).where(INCIDENTS.c.id == opened.id)
                if connection.execute(known).one_or_none() is not None:
                    return False
                connection.execute(insert(INCIDENTS), [incident_row(opened)])
            latest = select(func.max(ACTS.c.number)).where(ACTS.c.incident_id == incident_id)
            if (connection.execute(latest).scalar() or 0) != first - 1:
                return False
            # What was heard of may have been pruned since, and its place must not be given out again.
            taken = [
                connection.execute(select(func.max(each))).scalar() or 0 for each in (ACTS.c.place, PROGRESS.c.heard)
            ]
            rows = [
                {"place": place, "incident_id": incident_id, "number": act.number, "body": _encode(act)}
                for place, act in enumerate(acts, max(taken) + 1)
            ]
            connection.execute(insert(ACTS), rows)
            kept = {"incident_id": incident_id, "state": response.state, "number": response.number}
            upsert(connection, RESPONSES, [{**kept, "body": _encode(response)}])
            if response.state in OPEN:  # opened again: until the engine has heard of it, lists go by this column
                again = update(INCIDENTS).where(INCIDENTS.c.id == incident_id, INCIDENTS.c.state.in_(OVER))
                if any(act.verb == "reopened" for act in acts):
                    connection.execute(again.values(state=response.state))
            renew(connection, [incident_id])
            if notifications:
                waiting = [delivery_row(Delivery(each, "waiting", 0, 0)) for each in notifications]
                connection.execute(insert(DELIVERIES).on_conflict_do_nothing(), waiting)
        return True

    def heard(self, since: int) -> tuple[int, list[Heard]]:
        """Give the incidents that were acted on since a place in the order of all acts, and the place of the last."""
        with self._reading() as connection:
            query = select(ACTS.c.place, ACTS.c.incident_id).where(ACTS.c.place > since).order_by(ACTS.c.place)
            rows = connection.execute(query.limit(HEARD_MAX)).all()
            if not rows:
                return since, []
            ids = sorted({row.incident_id for row in rows})
            found = connection.execute(standing_incidents(None, len(ids)).where(INCIDENTS.c.id.in_(ids))).all()
        return rows[-1].place, [_heard(row) for row in found]

    def after(self, since: int) -> tuple[int, list[tuple[Act, Heard]]]:
        """Give the acts since a place in the order of all acts, each with its incident, and the place of the last."""
        columns = (ACTS.c.place, ACTS.c.body.label("act"), INCIDENTS.c.body, RESPONSES.c.body.label("response"))
        query = select(*columns).select_from(ACTS).join(INCIDENTS).join(RESPONSES, isouter=True, onclause=_OF_ACT)
        with self._reading() as connection:
            rows = connection.execute(query.where(ACTS.c.place > since).order_by(ACTS.c.place).limit(HEARD_MAX)).all()
        found = [(_act(row.act), _heard(row)) for row in rows]
        return (rows[-1].place if rows else since), found

    def latest(self) -> int:
        """Give the place of the latest act, 0 where there is none."""
        with self._reading() as connection:
            return connection.execute(select(func.max(ACTS.c.place))).scalar() or 0
