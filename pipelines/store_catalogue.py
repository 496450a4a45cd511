"""The catalogue in the store: each incident filed under its words, renewed with every change of it."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Index, String, Table, Text, func, select

from pipelines.store_part import Part
from pipelines.store_rows import upsert
from pipelines.store_tables import ACTS, INCIDENTS, METADATA, RESPONSES
from schemas.act import Act, Response, standing
from schemas.catalogue import LIKE_LEAST, Filed, Likeness, asked_words, filed, likeness
from schemas.incident import Incident

CATALOGUE = Table(
    "catalogue",
    METADATA,
    Column("incident_id", String(64), ForeignKey("incidents.id"), primary_key=True),
    Column("detected_ms", BigInteger, nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("severity", String(8), nullable=False),
    Column("category", String(32), nullable=False),
    Column("lead_signal", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("reason", String(32)),
    Column("detect_ms", BigInteger),
    Column("acknowledge_ms", BigInteger),
    Column("mitigate_ms", BigInteger),
    Column("resolve_ms", BigInteger),
    Column("words", Text, nullable=False),
    Index("catalogue_by_category", "category", "detected_ms"),
    Index("catalogue_by_signal", "lead_signal", "detected_ms"),
    Index("catalogue_outcomes", "kind", "severity", "rule", "lead_signal", "reason"),
)
TIME_MS_MAX = 2**63 - 1
"""Later than any time that a store can hold."""
ALIKE_MAX = 500
"""Earlier incidents of a category, and of a signal, that are compared: the latest, in ten milliseconds."""
NOTES_MAX = 50
"""Latest acts of an incident whose notes are searched."""
FILED_MAX = 1_000
"""Most incidents that are filed afterwards at one time, such as those of an older format; the next time goes on."""
TIMES_MAX = 10_000
"""Most incidents that times are taken from: the latest."""
OUTCOMES_MAX = 1_000
"""Most rows of outcomes: rules and signals are some hundred, and evaluations bring their own."""

_incident = msgspec.msgpack.Decoder(Incident).decode
_response = msgspec.msgpack.Decoder(Response).decode
_act = msgspec.msgpack.Decoder(Act).decode
_STATED = ("sev1", "sev2", "sev3")
"""What people are told of; chance alone gives a hundred notes a week, which nobody is asked about."""


class Outcome(msgspec.Struct, frozen=True):
    """How many real incidents of a rule and signal were over with a reason; sev1 to sev3."""

    rule: str
    signal: str
    reason: str
    total: int


class Catalogue(Part):
    """The catalogue of one store."""

    def search(
        self, query: str, states: Collection[str] | None, limit: int, from_ms: int = 0, until_ms: int = TIME_MS_MAX,
        offset: int = 0,
    ) -> list[Incident]:  # fmt: skip
        """Give the latest incidents with all words of a query, detected in [from, until), newest first."""
        columns = CATALOGUE.c
        asked = select(columns.incident_id).where(columns.detected_ms >= from_ms, columns.detected_ms < until_ms)
        for word in asked_words(query):
            asked = asked.where(columns.words.contains(f" {word}", autoescape=True))
        if states is not None:
            asked = asked.where(columns.state.in_(states))
        order = (columns.detected_ms.desc(), columns.incident_id)
        with self._reading() as connection:
            ids = connection.execute(asked.order_by(*order).limit(limit).offset(offset)).scalars().all()
            return _standing(connection, ids)

    def alike(self, incident_id: str, limit: int) -> list[tuple[Incident, Filed, Likeness]]:
        """Give the earlier incidents that are most like this one, the likest first; of equals the latest."""
        columns = CATALOGUE.c
        with self._reading() as connection:
            own_row = connection.execute(select(CATALOGUE).where(columns.incident_id == incident_id)).mappings().first()
            if own_row is None:
                return []
            own = Filed(**own_row)
            rows: dict[str, Filed] = {}
            for column, value in ((columns.category, own.category), (columns.lead_signal, own.lead_signal)):
                near = select(CATALOGUE).where(
                    column == value, columns.detected_ms <= own.detected_ms, columns.incident_id != incident_id
                )
                latest = connection.execute(near.order_by(columns.detected_ms.desc()).limit(ALIKE_MAX)).mappings()
                rows |= {row["incident_id"]: Filed(**row) for row in latest}
            scored = [(row, likeness(own, row)) for row in rows.values()]
            good = [each for each in scored if each[1].score >= LIKE_LEAST]
            good = sorted(good, key=lambda each: (-each[1].score, -each[0].detected_ms, each[0].incident_id))[:limit]
            found = _standing(connection, [row.incident_id for row, _ in good])
        return [(incident, *each) for incident, each in zip(found, good, strict=True)]

    def outcomes(self) -> list[Outcome]:
        """Count how incidents of each rule and signal were over, the most frequent first."""
        c = CATALOGUE.c
        total = func.count().label("total")
        asked = select(c.rule, c.lead_signal, c.reason, total).where(
            c.kind == "real", c.severity.in_(_STATED), c.reason.is_not(None)
        )
        grouped = asked.group_by(c.rule, c.lead_signal, c.reason).order_by(
            total.desc(), c.rule, c.lead_signal, c.reason
        )
        with self._reading() as connection:
            return [Outcome(*row) for row in connection.execute(grouped.limit(OUTCOMES_MAX))]

    def times(self, from_ms: int) -> list[Any]:
        """Give severity, category and the four times of the latest real incidents (sev1 to sev3) since a time."""
        c = CATALOGUE.c
        asked = select(c.severity, c.category, c.detect_ms, c.acknowledge_ms, c.mitigate_ms, c.resolve_ms).where(
            c.kind == "real", c.severity.in_(_STATED), c.detected_ms >= from_ms
        )
        with self._reading() as connection:
            return list(connection.execute(asked.order_by(c.detected_ms.desc()).limit(TIMES_MAX)))


def _standing(connection: Connection, ids: Sequence[str]) -> list[Incident]:
    """Give incidents by their ids, in that order, as they stand with what people did."""
    query = select(INCIDENTS.c.id, INCIDENTS.c.body, RESPONSES.c.body.label("response")).outerjoin(RESPONSES)
    rows = {row.id: row for row in connection.execute(query.where(INCIDENTS.c.id.in_(ids)))}
    return [standing(_incident(rows[each].body), _read(rows[each].response)) for each in ids]


def _read(body: bytes | None) -> Response | None:
    """Read a response back, None where nobody has acted."""
    return None if body is None else _response(body)


def renew(connection: Connection, incident_ids: Iterable[str]) -> None:
    """File incidents as they stand now; called in the transaction that changes them."""
    for incident_id in incident_ids:
        query = select(INCIDENTS.c.body, RESPONSES.c.body.label("response")).outerjoin(RESPONSES)
        row = connection.execute(query.where(INCIDENTS.c.id == incident_id)).one()
        response = _read(row.response)
        notes: Sequence[bytes] = ()
        if response is not None:
            acts = select(ACTS.c.body).where(ACTS.c.incident_id == incident_id).order_by(ACTS.c.number.desc())
            notes = connection.execute(acts.limit(NOTES_MAX)).scalars().all()
        said = tuple(note for body in notes if (note := _act(body).note))
        made = filed(standing(_incident(row.body), response), response, said)
        upsert(connection, CATALOGUE, [msgspec.structs.asdict(made)])


def file_missing(connection: Connection) -> None:
    """File incidents that are not filed yet, the latest first, so many at most."""
    missing = select(INCIDENTS.c.id).outerjoin(CATALOGUE).where(CATALOGUE.c.incident_id.is_(None))
    latest = missing.order_by(INCIDENTS.c.detected_ms.desc()).limit(FILED_MAX)
    renew(connection, connection.execute(latest).scalars().all())
