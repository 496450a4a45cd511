"""Folding decides which incident an alert belongs to: one cause, many alerts.

An alert joins an open incident if it is *near* in time and *related*.

* Near: the onsets lie within `fold_minutes`, or it fired within `fold_minutes` of the incident's detection. An alert
  that took long does not know its onset well, so a third of its own delay is allowed if that is more. Later still
  come the echoes: diluted or small cohorts that overlap the scope, in which the same signal group moves, and not
  clearly since after the incident was detected (by more than twice `fold_minutes` and half of the alert's delay).
  Being open is no nearness: what begins clearly later is another incident.
* Related: (a) one event can be in both its cohort and the incident's scope; (b) its signal is of a group that the
  incident has, and its cohort differs from the scope in one dimension only: then the cause may be wider than either;
  (c) below page level, its cohort overlaps that of any member. A page is not hidden behind a member that only
  dilutes the cause.

An incident that rests, because it is quiet or resolved by itself, takes back the series of its lead for half an hour,
at no higher level; what comes later, or says something else, is news. One that flaps takes it back for as long as it
must stay clear.

A storm is what would open more than a few incidents at once: chance does not do that, so it is one incident, whatever
its cohorts have in common. What is news within minutes of its beginning joins it too.

A series that alerts again joins the incident it was in, if that is still open; a page only if its signal leads there,
so that an incident nobody closes does not take in the pages of days. Against the opposite fault, that a small false
incident swallows a real one: an alert of a higher level raises the incident that it joins, which tells people again;
and where the incident was already worth a ticket, the alert must have begun before that was detected, since a cause
comes before its effects. Otherwise it opens an incident of its own.
"""

from collections.abc import Callable, Sequence

import msgspec

from pipelines.respond.scope import conflicts, overlap
from pipelines.respond.severity import Triage, rank_of_incident
from schemas.alert import Alert
from schemas.incident import OPEN, Incident
from schemas.minutes import MINUTE_MS
from schemas.score import Level, Recovered
from schemas.signal import Cohort, series_key

OPEN_MAX = 200
"""Most incidents open at once; beyond it nobody reads them, and an alert joins the one nearest in time."""
RETURN_MS = 30 * MINUTE_MS
"""What alerts again within half an hour is the same incident; who is told of it as new has been told twice."""
STORM_CASES = 4
"""More incidents of ticket level than this within the time below are no coincidence: chance gives ten a week."""
STORM_MS = 5 * MINUTE_MS
"""What one cause breaks is found within minutes, busy cohorts first."""
_ONSET_ERROR = 1 / 3
"""Share of an alert's delay by which its onset may be wrong (ours): evidence that grew slowly began to grow unseen."""


class Case(msgspec.Struct):
    """An incident while a minute is worked on: as it was, as it is now, what fires in it, what joined, what is back.

    `ended` holds all alerts in it that resolved in this minute, `gone` names rules of them that have left the settings,
    `returned` the series of a quiet one that are back, and `successor` the incident that goes on with them; `crowded`
    says that too many others are quiet. `said` is what else its timeline is to tell.
    """

    base: Incident
    incident: Incident
    members: list[Alert]
    joined: list[Alert]
    back: list[Alert] = []
    said: list[str] = []
    gone: tuple[str, ...] = ()
    ended: list[Alert] = []
    returned: list[Recovered] = []
    successor: str = ""
    crowded: bool = False


def resting_ms(incident: Incident) -> int:
    """Say since when an incident rests: open without evidence, or resolved by itself; -1 where it does neither."""
    if incident.state == "resolved" and incident.ended in ("back", "limit", "faded", "calm"):
        return incident.resolved_ms
    return incident.quiet_ms if incident.state in OPEN else -1


def order(triage: Triage, alert: Alert) -> tuple[int, float, str]:
    """Order alerts by level, then by odds for the whole fleet; the id makes the order total."""
    return (triage.rank(alert), alert.peak.log_fleet, alert.id)


