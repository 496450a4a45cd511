"""The store keeps everything that must outlive the process, and one commit writes all of one step or nothing.

A step's offsets, open cells, closed minutes, alerts, incidents and outgoing messages go into one transaction, so a
restart finds a state that the line was really in. Reading is safe from any thread. SQLite keeps it in one file;
"sqlite://" keeps it in memory, for replays and tests.
"""

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Engine, RowMapping, Table, delete, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from pipelines import store_outbox
from pipelines import store_tables as t
from pipelines.store_acts import Acts, read_response, responses_of, standing_incidents
from pipelines.store_audit import Audit
from pipelines.store_catalogue import Catalogue, renew
from pipelines.store_lease import Lease
from pipelines.store_open import IN_MEMORY, open_engine
from pipelines.store_outbox import Deliveries
from pipelines.store_prune import ACTIVE, free_pages, prune
from pipelines.store_rejects import Letters, asked, end, keep, letter_counts, settle, waiting
from pipelines.store_rows import (
    Rows,
    alert_row,
    delivery_row,
    incident_row,
    partial_of,
    partial_row,
    position_of,
    position_row,
    reject_of,
    series_row,
    upsert,
)
from pipelines.store_silences import Silences
from pipelines.store_terms import Retention, StoreError
from pipelines.store_words import UNREADABLE_ROW, failure
from schemas.act import standing
from schemas.alert import Alert
from schemas.effects import Commit, Saved
from schemas.history import HistoryRow, SeriesInfo
from schemas.incident import FINISHED, Delivery, Incident
from schemas.record import Partition
from schemas.reject import Rejected

__all__ = ["Store", "StoreError"]

T = TypeVar("T")

_alert = msgspec.msgpack.Decoder(Alert).decode
_delivery = msgspec.msgpack.Decoder(Delivery).decode
_incident = msgspec.msgpack.Decoder(Incident).decode
_row = msgspec.msgpack.Decoder(HistoryRow).decode
_series = msgspec.msgpack.Decoder(SeriesInfo).decode


