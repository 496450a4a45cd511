"""Metrics are filled from the status and the store at each scrape; `metrics_families` has their table.

No other file names a metric. The collector holds nothing: labels of what is gone are gone, and the number of cohorts is
capped at the moment of the scrape, with whoever has a firing alert first and then by traffic.
"""

import math
import platform
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from itertools import accumulate

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.samples import Exemplar

from pipelines.serve.convert import Latest
from pipelines.serve.found import counted_by
from pipelines.serve.limits import limits, used
from pipelines.serve.metrics_clocks import clock_samples
from pipelines.serve.metrics_families import FAMILIES
from pipelines.serve.metrics_quiet import quiet_samples
from pipelines.serve.outcomes import by_rule, outcome_samples
from pipelines.serve.reading import ACTIVE_ALERTS, ACTIVE_ALERTS_MAX, INCIDENTS_MAX, Sources
from pipelines.store_files import file_bytes
from pipelines.store_terms import StoreError
from schemas import status as told
from schemas.act import severity_of
from schemas.event import DIMENSIONS, RejectReason
from schemas.incident import OPEN
from schemas.ladder import SEVERITIES
from schemas.minutes import MINUTE_MS
from schemas.signal import Cohort
from schemas.status import UNKNOWN, Histogram, Status

ALL_TRAFFIC = "all"
"""The label of the cohort that holds everything: an empty label would mean that there is none."""
OWN_CAPS = {"changes": "changes", "ids": "ids", "leaf": "leaves", "reports": "reports", "series": "series"}
"""Names among the counted caps that are no dimension and no mix -> how the metric calls the cap."""
EXEMPLAR_CHARS_MAX = 128
"""Most characters of an exemplar's names and values together, by OpenMetrics 1.0: a longer one is left out, because a
scraper would refuse the whole exposition for it."""

Sample = tuple[str, tuple[str, ...], float | Histogram]
"""A family's name, the values of its labels, and the number or the histogram."""


class Collector:
    """Fills the families from one status; a store that cannot be read costs its own families and nothing else."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Give every family with its samples; NaN (nothing known) is left out."""
        families = {family.name: (family, Metric(family.name, family.help, family.kind)) for family in FAMILIES}
        for name, values, number in self._samples():
            family, metric = families[name]
            if isinstance(number, Histogram):
                _add_histogram(metric, dict(zip(family.labels, values, strict=True)), number)
            elif not math.isnan(number):
                metric.add_sample(family.exposed, dict(zip(family.labels, values, strict=True)), number)
        return (metric for _, metric in families.values())

    def _samples(self) -> Iterator[Sample]:
        status = self._sources.status()
        yield from _engine(status)
        yield from _records(status)
        firing: set[Cohort] = set()
        try:
            stored, firing = _stored(self._sources, status.heartbeat_ms)
        except StoreError:
            yield "limen_store_failing", (), 1
        else:
            yield "limen_store_failing", (), bool(status.store_failure)
            yield from stored
        yield from _series(status, firing, self._sources.settings().cohorts.metrics_max)
        yield from _caps(status, self._sources.settings().cohorts.labels)
        yield from _each("limen_limit", limits(self._sources.settings()))
        yield from _each("limen_limit_used", used(status))


def registry(sources: Sources) -> CollectorRegistry:
    """Make a fresh registry that holds Limen's collector alone."""
    fresh = CollectorRegistry()
    fresh.register(Collector(sources))
    return fresh


class _StandingBy:
    """Says of a Limen on standby that it is one, and nothing else: there is no status yet."""

    def collect(self) -> Iterator[Metric]:
        """Give the one family."""
        family = next(each for each in FAMILIES if each.name == "limen_standby")
        metric = Metric(family.name, family.help, family.kind)
        metric.add_sample(family.exposed, {}, 1)
        yield metric


def standing_by() -> CollectorRegistry:
    """Make the registry of a Limen that waits for another to end."""
    fresh = CollectorRegistry()
    fresh.register(_StandingBy())
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


