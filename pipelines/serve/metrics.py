"""Metrics name every Prometheus family of Limen, and fill them from the status and the store at each scrape.

No other file names a metric. The collector holds nothing: labels of what is gone are gone, and the number of cohorts is
capped at the moment of the scrape, with whoever has a firing alert first and then by traffic.
"""

import math
import platform
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder

from pipelines.serve.convert import MINUTE_MS, Latest
from pipelines.serve.reading import ACTIVE_ALERTS, ACTIVE_ALERTS_MAX, INCIDENTS_MAX, OPEN_STATES, Sources
from pipelines.store import StoreError
from schemas.event import RejectReason
from schemas.signal import Cohort
from schemas.status import Status

ALL_TRAFFIC = "all"
"""The label of the cohort that holds everything: an empty label would mean that there is none."""
SEVERITIES = ("sev1", "sev2", "sev3", "sev4")


class Family(NamedTuple):
    """One metric family: its name without the suffix of its kind, and its help as Prometheus shows it."""

    name: str
    kind: Literal["gauge", "counter", "info"]
    labels: tuple[str, ...]
    help: str

    @property
    def exposed(self) -> str:
        """Give the name under which samples are found.

        >>> Family("limen_rejects", "counter", (), "").exposed
        'limen_rejects_total'
        """
        return self.name + {"gauge": "", "counter": "_total", "info": "_info"}[self.kind]


_SERIES = ("signal", "cohort")
_PARTITION = ("source", "partition")
FAMILIES = (
    Family("limen_build", "info", ("version", "python"), "Version of Limen and of the Python that runs it."),
    Family("limen_config", "info", ("hash",), "Hash of the configuration in use."),
    Family("limen_ready", "gauge", (), "1 when the engine has restored its state and is reading."),
    Family("limen_start_timestamp_seconds", "gauge", (), "When the engine started."),
    Family("limen_heartbeat_timestamp_seconds", "gauge", (), "When the engine last finished a step."),
    Family("limen_source_failing", "gauge", (), "1 while the source cannot be read."),
    Family("limen_store_failing", "gauge", (), "1 while the store cannot be written, or could not be read."),
    Family("limen_events_read", "counter", (), "Records read; the sum of limen_events_total over its outcomes."),
    Family("limen_events", "counter", ("outcome",), "Records by what became of them, each counted once."),
    Family("limen_rejects", "counter", ("reason",), "Records that are not an event, by reason."),
    Family("limen_consumer_lag_records", "gauge", _PARTITION, "Records not read yet; absent where unknown."),
    Family("limen_records_gone", "gauge", _PARTITION, "Records gone before they were read; -1: an unknown number."),
    Family("limen_partition_position", "gauge", _PARTITION, "Offset of the next record to read."),
    Family("limen_partition_idle", "gauge", _PARTITION, "1 while the partition is read up and quiet."),
    Family("limen_watermark_timestamp_seconds", "gauge", _PARTITION, "Event time that the partition has reached."),
    Family("limen_closed_timestamp_seconds", "gauge", (), "End of the last closed minute in event time."),
    Family("limen_minute_closes", "counter", (), "Minutes of event time closed and judged."),
    Family("limen_signal_value", "gauge", _SERIES, "Observed value of the last closed minute, in the signal's unit."),
    Family("limen_signal_expected", "gauge", _SERIES, "Value expected in the last closed minute."),
    Family("limen_signal_lower", "gauge", _SERIES, "Lower edge of the band around the expected value."),
    Family("limen_signal_upper", "gauge", _SERIES, "Upper edge of the band around the expected value."),
    Family("limen_signal_log_return_period", "gauge", _SERIES, "Natural log of the return period counted in minutes."),
    Family("limen_series", "gauge", (), "Series watched."),
    Family("limen_series_learning", "gauge", (), "Series not judged yet, because too little is known of them."),
    Family("limen_cohorts", "gauge", (), "Cohorts watched."),
    Family("limen_cohorts_exposed", "gauge", (), "Cohorts with limen_signal metrics in this scrape."),
    Family("limen_cohorts_left_out", "gauge", (), "Cohorts without them, because of cohorts.metrics_max."),
    Family("limen_overflow", "counter", ("cap",), "What went to __other__ because of a cap, by cap."),
    Family("limen_incidents_open", "gauge", ("severity",), "Incidents in triage, acknowledged or mitigated."),
    Family("limen_alerts", "gauge", ("state",), "Alerts that are pending or firing."),
    Family("limen_notifications", "gauge", ("sink", "state"), "Notifications in the outbox: waiting, sent or dead."),
    Family("limen_stage_seconds", "counter", ("step",), "Seconds of work by step of the line."),
    Family("limen_commits", "counter", (), "Transactions written to the store."),
    Family("limen_commit_bytes", "counter", (), "Bytes written to the store."),
    Family("limen_audit_expected", "counter", (), "Exceedances of a low threshold that chance should have given."),
    Family("limen_audit_observed", "counter", (), "Exceedances of that threshold that were seen."),
)
"""Labels avoid names that targets often carry (service, environment, region, zone, stage, owner) and `type`."""

