"""Rows of the store: every struct beside the columns it is asked for by."""

from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, Table
from sqlalchemy.dialects.sqlite import Insert, insert

from schemas.alert import Alert
from schemas.effects import Position, StoredPartial
from schemas.history import SeriesInfo
from schemas.incident import Delivery, Incident
from schemas.partial import Counters
from schemas.record import Partition
from schemas.reject import Rejected, Streak
from schemas.signal import series_key

Row = dict[str, Any]
Rows = list[Row]

_encode = msgspec.msgpack.Encoder().encode
_counters = msgspec.msgpack.Decoder(Counters).decode
_streak = msgspec.msgpack.Decoder(Streak | None).decode


def upsert(connection: Connection, table: Table, rows: Rows) -> None:
    """Write rows by primary key, replacing what is there."""
    if rows:
        connection.execute(_upsert(table), rows)


@cache
def _upsert(table: Table) -> Insert:
    """Make the statement of a table once: every commit uses most of them."""
    keys = [column.name for column in table.primary_key]
    statement = insert(table)
    others = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=others)


def position_row(position: Position) -> Row:
    """Give the row of a position."""
    return {
        "source": position.partition.source,
        "number": position.partition.number,
        "read_until": position.offset,
        "watermark_ms": position.watermark_ms,
        "counters": _encode(position.counters),
        "streak": _encode(position.streak),
    }


def position_of(row: RowMapping) -> Position:
    """Read a position back from its row."""
    partition = Partition(row["source"], row["number"])
    return Position(
        partition, row["read_until"], row["watermark_ms"], _counters(row["counters"]), _streak(row["streak"])
    )


def partial_row(partial: StoredPartial) -> Row:
    """Give the row of a stored partial."""
    return {
        "source": partial.partition.source,
        "number": partial.partition.number,
        "start": partial.start,
        "until": partial.until,
        "last_minute": partial.last_minute,
        "body": partial.body,
    }


def partial_of(row: RowMapping) -> StoredPartial:
    """Read a stored partial back from its row."""
    partition = Partition(row["source"], row["number"])
    return StoredPartial(partition, row["start"], row["until"], row["last_minute"], row["body"])


def series_row(series: SeriesInfo) -> Row:
    """Give the row of a series."""
    return {"number": series.number, "key": series_key(series.signal, series.cohort), "body": _encode(series)}


def alert_row(alert: Alert) -> Row:
    """Give the row of an alert."""
    return {
        "id": alert.id,
        "state": alert.state,
        "pending_ms": alert.pending_ms,
        "last_seen_ms": alert.last_seen_ms,
        "body": _encode(alert),
    }


def incident_row(incident: Incident) -> Row:
    """Give the row of an incident."""
    return {
        "id": incident.id,
        "state": incident.state,
        "detected_ms": incident.detected_ms,
        "updated_ms": incident.updated_ms,
        "version": incident.version,
        "body": _encode(incident),
    }


def delivery_row(delivery: Delivery) -> Row:
    """Give the row of a message and what became of it."""
    notification = delivery.notification
    return {
        "id": notification.id,
        "incident_id": notification.incident_id,
        "sink": notification.sink,
        "sequence": notification.sequence,
        "created_ms": notification.created_ms,
        "state": delivery.state,
        "next_attempt_ms": delivery.next_attempt_ms,
        "body": _encode(delivery),
    }


def reject_row(partition: Partition, reject: Rejected, *, waiting: bool) -> Row:
    """Give the row of a kept reject, `waiting` if it is to go to the dead-letter topic."""
    place = {"source": partition.source, "number": partition.number}
    return {**place, **msgspec.structs.asdict(reject), "waiting": int(waiting)}


def reject_of(row: RowMapping) -> tuple[Partition, Rejected]:
    """Read a kept reject back from its row."""
    rejected = Rejected(**{name: row[name] for name in Rejected.__struct_fields__})
    return Partition(row["source"], row["number"]), rejected
