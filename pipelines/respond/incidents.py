"""The incident is a value made of its alerts; this is how it opens, is reviewed with every minute, and resolves.

What stands for it is its *lead*. The signal and direction are those of the strongest alert: by level, then by odds for
the whole fleet. The scope is the cohort that explains the alerts of that signal (`scope.py`), and the lead is the alert
at the scope, or the strongest of the signal where none fires there; effect, odds and onset are the lead's. Scope and
lead may be refined until the incident is three hours old or beyond doubt, then they stay, unless it is raised: the true
node is the first to be beyond doubt, and once all of them are nothing tells them apart. Figures follow the lead when
its evidence has grown by a tenth, so an incident has tens of versions and not one a minute.

Level and severity only rise. `detected_ms` is when the incident was first of ticket level or above (sev3 or stricter):
one that began as a note, which chance gives a hundred times a week, was not detected until then. The timeline has all.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from pipelines.respond.alerts import short_hash
from pipelines.respond.endings import at_rest, awake, lead_is_back
from pipelines.respond.fold import Case, order
from pipelines.respond.scope import common, explaining, overlap
from pipelines.respond.severity import Triage, rank_of_incident, stricter
from pipelines.respond.wording import gone_in_words, joined_in_words, title_of
from schemas.alert import Alert
from schemas.event import DIMENSIONS
from schemas.incident import Effect, Entry, Incident
from schemas.minutes import MINUTE_MS
from schemas.score import SHAPE, Candidate, Reason
from schemas.signal import CATEGORIES, Cohort, Signal, series_key
from schemas.words import SHAPE_UNIT, where

Kind = Literal["real", "drill", "replay"]

SETTLES_MS = 3 * 60 * MINUTE_MS
"""Scope and lead may be refined while an incident is younger; later it has readers who rely on them."""
SURE = 20.0
"""Log return period for the fleet from which more evidence teaches nothing: by chance once in nine hundred years."""
GROWN = 1.1
"""Figures are renewed when the log return period has grown by this factor."""
CHANGES_BEFORE_MS = 6 * 60 * MINUTE_MS
"""A change this long before the onset may still be its cause: caches, slow rollouts, working hours."""
CHANGES_MAX = 10
TIMELINE_MAX = 200
"""Longest timeline; beyond it the first entry and the latest stay."""
SIGNALS_MAX = 50
"""Most signals, and rules, named; more moved signals than this say that everything moved."""
WHO = "limen"


def opened(alert: Alert, triage: Triage, kind: Kind) -> Case:
    """Make the case of a new incident from its first alert; its version is 0 until it is sealed."""
    incident = Incident(
        id=short_hash(alert.id),
        kind=kind,
        state="triage",
        level="note",
        severity="sev4",
        category=triage.category(alert),
        family=CATEGORIES[triage.category(alert)],
        owner=triage.owner(alert),
        title="",
        signals=(),
        lead_signal=alert.signal,
        direction=alert.direction,
        scope=scope_of(alert.cohort),
        onset_ms=alert.peak.onset_ms,
        detected_ms=alert.firing_ms,
        updated_ms=alert.firing_ms,
        resolved_ms=-1,
        effect=effect_of(alert, triage.signal_of(alert.signal)),
        log_return_period=alert.peak.log_return_period,
        log_fleet=alert.peak.log_fleet,
        changes=(),
        alert_ids=(),
        alerts_total=0,
        runbook=triage.runbook(alert),
        timeline=(),
        version=0,
        path=triage.path(alert),
        decide_minutes=triage.decide_minutes(alert),
    )
    return Case(base=incident, incident=incident, members=[alert], joined=[alert])


def scope_of(cohort: Cohort) -> dict[str, str]:
    """Give a cohort as a scope: its dimensions in the order in which people name them, labels last.

    >>> scope_of((("model", "gpt-4"), ("region", "eu")))
    {'region': 'eu', 'model': 'gpt-4'}
    """
    places = {dimension: place for place, dimension in enumerate(DIMENSIONS)}
    return dict(sorted(cohort, key=lambda pair: (places.get(pair[0], len(places)), pair[0])))


def effect_of(alert: Alert, signal: Signal) -> Effect:
    """Give what an alert saw at its peak; a drift of shape is counted in shares of events."""
    peak = alert.peak
    unit = SHAPE_UNIT if peak.detector == SHAPE else signal.unit
    return Effect(peak.observed, peak.expected, peak.lower, peak.upper, unit, peak.effect, peak.n)


def is_raised(before: Incident, after: Incident) -> bool:
    """Say whether an incident has become more serious than it was."""
    return after.severity < before.severity or rank_of_incident(after) > rank_of_incident(before)


class Reviewer:
    """Brings the incidents of one minute up to date; pure, from a case as it was to the incident as it is."""

    def __init__(self, triage: Triage, alerts_max: int, candidates: Sequence[Candidate], now_ms: int) -> None:
        self._triage = triage
        self._alerts_max = alerts_max
        self._candidates = candidates
        self._now_ms = now_ms

    def review(self, case: Case) -> None:
        """Renew the incident of a case from its base, its members and those that joined."""
        base, members = case.base, case.members
        strongest = self._strongest(members)
        severity = stricter(base.severity, *(alert.severity for alert in members))
        rises = severity < base.severity or self._triage.rank(strongest) > rank_of_incident(base) or base.version == 0
        young = self._now_ms - base.detected_ms < SETTLES_MS and base.log_fleet < SURE
        settling = young and any(alert.id == base.lead_alert for alert in members)
        incident = base
        if rises or settling:
            detected_ms = self._now_ms if base.severity == "sev4" and severity < "sev4" else base.detected_ms
            incident = msgspec.structs.replace(base, severity=severity, detected_ms=detected_ms)
            incident = self._classified(self._refined(incident, members, rises=rises), members)
        case.incident = self._with_joined(incident, case.joined)

    def _strongest(self, alerts: Sequence[Alert]) -> Alert:
        return max(alerts, key=lambda alert: order(self._triage, alert))

    def _refined(self, incident: Incident, members: list[Alert], *, rises: bool) -> Incident:
        """Renew signal, scope, lead and what follows from them."""
        group = self._group(incident, members, rises=rises)
        near = self._changes(group[0].peak.onset_ms, incident.detected_ms)
        scope = common([alert.cohort for alert in members]) if incident.storm else explaining(group, near)
        at_scope = [alert for alert in group if alert.cohort == scope]
        lead = self._strongest(at_scope or group)
        if rises or lead.id != incident.lead_alert or lead.peak.log_fleet > GROWN * incident.log_fleet:
            incident = msgspec.structs.replace(
                incident,
                lead_alert=lead.id,
                rule=lead.rule,
                lead_signal=lead.signal,
                direction=lead.direction,
                onset_ms=lead.peak.onset_ms,
                effect=effect_of(lead, self._triage.signal_of(lead.signal)),
                log_return_period=lead.peak.log_return_period,
                log_fleet=lead.peak.log_fleet,
                account=lead.peak.account,
                breach=lead.peak.breach,
            )
        elif incident.account is None:
            incident = msgspec.structs.replace(incident, account=lead.peak.account)
        leads = rises or self._triage.rank(group[0]) >= rank_of_incident(incident)
        changes = [change for change in near if overlap(tuple(change.cohort.items()), scope)]
        return msgspec.structs.replace(
            incident,
            level=self._triage.level(group[0]) if leads else incident.level,
            scope=scope_of(scope),
            changes=tuple(changes[:CHANGES_MAX]),
            title=self._title(incident, lead, scope),
        )

    def _title(self, incident: Incident, lead: Alert, scope: Cohort) -> str:
        """Give the title; that of a storm names what leads it."""
        title = title_of(
            self._triage.signal_of(incident.lead_signal),
            incident.effect,
            incident.direction,
            scope_of(lead.cohort if incident.storm else scope),
            limit=is_limit(lead),
            breach=incident.breach,
            beside=incident.account.beside if incident.account and lead.cohort == scope else None,
        )
        return f"Storm: {title}, and others at once" if incident.storm else title

    def _group(self, incident: Incident, members: list[Alert], *, rises: bool) -> list[Alert]:
        """Give the alerts of the signal that leads, the strongest first; a close race does not change the lead."""
        strongest = self._strongest(members)
        lead = next((alert for alert in members if alert.id == incident.lead_alert), None)
        if lead is not None and not rises:
            now = self._strongest(alike(lead, members))
            close = strongest.peak.log_fleet <= GROWN * now.peak.log_fleet
            strongest = now if close and self._triage.rank(now) >= self._triage.rank(strongest) else strongest
        group = alike(strongest, members)
        return sorted(group, key=lambda alert: order(self._triage, alert), reverse=True)

    def _changes(self, onset_ms: int, detected_ms: int) -> list[Candidate]:
        """Give the changes from some hours before the onset until the detection, the closest to the onset first."""
        first_ms = onset_ms - CHANGES_BEFORE_MS
        near = [change for change in self._candidates if first_ms <= change.at_ms <= detected_ms]
        return sorted(near, key=lambda c: (abs(c.at_ms - onset_ms), c.what, c.to or "", sorted(c.cohort.items())))

    def _classified(self, incident: Incident, members: list[Alert]) -> Incident:
        """Give it the category of its strictest alert, the lead if that is one, with its owner, path and runbook.

        A deadline that a rule gave it holds, unless a rule gives it a sooner one.
        """
        strictest = [alert for alert in members if alert.severity == incident.severity]
        if not strictest:
            return incident  # what was strictest has resolved: its category stays
        lead = [alert for alert in strictest if alert.id == incident.lead_alert]
        decides = self._strongest(lead or strictest)
        category = self._triage.category(decides)
        deadlines = [each for each in (incident.decide_minutes, self._triage.decide_minutes(decides)) if each]
        kept = incident.peers if category == incident.category else ()
        return msgspec.structs.replace(
            incident,
            category=category,
            peers=kept or decides.peak.peers,
            family=CATEGORIES[category],
            owner=self._triage.owner(decides),
            runbook=self._triage.runbook(decides),
            path=self._triage.path(decides),
            decide_minutes=min(deadlines, default=0),
        )

    def _with_joined(self, incident: Incident, joined: list[Alert]) -> Incident:
        """Add the alerts that joined, and name the lead signal first."""
        ids = [*incident.alert_ids, *(alert.id for alert in joined)]
        series = [*incident.series, *(series_key(alert.signal, alert.cohort) for alert in joined)]
        signals = [incident.lead_signal, *incident.signals, *(alert.signal for alert in joined)]
        return msgspec.structs.replace(
            incident,
            alert_ids=tuple(ids[: self._alerts_max]),
            alerts_total=incident.alerts_total + len(joined),
            series=tuple(dict.fromkeys(series))[: self._alerts_max],
            signals=tuple(dict.fromkeys(signals))[:SIGNALS_MAX],
            rules=tuple(dict.fromkeys((*incident.rules, *(alert.rule for alert in joined))))[:SIGNALS_MAX],
        )

    def sealed(self, case: Case) -> Incident | None:
        """Give the incident as it leaves this minute, None if nothing has changed; `endings.py` says how it ends."""
        back = lead_is_back(case, self._now_ms, self._triage.signal_of)
        before, after = case.base, case.incident
        said: list[str] = []
        if before.version == 0:
            said.append(f"opened at {after.severity} ({after.level}): {after.title}")
        elif is_raised(before, after):
            said.append(f"raised from {before.severity} to {after.severity} ({after.level}): {after.title}")
        if before.version and after.scope != before.scope:
            said.append(f"the scope is {where(after.scope)}, was {where(before.scope)}")
        joined = [(a.signal, dict(a.cohort)) for a in case.joined if before.version or a.id != after.lead_alert]
        if joined:
            said.append(f"joined by {joined_in_words(joined)}")
        said += [*case.said, *back]
        if case.gone:
            said.append(gone_in_words(case.gone))
        if case.members:
            after, rest = awake(case, self._now_ms, self._triage)
        else:
            after, rest = at_rest(case, self._now_ms, self._triage)
        said = [*rest, *said] if case.members else [*said, *rest]
        if after == before and not said:
            return None
        timeline = shortened((*after.timeline, *(Entry(self._now_ms, WHO, what) for what in said)))
        return msgspec.structs.replace(after, timeline=timeline, version=before.version + 1, updated_ms=self._now_ms)


def shortened(timeline: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Give a timeline that is too long without what stands after its first entry and before the latest."""
    return timeline if len(timeline) <= TIMELINE_MAX else (timeline[0], *timeline[1 - TIMELINE_MAX :])


def is_limit(alert: Alert) -> bool:
    """Say whether a broken limit raised the alert; such an alert has no odds."""
    return alert.peak.reason == Reason.LIMIT


def alike(one: Alert, alerts: Sequence[Alert]) -> list[Alert]:
    """Give the alerts that say the same as this one of other cohorts."""
    return [
        alert
        for alert in alerts
        if (alert.signal, alert.direction, is_limit(alert)) == (one.signal, one.direction, is_limit(one))
    ]
