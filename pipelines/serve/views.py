"""Views answer each question the API and the pages ask, from the status and the store alone."""

import math
from collections.abc import Collection, Iterable

import numpy as np

from pipelines.serve.charts import THIN_TRIALS, plain, points, recently, step_for, thin_step
from pipelines.serve.convert import (
    Latest,
    alert_shape,
    config_shape,
    counters_shape,
    incident_shapes,
    partition_shape,
    region,
    series_shape,
)
from pipelines.serve.found import found_first
from pipelines.serve.reading import (
    ACTIVE_ALERTS,
    INCIDENTS_MAX,
    VOID_STATES,
    Columns,
    Sources,
    columns,
    find,
    minutes_within,
)
from pipelines.serve.shapes import (
    AlertList,
    IncidentList,
    IncidentShape,
    Overview,
    Points,
    RangeName,
    Region,
    SeriesDetail,
    SeriesList,
    SeriesShape,
    StateName,
    UnusualShape,
)
from pipelines.store_catalogue import TIME_MS_MAX
from schemas.alert import Alert
from schemas.history import SeriesInfo
from schemas.incident import OPEN, Incident
from schemas.minutes import MINUTE_MS
from schemas.signal import Cohort, SignalKind
from schemas.status import Status
from schemas.words import rfc3339

RANGE_MINUTES: dict[RangeName, int | None] = {"6h": 360, "24h": 1_440, "3d": 4_320, "all": None}
"""How far back a chart looks; None: as far as history is kept."""
OVERVIEW_INCIDENTS_MAX = 100
RECENT_INCIDENTS = 5
UNUSUAL_SERIES = 15
"""A screenful: whoever looks for more searches."""
SPARK_MINUTES = 120
SPARK_BYTES_MAX = 64 * 2**20
"""Most history read for the small charts of one overview: a tenth of a second of reading."""
CHART_BYTES_MAX = 2**30
"""Most history read for one chart: six hours of 100,000 series, about two seconds."""
LOG_UNUSUAL = math.log(6 * 60)
"""What chance shows less than four times a day on one series is worth a line on the overview."""
RECENT_MINUTES = 30
"""A value beside odds is the mean of half an hour: evidence adds up, and the last minute alone says little."""
CHILDREN_MAX = 20


def overview(sources: Sources, search: str = "") -> Overview:
    """Give everything at a glance; `search` narrows the unusual series to those that hold all its words."""
    status = sources.status()
    incidents = sorted(sources.store.incidents(OPEN, INCIDENTS_MAX), key=lambda i: (i.severity, -i.onset_ms))
    ended = [each for each in sources.store.incidents(None, OVERVIEW_INCIDENTS_MAX) if each.state not in OPEN]
    state, title = _state(status, len(incidents))
    return Overview(
        state=state,
        title=title,
        ready=status.ready,
        source_failure=status.source_failure,
        store_failure=status.store_failure,
        gaps=dict(sorted(status.gaps.items())),
        config=config_shape(status),
        judged_until=_end_of(status.closed_minute),
        started_at=rfc3339(status.started_ms),
        heartbeat_at=rfc3339(status.heartbeat_ms),
        incidents=incident_shapes(sources, incidents[:OVERVIEW_INCIDENTS_MAX]),
        incidents_total=len(incidents),
        recent=incident_shapes(sources, ended[:RECENT_INCIDENTS]),
        alerts=sources.store.alert_counts(ACTIVE_ALERTS),
        unusual=_unusual(sources, status, search),
        partitions=tuple(partition_shape(partition) for partition in status.partitions),
        counters=counters_shape(status.counters),
        series_total=len(status.series),
        learning=status.learning,
        cohorts_total=status.cohorts_total,
        overflow=status.overflow,
        notifications=sources.store.delivery_counts(),
        found=found_first(sources.store),
    )


def series_list(sources: Sources, search: str, signal: str, limit: int, offset: int) -> SeriesList:
    """Give one page of series, the most unusual first; `signal` is exact, `search` as in `overview`."""
    status = sources.status()
    latest = Latest(status)
    found = _ranked(_matching(status.series, search, signal), latest)
    return SeriesList(
        total=len(found),
        next_offset=offset + limit if offset + limit < len(found) else None,
        series=tuple(series_shape(sources, info, latest) for info in found[offset : offset + limit]),
    )


