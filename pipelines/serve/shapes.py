"""The shapes of every answer of the API, one struct each; a page is drawn from the same struct as its JSON twin.

Times are RFC 3339 in UTC, null where not reached; arrays of times are epoch milliseconds. An unknown number is null.
`log_return_period` is the natural log of the return period in minutes, `log_fleet` the fleet's; `odds` are words.
"""

from typing import Literal

import msgspec

from pipelines.serve.found import FoundShape
from schemas.account import Account
from schemas.alert import AlertState
from schemas.assessed import Extent
from schemas.breach import Breach
from schemas.incident import Found, IncidentState, Severity
from schemas.signal import SignalKind
from schemas.status import Loss

StateName = Literal["starting", "quiet", "blind", "incidents"]
RangeName = Literal["6h", "24h", "3d", "all"]


class ChangeShape(msgspec.Struct, frozen=True):
    """A change seen near the onset that may be the cause."""

    what: str
    from_: str | None = msgspec.field(name="from")
    to: str | None
    at: str | None
    cohort: dict[str, str]
    actor: str | None
    seen: Literal["announced", "first_seen"]


class EffectShape(msgspec.Struct, frozen=True):
    """What was observed and what was expected, in the signal's unit; `ratio` is the first over the second."""

    observed: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    unit: str
    ratio: float | None


class IncidentShape(msgspec.Struct, frozen=True):
    """One incident as lists show it; figures are of `lead_alert`, `account` and `breach` null where there is none.

    One of level "declared" was opened by people and has no figures. `extent` is what they said, else the scope's.
    `path` names whose escalation chain is called, "" its owner's; `decide_minutes` is the deadline of its rule, 0 none;
    `muted` says why nobody is told of it, "" where people are.
    """

    id: str
    kind: Literal["real", "drill", "replay"]
    state: IncidentState
    level: Literal["page", "ticket", "note", "limit", "declared"]
    severity: Severity
    category: str
    family: str
    owner: str
    title: str
    signals: tuple[str, ...]
    rules: tuple[str, ...]
    flapping: bool
    storm: bool
    lead_signal: str
    lead_alert: str
    direction: Literal["up", "down"]
    scope: dict[str, str]
    onset: str | None
    detected_at: str | None
    updated_at: str | None
    resolved_at: str | None
    effect: EffectShape
    log_return_period: float | None
    log_fleet: float | None
    odds: str
    odds_fleet: str
    account: Account | None
    breach: Breach | None
    changes: tuple[ChangeShape, ...]
    alerts_total: int
    runbook: str
    version: int
    found: Found
    extent: Extent
    path: str
    decide_minutes: int
    muted: str


class SeriesShape(msgspec.Struct, frozen=True):
    """One series as it stood in the last closed minute; while `learning` nothing is expected of it yet."""

    number: int
    signal: str
    cohort: dict[str, str]
    unit: str
    first_seen: str | None
    learning: bool
    n: float | None
    observed: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    log_return_period: float | None
    odds: str


class Band(msgspec.Struct, frozen=True):
    """What is expected, and between which edges it usually lies."""

    expected: float | None
    lower: float | None
    upper: float | None


class UnusualShape(msgspec.Struct, frozen=True):
    """A series with its recent minutes, oldest first, for a small chart.

    `recent` is the mean of the last half hour, weighed by its trials `recent_n`; `recent_band` is usual for that.
    """

    series: SeriesShape
    recent: float | None
    recent_n: float | None
    recent_band: Band
    observed: tuple[float | None, ...]
    lower: tuple[float | None, ...]
    upper: tuple[float | None, ...]


class AlertShape(msgspec.Struct, frozen=True):
    """One rule over one series; `series` is its number, null where the series is gone. The figures are the peak's."""

    id: str
    rule: str
    detector: str
    signal: str
    cohort: dict[str, str]
    series: int | None
    state: AlertState
    direction: Literal["up", "down"]
    severity: str
    pending_at: str | None
    firing_at: str | None
    resolved_at: str | None
    last_seen_at: str | None
    observed: float | None
    expected: float | None
    log_return_period: float | None
    odds: str
    account: Account | None
    incident_id: str
    suppressed: str


