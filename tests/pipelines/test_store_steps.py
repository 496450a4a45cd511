"""A store of an older format is brought up to date whole or not at all, and a copy of it is kept."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import create_engine

from pipelines import store_open, store_steps, store_tables
from pipelines.store import Store, StoreError
from pipelines.store_tables import FORMAT
from schemas.act import ACTS_MAX, Act, Response
from schemas.effects import Commit, Effects, Position
from schemas.incident import Delivery
from schemas.partial import Counters
from schemas.record import Partition
from schemas.reject import Rejected
from tests.pipelines.test_store import incident, message

FORMAT_1 = """
CREATE TABLE limen_format (id INTEGER NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (id));
CREATE TABLE progress (id INTEGER NOT NULL, closed_minute BIGINT NOT NULL, PRIMARY KEY (id));
CREATE TABLE positions (source VARCHAR(512) NOT NULL, number INTEGER NOT NULL, read_until BIGINT NOT NULL,
    watermark_ms BIGINT NOT NULL, counters BLOB NOT NULL, PRIMARY KEY (source, number));
CREATE TABLE partials (source VARCHAR(512) NOT NULL, number INTEGER NOT NULL, start BIGINT NOT NULL,
    until BIGINT NOT NULL, last_minute BIGINT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (source, number, start));
