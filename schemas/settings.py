"""The settings are `limen.yaml` as frozen structs; everything has a default, so an empty file works.

Unknown keys are errors. Secrets come from `*_file` settings or `${ENV}` in values, never from literal text.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.event import DIMENSIONS
from schemas.inbound import Inbound
from schemas.incident import Severity
from schemas.ladder import Ladder, Names
from schemas.mail import Mail
from schemas.people import Owners
from schemas.quiet import Quiet
from schemas.reach import Surface
from schemas.rule import Rule

Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Positive = Annotated[float, Meta(gt=0.0)]
Port = Annotated[int, Meta(ge=0, le=65535)]

DEFAULT_SETS: tuple[tuple[str, ...], ...] = (
    (),
    *((dimension,) for dimension in DIMENSIONS),
    ("tenant", "region"),
    ("tenant", "surface"),
    ("tenant", "model_version"),
    ("region", "surface"),
    ("region", "model"),
    ("region", "model_version"),
    ("tenant", "region", "surface"),
)
"""The cohort sets watched by default: everything, each dimension alone, and the crossings people ask for."""


class KafkaSecurity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a broker and Limen prove to each other who they are; secrets are in files, never in the settings.

    `cert_file` and `key_file` are our own certificate, for brokers that ask for one; `key_password_file` is for a key
    that is encrypted. `username` and `password_file` are for PLAIN and SCRAM, `token_file` for OAUTHBEARER, read anew
    at every login. All files are PEM or plain text.
    """

    protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    key_password_file: str | None = None
    check_hostname: bool = True
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = "SCRAM-SHA-512"
    username: str | None = None
    password_file: str | None = None
    token_file: str | None = None

    @property
    def tls(self) -> bool:
        """Say whether the connection is encrypted."""
        return self.protocol in {"ssl", "sasl_ssl"}

    @property
    def sasl(self) -> bool:
        """Say whether the broker wants a login."""
        return self.protocol in {"sasl_plaintext", "sasl_ssl"}


class KafkaSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where and how to read Kafka; offsets are our own, the broker's copy is not used."""

    bootstrap: str = "127.0.0.1:9092"
    topic: str = "limen.events"
    client: Literal["kafka-python", "confluent"] = "kafka-python"
    start: Literal["earliest", "latest"] = "earliest"
    on_gap: Literal["stop", "earliest"] = "stop"
    poll_records_max: Annotated[int, Meta(ge=1, le=50_000)] = 5_000
    fetch_bytes_max: Annotated[int, Meta(ge=1_048_576, le=1_073_741_824)] = 33_554_432
    request_timeout_seconds: Positive = 5.0
    dead_letter_topic: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,249}$")] | None = None
    security: KafkaSecurity = KafkaSecurity()


class FileSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which files to read; each is one partition, "-" is standard input."""

    paths: tuple[str, ...] = ()


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where events come from and what is believed of them."""

    kind: Literal["kafka", "files"] = "kafka"
    kafka: KafkaSource = KafkaSource()
    files: FileSource = FileSource()
    format: Literal["auto", "native"] = "auto"
    record_bytes_max: Annotated[int, Meta(ge=1_024)] = 4_194_304
    staged_bytes_max: Annotated[int, Meta(ge=1_048_576)] = 134_217_728
    idle_seconds: Positive = 30.0

    @property
    def dead_letter_topic(self) -> str:
        """Give the topic that kept rejects go to, "" for none; there is none for files."""
        return (self.kafka.dead_letter_topic or "") if self.kind == "kafka" else ""


class CustomSignal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signal from the config: a field path ("labels.plan", "confidence") and how it is counted."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    field: str
    kind: Literal["rate", "count", "level", "mix"] = "level"
    unit: str = ""
    direction: Literal["up", "down", "both"] = "both"
    category: str = "distribution_shift"
    equals: str | None = None


class Signals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which signals are measured, and how much text is read for them."""

    custom: tuple[CustomSignal, ...] = ()
    off: tuple[str, ...] = ()
    text_sample: Fraction = 1.0


class Cohorts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which combinations of dimensions are watched, and the caps; what is over a cap is counted in `__other__`.

    `sensitive_surfaces` change code, message customers or act on infrastructure: rules may be stricter there.
    """

    sets: tuple[tuple[str, ...], ...] = DEFAULT_SETS
    labels: tuple[str, ...] = ()
    sensitive_surfaces: tuple[str, ...] = ()
    values_max: Annotated[int, Meta(ge=1)] = 2_000
    leaves_max: Annotated[int, Meta(ge=1)] = 5_000
    series_max: Annotated[int, Meta(ge=1)] = 100_000
    metrics_max: Annotated[int, Meta(ge=0)] = 100


