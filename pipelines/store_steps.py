"""The steps from each format of the store to the next, taken in one transaction with a copy of the file before.

A step is written once and never changed: its SQL is spelled out, because the tables of today are not those of then.
"""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, update

from pipelines.store_copy import copy
from pipelines.store_tables import FORMAT, FORMATS

Step = Callable[[Connection], None]
"""Takes a store from one format to the next; what it raises leaves the store as it was."""


def _rejects(connection: Connection) -> None:
    """Make room for rejects, and for the streak of each position: none, as MessagePack says it."""
    connection.exec_driver_sql("ALTER TABLE positions ADD COLUMN streak BLOB NOT NULL DEFAULT x'c0'")
    connection.exec_driver_sql(
        "CREATE TABLE rejects (source VARCHAR(512) NOT NULL, number INTEGER NOT NULL, offset BIGINT NOT NULL, "
        "reason VARCHAR(32) NOT NULL, detail VARCHAR(256) NOT NULL, size_bytes BIGINT NOT NULL, "
        "sha256 VARCHAR(64) NOT NULL, sample VARCHAR(256) NOT NULL, at_ms BIGINT NOT NULL, "
        "PRIMARY KEY (source, number, offset))"
    )
    connection.exec_driver_sql("CREATE INDEX ix_rejects_at_ms ON rejects (at_ms)")


def _topic_ids(_: Connection) -> None:
    """Change nothing: a topic gets its id when it is read next, and an older Limen would not find its positions."""


def _acts(connection: Connection) -> None:
    """Make room for what people do about incidents; messages are ordered by the acts between two versions too."""
    connection.exec_driver_sql(
        "CREATE TABLE responses (incident_id VARCHAR(64) NOT NULL, state VARCHAR(16) NOT NULL, "
        "number INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (incident_id), "
        "FOREIGN KEY(incident_id) REFERENCES incidents (id))"
    )
    connection.exec_driver_sql(
        "CREATE TABLE acts (place INTEGER NOT NULL, incident_id VARCHAR(64) NOT NULL, number INTEGER NOT NULL, "
        "body BLOB NOT NULL, PRIMARY KEY (place), UNIQUE (incident_id, number), "
        "FOREIGN KEY(incident_id) REFERENCES incidents (id))"
    )
    connection.exec_driver_sql("ALTER TABLE progress ADD COLUMN heard INTEGER NOT NULL DEFAULT 0")
    connection.exec_driver_sql("UPDATE deliveries SET sequence = sequence * 10000")


def _letters(connection: Connection) -> None:
    """Make room for what waits for the dead-letter topic, and for counts of what became of it."""
    connection.exec_driver_sql("ALTER TABLE rejects ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0")
    connection.exec_driver_sql("CREATE INDEX rejects_waiting ON rejects (waiting, at_ms)")
    connection.exec_driver_sql(
        "CREATE TABLE letters (result VARCHAR(16) NOT NULL, total BIGINT NOT NULL, PRIMARY KEY (result))"
    )


def _audit(connection: Connection) -> None:
    """Make room for the audit log."""
    connection.exec_driver_sql(
        "CREATE TABLE audit (id INTEGER NOT NULL, at_ms BIGINT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, "
        "origin TEXT NOT NULL, PRIMARY KEY (id))"
    )
    connection.exec_driver_sql("CREATE INDEX ix_audit_at_ms ON audit (at_ms)")


def _people(connection: Connection) -> None:
    """Make room for what people set up beside incidents, silences, and for the catalogue of past ones."""
    connection.exec_driver_sql(
        "CREATE TABLE silences (id VARCHAR(64) NOT NULL, ends_ms BIGINT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (id))"
    )
    connection.exec_driver_sql("CREATE INDEX ix_silences_ends_ms ON silences (ends_ms)")
    _catalogue(connection)


def _catalogue(connection: Connection) -> None:
    """Make room for the catalogue, which the first upkeeps fill."""
    connection.exec_driver_sql(
        "CREATE TABLE catalogue (incident_id VARCHAR(64) NOT NULL, detected_ms BIGINT NOT NULL, "
        "state VARCHAR(16) NOT NULL, severity VARCHAR(8) NOT NULL, category VARCHAR(32) NOT NULL, "
        "lead_signal TEXT NOT NULL, rule TEXT NOT NULL, kind VARCHAR(8) NOT NULL, reason VARCHAR(32), "
        "detect_ms BIGINT, acknowledge_ms BIGINT, mitigate_ms BIGINT, resolve_ms BIGINT, words TEXT NOT NULL, "
        "PRIMARY KEY (incident_id), FOREIGN KEY(incident_id) REFERENCES incidents (id))"
    )
    connection.exec_driver_sql("CREATE INDEX ix_catalogue_detected_ms ON catalogue (detected_ms)")
    connection.exec_driver_sql("CREATE INDEX catalogue_by_category ON catalogue (category, detected_ms)")
    connection.exec_driver_sql("CREATE INDEX catalogue_by_signal ON catalogue (lead_signal, detected_ms)")
    connection.exec_driver_sql(
        "CREATE INDEX catalogue_outcomes ON catalogue (kind, severity, rule, lead_signal, reason)"
    )


STEPS: tuple[Step, ...] = (_rejects, _topic_ids, _acts, _letters, _audit, _people)
"""The first takes format 1 to 2, and so on; there is one fewer than there are formats."""


def keep_and_migrate(connection: Connection, path: Path | None, where: str, version: int) -> None:
    """Keep a copy of the file as `<path>.format-<version>`, then take every step to the present format.

    The connection holds the right to write, so the copy is what the steps begin with. Raises `StoreError`.
    """
    if path is not None:
        copy(path, path.with_name(f"{path.name}.format-{version}"))
    for step in STEPS[version - 1 :]:
        step(connection)
    connection.execute(update(FORMATS).values(version=FORMAT))
