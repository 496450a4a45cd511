"""The tables of the store, in terms that every SQL database has.

What is asked for by value has a column of its own; everything else of a struct lies beside it as one msgpack body.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

FORMAT = 7
"""Version of the tables; a store of a newer version is refused, because an older Limen would misread it."""
ONLY = 1
"""The id of the one row that a table for a single value has."""

METADATA = MetaData()

FORMATS = Table(
    "limen_format",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
)
PROGRESS = Table(
    "progress",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("closed_minute", BigInteger, nullable=False),
    Column("heard", Integer, nullable=False),
)
POSITIONS = Table(
    "positions",
    METADATA,
    Column("source", String(512)),
    Column("number", Integer),
    Column("read_until", BigInteger, nullable=False),
    Column("watermark_ms", BigInteger, nullable=False),
    Column("counters", LargeBinary, nullable=False),
    Column("streak", LargeBinary, nullable=False),
    PrimaryKeyConstraint("source", "number"),
)
PARTIALS = Table(
    "partials",
    METADATA,
    Column("source", String(512)),
    Column("number", Integer),
    Column("start", BigInteger),
    Column("until", BigInteger, nullable=False),
    Column("last_minute", BigInteger, nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("source", "number", "start"),
)
MINUTES = Table(
    "minutes",
    METADATA,
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)
SNAPSHOTS = Table(
    "snapshots",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("minute", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
HISTORY = Table(
    "history",
    METADATA,
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)
SERIES = Table(
    "series",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),
)
ALERTS = Table(
    "alerts",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("pending_ms", BigInteger, nullable=False, index=True),
    Column("last_seen_ms", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("alerts_by_state", "state", "pending_ms"),
)
INCIDENTS = Table(
    "incidents",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("detected_ms", BigInteger, nullable=False, index=True),
    Column("updated_ms", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("incidents_by_state", "state", "detected_ms"),
)
RESPONSES = Table(
    "responses",
    METADATA,
    Column("incident_id", String(64), ForeignKey("incidents.id"), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("number", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
ACTS = Table(
    "acts",
    METADATA,
    Column("place", Integer, primary_key=True),
    Column("incident_id", String(64), ForeignKey("incidents.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("incident_id", "number"),
)
DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("incident_id", String(64), ForeignKey("incidents.id"), nullable=False),
    Column("sink", String(256), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("next_attempt_ms", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("deliveries_due", "state", "next_attempt_ms"),
    Index("deliveries_in_order", "incident_id", "sink", "sequence"),
)
REJECTS = Table(
    "rejects",
    METADATA,
    Column("source", String(512)),
    Column("number", Integer),
    Column("offset", BigInteger),
    Column("reason", String(32), nullable=False),
    Column("detail", String(256), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("sample", String(256), nullable=False),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("waiting", Integer, nullable=False),
    PrimaryKeyConstraint("source", "number", "offset"),
    Index("rejects_waiting", "waiting", "at_ms"),
)
LETTERS = Table(
    "letters",
    METADATA,
    Column("result", String(16), primary_key=True),
    Column("total", BigInteger, nullable=False),
)
JOURNAL = Table(
    "journal",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("what", Text, nullable=False),
)
AUDIT = Table(
    "audit",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("origin", Text, nullable=False),
)
SILENCES = Table(
    "silences",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("ends_ms", BigInteger, nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
)
