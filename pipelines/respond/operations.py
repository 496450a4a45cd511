"""Operational incidents: what is wrong with the input itself becomes alerts and incidents like any other finding.

They are folded by their signal alone: one incident for each, however many partitions have it, and never one with what
applications do. An alert is told once. It resolves when nothing was seen of it for the rule's `keep_firing`, counted in
event time; a streak that goes on keeps its own.
"""

from collections.abc import Iterable, Mapping

import msgspec

from pipelines.respond.alerts import LIMIT_PREFIX, Key, Policy, advance
from pipelines.respond.fold import RETURN_MS, Case
from pipelines.respond.incidents import Kind, Reviewer, opened
from pipelines.respond.notices import notices
from pipelines.respond.severity import Triage, stricter
from schemas.act import Response
from schemas.alert import Alert
from schemas.breach import Trouble
from schemas.effects import Effects
from schemas.incident import Incident, Notification
from schemas.operations import BROKEN, CORRUPT, DRIFT, LOST, UNREADABLE, Sign
from schemas.score import Finding, Level, Reason
from schemas.settings import Settings
from schemas.status import UNKNOWN, added
from schemas.trouble_words import trouble_title

COUNTED = (LOST, CORRUPT)
"""Signals whose records an incident adds up: each of their places is told once, and nothing is found there again."""
REJECTED = (DRIFT, UNREADABLE)
"""Signals of rejects among events; where there is nothing but rejects, that alone is told."""


class Operations:
    """The alerts and incidents about the input; its state is those that are not finished.

    `incidents` holds the open ones by their signal; beside them the last of each that resolved by itself is kept, to be
    opened again where its signal comes back soon.
    """

    def __init__(self, settings: Settings, triage: Triage, kind: Kind, responses: Mapping[str, Response]) -> None:
        """`responses` are those of open incidents by id, kept up to date by the owner."""
        self._settings = settings
        self._responses = responses
        self._triage = triage
        self._kind: Kind = kind
        self._alerts: dict[Key, Alert] = {}
        self.incidents: dict[str, Incident] = {}
        self._resolved: dict[str, Incident] = {}

    def reload(self, settings: Settings, triage: Triage) -> None:
        """Go on with other settings."""
        self._settings, self._triage = settings, triage

    def restore(self, alerts: Iterable[Alert], incidents: Iterable[Incident]) -> None:
        """Take up those of a store that are not finished, in place of the present ones."""
        self._alerts = {(alert.rule, alert.signal, alert.cohort): alert for alert in alerts}
        ordered = sorted(incidents, key=lambda incident: incident.resolved_ms)
        self.incidents = {each.lead_signal: each for each in ordered if each.state != "resolved"}
        self._resolved = {each.lead_signal: each for each in ordered if each.state == "resolved"}

    @property
    def known(self) -> set[str]:
        """Give the ids of the incidents that are open or may be opened again."""
        return {incident.id for incident in (*self.incidents.values(), *self._resolved.values())}

    def forget(self, incident: Incident) -> None:
        """Open an incident again no more by itself: people have ended it, or opened it again."""
        rested = self._resolved.get(incident.lead_signal)
        if rested is not None and rested.id == incident.id:
            del self._resolved[incident.lead_signal]

    def operate(self, signs: Iterable[Sign]) -> list[Effects]:
        """Give what these signs change, one after the other; one that is known changes nothing."""
        return [effects for sign in signs for effects in self._taken(sign)]

    def fade(self, minute: int, now_ms: int) -> list[Effects]:
        """Give what a closed minute changes where nothing was seen for long enough."""
        done = []
        for key in sorted(self._alerts):
            alert = self._alerts[key]
            trouble = alert.latest.breach
            if isinstance(trouble, Trouble) and trouble.lasting:
                continue
            moved = advance(alert, None, self._policy(alert.rule), minute, now_ms)
            done += [self._changed(key, each, now_ms) for each in moved]
        return done

    def _policy(self, rule: str) -> Policy:
        """Give the waiting times of a rule; evidence that lies in the log already has waited for nobody."""
        return msgspec.structs.replace(self._triage.policy(rule), for_ms=0)

    def _taken(self, sign: Sign) -> list[Effects]:
        """Take in one sign."""
        finding = _finding(sign)
        key = (sign.signal, finding.signal, finding.cohort)
        alert = self._alerts.get(key)
        if alert is not None and _place(alert.latest) == _place(finding):
            return []
        if alert is None and sign.signal in REJECTED and self._is_broken(sign.at_ms):
            return []  # the same rejects, told twice
        if alert is not None and alert.incident_id and not self._is_open(alert):
            # People have ended its incident: what comes now is another one.
            ended = msgspec.structs.replace(alert, state="resolved", resolved_ms=sign.at_ms)
            moved = [ended, *advance(None, finding, self._policy(sign.signal), sign.began, sign.at_ms)]
        else:
            moved = advance(alert, finding, self._policy(sign.signal), sign.began, sign.at_ms)
        more = sign.trouble if sign.signal in COUNTED else None
        return [self._changed(key, each, sign.at_ms, more) for each in moved]

    def _is_open(self, alert: Alert) -> bool:
        incident = self.incidents.get(alert.signal)
        return incident is not None and incident.id == alert.incident_id

    def _is_broken(self, at_ms: int) -> bool:
        """Say whether an ingest was broken by then; another partition may be read further, and say more already."""
        return any(alert.rule == BROKEN and alert.firing_ms <= at_ms for alert in self._alerts.values())

    def _changed(self, key: Key, alert: Alert, now_ms: int, more: Trouble | None = None) -> Effects:
        """Keep a changed alert, and give it with what it changes of its incident; `more` adds to what that counts."""
        alert = msgspec.structs.replace(alert, severity=stricter(alert.severity, self._triage.severity(alert)))
        self._alerts[key] = alert
        if alert.state == "resolved":
            del self._alerts[key]
        reviewer = Reviewer(self._triage, self._settings.severities.alerts_per_incident_max, (), now_ms)
        case = self._case(alert)
        if case is None:
            return Effects(alerts=(alert,))
        if case.joined:
            alert = msgspec.structs.replace(alert, incident_id=case.incident.id)
            self._alerts[key] = alert
        if case.members:
            reviewer.review(case)
        if more is not None and case.base.version:
            _add(case, more)
        incidents, messages = self._sealed(case, reviewer)
        return Effects((alert,), incidents, messages)

    def _case(self, alert: Alert) -> Case | None:
        """Lay out the incident of an alert, a new one for the first that fires; None where there is none."""
        incident = self.incidents.get(alert.signal)
        rested = self._resolved.get(alert.signal)
        if incident is None and alert.state != "firing":
            return None
        if incident is None and rested is not None and alert.firing_ms - rested.resolved_ms <= RETURN_MS:
            incident = rested
        if incident is None:
            return opened(alert, self._triage, self._kind)
        members = [each for each in self._alerts.values() if each.signal == alert.signal and each.state == "firing"]
        joined = [alert] if alert.state == "firing" and not alert.incident_id else []
        return Case(incident, incident, members, joined, ended=[alert] if alert.state == "resolved" else [])

    def _sealed(self, case: Case, reviewer: Reviewer) -> tuple[tuple[Incident, ...], tuple[Notification, ...]]:
        """Give the incident if it has changed, and the messages that tell of it."""
        incident = reviewer.sealed(case)
        if incident is None:
            return (), ()
        before = case.base if case.base.version else None
        self.incidents[incident.lead_signal] = incident
        if incident.state == "resolved":
            self._resolved[incident.lead_signal] = self.incidents.pop(incident.lead_signal)
        response = self._responses.get(incident.id)
        return (incident,), tuple(notices(before, incident, response, self._triage.signal_of, self._settings))


