"""A store of an older format is brought up to date whole or not at all, and a copy of it is kept."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pipelines import store_open, store_steps, store_tables
from pipelines.store import Store, StoreError
from pipelines.store_tables import FORMAT

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
