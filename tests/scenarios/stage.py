"""A stage for stories on a simulated clock: findings are pushed at minutes, messages are expected between minutes."""

import dataclasses
from typing import Any

import msgspec

from pipelines.respond.acts import after
from pipelines.respond.notices import told
from pipelines.respond.orders import Order, Refusal, act_of
from pipelines.respond.respond import Respond
from schemas.act import Act, Heard, Response, Verb
from schemas.alert import Alert
from schemas.effects import Effects
from schemas.incident import OPEN, Incident
from schemas.score import Candidate, Finding, Level, Reason, Recovered
from schemas.settings import Notifier, Settings
from schemas.signal import Cohort, Signal

START_MINUTE = 29_459_520
"""2026-01-05T00:00:00Z; minute 0 of every story."""
LATENESS_MS = 120_000
LOG_FLEET = {"none": 2.5, "note": 5.0, "ticket": 7.5, "page": 10.0}
LEVELS = {"none": Level.NONE, "note": Level.NOTE, "ticket": Level.TICKET, "page": Level.PAGE}

SIGNALS = {
    signal.name: signal
    for signal in (
        Signal("refusal_rate", "rate", "share", "", "capability_loss", "refusal", category_down="safety_bypass"),
        Signal("safety_trigger_rate", "rate", "share", "", "prompt_injection", "refusal"),
        Signal("latency_ms", "level", "ms", "", "performance", "speed"),
        Signal("ttft_ms", "level", "ms", "", "performance", "speed"),
        Signal("cost_usd", "level", "USD", "", "cost", "cost"),
        Signal("leak_hit_rate", "rate", "share", "", "data_leak", "leak"),
        Signal("quiet_rate", "rate", "share", "", "bias", "quiet", page=False),
        Signal("traffic", "traffic", "events/min", "", "silence", "traffic"),
    )
}


def at_ms(minute: float) -> int:
    """Give the event time of a story's minute."""
    return round((START_MINUTE + minute) * 60_000)


def detected_at_ms(minute: int) -> int:
    """Give the event time at which a story's minute is judged."""
    return at_ms(minute + 1) + LATENESS_MS


def cohort(**dimensions: str) -> Cohort:
    """Name a cohort."""
    return tuple(sorted(dimensions.items()))


def finding(minute: int, signal: str, where: Cohort, level: str, **more: Any) -> Finding:
    """Make a finding of a minute; `log_fleet` follows from the level, the onset is the minute itself."""
    log_fleet = more.pop("log_fleet", LOG_FLEET[level])
    effect = more.pop("effect", 3.0 if more.get("direction", "up") == "up" else 0.3)
    rule = more.pop("rule", "")
    given = {
        "signal": signal, "cohort": where, "detector": f"limit:{rule}" if rule else "rate", "level": LEVELS[level],
        "log_return_period": log_fleet + 5.0, "log_fleet": log_fleet, "direction": "up", "observed": 0.03 * effect,
        "expected": 0.03, "lower": 0.02, "upper": 0.04, "effect": effect, "n": 400, "excess": 20.0,
        "onset_ms": at_ms(more.pop("onset", minute)), "detected_ms": detected_at_ms(minute), "reason": Reason.NORMAL,
    }  # fmt: skip
    if rule:
        given |= {"log_return_period": 0.0, "log_fleet": 0.0, "reason": Reason.LIMIT}
    return Finding(**(given | more))


@dataclasses.dataclass
class Message:
    """A message that went out: in which minute, to which sink, of what type, with which incident."""

    minute: int
    sink: str
    type: str
    incident: dict[str, Any]


