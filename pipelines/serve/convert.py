"""Converting gives the shape of one stored thing; lists, details and pages are put together from these."""

import math
from collections.abc import Sequence

from pipelines.respond.severity import extent_of
from pipelines.serve.charts import known
from pipelines.serve.reading import Sources, floats
from pipelines.serve.shapes import (
    AlertShape,
    ChangeShape,
    ConfigShape,
    CountersShape,
    EffectShape,
    EntryShape,
    IncidentShape,
    PartitionShape,
    Region,
    SeriesShape,
)
from schemas.act import Heard
from schemas.alert import Alert
from schemas.arrays import Floats
from schemas.history import SeriesInfo
from schemas.incident import OPEN, Entry, Incident
from schemas.minutes import MINUTE_MS
from schemas.partial import Counters
from schemas.score import Candidate, Reason
from schemas.status import PartitionStatus, Status
from schemas.words import odds, rfc3339

BY_LIMIT = "a fixed limit, not odds"
"""A limit is stated by people; how often chance would pass it is not asked."""
_UNJUDGED = {"limit": BY_LIMIT, "declared": "said by people, not measured"}
"""Level -> what stands in place of odds."""


class Latest:
    """The last closed minute of every series, by number; NaN for a series that it does not hold."""

    def __init__(self, status: Status) -> None:
        row = status.latest
        bodies = (row.n, row.observed, row.expected, row.lower, row.upper, row.log_r) if row else (b"",) * 6
        self.n, self.observed, self.expected, self.lower, self.upper, self.log_r = map(floats, bodies)

    @staticmethod
    def at(values: Floats, number: int) -> float:
        """Give the value of one series."""
        return float(values[number]) if number < len(values) else math.nan


def series_shape(sources: Sources, info: SeriesInfo, latest: Latest) -> SeriesShape:
    """Give one series as it stood in the last closed minute."""
    log_r = latest.at(latest.log_r, info.number)
    expected = latest.at(latest.expected, info.number)
    return SeriesShape(
        number=info.number,
        signal=info.signal,
        cohort=dict(info.cohort),
        unit=sources.signal(info.signal).unit,
        first_seen=rfc3339(info.first_minute * MINUTE_MS),
        learning=math.isnan(expected),
        n=known(latest.at(latest.n, info.number)),
        observed=known(latest.at(latest.observed, info.number)),
        expected=known(expected),
        lower=known(latest.at(latest.lower, info.number)),
        upper=known(latest.at(latest.upper, info.number)),
        log_return_period=known(log_r),
        odds=odds(log_r),
    )


def incident_shapes(sources: Sources, incidents: Sequence[Incident]) -> tuple[IncidentShape, ...]:
    """Give incidents as lists show them, each open one with why nobody is told of it."""
    heard = sources.store.acts.these([each.id for each in incidents if each.state in OPEN])
    return tuple(incident_shape(each, heard.get(each.id)) for each in incidents)


def incident_shape(incident: Incident, heard: Heard | None) -> IncidentShape:
    """Give one incident as it stands; `heard` may be None where it is over."""
    effect = incident.effect
    return IncidentShape(
        id=incident.id,
        kind=incident.kind,
        state=incident.state,
        level=incident.level,
        severity=incident.severity,
        category=incident.category,
        family=incident.family,
        owner=incident.owner,
        title=incident.title,
        signals=incident.signals,
        rules=incident.rules,
        flapping=incident.flapping_ms >= 0,
        storm=incident.storm,
        lead_signal=incident.lead_signal,
        lead_alert=incident.lead_alert,
        direction=incident.direction,
        scope=incident.scope,
        onset=rfc3339(incident.onset_ms),
        detected_at=rfc3339(incident.detected_ms),
        updated_at=rfc3339(incident.updated_ms),
        resolved_at=rfc3339(incident.resolved_ms),
        effect=EffectShape(
            known(effect.observed),
            known(effect.expected),
            known(effect.lower),
            known(effect.upper),
            effect.unit,
            known(effect.ratio),
        ),
        log_return_period=known(incident.log_return_period),
        log_fleet=known(incident.log_fleet),
        odds=_UNJUDGED.get(incident.level) or odds(incident.log_return_period),
        odds_fleet=_UNJUDGED.get(incident.level) or odds(incident.log_fleet),
        account=incident.account,
        breach=incident.breach,
        changes=tuple(change_shape(change) for change in incident.changes),
        alerts_total=incident.alerts_total,
        runbook=incident.runbook,
        version=incident.version,
        found=incident.found,
        extent=extent_of(incident),
        path=incident.path,
        decide_minutes=incident.decide_minutes,
        muted=heard.response.muted if heard and heard.response and incident.state in OPEN else "",
    )


def change_shape(change: Candidate) -> ChangeShape:
    """Give one candidate cause."""
    return ChangeShape(
        what=change.what,
        from_=change.from_,
        to=change.to,
        at=rfc3339(change.at_ms),
        cohort=change.cohort,
        actor=change.actor,
        seen=change.seen,
    )


def alert_shape(alert: Alert, number: int | None) -> AlertShape:
    """Give one alert; `number` is that of its series."""
    return AlertShape(
        id=alert.id,
        rule=alert.rule,
        detector=alert.peak.detector,
        signal=alert.signal,
        cohort=dict(alert.cohort),
        series=number,
        state=alert.state,
        direction=alert.direction,
        severity=alert.severity,
        pending_at=rfc3339(alert.pending_ms),
        firing_at=rfc3339(alert.firing_ms),
        resolved_at=rfc3339(alert.resolved_ms),
        last_seen_at=rfc3339(alert.last_seen_ms),
        observed=known(alert.peak.observed),
        expected=known(alert.peak.expected),
        log_return_period=known(alert.peak.log_return_period),
        odds=BY_LIMIT if alert.peak.reason == Reason.LIMIT else odds(alert.peak.log_return_period),
        account=alert.peak.account,
        incident_id=alert.incident_id,
        suppressed=alert.suppressed,
    )


def entry_shape(entry: Entry) -> EntryShape:
    """Give one line of a timeline."""
    return EntryShape(rfc3339(entry.at_ms), entry.who, entry.what)


def region(incident: Incident) -> Region:
    """Give the time of an incident on a chart; one that people closed before it resolved ends there."""
    ended_ms = incident.updated_ms if incident.resolved_ms < 0 else incident.resolved_ms
    return Region(
        id=incident.id,
        title=incident.title,
        severity=incident.severity,
        state=incident.state,
        from_ms=incident.onset_ms,
        detected_ms=incident.detected_ms,
        until_ms=None if incident.state in OPEN else ended_ms,
    )


def partition_shape(partition: PartitionStatus) -> PartitionShape:
    """Give how far one partition has been read."""
    return PartitionShape(
        source=partition.partition.source,
        partition=partition.partition.number,
        position=partition.position,
        watermark=rfc3339(partition.watermark_ms),
        lag=None if partition.lag < 0 else partition.lag,
        idle=partition.idle,
    )


def config_shape(status: Status) -> ConfigShape:
    """Give which configuration is in use, and whether a later one was refused."""
    return ConfigShape(status.config_hash, rfc3339(status.config_loaded_ms), status.config_problems)


def counters_shape(counters: Counters) -> CountersShape:
    """Give what became of the records, and whether the sum is right."""
    return CountersShape(
        read=counters.read,
        aggregated=counters.aggregated,
        late=counters.late,
        out_of_range=counters.out_of_range,
        duplicate=counters.duplicate,
        rejected=counters.rejected,
        rejects={reason: count for reason, count in sorted(counters.rejects.items()) if count},
        conserved=counters.conserved,
    )
