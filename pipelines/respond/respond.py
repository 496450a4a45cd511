"""The respond wing: findings of one closed minute in, what changes in the world out.

Its state is the alerts that are pending or firing, and the incidents that are open or resolved by themselves a moment
ago, nothing else, so a restart that restores these goes on bit for bit.
It knows no clock: all times are event time, given with the minute.
"""

from collections.abc import Callable, Sequence

import msgspec

from pipelines.respond.acts import adopted
from pipelines.respond.alerts import ANOMALY, Key, advance, strongest
from pipelines.respond.declared import LEVEL, Declared
from pipelines.respond.endings import prepared
from pipelines.respond.fold import OPEN_MAX, RETURN_MS, Case, Folder, resting_ms
from pipelines.respond.incidents import Kind, Reviewer, opened
from pipelines.respond.notices import notices
from pipelines.respond.operations import Operations
from pipelines.respond.severity import Triage, stricter
from pipelines.respond.signs import Window
from schemas.act import Heard, Response
from schemas.alert import Alert
from schemas.effects import Effects
from schemas.incident import OPEN, PAGING, Incident, Notification
from schemas.operations import OPERATIONAL, Sign
from schemas.partial import Minute
from schemas.score import Candidate, Finding, Recovered
from schemas.settings import Settings
from schemas.signal import Signal, series_key


