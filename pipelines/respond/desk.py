"""The desk is where people act on incidents: what it takes is written with its messages, or refused with a reason.

It writes beside the engine and never waits for it: an acknowledgement holds although reading stands still. Of two who
act at once the first wins, and the other is told by whom.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from pipelines.respond.acts import after
from pipelines.respond.notices import told
from pipelines.respond.orders import Order, Refusal, act_of
from pipelines.respond.people import may_raise
from schemas.act import Act, Heard, Response, severity_of, state_of
from schemas.assessed import ODDITY
from schemas.incident import OPEN, Notification
from schemas.settings import Settings
from schemas.signal import Signal

TRIES_MAX = 5
"""Most attempts at an order while others act on the same incident; so many people do not act in the same moment."""


class ActStore(Protocol):
    """What the desk needs of a store."""

    def found(self, incident_id: str) -> Heard | None:
        """Give an incident with its response."""
        ...

    def put(self, acts: Sequence[Act], response: Response, notifications: Sequence[Notification] = ()) -> bool:
        """Add acts, unless somebody else has acted since."""
        ...


class Desk:
    """Takes orders about incidents, each in one transaction with the messages that tell of it."""

    def __init__(self, acts: ActStore, settings: Settings, signal_of: Callable[[str], Signal]) -> None:
        self._acts = acts
        self._settings = settings
        self._signal_of = signal_of

    def take(self, incident_id: str, order: Order, who: str, via: str, now_ms: int) -> Act | Refusal:
        """Carry an order out and give the act, or why it is refused. Raises `StoreError` when the store fails."""
        for _ in range(TRIES_MAX):
            heard = self._acts.found(incident_id)
            if heard is None:
                return Refusal(f"there is no incident {incident_id[:60]!a}", missing=True)
            if order.verb == "merged" and order.subject:
                refusal = self._mergeable(heard, order.subject)
                if refusal:
                    return refusal
            act = self._forbidden(heard, order, who) or act_of(heard, order, who, via, now_ms)
            if isinstance(act, Refusal):
                return act
            acts, messages = [act], []
            while acts:
                now = Heard(heard.incident, after(heard, acts[-1]))
                messages += told(heard, now, acts[-1], self._signal_of, self._settings)
                heard, more = now, _follows(now, acts[-1])
                if more is None:
                    break
                acts.append(more)
            assert heard.response is not None
            if self._acts.put(acts, heard.response, messages):
                return act
        return Refusal("others act on this incident at this moment: look again", conflict=True)

    def _forbidden(self, heard: Heard, order: Order, who: str) -> Refusal | None:
        """Say why somebody may not carry an order out, None if they may."""
        raises = order.verb == "graded" and order.subject < severity_of(heard.incident, heard.response)
        if not raises or may_raise(who, self._settings.owners):
            return None
        return Refusal(f"{who} may not raise a severity; owners.may.raise_severity names who may")

    def _mergeable(self, source: Heard, incident_id: str) -> Refusal | None:
        """Say why an incident cannot become part of another one, None if it can."""
        target = self._acts.found(incident_id)
        if target is None:
            return Refusal(f"there is no incident {incident_id[:60]!a} to merge into")
        if target.incident.level == "declared" and source.incident.level != "declared":
            return Refusal(f"{incident_id} was opened by people and takes no alerts: merge that one into this one")
        state = state_of(target.incident, target.response)
        return None if state in OPEN else Refusal(f"{incident_id} is not open: {state}")


def _follows(heard: Heard, act: Act) -> Act | None:
    """Give what follows from an act: what broke and changed nothing is an oddity, and so a note about quality."""
    oddity = act.verb == "assessed" and (act.role, act.subject) == ("broke", ODDITY)
    if not oddity or severity_of(heard.incident, heard.response) == "sev4":
        return None
    more = act_of(heard, Order("graded", "sev4", note="a note about quality"), act.who, act.via, act.at_ms)
    return more if isinstance(more, Act) else None