CREATE INDEX ix_partials_last_minute ON partials (last_minute);
CREATE TABLE minutes (minute BIGINT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (minute));
CREATE TABLE snapshots (id INTEGER NOT NULL, minute BIGINT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (id));
CREATE TABLE history (minute BIGINT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (minute));
CREATE TABLE series (number BIGINT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (number), UNIQUE (key));
CREATE TABLE alerts (id VARCHAR(64) NOT NULL, state VARCHAR(16) NOT NULL, pending_ms BIGINT NOT NULL,
    last_seen_ms BIGINT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_alerts_pending_ms ON alerts (pending_ms);
CREATE INDEX alerts_by_state ON alerts (state, pending_ms);
CREATE TABLE incidents (id VARCHAR(64) NOT NULL, state VARCHAR(16) NOT NULL, detected_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_incidents_detected_ms ON incidents (detected_ms);
CREATE INDEX incidents_by_state ON incidents (state, detected_ms);
CREATE TABLE deliveries (id VARCHAR(64) NOT NULL, incident_id VARCHAR(64) NOT NULL, sink VARCHAR(256) NOT NULL,
    sequence INTEGER NOT NULL, created_ms BIGINT NOT NULL, state VARCHAR(16) NOT NULL, next_attempt_ms BIGINT NOT NULL,
    body BLOB NOT NULL, PRIMARY KEY (id), FOREIGN KEY(incident_id) REFERENCES incidents (id));
CREATE INDEX deliveries_due ON deliveries (state, next_attempt_ms);
CREATE INDEX deliveries_in_order ON deliveries (incident_id, sink, sequence);
CREATE TABLE journal (id INTEGER NOT NULL, at_ms BIGINT NOT NULL, what TEXT NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_journal_at_ms ON journal (at_ms);
INSERT INTO limen_format VALUES (1, 1);
INSERT INTO progress VALUES (1, 29459520);
INSERT INTO journal (at_ms, what) VALUES (7, 'kafka:t/0 is idle');
"""
"""A store as format 1 wrote it, word for word; never to be changed."""


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """Give a store of format 1 with a closed minute and a line in the journal."""
    path = tmp_path / "limen.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(FORMAT_1)
    return path


def schema(path: Path) -> set[tuple[str, str, str]]:
    """Give every column of every table, with its type."""
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            (name, column[1], column[2])
            for name in names
            for column in connection.execute(f"PRAGMA table_info({name})")
        }


def format_of(path: Path) -> int:
    """Give the format that a store says it has."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT version FROM limen_format").fetchone()[0]


def test_there_is_a_step_from_each_format_to_the_next():
    """Whoever raises the format writes the step that leads to it."""
    assert len(store_steps.STEPS) == FORMAT - 1


def test_a_store_of_the_first_format_becomes_one_of_today(older, tmp_path):
    """All steps together give the tables of a store made today, with what was in it."""
    Store.open(f"sqlite:///{tmp_path}/new.db").close()
    store = Store.open(f"sqlite:///{older}")
    assert store.load().closed_minute == 29_459_520
    assert store.journal(9) == [(7, "kafka:t/0 is idle")]
    store.close()
    assert schema(older) == schema(tmp_path / "new.db")
    assert format_of(older) == FORMAT


P = Partition("kafka:t", 3)
COUNTERS = Counters(read=7, rejected=1, rejects={"empty": 1})
ACT = Act("i", 1, 60_000, "Ana", "acknowledged")
RESPONSE = Response("i", number=1, state="acknowledged", owner="Ana", acknowledged_ms=60_000)
REJECT = Rejected(6, "not_json", "unexpected end", 900, "ab" * 32, '{"prompt":*', 1_000)
encode = msgspec.msgpack.Encoder().encode


def rows(version: int) -> dict[str, list[dict[str, Any]]]:
    """Give rows as a format had them: a position, an incident with two messages, and what was new by then."""
    place = {"source": P.source, "number": P.number}
    case = {
        "id": "i",
        "state": "triage",
        "detected_ms": 5,
        "updated_ms": 5,
        "version": 2,
        "body": encode(incident("i")),
    }
    per_version = 1 if version < 4 else ACTS_MAX
    messages = []
    for number in (2, 1):
        told = message(f"i-{number}", "i", number * per_version)
        columns = {"id": told.id, "incident_id": "i", "sink": "log", "sequence": told.sequence, "created_ms": 0}
        messages.append(
            columns | {"state": "waiting", "next_attempt_ms": 0, "body": encode(Delivery(told, "waiting", 0, 0))}
        )
    found: dict[str, list[dict[str, Any]]] = {
        "positions": [place | {"read_until": 7, "watermark_ms": 1_000, "counters": encode(COUNTERS)}],
        "incidents": [case],
        "deliveries": messages,
    }
    if version >= 2:
        found["positions"][0]["streak"] = encode(None)
        found["rejects"] = [place | msgspec.structs.asdict(REJECT)]
    if version >= 4:
        found["responses"] = [{"incident_id": "i", "state": "acknowledged", "number": 1, "body": encode(RESPONSE)}]
        found["acts"] = [{"place": 1, "incident_id": "i", "number": 1, "body": encode(ACT)}]
    if version >= 5:
        found["rejects"][0]["waiting"] = 1
        found["letters"] = [{"result": "sent", "total": 40}]
    return found


@pytest.fixture(params=range(1, FORMAT))
def filled(request, older) -> tuple[Path, int]:
    """Give a store of each older format with its rows, and that format."""
    version = request.param
    engine = create_engine(f"sqlite:///{older}")
    with engine.begin() as connection:
        for step in store_steps.STEPS[: version - 1]:
            step(connection)
        connection.exec_driver_sql(f"UPDATE limen_format SET version = {version}")
        for table, some in rows(version).items():
            for row in some:
                marks = ", ".join("?" * len(row))
                connection.exec_driver_sql(
                    f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values())
                )
    engine.dispose()
    return older, version


def test_what_lay_in_a_store_of_an_older_format_is_what_it_was(filled):
    """Positions, incidents, messages, rejects, acts and letters: each row arrives, and reads as it did."""
    path, version = filled
    store = Store.open(f"sqlite:///{path}")
    saved = store.load()
    assert (saved.closed_minute, saved.positions) == (29_459_520, (Position(P, 7, 1_000, COUNTERS),))
    assert store.incidents(None, 9)[0].state == ("triage" if version < 4 else "acknowledged")
    assert store.acts.of("i") == ([] if version < 4 else [ACT])
    assert store.acts.heard(0)[0] == (0 if version < 4 else 1)
    assert store.rejects(9) == ([] if version < 2 else [(P, REJECT)])
    waiting, sent = (0, 0) if version < 5 else (1, 40)
    assert store.letter_counts() == {"waiting": waiting, "sent": sent, "refused": 0, "dropped": 0}
    assert store.audit.lines(9) == []
    store.close()


def test_messages_of_an_older_format_go_out_in_their_order(filled):
    """The first, the second, and then what is written today of the third version of their incident."""
    store = Store.open(f"sqlite:///{filled[0]}")
    newest = message("i-3", "i", 3 * ACTS_MAX)
    store.commit(Commit((), effects=Effects((), (incident("i", version=3),), (newest,))))
    sent = []
    while due := store.outbox.due("log", 10, 9):
        sent += [each.notification.id for each in due]
        store.outbox.record([msgspec.structs.replace(each, state="sent") for each in due])
    assert sent == ["i-1", "i-2", "i-3"]
    store.close()


@pytest.fixture
def next_format(monkeypatch) -> None:
    """Be a version of tomorrow, whose format adds a table."""

    def step(connection) -> None:
        connection.exec_driver_sql("CREATE TABLE notes (text TEXT)")
        connection.exec_driver_sql("INSERT INTO notes VALUES ('migrated')")

    for module in (store_steps, store_open, store_tables):
        monkeypatch.setattr(module, "FORMAT", FORMAT + 1)
    monkeypatch.setattr("pipelines.store_words.FORMAT", FORMAT + 1)
    monkeypatch.setattr(store_steps, "STEPS", (*store_steps.STEPS, step))


@pytest.mark.usefixtures("next_format")
def test_a_copy_of_the_older_store_is_kept(older):
    """What was there before the first step lies beside it, whole, and is taken by the older version as it is."""
    Store.open(f"sqlite:///{older}").close()
    kept = older.with_name("limen.db.format-1")
    assert (format_of(older), format_of(kept)) == (FORMAT + 1, 1)
    with closing(sqlite3.connect(kept)) as connection:
        assert connection.execute("SELECT closed_minute FROM progress").fetchone() == (29_459_520,)
    with closing(sqlite3.connect(older)) as connection:
        assert connection.execute("SELECT text FROM notes").fetchone() == ("migrated",)
    Store.open(f"sqlite:///{older}").close()  # once is enough


@pytest.mark.usefixtures("next_format")
def test_a_reader_leaves_an_older_store_as_it_is(older):
    """Who only reads says what brings it up to date."""
    with pytest.raises(StoreError) as caught:
        Store.open(f"sqlite:///{older}", create=False)
    said = f"has format 1, and this Limen reads {FORMAT + 1}: `limen run` keeps a copy and brings it up to date"
    assert str(caught.value) == f"{older}: {said}"
    assert format_of(older) == 1


@pytest.mark.usefixtures("next_format")
def test_a_step_that_fails_changes_nothing(older, monkeypatch):
    """All steps are one transaction: a failure in the last leaves the first format, and the next start tries again."""
    steps = store_steps.STEPS

    def broken(connection) -> None:
        steps[-1](connection)
        connection.exec_driver_sql("INSERT INTO no_such_table VALUES (1)")

    before = schema(older)
    monkeypatch.setattr(store_steps, "STEPS", (*steps[:-1], broken))
    with pytest.raises(StoreError, match="no such table"):
        Store.open(f"sqlite:///{older}")
    assert (schema(older), format_of(older)) == (before, 1)
    monkeypatch.setattr(store_steps, "STEPS", steps)
    Store.open(f"sqlite:///{older}").close()
    assert format_of(older) == FORMAT + 1