class Store:
    """One open store. Every method raises `StoreError` when the database fails; nothing is half written then."""

    def __init__(self, engine: Engine, where: str, lease: Lease | None = None) -> None:
        self._engine = engine
        self._where = where
        self._lease = lease or Lease(where)
        # In memory there is one connection for all threads, so they take turns.
        self._turn: AbstractContextManager[Any] = threading.RLock() if where == IN_MEMORY else nullcontext()

        self.acts = Acts(self._reading, self._writing)
        self.audit = Audit(self._reading, self._writing)
        self.catalogue = Catalogue(self._reading, self._writing)
        self.outbox = Deliveries(self._reading, self._writing)
        self.silences = Silences(self._reading, self._writing)

    @classmethod
    def open(cls, url: str, *, create: bool = True, check: bool = True, lease: Lease | None = None) -> "Store":
        """Open the store at this address; a file is read for damage first unless `check` is off.

        Without `create` a missing file is an error, and so is one of an older format, which is brought up to date
        otherwise. A `lease` that the caller has is given back when the store is closed. Raises `StoreError`.

        >>> Store.open("sqlite://").load().closed_minute
        -1
        """
        return cls(*open_engine(url, create=create, check=check), lease)

    @property
    def where(self) -> str:
        """Name the store for people: the path of its file."""
        return self._where

    def lease(self) -> None:
        """Take the right to be the one process that commits, until it ends; raises `StoreError` if another has it."""
        self._lease.take()

    def close(self) -> None:
        """Close all connections and give the lease back."""
        self._engine.dispose()
        self._lease.give_back()

    def load(self) -> Saved:
        """Give what a restart needs; an empty store has no positions and `closed_minute` -1."""
        with self._reading() as connection:

            def rows(table: Table, *order: Any) -> list[RowMapping]:
                return list(connection.execute(select(table).order_by(*order)).mappings())

            snapshot = connection.execute(select(t.SNAPSHOTS.c.minute, t.SNAPSHOTS.c.body)).one_or_none()
            progress = connection.execute(select(t.PROGRESS.c.closed_minute, t.PROGRESS.c.heard)).one_or_none()
            alerts, incidents = t.ALERTS.c, t.INCIDENTS.c
            active = select(alerts.body).where(alerts.state.in_(ACTIVE)).order_by(alerts.pending_ms, alerts.id)
            unfinished = (
                select(incidents.body)
                .where(incidents.state.not_in(FINISHED))
                .order_by(incidents.detected_ms, incidents.id)
            )
            return Saved(
                positions=tuple(map(position_of, rows(t.POSITIONS, t.POSITIONS.c.source, t.POSITIONS.c.number))),
                partials=tuple(
                    map(partial_of, rows(t.PARTIALS, t.PARTIALS.c.source, t.PARTIALS.c.number, t.PARTIALS.c.start))
                ),
                closed_minute=progress.closed_minute if progress else -1,
                snapshot=(snapshot.minute, snapshot.body) if snapshot else None,
                minutes=tuple((row["minute"], row["body"]) for row in rows(t.MINUTES, t.MINUTES.c.minute)),
                series=tuple(_series(row["body"]) for row in rows(t.SERIES, t.SERIES.c.number)),
                alerts=tuple(_alert(body) for body in connection.execute(active).scalars()),
                incidents=tuple(_incident(body) for body in connection.execute(unfinished).scalars()),
                heard=progress.heard if progress else 0,
                responses=responses_of(connection),
            )

    def commit(self, commit: Commit) -> int:
        """Write all of one step in one transaction and give the number of bytes of its bodies."""
        effects = commit.effects
        tables: list[tuple[Table, Rows]] = [
            (t.POSITIONS, [position_row(position) for position in commit.positions]),
            (t.PARTIALS, [partial_row(partial) for partial in commit.partials]),
            (t.MINUTES, [{"minute": minute, "body": body} for minute, body in commit.minutes]),
            (t.HISTORY, [{"minute": minute, "body": body} for minute, body in commit.history]),
            (t.SERIES, [series_row(series) for series in commit.series]),
            (t.ALERTS, [alert_row(alert) for alert in effects.alerts]),
            (t.INCIDENTS, [incident_row(incident) for incident in effects.incidents]),
        ]
        deliveries = [
            delivery_row(Delivery(notification, "waiting", attempts=0, next_attempt_ms=0))
            for notification in effects.notifications
        ]
        with self._writing() as connection:
            for table, rows in tables:
                upsert(connection, table, rows)
            renew(connection, [incident.id for incident in effects.incidents])
            if deliveries:
                # A message that was written before keeps what became of it.
                connection.execute(insert(t.DELIVERIES).on_conflict_do_nothing(), deliveries)
            keep(connection, commit)
            if commit.journal:
                connection.execute(insert(t.JOURNAL), [{"at_ms": at, "what": what} for at, what in commit.journal])
            if commit.closed_minute >= 0 or commit.heard:
                reached = {"id": t.ONLY, "closed_minute": commit.closed_minute, "heard": commit.heard}
                upsert(connection, t.PROGRESS, [reached])
                connection.execute(delete(t.PARTIALS).where(t.PARTIALS.c.last_minute <= commit.closed_minute))
            if commit.snapshot:
                minute, body = commit.snapshot
                upsert(connection, t.SNAPSHOTS, [{"id": t.ONLY, "minute": minute, "body": body}])
                connection.execute(delete(t.MINUTES).where(t.MINUTES.c.minute <= minute))
        bodies = [row["body"] for _, rows in tables[1:] for row in rows] + [row["body"] for row in deliveries]
        return sum(map(len, bodies)) + (len(commit.snapshot[1]) if commit.snapshot else 0)

    def incidents(self, states: Collection[str] | None, limit: int, offset: int = 0) -> list[Incident]:
        """Give the latest incidents in these states (None: in any) as they stand with what people did, newest first."""
        with self._reading() as connection:
            rows = connection.execute(standing_incidents(states, limit, offset)).all()
        return [standing(_incident(row.body), read_response(row.response)) for row in rows]

    def incident(self, incident_id: str) -> Incident | None:
        """Give one incident with what people did in its timeline, None where there is none of this id."""
        found = self.acts.found(incident_id)
        return None if found is None else self.acts.standing(found)

    def alerts(self, states: Collection[str] | None, limit: int) -> list[Alert]:
        """Give the latest alerts in these states (None: in any), newest first."""
        columns = t.ALERTS.c
        query = select(columns.body).order_by(columns.pending_ms.desc(), columns.id).limit(limit)
        return self._bodies(query if states is None else query.where(columns.state.in_(states)), _alert)

    def alerts_between(self, from_ms: int, until_ms: int, limit: int) -> list[Alert]:
        """Give the latest alerts that were pending or firing at some time in [from, until], newest first."""
        columns = t.ALERTS.c
        query = select(columns.body).where(columns.pending_ms <= until_ms, columns.last_seen_ms >= from_ms)
        return self._bodies(query.order_by(columns.pending_ms.desc(), columns.id).limit(limit), _alert)

    def alerts_of(self, alert_ids: Collection[str]) -> list[Alert]:
        """Give the alerts of these ids, the oldest first."""
        columns = t.ALERTS.c
        query = select(columns.body).where(columns.id.in_(alert_ids)).order_by(columns.pending_ms, columns.id)
        return self._bodies(query, _alert)

    def alert_counts(self, states: Collection[str]) -> dict[str, int]:
        """Give the number of alerts in each of these states."""
        column = t.ALERTS.c.state
        query = select(column, func.count().label("total")).where(column.in_(states)).group_by(column)
        with self._reading() as connection:
            return dict.fromkeys(states, 0) | {row.state: row.total for row in connection.execute(query)}

    def rejects(self, limit: int, **filters: Any) -> list[tuple[Partition, Rejected]]:
        """Give the latest kept rejects, filtered as `store_rejects.asked` explains, the newest by event time first."""
        with self._reading() as connection:
            return [reject_of(row) for row in connection.execute(asked(limit, **filters)).mappings()]

    def letters_waiting(self, limit: int) -> list[tuple[Partition, Rejected]]:
        """Give the kept rejects that wait for the dead-letter topic, the oldest by event time first."""
        with self._reading() as connection:
            return [reject_of(row) for row in connection.execute(waiting(limit)).mappings()]

    def settle_letters(self, became: Letters) -> None:
        """Note what became of letters: those that are sent or refused wait no longer."""
        with self._writing() as connection:
            settle(connection, became)

    def end_letters(self) -> int:
        """Let no letter wait any more, since there is no topic for them; gives how many were dropped by that."""
        with self._writing() as connection:
            return end(connection)

    def letter_counts(self) -> dict[str, int]:
        """Give how many rejects wait for the dead-letter topic, and how many were ever sent, refused and dropped."""
        with self._reading() as connection:
            return letter_counts(connection)

    def series(self) -> list[SeriesInfo]:
        """Give all series by number."""
        return self._bodies(select(t.SERIES.c.body).order_by(t.SERIES.c.number), _series)

    def history(self, first_minute: int, last_minute: int) -> list[HistoryRow]:
        """Give the rows of the closed minutes from first to last, both included, in order."""
        column = t.HISTORY.c.minute
        query = select(t.HISTORY.c.body).where(column.between(first_minute, last_minute)).order_by(column)
        return self._bodies(query, _row)

    def journal(self, limit: int) -> list[tuple[int, str]]:
        """Give the latest decisions that came from the clock, newest first: epoch ms and what was decided."""
        query = select(t.JOURNAL.c.at_ms, t.JOURNAL.c.what).order_by(t.JOURNAL.c.id.desc()).limit(limit)
        with self._reading() as connection:
            return [(row.at_ms, row.what) for row in connection.execute(query)]

    def delivery_counts(self) -> dict[str, dict[str, int]]:
        """Give the number of messages by sink and state."""
        with self._reading() as connection:
            return store_outbox.counts(connection)

    def deliveries_oldest(self) -> dict[str, int | None]:
        """Give when the oldest waiting message of each sink was written (epoch ms), None where none waits."""
        with self._reading() as connection:
            return store_outbox.oldest(connection)

    def deliveries(self, limit: int) -> list[Delivery]:
        """Give the latest messages in any state, newest first."""
        columns = t.DELIVERIES.c
        order = (columns.created_ms.desc(), columns.incident_id, columns.sequence.desc(), columns.sink)
        return self._bodies(select(columns.body).order_by(*order).limit(limit), _delivery)

    def prune(self, retention: Retention) -> str:
        """Drop what is too old or too much and give free pages back; says in a line what was cut short, "" if none."""
        with self._writing() as connection:
            told = prune(connection, retention)
        with self._reading() as connection:
            free_pages(connection)
        return told

    def _bodies(self, query: Any, decode: Callable[[bytes], T], **parameters: Any) -> list[T]:
        with self._reading() as connection:
            return [decode(body) for body in connection.execute(query, parameters).scalars()]

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._transaction(writes=False)

    def _writing(self) -> AbstractContextManager[Connection]:
        return self._transaction(writes=True)

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        """Give a connection inside a transaction that is committed at the end, and rolled back on any exception."""
        with self._turn:
            try:
                with self._engine.connect().execution_options(writes=writes) as connection, connection.begin():
                    yield connection
            except IntegrityError:
                raise  # a bug of ours, not a failure of the world
            except (SQLAlchemyError, sqlite3.Error) as error:
                raise failure(error, self._where) from None
            except (msgspec.MsgspecError, UnicodeDecodeError, TypeError) as error:
                if writes and isinstance(error, TypeError):
                    raise  # a bug of ours; where rows are read a damaged one may hold a number in place of bytes
                raise StoreError(f"{self._where}: a row cannot be read ({error}): {UNREADABLE_ROW}") from None