class Detection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fleet's budget of false alarms, and how event time is closed into minutes."""

    false_pages_per_week: Positive = 1.0
    false_tickets_per_week: Positive = 10.0
    false_notes_per_week: Positive = 100.0
    lateness_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 120
    ahead_seconds: Annotated[int, Meta(ge=60)] = 3_600
    accept_after_hours: Positive = 48.0
    snapshot_minutes: Annotated[int, Meta(ge=1)] = 10
    open_minutes_max: Annotated[int, Meta(ge=1)] = 60
    ids_max: Annotated[int, Meta(ge=0)] = 1_000_000
    changes_max: Annotated[int, Meta(ge=1)] = 1_000


class Severities(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How alerts become incidents, and what those ask of people.

    Waiting times, changes to the triage matrix (category -> [cohort, wide]), the ladder and the words for it. An
    incident without evidence that is not shown to be back resolves after `quiet_hours`, a resolved one closes after
    `close_hours`.
    """

    names: Names = "sev1-sev4"
    ladder: Ladder = Ladder()
    matrix: dict[str, tuple[Severity, Severity]] = {}
    fold_minutes: Annotated[int, Meta(ge=1)] = 60
    for_minutes: Annotated[int, Meta(ge=0)] = 0
    keep_firing_minutes: Annotated[int, Meta(ge=1)] = 30
    quiet_hours: Annotated[int, Meta(ge=1, le=720)] = 24
    close_hours: Annotated[int, Meta(ge=1, le=720)] = 24
    alerts_per_incident_max: Annotated[int, Meta(ge=1)] = 100


class Notifier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sink for notifications; `kind` picks the notifier, the other settings are for those kinds that use them."""

    name: str
    kind: Literal[
        "alertmanager",
        "alertmanager_webhook",
        "apprise",
        "email",
        "incident_io",
        "jsm",
        "kafka",
        "log",
        "pagerduty",
        "slack",
        "teams",
        "webhook",
    ] = "log"
    url: str | None = None
    url_file: str | None = None
    urls: tuple[str, ...] = ()
    secret_file: str | None = None
    key_file: str | None = None
    topic: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,249}$")] | None = None
    mail: Mail = Mail()
    minimum_severity: Severity = "sev3"
    timeout_seconds: Positive = 10.0
    resend_seconds: Annotated[float, Meta(ge=5.0, le=3_600.0)] = 60.0
    rate_per_minute: Positive | None = None
    give_up_hours: Positive = 24.0
    waiting_max: Annotated[int, Meta(ge=1)] = 1_000
    allow_hosts: tuple[str, ...] = ()


class Heartbeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dead-man's switch that is called while Limen does its work; without an address none is."""

    url: str | None = None
    url_file: str | None = None
    seconds: Annotated[float, Meta(ge=1.0)] = 60.0
    timeout_seconds: Positive = 10.0
    allow_hosts: tuple[str, ...] = ()


class Privacy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be kept of prompts and responses; nothing by default."""

    capture: bool = False


class Storage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where state is kept and for how long; "sqlite://" keeps it in memory."""

    url: str = "sqlite:///limen.db"
    history_hours: Annotated[int, Meta(ge=1)] = 192
    history_bytes_max: Annotated[int, Meta(ge=1_000_000)] = 20_000_000_000
    incidents_days: Annotated[int, Meta(ge=1)] = 400
    rejects_max: Annotated[int, Meta(ge=0, le=100_000)] = 1_000
    checkpoint_seconds: Positive = 2.0
    checkpoint_events: Annotated[int, Meta(ge=1)] = 50_000
    checkpoint_bytes: Annotated[int, Meta(ge=1)] = 67_108_864


Role = Literal["read", "respond", "evidence", "admin"]
"""What a token opens, each with all before it: reading, acting on incidents, the audit log, and the settings."""


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who comes in by a token, and what for; of the token only its SHA-256 is known (`limen token new`)."""

    name: str
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    role: Role = "read"


class Serve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where pages, API and metrics are served; a public address without authentication is refused.

    With `lifecycle` a request may ask for a reload of the settings. With `tokens` nobody comes in without one, but for
    probes, and for metrics where `metrics_open`.
    """

    host: str = "127.0.0.1"
    port: Port = 8321
    public_url: str = ""
    lifecycle: bool = False
    tokens: tuple[Token, ...] = ()
    metrics_open: bool = True


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of one Limen."""

    source: Source = Source()
    signals: Signals = Signals()
    cohorts: Cohorts = Cohorts()
    detection: Detection = Detection()
    rules: tuple[Rule, ...] = ()
    rule_packs: tuple[str, ...] = ()
    severities: Severities = Severities()
    quiet: Quiet = Quiet()
    owners: Owners = Owners()
    surfaces: tuple[Surface, ...] = ()
    notifiers: tuple[Notifier, ...] = (Notifier(name="log"),)
    heartbeat: Heartbeat = Heartbeat()
    privacy: Privacy = Privacy()
    storage: Storage = Storage()
    serve: Serve = Serve()
    inbound: Inbound = Inbound()