def _add_histogram(metric: Metric, labels: dict[str, str], histogram: Histogram) -> None:
    """Add the samples of a histogram: each bucket counts what is at most its edge, so the last one counts all."""
    edges = (*map(str, histogram.edges), "+Inf")
    for at, (edge, count) in enumerate(zip(edges, accumulate(histogram.counts), strict=True)):
        known = histogram.exemplars.get(at)
        exemplar = None if known is None else exemplar_of(known)
        metric.add_sample(f"{metric.name}_bucket", labels | {"le": edge}, count, exemplar=exemplar)
    metric.add_sample(f"{metric.name}_count", labels, sum(histogram.counts))
    metric.add_sample(f"{metric.name}_sum", labels, histogram.total)


def exemplar_of(known: told.Exemplar) -> Exemplar | None:
    """Give an exemplar as OpenMetrics shows it, None for one that is longer than the format allows.

    >>> exemplar_of(told.Exemplar(121.5, 1767571321500, {"alert_id": "a0667a0acc774794"}))
    Exemplar(labels={'alert_id': 'a0667a0acc774794'}, value=121.5, timestamp=1767571321.5)
    """
    length = sum(len(name) + len(value) for name, value in known.ids.items())
    return None if length > EXEMPLAR_CHARS_MAX else Exemplar(known.ids, known.value, known.at_ms / 1_000)


def _engine(status: Status) -> Iterator[Sample]:
    yield "limen_build", (version("limen"), platform.python_version()), 1
    yield "limen_config", (status.config_hash,), 1
    yield "limen_config_last_reload_successful", (), not status.config_problems
    if status.config_loaded_ms >= 0:
        yield "limen_config_last_reload_success_timestamp_seconds", (), status.config_loaded_ms / 1_000
    yield "limen_ready", (), status.ready
    yield "limen_standby", (), 0
    yield "limen_start_timestamp_seconds", (), status.started_ms / 1_000
    yield "limen_heartbeat_timestamp_seconds", (), status.heartbeat_ms / 1_000
    for process in status.processes:
        for name in ("resident_bytes", "cpu_seconds", "open_files"):
            if getattr(process, name) >= 0:
                yield f"limen_process_{name}", (process.name,), getattr(process, name)
    for result, count in sorted(status.heartbeats.items()):
        yield "limen_heartbeats", (result,), count
    yield "limen_source_failing", (), bool(status.source_failure)
    yield "limen_staged_bytes", (), status.source.staged_bytes
    for name in ("polls", "opens", "failures", "stalls"):
        yield f"limen_source_{name}", (), getattr(status.source, name)
    for step in status.stages.__struct_fields__:
        yield "limen_stage_seconds", (step,), getattr(status.stages, step)
    yield "limen_commits", (), status.commits
    yield "limen_commit_bytes", (), status.commit_bytes
    yield "limen_checkpoint_seconds", (), status.checkpoint_seconds
    yield "limen_detection_latency_seconds", (), status.detection_latency_seconds
    if status.snapshot_minute >= 0:
        yield "limen_snapshot_bytes", (), status.snapshot_bytes
        yield "limen_snapshot_age_seconds", (), (status.closed_minute - status.snapshot_minute) * MINUTE_MS / 1_000
    yield "limen_workers", (), status.workers.number
    yield "limen_worker_restarts", (), status.workers.restarts
    yield "limen_workers_staged_bytes", (), status.workers.staged_bytes
    for (what, severity, category), histogram in sorted(status.incident_times.items()):
        yield f"limen_incident_time_to_{what}_seconds", (severity, category), histogram
    yield "limen_audit_expected", (), status.audit_expected
    yield "limen_audit_observed", (), status.audit_observed