def _add(case: Case, more: Trouble) -> None:
    """Add to an incident what was found in one more place."""
    known = case.base.breach
    assert isinstance(known, Trouble), f"{case.base.lead_signal} counts nothing"
    total = msgspec.structs.replace(
        known, records=added(known.records, more.records), of=added(known.of, more.of), places=known.places + 1
    )
    title = trouble_title(case.base.lead_signal, total)
    case.incident = msgspec.structs.replace(case.incident, breach=total, title=title)
    number = "an unknown number" if more.records == UNKNOWN else f"{more.records:,}"
    case.said.append(f"again: {number} of {more.partition} from offset {more.first} on; {title}")


def _place(finding: Finding) -> tuple[object, ...]:
    """Say where the evidence of a finding lies, which tells a new one from one that was taken in before."""
    trouble = finding.breach
    assert isinstance(trouble, Trouble), f"{finding.signal} is no operational signal"
    return (trouble.first, trouble.lasting, -1 if trouble.partition else finding.detected_ms)


def _finding(sign: Sign) -> Finding:
    """Make the finding of a sign; it is a limit, so it has no odds."""
    trouble = sign.trouble
    share = trouble.records / trouble.of if trouble.of > 0 else 1.0
    return Finding(
        signal=sign.signal,
        cohort=sign.cohort,
        detector=f"{LIMIT_PREFIX}{sign.signal}",
        level=Level.PAGE if sign.wide else Level.TICKET,
        log_return_period=0.0,
        log_fleet=0.0,
        direction="up",
        observed=share,
        expected=sign.limit,
        lower=sign.limit,
        upper=sign.limit,
        effect=share / sign.limit if sign.limit else 0.0,
        n=max(0, trouble.of),
        excess=float(max(0, trouble.records)),
        onset_ms=sign.at_ms,
        detected_ms=sign.at_ms,
        reason=Reason.LIMIT,
        breach=trouble,
    )