def series_detail(
    sources: Sources, number: int, name: RangeName, until_ms: int | None, points_max: int, trials: float = THIN_TRIALS
) -> SeriesDetail | None:
    """Give one series with its history in points of so many trials, None where there is no series of this number."""
    status = sources.status()
    info = find(status.series, number)
    if info is None:
        return None
    latest = Latest(status)
    signal = sources.signal(info.signal)
    last = status.closed_minute
    if until_ms is not None:
        last = min(last, -(-until_ms // MINUTE_MS) - 1)
    wanted = RANGE_MINUTES[name] or sources.settings().storage.history_hours * 60
    most = minutes_within(CHART_BYTES_MAX, len(status.series))
    first = max(info.first_minute, last - wanted + 1, last - most + 1)
    step, drawn = 1, Points((), (), (), (), (), (), ())
    if first <= last:
        history = columns(sources.store, [number], first, last, len(status.series))
        step = max(step_for(last - first + 1, points_max), thin_step(np.nan_to_num(history.n[:, 0]), trials))
        drawn = points(history, 0, step, signal.kind)
    children = _ranked(_below(status.series, info), latest)
    return SeriesDetail(
        series=series_shape(sources, info, latest),
        kind=signal.kind,
        summary=signal.summary,
        category=signal.category,
        direction=signal.direction,
        range=name,
        from_=rfc3339(first * MINUTE_MS) if first <= last else None,
        until=_end_of(last) if first <= last else None,
        step_minutes=step,
        shortened=first > max(info.first_minute, last - wanted + 1),
        points=drawn,
        incidents=_regions(sources, info, first * MINUTE_MS, (last + 1) * MINUTE_MS),
        parents=tuple(series_shape(sources, other, latest) for other in _above(status.series, info)),
        children=tuple(series_shape(sources, other, latest) for other in children[:CHILDREN_MAX]),
        children_total=len(children),
    )


def alert_list(sources: Sources, states: Collection[str] | None, limit: int, offset: int) -> AlertList:
    """Give one page of alerts in these states (None: in any), newest first."""
    found = sources.store.alerts(states, offset + limit + 1)
    shown = found[offset : offset + limit]
    numbers = numbers_of(sources.status().series, shown)
    return AlertList(
        next_offset=offset + limit if len(found) > offset + limit else None,
        alerts=tuple(alert_shape(alert, numbers.get((alert.signal, alert.cohort))) for alert in shown),
    )


def incident_list(
    sources: Sources, states: Collection[str] | None, limit: int, offset: int,
    query: str = "", from_ms: int | None = None, until_ms: int | None = None,
) -> IncidentList:  # fmt: skip
    """Give one page of incidents in these states (None: in any), newest first.

    With a query or a time they are those of the catalogue that have all its words and were detected in that time.
    """
    if not query and from_ms is None and until_ms is None:
        found = sources.store.incidents(states, limit + 1, offset)
    else:
        until_ms = TIME_MS_MAX if until_ms is None else until_ms
        found = sources.store.catalogue.search(query, states, limit + 1, from_ms or 0, until_ms, offset)
    return IncidentList(
        next_offset=offset + limit if len(found) > limit else None,
        incidents=incident_shapes(sources, found[:limit]),
    )


def worst_first(incidents: Iterable[IncidentShape]) -> dict[str, list[IncidentShape]]:
    """Group incidents by severity, the worst first."""
    groups: dict[str, list[IncidentShape]] = {}
    for incident in incidents:
        groups.setdefault(incident.severity, []).append(incident)
    return dict(sorted(groups.items()))


def _state(status: Status, incidents_total: int) -> tuple[StateName, str]:
    """Give the state of everything and its title; while nothing can be read or written, nobody may call it quiet."""
    if incidents_total:
        return "incidents", "1 incident open" if incidents_total == 1 else f"{incidents_total:,} incidents open"
    if status.source_failure or status.store_failure:
        return "blind", "Nothing is judged at the moment"
    return ("quiet", "All quiet") if status.latest else ("starting", "Waiting for the first closed minute")


def _unusual(sources: Sources, status: Status, search: str) -> tuple[UnusualShape, ...]:
    latest = Latest(status)
    found = _matching(status.series, search)
    if not search:
        found = [info for info in found if latest.at(latest.log_r, info.number) >= LOG_UNUSUAL]
    shown = _ranked(found, latest)[:UNUSUAL_SERIES]
    if not shown or status.latest is None:
        return ()
    last = status.closed_minute
    width = min(SPARK_MINUTES, minutes_within(SPARK_BYTES_MAX, len(status.series)))
    history = columns(sources.store, [info.number for info in shown], last - width + 1, last, len(status.series))
    return tuple(
        _spark(series_shape(sources, info, latest), sources.signal(info.signal).kind, history, index)
        for index, info in enumerate(shown)
    )


def _spark(series: SeriesShape, kind: SignalKind, history: Columns, index: int) -> UnusualShape:
    return UnusualShape(
        series,
        *recently(history, index, RECENT_MINUTES, kind),
        observed=plain(history.observed[:, index]),
        lower=plain(history.lower[:, index]),
        upper=plain(history.upper[:, index]),
    )


def _matching(series: Iterable[SeriesInfo], search: str, signal: str = "") -> list[SeriesInfo]:
    """Keep the series that hold every word of the search in their signal, dimensions or values."""
    words = search.casefold().split()

    def text(info: SeriesInfo) -> str:
        return " ".join((info.signal, *(f"{name}={value}" for name, value in info.cohort))).casefold()

    return [
        info
        for info in series
        if (not signal or info.signal == signal) and (not words or all(word in text(info) for word in words))
    ]


def _ranked(series: list[SeriesInfo], latest: Latest) -> list[SeriesInfo]:
    """Order series by how unusual they are now, the oldest first among equals."""
    log_r = np.array([latest.at(latest.log_r, info.number) for info in series])
    order = np.argsort(-np.nan_to_num(log_r, nan=-1.0), kind="stable")
    return [series[index] for index in order]


def _above(series: Iterable[SeriesInfo], info: SeriesInfo) -> list[SeriesInfo]:
    """Give the series of the same signal with one dimension less."""
    wanted = {info.cohort[:index] + info.cohort[index + 1 :] for index in range(len(info.cohort))}
    return [other for other in series if other.signal == info.signal and other.cohort in wanted]


def _below(series: Iterable[SeriesInfo], info: SeriesInfo) -> list[SeriesInfo]:
    """Give the series of the same signal with one dimension more."""
    size, pairs = len(info.cohort) + 1, set(info.cohort)
    return [
        other
        for other in series
        if other.signal == info.signal and len(other.cohort) == size and pairs.issubset(other.cohort)
    ]


def _regions(sources: Sources, info: SeriesInfo, from_ms: int, until_ms: int) -> tuple[Region, ...]:
    """Give the incidents that touch this series in that time, oldest first."""
    found = [
        incident
        for incident in sources.store.incidents(None, INCIDENTS_MAX)
        if incident.state not in VOID_STATES
        and incident.onset_ms < until_ms
        and (incident.resolved_ms < 0 or incident.resolved_ms > from_ms)
        and _touches(incident, info)
    ]
    return tuple(region(incident) for incident in sorted(found, key=lambda incident: incident.onset_ms))


def _touches(incident: Incident, info: SeriesInfo) -> bool:
    """Say whether a series has a signal of an incident, and its cohort lies inside the scope or around it."""
    cohort, scope = set(info.cohort), set(incident.scope.items())
    return info.signal in incident.signals and (cohort <= scope or scope <= cohort)


def numbers_of(series: Iterable[SeriesInfo], alerts: Iterable[Alert]) -> dict[tuple[str, Cohort], int]:
    """Give the numbers of the series that these alerts are about."""
    wanted = {(alert.signal, alert.cohort) for alert in alerts}
    return {key: info.number for info in series if (key := (info.signal, info.cohort)) in wanted} if wanted else {}


def _end_of(minute: int) -> str | None:
    return rfc3339((minute + 1) * MINUTE_MS) if minute >= 0 else None