class Respond:
    """Turns findings into alerts, incidents and messages; the same calls give the same effects, bit for bit."""

    def __init__(self, settings: Settings, signal_of: Callable[[str], Signal], kind: Kind = "real") -> None:
        self._settings = settings
        self._signal_of = signal_of
        self._triage = Triage(settings, signal_of)
        self._responses: dict[str, Response] = {}
        self._operations = Operations(settings, self._triage, kind, self._responses)
        self._declared = Declared(settings, self._triage, kind, self._responses)
        self._window = Window()
        self._kind: Kind = kind
        self._alerts: dict[Key, Alert] = {}
        self._incidents: dict[str, Incident] = {}
        self._resolved: dict[str, Incident] = {}

    def reload(self, settings: Settings) -> None:
        """Go on with other settings from the next minute on; alerts and incidents stay as they are until then."""
        self._settings = settings
        self._triage = Triage(settings, self._signal_of)
        self._operations.reload(settings, self._triage)
        self._declared.reload(settings, self._triage)

    def restore(
        self,
        alerts: Sequence[Alert],
        incidents: Sequence[Incident],
        window: bytes = b"",
        responses: Sequence[Response] = (),
    ) -> None:
        """Take up the alerts and incidents of a store in place of the present ones; finished ones are left out.

        `responses` are what people did about the incidents. `window` is what `window` gave at the last snapshot;
        raises `msgspec.MsgspecError` if it is something else.
        """
        active = [alert for alert in alerts if alert.state != "resolved"]
        unfinished = [incident for incident in incidents if incident.state in OPEN]
        rested = [each for each in incidents if each.state == "resolved" and resting_ms(each) >= 0]
        self._resolved = {one.id: one for one in rested if one.lead_signal not in OPERATIONAL}
        self._alerts = {(a.rule, a.signal, a.cohort): a for a in active if a.signal not in OPERATIONAL}
        self._declared.restore(one for one in unfinished if one.level == LEVEL)
        own = (one for one in unfinished if one.level != LEVEL and one.lead_signal not in OPERATIONAL)
        self._incidents = {one.id: one for one in own}
        known = {incident.id for incident in (*rested, *unfinished)}
        self._responses.clear()
        self._responses.update({one.incident_id: one for one in responses if one.incident_id in known})
        self._operations.restore(
            [alert for alert in active if alert.signal in OPERATIONAL],
            [incident for incident in [*rested, *unfinished] if incident.lead_signal in OPERATIONAL],
        )
        if window:
            self._window.load(window)

    def window(self) -> bytes:
        """Give what is known of the input of the latest closed minutes, for a snapshot."""
        return self._window.dump()

    def recall(self, minute: Minute) -> None:
        """Take in the input of a closed minute, without judging it."""
        self._window.add(minute)

    def look(self, minute: Minute) -> list[Effects]:
        """Give what the input of a closed minute changes, which `recall` has taken in."""
        signs = self._operations.operate(self._window.signs(minute))
        return [*signs, *self._operations.fade(minute.minute, minute.detected_ms)]

    def operate(self, signs: Sequence[Sign]) -> list[Effects]:
        """Give what signs about the input change; one that was taken in before changes nothing."""
        return self._operations.operate(signs)

    def reported(self, minute: Minute) -> Effects:
        """Give what the reports of people in a closed minute change."""
        return self._declared.take(minute.reports, self._incidents, minute.detected_ms)

    def hear(self, heard: Sequence[Heard]) -> Effects:
        """Take up what people did about incidents: what they ended takes no alerts, what they opened again does.

        Alerts of an incident that is part of another one now go there; those of one that was closed stay in it until
        they clear, so that it pages nobody twice.
        """
        changed: list[Incident] = []
        moved: list[Alert] = []
        for each in heard:
            books = self._books(each.incident)
            key = each.incident.lead_signal if books is self._operations.incidents else each.incident.id
            known = books.get(key)
            same = known is not None and known.id == each.incident.id
            before = known if known is not None and same else self._resolved.get(each.incident.id, each.incident)
            after = adopted(before, each)
            if after.state in OPEN and (same or known is None):  # one that is open already is not replaced
                books[key] = after
                if each.response is not None:
                    self._responses[after.id] = each.response
            elif same:
                del books[key]
            if after.state != "resolved":
                self._resolved.pop(after.id, None)
                self._operations.forget(after)
            if after != each.incident:
                changed.append(after)
            if after.state == "merged" and each.response is not None:
                moved += self._rehoused(after.id, each.response.merged_into)
        return Effects(alerts=tuple(moved), incidents=tuple(changed))

    def _books(self, incident: Incident) -> dict[str, Incident]:
        """Give where an incident is kept while it is open."""
        if incident.level == LEVEL:
            return self._declared.incidents
        return self._operations.incidents if incident.lead_signal in OPERATIONAL else self._incidents

    def _rehoused(self, source: str, target: str) -> list[Alert]:
        """Give the alerts of one incident to another, and give the changed ones."""
        moved = []
        for key, alert in self._alerts.items():
            if alert.incident_id == source:
                moved.append(msgspec.structs.replace(alert, incident_id=target))
                self._alerts[key] = moved[-1]
        return moved

    @property
    def covered(self) -> frozenset[str]:
        """Give the keys of the series of open incidents that page: what they do is not to become normal by itself.

        An incident names a limited number of its series; of the others those count that fire now. One that is quiet
        has none that does anything.
        """
        serious = {one.id: one for one in self._incidents.values() if one.severity in PAGING and one.quiet_ms < 0}
        firing = [alert for alert in self._alerts.values() if alert.incident_id in serious]
        named = {key for incident in serious.values() for key in incident.series}
        return frozenset(named | {series_key(alert.signal, alert.cohort) for alert in firing})

    def step(
        self,
        minute: int,
        detected_ms: int,
        findings: tuple[Finding, ...],
        candidates: tuple[Candidate, ...],
        recovered: tuple[Recovered, ...] = (),
    ) -> Effects:
        """Give what one closed minute changes; `candidates` are the changes of the last day."""
        back: dict[Key, Recovered] = {(ANOMALY, each.signal, each.cohort): each for each in recovered}
        changed = self._advance(minute, detected_ms, strongest(findings), back)
        cases = self._cases([alert for alert in changed.values() if alert.state == "resolved"], recovered, detected_ms)
        alerts_max = self._settings.severities.alerts_per_incident_max
        reviewer = Reviewer(self._triage, alerts_max, candidates, detected_ms)
        for case in cases:
            if case.members:
                reviewer.review(case)
        homeless = [alert for alert in self._alerts.values() if alert.state == "firing" and not alert.incident_id]
        folder = Folder(
            self._triage,
            self._settings.severities.fold_minutes,
            lambda alert: opened(alert, self._triage, self._kind),
            reviewer.review,
        )
        folder.fold(cases, homeless)
        prepared(cases)
        for case in cases:
            for alert in case.joined:
                housed = msgspec.structs.replace(alert, incident_id=case.incident.id)
                self._alerts[alert.rule, alert.signal, alert.cohort] = changed[alert.id] = housed
        incidents, messages = self._seal(cases, reviewer)
        return Effects(tuple(changed.values()), tuple(incidents), tuple(messages))

    def _advance(
        self, minute: int, now_ms: int, found: dict[Key, Finding], back: dict[Key, Recovered]
    ) -> dict[str, Alert]:
        """Move every alert by one minute; gives the changed ones by id, in the order of their keys."""
        changed: dict[str, Alert] = {}
        for key in sorted(self._alerts.keys() | found.keys()):
            policy = self._triage.policy(key[0])
            moved = advance(self._alerts.get(key), found.get(key), policy, minute, now_ms, back.get(key))
            for alert in moved:
                severity = stricter(alert.severity, self._triage.severity(alert))
                changed[alert.id] = msgspec.structs.replace(alert, severity=severity)
            if moved and moved[-1].state == "resolved":
                del self._alerts[key]
            elif moved:
                self._alerts[key] = changed[moved[-1].id]
        return changed

    def _cases(self, ended: list[Alert], recovered: Sequence[Recovered], now_ms: int) -> list[Case]:
        """Lay out the incidents that are open or may be again, the oldest first, with what fires and ended in them."""
        latest = sorted(self._resolved.values(), key=lambda incident: (incident.resolved_ms, incident.id))
        self._resolved = {one.id: one for one in latest[-OPEN_MAX:] if now_ms - one.resolved_ms <= RETURN_MS}
        held = self._incidents.keys() | self._resolved.keys() | self._operations.known | self._declared.incidents.keys()
        for gone in self._responses.keys() - held:
            del self._responses[gone]
        members: dict[str, list[Alert]] = {}
        over: dict[str, list[Alert]] = {}
        for alert in ended:
            over.setdefault(alert.incident_id, []).append(alert)
        for key in sorted(self._alerts):
            alert = self._alerts[key]
            members.setdefault(alert.incident_id, []).append(alert)
        known = [*self._incidents.values(), *self._resolved.values()]
        ordered = sorted(known, key=lambda incident: (incident.onset_ms, incident.id))
        return [self._case(one, members.get(one.id, []), over.get(one.id, []), recovered) for one in ordered]

    def _case(self, one: Incident, members: list[Alert], ended: list[Alert], recovered: Sequence[Recovered]) -> Case:
        """Lay out one incident with what fires in it and what is over, and why."""
        gone = {alert.rule for alert in ended if not self._triage.knows(alert.rule)}
        back = [alert for alert in ended if alert.recovered is not None]
        case = Case(one, one, members, [], back, gone=tuple(sorted(gone)), ended=ended)
        if one.quiet_ms >= 0:
            lead = [each for each in recovered if each.signal == one.lead_signal]
            case.returned = [each for each in lead if series_key(each.signal, each.cohort) in one.series]
        return case

    def _seal(self, cases: list[Case], reviewer: Reviewer) -> tuple[list[Incident], list[Notification]]:
        """Give the incidents that changed and the messages that tell of it."""
        incidents: list[Incident] = []
        messages: list[Notification] = []
        for case in cases:
            incident = reviewer.sealed(case)
            if incident is None:
                continue
            incidents.append(incident)
            before = case.base if case.base.version else None
            response = self._responses.get(incident.id)
            messages += notices(before, incident, response, self._triage.signal_of, self._settings)
            self._incidents[incident.id] = incident
            self._resolved.pop(incident.id, None)
            if incident.state == "resolved":
                self._resolved[incident.id] = self._incidents.pop(incident.id)
        return incidents, messages