def _records(status: Status) -> Iterator[Sample]:
    counters = status.counters
    yield "limen_events_read", (), counters.read
    yield "limen_event_delay_seconds", (), status.event_delay_seconds
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
            yield "limen_watermark_delay_seconds", labels, (status.heartbeat_ms - partition.watermark_ms) / 1_000
    for name, lost in sorted(status.gaps.items()):
        source, _, number = name.rpartition("/")
        yield "limen_records_gone", (source, number), max(UNKNOWN, lost.gone)
        yield "limen_records_corrupt", (source, number), lost.corrupt
    if status.closed_minute >= 0:
        closed_ms = (status.closed_minute + 1) * MINUTE_MS
        yield "limen_closed_timestamp_seconds", (), closed_ms / 1_000
        yield "limen_closed_delay_seconds", (), (status.heartbeat_ms - closed_ms) / 1_000
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
    yield "limen_limit_used", ("cohorts.metrics_max",), len(exposed)
    for info in status.series:
        label = exposed.get(info.cohort)
        if label is not None:
            labels = (info.signal, label)
            yield "limen_signal_value", labels, latest.at(latest.observed, info.number)
            yield "limen_signal_expected", labels, latest.at(latest.expected, info.number)
            yield "limen_signal_lower", labels, latest.at(latest.lower, info.number)
            yield "limen_signal_upper", labels, latest.at(latest.upper, info.number)
            yield "limen_signal_log_return_period", labels, latest.at(latest.log_r, info.number)


def _caps(status: Status, labels: Iterable[str]) -> Iterator[Sample]:
    """Say which cap kept what from its own name; the key of the count is a dimension, a cap of its own, or a mix."""
    dimensions = {*DIMENSIONS, *labels}
    for name, count in sorted(status.overflow.items()):
        if name in OWN_CAPS:
            yield "limen_cap_hits", (OWN_CAPS[name], "all"), count
        else:
            yield "limen_cap_hits", ("values" if name in dimensions else "names", name), count


def _stored(sources: Sources, now_ms: int) -> tuple[list[Sample], set[Cohort]]:
    """Read what the store knows at once, and name the cohorts with a firing alert; raises `StoreError`."""
    store = sources.store
    heard = store.acts.among(OPEN, INCIDENTS_MAX)
    severities: list[str] = [severity_of(each.incident, each.response) for each in heard]
    firing = store.alerts(("firing",), ACTIVE_ALERTS_MAX)
    samples: list[Sample] = [
        *_each("limen_incidents_open", {name: severities.count(name) for name in SEVERITIES}),
        *quiet_samples(heard, len(store.silences.held(now_ms))),
        *_each("limen_incidents_found", counted_by(store)),
        *clock_samples(heard, sources.settings().severities.ladder, now_ms),
        *_each("limen_alerts", store.alert_counts(ACTIVE_ALERTS)),
        *outcome_samples(by_rule(store.catalogue.outcomes())),
    ]
    counted = store.delivery_counts()
    for notifier in sources.settings().notifiers:
        waiting = counted.get(notifier.name, {}).get("waiting", 0)
        samples.append(("limen_limit_used", (f"notifiers.{notifier.name}.waiting_max",), waiting))
    for sink, counts in sorted(counted.items()):
        samples += (("limen_notifications", (sink, state), count) for state, count in sorted(counts.items()))
    for sink, created_ms in sorted(store.deliveries_oldest().items()):
        age_ms = 0 if created_ms is None else max(0, now_ms - created_ms)
        samples.append(("limen_notifications_oldest_seconds", (sink,), age_ms / 1_000))
    letters = store.letter_counts()
    samples.append(("limen_dead_letters_waiting", (), letters.pop("waiting")))
    samples += _each("limen_dead_letters", letters)
    samples += _each("limen_store_bytes", file_bytes(store.where))
    return samples, {alert.cohort for alert in firing}


def _each(name: str, counts: Mapping[str, int]) -> Iterable[Sample]:
    return ((name, (label,), count) for label, count in counts.items())