class Stage:
    """Plays a story. With `restarts` the wing is thrown away after every minute and restored from what was stored."""

    def __init__(self, settings: Settings | None = None, *, restarts: bool = False) -> None:
        sink = Notifier(name="log", minimum_severity="sev4")
        self.settings = settings or Settings(notifiers=(sink,))
        self.restarts = restarts
        self.pushed: dict[int, list[Finding]] = {}
        self.changes: list[Candidate] = []
        self.returns: dict[int, list[Recovered]] = {}
        self.minute = 0
        self.effects: list[Effects] = []
        self.alerts: dict[str, Alert] = {}
        self.incidents: dict[str, Incident] = {}
        self.messages: list[Message] = []
        self.responses: dict[str, Response] = {}
        self._respond = self._fresh()

    def push(self, at: int, signal: str, where: Cohort, level: str, until: int | None = None, **more: Any) -> None:
        """Push a finding in the minute `at`, or in each of the minutes [at, until); they share an onset."""
        more.setdefault("onset", at)
        for minute in range(at, at + 1 if until is None else until):
            self.pushed.setdefault(minute, []).append(finding(minute, signal, where, level, **more))

    def change(self, at: int, what: str, to: str, **where: str) -> None:
        """Let a change be seen at a minute."""
        self.changes.append(Candidate(what, "old", to, at_ms(at), where))

    def back(self, at: int, signal: str, where: Cohort) -> None:
        """Show in a minute that a series is back, since two minutes before."""
        self.returns.setdefault(at, []).append(Recovered(signal, where, at_ms(at - 2), 0.03, 10.0))

    def play(self, until: int) -> "Stage":
        """Close the minutes up to `until`."""
        while self.minute < until:
            found = tuple(self.pushed.get(self.minute, ()))
            seen = tuple(change for change in self.changes if change.at_ms <= at_ms(self.minute))
            now_ms = detected_at_ms(self.minute)
            back = tuple(self.returns.get(self.minute, ()))
            self._take(self._respond.step(START_MINUTE + self.minute, now_ms, found, seen, back))
            if self.restarts:
                self._respond = self._fresh()
            self.minute += 1
        return self

    def order(self, incident_id: str, verb: Verb, who: str = "Ana", **more: Any) -> Act | Refusal:
        """Let somebody act on an incident now, as the desk does, and let the engine hear of it."""
        heard = Heard(self.incidents[incident_id], self.responses.get(incident_id))
        act = act_of(heard, Order(verb, **more), who, "web", detected_at_ms(self.minute))
        if isinstance(act, Refusal):
            return act
        done = Heard(heard.incident, after(heard, act))
        self.responses[incident_id] = done.response
        self._take(Effects(notifications=tuple(told(heard, done, act, SIGNALS.__getitem__, self.settings))))
        self._take(self._respond.hear([done]))
        return act

    def expect(self, kind: str, /, between: tuple[int, int], **fields: Any) -> dict[str, Any]:
        """Expect exactly one message of a type in the minutes [first, last], with these fields of the incident."""
        found = [m for m in self.messages if m.type == f"incident.{kind}" and between[0] <= m.minute <= between[1]]
        assert len(found) == 1, [(m.minute, m.type, m.incident["title"]) for m in self.messages]
        told = found[0].incident
        assert {name: told[name] for name in fields} == fields
        self.messages.remove(found[0])
        return told

    def expect_nothing_else(self) -> None:
        """Expect that every message has been asked for."""
        assert not [(m.minute, m.type, m.incident["title"]) for m in self.messages]

    def the_incident(self) -> Incident:
        """Give the only incident of the story."""
        (incident,) = self.incidents.values()
        return incident

    @property
    def covered(self) -> frozenset[str]:
        """Give the series that open incidents cover now."""
        return self._respond.covered

    def _take(self, effects: Effects) -> None:
        self.effects.append(effects)
        self.alerts |= {alert.id: alert for alert in effects.alerts}
        self.incidents |= {incident.id: incident for incident in effects.incidents}
        for notification in effects.notifications:
            body = msgspec.json.decode(notification.body)
            self.messages.append(Message(self.minute, notification.sink, notification.type, body["data"]))

    def _fresh(self) -> Respond:
        """Make a wing that knows what the store would give it: through bytes, and in no particular order."""
        respond = Respond(self.settings, SIGNALS.__getitem__)
        alerts = [alert for alert in self.alerts.values() if alert.state != "resolved"]
        incidents = [incident for incident in self.incidents.values() if incident.state in (*OPEN, "resolved")]
        stored = msgspec.msgpack.encode((alerts[::-1], incidents[::-1]))
        respond.restore(*msgspec.msgpack.decode(stored, type=tuple[list[Alert], list[Incident]]))
        return respond