class Folder:
    """Folds the alerts of one minute; `opened` makes a case of a first alert, `review` brings one up to date."""

    def __init__(
        self, triage: Triage, fold_minutes: int, opened: Callable[[Alert], Case], review: Callable[[Case], None]
    ) -> None:
        self._triage = triage
        self._fold_ms = fold_minutes * MINUTE_MS
        self._opened = opened
        self._review = review

    def fold(self, cases: list[Case], alerts: Sequence[Alert]) -> None:
        """Bring each newly firing alert into one of the cases, or into a new one that is appended to them.

        The strongest go first. What joins may widen a scope, so the cases that changed are tried again.
        """
        remaining = sorted(alerts, key=lambda alert: order(self._triage, alert), reverse=True)
        fresh = list(cases)
        while remaining:
            remaining, touched = self._join(fresh, remaining)
            if not touched and remaining:
                touched = [self._open(cases, remaining.pop(0))]
                self._review(touched[0])
                storm = self._storm(cases)
                if storm is not None:
                    # Each of the others would open an incident that belongs to it.
                    more = [alert for alert in remaining if self._triage.rank(alert) >= Level.TICKET]
                    remaining = [alert for alert in remaining if self._triage.rank(alert) < Level.TICKET]
                    storm.members += more
                    storm.joined += more
                    touched = [storm]
            for case in touched:
                self._review(case)
            fresh = touched

    def _join(self, cases: list[Case], alerts: list[Alert]) -> tuple[list[Alert], list[Case]]:
        """Bring alerts into these cases where they belong; gives the others and the cases that changed."""
        rest: list[Alert] = []
        touched: dict[str, Case] = {}
        cohorts = {case.incident.id: {member.cohort for member in case.members} for case in cases}
        for alert in alerts:
            able = [case for case in cases if self.belongs(alert, case.incident, cohorts[case.incident.id])]
            if not able:
                rest.append(alert)
                continue
            case = min(able, key=lambda one: self._preference(alert, one.incident))
            case.members.append(alert)
            case.joined.append(alert)
            cohorts[case.incident.id].add(alert.cohort)
            touched[case.incident.id] = case
        return rest, list(touched.values())

    def _open(self, cases: list[Case], alert: Alert) -> Case:
        """Make a case of an alert that belongs nowhere; where too many are open it joins the nearest in time."""
        awake = [case for case in cases if case.members]
        if len(awake) >= OPEN_MAX:
            nearest = min(awake, key=lambda case: self._preference(alert, case.incident))
            nearest.members.append(alert)
            nearest.joined.append(alert)
            return nearest
        case = self._opened(alert)
        cases.append(case)
        return case

    def _storm(self, cases: list[Case]) -> Case | None:
        """Make one storm of the cases that are new, where with those of the last minutes they are too many."""
        new = [case for case in cases if case.base.version == 0 and case.incident.severity != "sev4"]
        if not new:
            return None
        from_ms = max(case.incident.detected_ms for case in new) - STORM_MS
        opened = [case for case in cases if case.members and case.incident.detected_ms >= from_ms]
        recent = [case for case in opened if case.incident.severity != "sev4"]
        if len(recent) <= STORM_CASES:
            return None
        storms = [case for case in recent if case.base.storm]
        leads = max(new, key=lambda case: max(order(self._triage, alert) for alert in case.members))
        storm = storms[0] if storms else leads
        for case in new:
            if case is not storm:
                storm.members += case.members
                storm.joined += case.joined
                cases.remove(case)
        storm.base = msgspec.structs.replace(storm.base, storm=True)
        return storm

    def belongs(self, alert: Alert, incident: Incident, cohorts: set[Cohort]) -> bool:
        """Say whether an alert joins an incident whose members alert in these cohorts."""
        higher = self._triage.rank(alert) > rank_of_incident(incident)
        leads = (alert.signal, alert.direction) == (incident.lead_signal, incident.direction)
        again = series_key(alert.signal, alert.cohort) in incident.series
        rests_ms = resting_ms(incident)
        if rests_ms >= 0:
            calm_ms = self._triage.quiet.calm_minutes * MINUTE_MS if incident.calm_ms >= 0 else 0
            return again and leads and not higher and alert.firing_ms - rests_ms <= max(RETURN_MS, calm_ms)
        if again and not higher and (leads or self._triage.rank(alert) < Level.PAGE):
            return True
        if higher and incident.severity != "sev4" and alert.peak.onset_ms > incident.detected_ms:
            return False
        return self._near(alert, incident) and self._related(alert, incident, cohorts)

    def _near(self, alert: Alert, incident: Incident) -> bool:
        delay_ms = alert.firing_ms - alert.peak.onset_ms
        tolerance_ms = max(self._fold_ms, _ONSET_ERROR * delay_ms)
        apart_ms = abs(alert.peak.onset_ms - incident.onset_ms)
        soon = apart_ms <= tolerance_ms or alert.firing_ms - incident.detected_ms <= self._fold_ms
        return soon or self._is_echo(alert, incident)

    def _is_echo(self, alert: Alert, incident: Incident) -> bool:
        slack_ms = max(2 * self._fold_ms, (alert.firing_ms - alert.peak.onset_ms) // 2)
        not_after = alert.peak.onset_ms <= incident.detected_ms + slack_ms
        within = overlap(alert.cohort, tuple(incident.scope.items()))
        return not_after and within and self._same_group(alert, (incident.lead_signal,))

    def _related(self, alert: Alert, incident: Incident, cohorts: set[Cohort]) -> bool:
        apart = conflicts(alert.cohort, tuple(incident.scope.items()))
        if apart == 0 or (apart == 1 and self._same_group(alert, incident.signals)):
            return True
        below_page = self._triage.rank(alert) < Level.PAGE
        return below_page and (() in cohorts or any(overlap(alert.cohort, cohort) for cohort in cohorts))

    def _same_group(self, alert: Alert, signals: Sequence[str]) -> bool:
        group = self._triage.signal_of(alert.signal).group
        return any(self._triage.signal_of(name).group == group for name in signals)

    def _preference(self, alert: Alert, incident: Incident) -> tuple[bool, bool, bool, int, str]:
        """Order incidents for an alert: what is awake, its own series, its signal group, then the nearest onset."""
        return (
            resting_ms(incident) >= 0,
            series_key(alert.signal, alert.cohort) not in incident.series,
            not self._same_group(alert, (incident.lead_signal,)),
            abs(alert.peak.onset_ms - incident.onset_ms),
            incident.id,
        )
