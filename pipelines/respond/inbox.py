"""The inbox takes what other programs told us to the desk: what people did in PagerDuty, and alerts of Prometheus.

What people did there is done here under their name. An alert of Prometheus opens nothing: it is noted on every open
incident that began near it and whose scope its labels do not contradict, once when it fires and once when it is over.
"""

import threading
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import msgspec

from pipelines.respond.alerts import short_hash
from pipelines.respond.desk import ActStore, Desk
from pipelines.respond.inbound import Acted, Told
from pipelines.respond.notifiers.text import cut, one_line
from pipelines.respond.orders import Order, Refusal
from schemas.act import Act, Heard, Verb, name_problem
from schemas.incident import OPEN, Incident
from schemas.minutes import MINUTE_MS
from schemas.settings import Settings
from schemas.signal import Signal
from schemas.words import moment, rfc3339

PAGERDUTY, ALERTMANAGER = "pagerduty", "alertmanager"
"""Through what these acts come."""
EVENT_LASTS_MS = 24 * 3_600_000
"""An event is sent again for a while; one that is older than a day was kept by somebody."""
SKEW_MS = 60_000
"""Clocks of two companies differ by less than a minute."""
KEPT_MAX = 1_000
"""Most alerts that are remembered for incidents that are still to come; the oldest makes room."""
LOOK_MS = 10_000
"""How often it is seen whether an incident has come to an alert."""
OPEN_MAX = 100
"""Most open incidents, the newest, that alerts are held against."""
JOINED_MAX = 50
"""Most alerts noted on one incident: of a storm people need to know that there is one."""
SUMMARY_RUNES = 300
_DECIDING: tuple[Verb, ...] = (
    "acknowledged", "released", "assigned", "mitigated", "resolved", "reopened", "closed", "cancelled", "merged",
)  # fmt: skip
"""Acts after which an older one from elsewhere is of no matter."""
_OURS = frozenset({"signal", "direction", "category", "kind"})
"""Labels that our own alerts have together, so that what we told Alertmanager does not come back to us."""


class InboxStore(ActStore, Protocol):
    """What the inbox needs of a store."""

    def of(self, incident_id: str) -> Sequence[Act]:
        """Give the acts of an incident."""
        ...

    def among(self, states: Collection[str], limit: int) -> Sequence[Heard]:
        """Give the latest incidents in these states."""
        ...


class Joined(msgspec.Struct, frozen=True):
    """What became of alerts: how many came, how many are our own, and how many notes were written on which incidents.

    Those near which no incident began are remembered for a while.
    """

    alerts: int
    ours: int
    notes: int
    incidents: tuple[str, ...]


class _Kept(msgspec.Struct, frozen=True):
    """An alert with who told it and when, and how it is recognised in a note."""

    told: Told
    who: str
    at_ms: int
    mark: str


class Inbox:
    """Takes what was told to the desk; safe from any thread. `settings` gives those in use."""

    def __init__(self, acts: InboxStore, settings: Callable[[], Settings], signal_of: Callable[[str], Signal]) -> None:
        self._acts = acts
        self._settings = settings
        self._signal_of = signal_of
        self._kept: dict[str, _Kept] = {}
        self._looked_ms = 0
        self._turn = threading.Lock()

    def acted(self, event: Acted, now_ms: int) -> Act | Refusal:
        """Do what somebody did in PagerDuty, or say why not. Raises `StoreError`.

        An event does its work once, not a day later, and not where somebody has acted here since.
        """
        if not -SKEW_MS <= now_ms - event.at_ms <= EVENT_LASTS_MS:
            return Refusal("the event is not of the last day")
        note, done = f"PagerDuty event {event.id}", self._acts.of(event.incident_id)
        if any(act.via == PAGERDUTY and act.note == note for act in done):
            return Refusal("the event was told before")
        for act in reversed(done):
            if act.via not in {PAGERDUTY, "clock"} and act.verb in _DECIDING and act.at_ms > event.at_ms + SKEW_MS:
                return Refusal(f"{act.who} has acted on it since", conflict=True)
        who = f"{one_line(event.who)} in PagerDuty"
        who = "somebody in PagerDuty" if name_problem(who) else who
        return self._desk().take(event.incident_id, Order(event.verb, note=note), who, PAGERDUTY, now_ms)

    def told(self, alerts: Sequence[Told], who: str, now_ms: int) -> Joined:
        """Note alerts on the incidents near them, and remember them for those to come. Raises `StoreError`."""
        others = [each for each in alerts if not (each.name.startswith("Limen") and each.labels.keys() >= _OURS)]
        with self._turn:
            for each in others:
                mark = f"[{short_hash(each.id, each.begun_ms)} {'firing' if each.ended_ms < 0 else 'over'}]"
                self._kept.setdefault(mark, _Kept(each, who, now_ms, mark))
                if len(self._kept) > KEPT_MAX:
                    del self._kept[next(iter(self._kept))]
            noted = self._join(now_ms)
        return Joined(len(alerts), len(alerts) - len(others), len(noted), tuple(sorted(set(noted))))

    def look(self, now_ms: int) -> int:
        """Note alerts on incidents that have begun since they came, and give the number. Raises `StoreError`."""
        if not self._kept or 0 <= now_ms - self._looked_ms < LOOK_MS:
            return 0
        self._looked_ms = now_ms
        with self._turn:
            self._kept = {mark: each for mark, each in self._kept.items() if now_ms - each.at_ms <= EVENT_LASTS_MS}
            return len(self._join(now_ms))

    def _join(self, now_ms: int) -> list[str]:
        """Write the notes that are missing, and give the incident of each."""
        noted: list[str] = []
        for heard in self._acts.among(OPEN, OPEN_MAX):
            near = [each for each in self._kept.values() if self._near(each.told, heard.incident)]
            if near:
                notes = [act.note for act in self._acts.of(heard.incident.id) if act.via == ALERTMANAGER]
                noted += self._note(heard.incident.id, near, notes, now_ms)
        return noted

    def _note(self, incident_id: str, near: Sequence[_Kept], notes: list[str], now_ms: int) -> list[str]:
        """Note alerts on one incident; the end of one only where its beginning was noted."""
        noted = []
        for each in near:
            begun = each.mark.replace(" over]", " firing]")
            known = any(note.endswith(each.mark) for note in notes)
            missing = each.told.ended_ms >= 0 and not any(note.endswith(begun) for note in notes)
            if known or missing or len(notes) >= JOINED_MAX:
                continue
            note = _words(each)
            act = self._desk().take(incident_id, Order("noted", note=note), each.who, ALERTMANAGER, now_ms)
            if isinstance(act, Act):
                notes.append(note)
                noted.append(incident_id)
        return noted

    def _near(self, told: Told, incident: Incident) -> bool:
        """Say whether an alert began near an incident, and is not of another place."""
        minutes = self._settings().severities.fold_minutes
        if abs(told.begun_ms - incident.onset_ms) > minutes * MINUTE_MS:
            return False
        return all(told.labels.get(name, value) == value for name, value in incident.scope.items())

    def _desk(self) -> Desk:
        return Desk(self._acts, self._settings(), self._signal_of)


def _words(kept: _Kept) -> str:
    """Say what an alert says, on one line."""
    told = kept.told
    how = f" ({told.severity})" if told.severity else ""
    since = f"fires since {moment(rfc3339(told.begun_ms))} UTC"
    state = since if told.ended_ms < 0 else f"is over since {moment(rfc3339(told.ended_ms))} UTC"
    return f"Prometheus: {cut(one_line(f'{told.name}{how} {state}: {told.summary}'), SUMMARY_RUNES)} {kept.mark}"
