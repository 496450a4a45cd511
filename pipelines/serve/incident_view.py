"""One incident in full: what was measured, and what people did about it."""

import msgspec

from pipelines.respond.answered import answered
from pipelines.respond.wording import is_green
from pipelines.serve.alike import AlikeShape, alike
from pipelines.serve.convert import alert_shape, entry_shape, incident_shape
from pipelines.serve.matched import MatchShape, matched
from pipelines.serve.radius import Answer, machines, reach_of
from pipelines.serve.reading import Sources
from pipelines.serve.shapes import AlertShape, EntryShape, IncidentShape
from pipelines.serve.signals_said import SignalSaid, signals_said
from pipelines.serve.views import numbers_of
from schemas.act import Heard
from schemas.reach import Surface
from schemas.views import ResponseShape

INCIDENT_ALERTS_MAX = 1_000
"""Most alerts shown of one incident; by default it lists a tenth of that."""


class IncidentDetail(msgspec.Struct, frozen=True):
    """One incident with its timeline, its alerts, what people did, what signals of its kind said, and earlier ones.

    `machines` says whether the infrastructure is part of it, `reach` what can be touched through the surface of its
    scope, or through any where it names none. `green` says that behaviour is bad and nothing of the
    infrastructure has alerted with it. `match` is what was measured where people say it happened, null for what was
    measured itself.
    """

    incident: IncidentShape
    timeline: tuple[EntryShape, ...]
    alerts: tuple[AlertShape, ...]
    response: ResponseShape
    signals: tuple[SignalSaid, ...]
    alike: tuple[AlikeShape, ...]
    machines: tuple[Answer, ...]
    reach: tuple[Surface, ...]
    green: bool
    match: MatchShape | None


def incident_detail(sources: Sources, heard: Heard) -> IncidentDetail:
    """Give one incident with its timeline and alerts.

    The timeline may have more than `heard`, and never less: who acts by its number had seen all that it stands for.
    """
    incident = sources.store.acts.standing(heard, sources.settings().severities.names)
    alerts = sources.store.alerts_of(incident.alert_ids[:INCIDENT_ALERTS_MAX])
    status = sources.status()
    numbers = numbers_of(status.series, alerts)
    match = None
    if incident.level == "declared":
        last = status.closed_minute
        category, scope = incident.category, incident.scope
        match = matched(sources.store, sources.signal, category, scope, status.series, last, incident.id)
    return IncidentDetail(
        incident=incident_shape(incident, heard),
        timeline=tuple(entry_shape(entry) for entry in incident.timeline),
        alerts=tuple(alert_shape(alert, numbers.get((alert.signal, alert.cohort))) for alert in alerts),
        response=answered(heard, sources.settings(), status.heartbeat_ms),
        signals=signals_said(incident, alerts, sources.settings()),
        alike=alike(sources.store, incident.id),
        machines=machines(sources.store, incident, sources.settings()),
        reach=reach_of(incident, sources.settings()),
        green=is_green(incident),
        match=match,
    )