class EntryShape(msgspec.Struct, frozen=True):
    """One line of an incident's timeline."""

    at: str | None
    who: str
    what: str


class PartitionShape(msgspec.Struct, frozen=True):
    """How far one partition has been read; `lag` is in records, null where the source cannot tell."""

    source: str
    partition: int
    position: int
    watermark: str | None
    lag: int | None
    idle: bool


class CountersShape(msgspec.Struct, frozen=True):
    """What became of the records that were read; `conserved` says that the terms add up to `read`."""

    read: int
    aggregated: int
    late: int
    out_of_range: int
    duplicate: int
    rejected: int
    rejects: dict[str, int]
    conserved: bool


class ConfigShape(msgspec.Struct, frozen=True):
    """The configuration in use: its hash, when it was taken up, and why the latest reload was refused, if it was."""

    hash: str
    loaded_at: str | None
    problems: tuple[str, ...]


class Overview(msgspec.Struct, frozen=True):
    """Everything at a glance: what is open, what is unusual, and whether Limen itself is well.

    `judged_until` is the end of the last closed minute in event time; `started_at` and `heartbeat_at` are wall-clock
    times. `gaps` counts by partition the records that can never be read, negative where the number is unknown.
    `incidents` are the open ones, worst first, at most 100 of `incidents_total`; `recent` the last few others.
    """

    state: StateName
    title: str
    ready: bool
    source_failure: str
    store_failure: str
    gaps: dict[str, Loss]
    config: ConfigShape
    judged_until: str | None
    started_at: str | None
    heartbeat_at: str | None
    incidents: tuple[IncidentShape, ...]
    incidents_total: int
    recent: tuple[IncidentShape, ...]
    alerts: dict[str, int]
    unusual: tuple[UnusualShape, ...]
    partitions: tuple[PartitionShape, ...]
    counters: CountersShape
    series_total: int
    learning: int
    cohorts_total: int
    overflow: dict[str, int]
    notifications: dict[str, dict[str, int]]
    found: FoundShape


class Points(msgspec.Struct, frozen=True):
    """The arrays of a chart, one entry a step; `log_return_period` is the step's highest."""

    time_ms: tuple[int, ...]
    n: tuple[float | None, ...]
    observed: tuple[float | None, ...]
    expected: tuple[float | None, ...]
    lower: tuple[float | None, ...]
    upper: tuple[float | None, ...]
    log_return_period: tuple[float | None, ...]


class Region(msgspec.Struct, frozen=True):
    """The time of an incident on a chart in epoch ms; `until_ms` is null while it goes on."""

    id: str
    title: str
    severity: Severity
    state: IncidentState
    from_ms: int
    detected_ms: int
    until_ms: int | None


class SeriesDetail(msgspec.Struct, frozen=True):
    """One series with its history over [from, until] in event time.

    Steps are `step_minutes` wide; a range that takes too long to read is `shortened`. `children` are the most unusual.
    """

    series: SeriesShape
    kind: SignalKind
    summary: str
    category: str
    direction: Literal["up", "down", "both"]
    range: RangeName
    from_: str | None = msgspec.field(name="from")
    until: str | None
    step_minutes: int
    shortened: bool
    points: Points
    incidents: tuple[Region, ...]
    parents: tuple[SeriesShape, ...]
    children: tuple[SeriesShape, ...]
    children_total: int


class SeriesList(msgspec.Struct, frozen=True):
    """One page of series; `next_offset` is null on the last."""

    total: int
    next_offset: int | None
    series: tuple[SeriesShape, ...]


class AlertList(msgspec.Struct, frozen=True):
    """One page of alerts, newest first; `next_offset` is null on the last."""

    next_offset: int | None
    alerts: tuple[AlertShape, ...]


class IncidentList(msgspec.Struct, frozen=True):
    """One page of incidents, newest first; `next_offset` is null on the last."""

    next_offset: int | None
    incidents: tuple[IncidentShape, ...]