Sample = tuple[str, tuple[str, ...], float]
"""A family's name, the values of its labels, and the number."""


class Collector:
    """Fills the families from one status; a store that cannot be read costs its own families and nothing else."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Give every family with its samples; NaN (nothing known) is left out."""
        families = {family.name: (family, Metric(family.name, family.help, family.kind)) for family in FAMILIES}
        for name, values, number in self._samples():
            family, metric = families[name]
            if not math.isnan(number):
                metric.add_sample(family.exposed, dict(zip(family.labels, values, strict=True)), number)
        return (metric for _, metric in families.values())

    def _samples(self) -> Iterator[Sample]:
        status = self._sources.status()
        yield from _engine(status)
        yield from _records(status)
        firing: set[Cohort] = set()
        try:
            stored, firing = _stored(self._sources)
        except StoreError:
            yield "limen_store_failing", (), 1
        else:
            yield "limen_store_failing", (), bool(status.store_failure)
            yield from stored
        yield from _series(status, firing, self._sources.settings.cohorts.metrics_max)


def registry(sources: Sources) -> CollectorRegistry:
    """Make a fresh registry that holds Limen's collector alone."""
    fresh = CollectorRegistry()
    fresh.register(Collector(sources))
    return fresh


def scrape(source: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Give the body of a scrape and its content type: OpenMetrics where it is asked for, else the text format."""
    encoder, content_type = choose_encoder(accept)
    return encoder(source), content_type


def cohort_label(cohort: Cohort) -> str:
    r"""Give the label of a cohort: readable, and never the same for two of them.

    >>> cohort_label((("region", "eu"), ("surface", "chat"))), cohort_label(())
    ('region=eu,surface=chat', 'all')
    >>> cohort_label((("tenant", "a,b=c"),))
    'tenant=a\\,b\\=c'
    """
    return ",".join(f"{_escaped(name)}={_escaped(value)}" for name, value in cohort) or ALL_TRAFFIC


def _escaped(text: str) -> str:
    # Half a surrogate pair cannot be written as UTF-8, and one bad name must not cost the whole scrape.
    text = text.encode("utf-8", "backslashreplace").decode()
    return text.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


def _engine(status: Status) -> Iterator[Sample]:
    yield "limen_build", (version("limen"), platform.python_version()), 1
    yield "limen_config", (status.config_hash,), 1
    yield "limen_ready", (), status.ready
    yield "limen_start_timestamp_seconds", (), status.started_ms / 1_000
    yield "limen_heartbeat_timestamp_seconds", (), status.heartbeat_ms / 1_000
    yield "limen_source_failing", (), bool(status.source_failure)
    for step in status.stages.__struct_fields__:
        yield "limen_stage_seconds", (step,), getattr(status.stages, step)
    yield "limen_commits", (), status.commits
    yield "limen_commit_bytes", (), status.commit_bytes
    yield "limen_audit_expected", (), status.audit_expected
    yield "limen_audit_observed", (), status.audit_observed


def _records(status: Status) -> Iterator[Sample]:
    counters = status.counters
    yield "limen_events_read", (), counters.read
    for outcome in ("aggregated", "late", "out_of_range", "duplicate", "rejected"):
        yield "limen_events", (outcome,), getattr(counters, outcome)
    for reason in sorted({*RejectReason, *counters.rejects}):
        yield "limen_rejects", (str(reason),), counters.rejects.get(reason, 0)
    for partition in status.partitions:
        labels = (partition.partition.source, str(partition.partition.number))
        if partition.lag >= 0:
            yield "limen_consumer_lag_records", labels, partition.lag
        yield "limen_partition_position", labels, partition.position
        yield "limen_partition_idle", labels, partition.idle
        if partition.watermark_ms >= 0:
            yield "limen_watermark_timestamp_seconds", labels, partition.watermark_ms / 1_000
    for name, lost in sorted(status.gaps.items()):
        source, _, number = name.rpartition("/")
        yield "limen_records_gone", (source, number), lost
    if status.closed_minute >= 0:
        yield "limen_closed_timestamp_seconds", (), (status.closed_minute + 1) * MINUTE_MS / 1_000
    yield "limen_minute_closes", (), status.minutes_closed


def _series(status: Status, firing: set[Cohort], cohorts_max: int) -> Iterator[Sample]:
    latest = Latest(status)
    events: dict[Cohort, float] = {}
    first: dict[Cohort, int] = {}
    for info in status.series:
        n = latest.at(latest.n, info.number)
        events[info.cohort] = max(events.get(info.cohort, 0.0), 0.0 if math.isnan(n) else n)
        first.setdefault(info.cohort, info.number)

    def importance(cohort: Cohort) -> tuple[bool, bool, int, int]:
        # Traffic counts to the nearest power of two, so that cohorts of like size do not take turns at the edge.
        return bool(cohort), cohort not in firing, -math.frexp(events[cohort])[1], first[cohort]

    exposed = {cohort: cohort_label(cohort) for cohort in sorted(events, key=importance)[:cohorts_max]}
    yield "limen_series", (), len(status.series)
    yield "limen_series_learning", (), status.learning
    yield "limen_cohorts", (), status.cohorts_total
    yield "limen_cohorts_exposed", (), len(exposed)
    yield "limen_cohorts_left_out", (), len(events) - len(exposed)
    for cap, count in sorted(status.overflow.items()):
        yield "limen_overflow", (cap,), count
    for info in status.series:
        label = exposed.get(info.cohort)
        if label is not None:
            labels = (info.signal, label)
            yield "limen_signal_value", labels, latest.at(latest.observed, info.number)
            yield "limen_signal_expected", labels, latest.at(latest.expected, info.number)
            yield "limen_signal_lower", labels, latest.at(latest.lower, info.number)
            yield "limen_signal_upper", labels, latest.at(latest.upper, info.number)
            yield "limen_signal_log_return_period", labels, latest.at(latest.log_r, info.number)


def _stored(sources: Sources) -> tuple[list[Sample], set[Cohort]]:
    """Read what the store knows at once, and name the cohorts with a firing alert; raises `StoreError`."""
    store = sources.store
    severities: list[str] = [incident.severity for incident in store.incidents(OPEN_STATES, INCIDENTS_MAX)]
    firing = store.alerts(("firing",), ACTIVE_ALERTS_MAX)
    samples: list[Sample] = [
        *_each("limen_incidents_open", {name: severities.count(name) for name in SEVERITIES}),
        *_each("limen_alerts", store.alert_counts(ACTIVE_ALERTS)),
    ]
    for sink, counts in sorted(store.delivery_counts().items()):
        samples += (("limen_notifications", (sink, state), count) for state, count in sorted(counts.items()))
    return samples, {alert.cohort for alert in firing}


def _each(name: str, counts: Mapping[str, int]) -> Iterable[Sample]:
    return ((name, (label,), count) for label, count in counts.items())
