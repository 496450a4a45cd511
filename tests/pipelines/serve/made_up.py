"""A made-up world for the serving tests, with literal numbers, and the parts to make others from.

It lives in a real store in a folder of the test, and comes with the status that the engine would show.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from pipelines.store import Store
from schemas.alert import Alert
from schemas.effects import Commit, Effects
from schemas.event import RejectReason
from schemas.history import HistoryRow, SeriesInfo
from schemas.incident import Effect, Entry, Incident, Notification
from schemas.partial import Counters
from schemas.record import Partition
from schemas.score import Candidate, Finding, Level, Reason
from schemas.settings import Serve, Settings
from schemas.signal import Cohort, Signal
from schemas.status import Exemplar, Histogram, PartitionStatus, ProcessUse, SourceUse, StageSeconds, Status, WorkersUse

FIRST_MINUTE = 29_459_520  # Monday 2026-01-05 00:00 UTC
FIRST_MS = FIRST_MINUTE * 60_000
EVIL = "<script>alert(1)</script>"

SIGNALS = {
    signal.name: signal
    for signal in (
        Signal("refusal_rate", "rate", "share", "Share of turns that were refused.", "capability_loss", "refusal"),
        Signal("error_rate", "rate", "share", "Share of turns that failed.", "performance", "errors", direction="up"),
        Signal("latency_ms", "level", "ms", "Time to the whole answer.", "performance", "latency", scale=1_000),
        Signal("traffic", "traffic", "events/min", "Events a minute.", "silence", "traffic"),
    )
}


@dataclass(frozen=True)
class World:
    """What the application is made of."""

    store: Store
    status: Status
    settings: Settings
    signal_of: Callable[[str], Signal] = SIGNALS.__getitem__

    def with_status(self, **changes: object) -> "World":
        """Give the same world with another status."""
        return replace(self, status=msgspec.structs.replace(self.status, **changes))

    def with_host(self, host: str, public_url: str = "") -> "World":
        """Give the same world bound to another address, and known under another one."""
        return replace(self, settings=Settings(serve=Serve(host=host, public_url=public_url)))


def history_row(minute: int, *arrays: list[float]) -> HistoryRow:
    """Make a row from n, observed, expected, lower, upper and log_r."""
    return HistoryRow(minute, *(np.array(values, dtype="<f4").tobytes() for values in arrays))


def finding(signal: str, cohort: Cohort, onset_ms: int, **changes: object) -> Finding:
    """Make a finding of a page."""
    made = Finding(
        signal=signal,
        cohort=cohort,
        detector="rate",
        level=Level.PAGE,
        log_return_period=20.0,
        log_fleet=12.0,
        direction="up",
        observed=0.12,
        expected=0.04,
        lower=0.02,
        upper=0.06,
        effect=3.0,
        n=500,
        excess=40.0,
        onset_ms=onset_ms,
        detected_ms=onset_ms + 480_000,
        reason=Reason.SUSPICIOUS,
    )
    return msgspec.structs.replace(made, **changes)


def alert(alert_id: str, signal: str, cohort: Cohort, onset_ms: int, incident_id: str, **changes: object) -> Alert:
    """Make a firing alert of an incident."""
    peak = finding(signal, cohort, onset_ms)
    made = Alert(
        id=alert_id,
        rule="rate",
        signal=signal,
        cohort=cohort,
        state="firing",
        direction="up",
        pending_ms=onset_ms + 300_000,
        firing_ms=onset_ms + 480_000,
        resolved_ms=-1,
        last_seen_ms=onset_ms + 600_000,
        peak=peak,
        latest=peak,
        severity="sev2",
        incident_id=incident_id,
    )
    return msgspec.structs.replace(made, **changes)


def incident(incident_id: str, title: str, scope: dict[str, str], onset_ms: int, **changes: object) -> Incident:
    """Make an open incident of a refusal rate that tripled."""
    made = Incident(
        id=incident_id,
        kind="real",
        state="triage",
        level="page",
        severity="sev2",
        category="capability_loss",
        family="functional",
        owner="on-call",
        title=title,
        signals=("refusal_rate",),
        rules=("anomaly",),
        lead_signal="refusal_rate",
        direction="up",
        scope=scope,
        onset_ms=onset_ms,
        detected_ms=onset_ms + 480_000,
        updated_ms=onset_ms + 600_000,
        resolved_ms=-1,
        effect=Effect(observed=0.12, expected=0.04, lower=0.02, upper=0.06, unit="share", ratio=3.0),
        log_return_period=20.0,
        log_fleet=12.0,
        changes=(
            Candidate("model_version", from_="4.1", to="4.2", at_ms=onset_ms - 60_000, cohort=scope, seen="announced"),
        ),
        alert_ids=(),
        alerts_total=1,
        runbook="capability_loss",
        timeline=(Entry(onset_ms + 480_000, "limen", "opened: refusal_rate up, 12 % instead of 4 %"),),
    )
    return msgspec.structs.replace(made, **changes)


def status_of(series: tuple[SeriesInfo, ...], latest: HistoryRow | None, **changes: object) -> Status:
    """Make the status of an engine that is well."""
    closed = latest.minute if latest else -1
    rejects = {RejectReason.NOT_JSON.value: 4, RejectReason.EMPTY.value: 1}
    made = Status(
        started_ms=FIRST_MS,
        heartbeat_ms=FIRST_MS + 7_250,
        ready=True,
        counters=Counters(1_000, 980, 3, 2, 10, 5, rejects),
        partitions=(
            PartitionStatus(Partition("kafka:events", 0), 700, (closed + 3) * 60_000, 12, idle=False),
            PartitionStatus(Partition("stdin", 0), 300, -1, -1, idle=True),
        ),
        closed_minute=closed,
        minutes_closed=10,
        series=series,
        latest=latest,
        learning=1,
        cohorts_total=3,
        overflow={"tenant": 7},
        audit_expected=10.0,
        audit_observed=9.0,
        stages=StageSeconds(read=1.5, decode=2.5),
        commits=42,
        commit_bytes=4_096,
        config_hash="c0ffee",
        event_delay_seconds=Histogram((0.0, 2.5), (1, 899, 100), 5_000.5),
        detection_latency_seconds=Histogram(
            (120.0, 125.0),
            (0, 2, 1),
            543.5,
            {1: Exemplar(121.5, FIRST_MS + 121_500, {"alert_id": "a1", "incident_id": "i1"})},
        ),
        checkpoint_seconds=Histogram((0.1, 1.0), (40, 2, 0), 3.25),
        snapshot_minute=closed - 4,
        snapshot_bytes=2_048,
        source=SourceUse(polls=90, opens=2, failures=1, stalls=0, staged_records=9, staged_bytes=1_200),
        uses={"cohorts.leaves_max": 12},
        processes=(ProcessUse("main", 104_857_600, 12.5, 31), ProcessUse("worker-1")),
        config_loaded_ms=1_767_571_200_500,
        heartbeats={"sent": 60, "failed": 1},
        workers=WorkersUse(number=2, restarts=3, staged_bytes=5_120),
    )
    return msgspec.structs.replace(made, **changes)


def small(folder: Path) -> World:
    """Make three series over ten minutes: one global, one of a region, and one of a tenant with a hostile name."""
    cohorts: list[Cohort] = [(), (("region", "eu"),), (("tenant", EVIL),)]
    series = tuple(SeriesInfo(i, "refusal_rate", cohort, FIRST_MINUTE) for i, cohort in enumerate(cohorts))
    unknown = float("nan")
    rows = [
        history_row(
            FIRST_MINUTE + minute,
            [100, 20, 0],
            [0.05, 0.1, unknown],
            [0.04, 0.05, unknown],
            [0.02, 0.01, unknown],
            [0.06, 0.09, unknown],
            [1.5, 8.0, unknown],
        )
        for minute in range(10)
    ]
    hit = incident(
        "i1", "Refusals tripled in region eu", {"region": "eu"}, FIRST_MS + 120_000, alert_ids=("a1",), lead_alert="a1"
    )
    over = incident(
        "i0",
        f"Refusals of {EVIL}",
        {"tenant": EVIL},
        FIRST_MS,
        state="resolved",
        severity="sev3",
        resolved_ms=FIRST_MS + 240_000,
    )
    message = Notification("n1", "i1", "log", "opened", 1, FIRST_MS, b"{}")
    store = Store.open(f"sqlite:///{folder}/limen.db")
    store.commit(
        Commit(
            positions=(),
            history=tuple((row.minute, msgspec.msgpack.encode(row)) for row in rows),
            series=series,
            effects=Effects(
                alerts=(alert("a1", "refusal_rate", cohorts[1], FIRST_MS + 120_000, "i1"),),
                incidents=(hit, over),
                notifications=(message,),
            ),
        )
    )
    return World(store, status_of(series, rows[-1]), Settings())
