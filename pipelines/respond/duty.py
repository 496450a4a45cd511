"""Duty is what time alone asks for: clocks that begin, are at risk or breached, calls, reminders, and quiet endings.

Each becomes an act of "limen", written with its messages like the acts of people. Everything it goes by is in the
incident and its response, so a restart finds every clock where it was, and tells nothing twice. A look that comes late,
because Limen was down, tells what holds by then: a breach, and not also the risk of one.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from pipelines.respond.acts import after
from pipelines.respond.clocks import clocks
from pipelines.respond.desk import ActStore
from pipelines.respond.gate import Silences, no_silences
from pipelines.respond.notices import told
from pipelines.respond.people import chain_of
from pipelines.respond.quiet import Mute, mute_of
from pipelines.respond.times import Times
from schemas.act import ACTS_MAX, KEPT_ACTS, Act, Heard, Response, Verb, severity_of, standing, state_of
from schemas.clock import Clock
from schemas.incident import FINISHED, OPEN, PAGING, Notification
from schemas.minutes import MINUTE_MS
from schemas.settings import Settings
from schemas.signal import Signal

WHO = "limen"
HOUR_MS = 60 * MINUTE_MS
LOOKED_MAX = 1_000
"""Most incidents of one look; the next one sees those that were left, since what is done is not seen again."""
STEPS_MAX = 20
"""Most acts about one incident in one look: each clock at most once, and few endings; more are of the next look."""
REMINDERS_MAX = 4
"""Most reminders of one update that is due: whom four of them did not move, more will not."""
CLOSING_LOOKS = 30
"""Resolved incidents are looked at so rarely: they wait for hours, and there may be many."""


class DutyStore(ActStore, Protocol):
    """What duty needs of a store."""

    def after(self, since: int) -> tuple[int, list[tuple[Act, Heard]]]:
        """Give the acts since a place in the order of all acts, and the place of the last."""
        ...

    def latest(self) -> int:
        """Give the place of the latest act."""
        ...

    def asking(self, limit: int) -> Sequence[Heard]:
        """Give the incidents of which somebody may be told something now, newest first."""
        ...

    def among(self, states: Sequence[str], limit: int) -> Sequence[Heard]:
        """Give the latest incidents in these states."""
        ...


class Duty:
    """Looks through the incidents of a store and writes what is due; `times` counts how long people took since then."""

    def __init__(
        self,
        acts: DutyStore,
        settings: Settings,
        signal_of: Callable[[str], Signal],
        silences: Silences = no_silences,
    ) -> None:
        self._acts = acts
        self._silences = silences
        self._settings = settings
        self._signal_of = signal_of
        self._looks = 0
        self._place: int | None = None
        self.times = Times()

    def reload(self, settings: Settings) -> None:
        """Go on with other settings from the next look on."""
        self._settings = settings

    def look(self, now_ms: int) -> int:
        """Write what is due at this time of day, and give the number of acts. Raises `StoreError`."""
        if self._place is None:
            self._place = self._acts.latest()
        heard = list(self._acts.asking(LOOKED_MAX))
        if self._looks % CLOSING_LOOKS == 0:
            heard += self._acts.among(("resolved",), LOOKED_MAX)
        self._looks += 1
        silences, quiet = self._silences(now_ms), self._settings.quiet
        written = 0
        known = [standing(each.incident, each.response) for each in heard]
        for each, incident in zip(heard, known, strict=True):
            mute = mute_of(incident, silences, quiet, known, now_ms)
            written += self._done(each, now_ms, mute)
        self._place, acts = self._acts.after(self._place)
        self.times.count(acts)
        return written

    def _done(self, heard: Heard, now_ms: int, mute: Mute | None) -> int:
        """Write what is due about one incident; where somebody acts at this moment, the next look finds it."""
        acts: list[Act] = []
        messages: list[Notification] = []
        for act, was, now in due(heard, self._settings, now_ms, mute):
            acts.append(act)
            messages += told(was, now, act, self._signal_of, self._settings)
            heard = now
        if not acts or heard.response is None or not self._acts.put(acts, heard.response, messages):
            return 0
        return len(acts)


def due(heard: Heard, settings: Settings, now_ms: int, mute: Mute | None = None) -> list[tuple[Act, Heard, Heard]]:
    """Give the acts that are due about one incident, each with what was known before and after it.

    `mute` is why nobody is to be told of it now.
    """
    found: list[tuple[Act, Heard, Heard]] = []
    while len(found) < STEPS_MAX:
        act = _next(heard, settings, now_ms, mute)
        if act is None:
            break
        now = Heard(heard.incident, after(heard, act))
        found.append((act, heard, now))
        heard = now
    return found


def _next(heard: Heard, settings: Settings, now_ms: int, mute: Mute | None) -> Act | None:
    """Give the first act that is due, None where nothing is."""
    incident, response = heard.incident, heard.response or Response(heard.incident.id)
    now_ms = max(now_ms, response.latest_ms)
    act = _follows(heard, response, now_ms) or _ends(heard, response, settings, now_ms)
    if act is not None or state_of(incident, heard.response) not in OPEN:
        return act
    full = response.number >= ACTS_MAX - KEPT_ACTS
    act = None if full and (mute is not None or not response.muted) else _muting(response, mute, now_ms)
    if act is not None or response.muted or full:
        return act
    return (
        _released(heard, response, settings, now_ms)
        or _clock(heard, response, settings, now_ms)
        or _call(heard, response, settings, now_ms)
    )


def _act(response: Response, now_ms: int, verb: Verb, subject: str = "", role: str = "", note: str = "") -> Act:
    return Act(response.incident_id, response.number + 1, now_ms, WHO, verb, subject, role, note)


def _follows(heard: Heard, response: Response, now_ms: int) -> Act | None:
    """Let the response follow what the machine found: it opened, became graver, alerted again, or resolved."""
    incident = heard.incident
    state = state_of(incident, heard.response)
    if state in FINISHED:
        return None
    if incident.reopens > response.reopens:
        return _act(response, now_ms, "reopened")
    severity = severity_of(incident, heard.response)
    begins = state in OPEN and severity not in response.since and not response.muted
    if response.opened_ms < 0 or begins:
        return _act(response, now_ms, "opened", subject=severity)
    if state == "resolved" and response.state in OPEN:
        return _act(response, now_ms, "resolved")
    return None


def _muting(response: Response, mute: Mute | None, now_ms: int) -> Act | None:
    """Say that nobody is told from now on and why, or that people are told again."""
    if mute is None:
        return _act(response, now_ms, "unmuted") if response.muted else None
    return None if response.muted == mute.said else _act(response, now_ms, "muted", mute.cause, note=mute.note)


def _ends(heard: Heard, response: Response, settings: Settings, now_ms: int) -> Act | None:
    """Close what has been resolved for long enough; why it was one stays to be said.

    A note that people opened resolves when nobody has said anything of it for as long as an incident may be quiet.
    """
    if heard.incident.level == "declared" and severity_of(heard.incident, heard.response) == "sev4":
        hours = settings.severities.quiet_hours
        if state_of(heard.incident, heard.response) in OPEN and now_ms - response.latest_ms >= hours * HOUR_MS:
            return _act(response, now_ms, "resolved", note=f"{hours} hours without another word")
    wait_ms = settings.severities.close_hours * HOUR_MS
    if state_of(heard.incident, heard.response) != "resolved" or now_ms - response.resolved_ms < wait_ms:
        return None
    hours = settings.severities.close_hours
    return _act(response, now_ms, "closed", note=f"{hours} hours after it was resolved")


def _released(heard: Heard, response: Response, settings: Settings, now_ms: int) -> Act | None:
    """Take an acknowledgement back that nothing has followed for too long."""
    rung = settings.severities.ladder.rung(severity_of(heard.incident, response))
    latest_ms = max(response.acknowledged_ms, response.updated_ms, response.decided_ms)
    if response.state != "acknowledged" or not rung.release_minutes:
        return None
    if now_ms - latest_ms < rung.release_minutes * MINUTE_MS:
        return None
    why = f"{rung.release_minutes} minutes without an update from {response.owner}"
    return _act(response, now_ms, "released", note=why)


def _clock(heard: Heard, response: Response, settings: Settings, now_ms: int) -> Act | None:
    """Tell of the first clock that is at risk or breached and was not told of."""
    for clock in clocks(heard.incident, response, settings.severities.ladder, now_ms):
        if clock.state not in ("at_risk", "breached"):
            continue
        subject = _subject(clock, now_ms)
        if subject not in response.told:
            verb: Verb = "breached" if clock.state == "breached" else "at_risk"
            return _act(response, now_ms, verb, subject=subject, role=clock.name)
    return None


def _subject(clock: Clock, now_ms: int) -> str:
    """Name what is told of a clock; an update that is not given is told of again when the next would have been due."""
    due_ms = clock.due_ms
    if clock.name == "update" and clock.state == "breached":
        every_ms = clock.due_ms - clock.since_ms
        due_ms += every_ms * min(REMINDERS_MAX - 1, (now_ms - clock.due_ms) // every_ms)
    return f"{clock.name}:{clock.state}:{due_ms}"


def _call(heard: Heard, response: Response, settings: Settings, now_ms: int) -> Act | None:
    """Call the next of the chain while nobody has the incident.

    What pages is called for from its opening on; what does not, when nobody answered in time.
    """
    chain = chain_of(heard.incident, response, settings.owners)
    if response.acknowledged_ms >= 0 or chain is None or response.calls >= len(chain.steps) * (1 + chain.repeat):
        return None
    severity = severity_of(heard.incident, response)
    if severity in PAGING:
        pages_ms = min(response.since[each] for each in PAGING if each in response.since)
        from_ms = max(response.waiting_ms, pages_ms)
    else:
        running = clocks(heard.incident, response, settings.severities.ladder, now_ms)
        late = [each.due_ms for each in running if each.name == "acknowledge" and each.state == "breached"]
        if not late:
            return None
        (from_ms,) = late
    step = chain.steps[response.calls % len(chain.steps)]
    begins_ms = response.called_ms if response.calls else from_ms
    if now_ms - begins_ms < step.after_minutes * MINUTE_MS:
        return None
    return _act(response, now_ms, "escalated", subject=step.name)
