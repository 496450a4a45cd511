"""What a waiting message becomes once the sink knows less, or more, than when it was written."""

from collections.abc import Mapping, Sequence

import msgspec

from schemas.act import MACHINE
from schemas.incident import OVER, Delivery, Notification

OPENED = "incident.opened"
RAISED = "incident.raised"
REOPENED = "incident.reopened"
RESOLVED = "incident.resolved"
NEWER = "a later message of the incident says more"
"""Why a message that waited through an outage is not sent."""
UNTOLD = "the incident was over before this sink could be told of it"
"""Why the end of an incident is not sent."""
STILL_OPEN = "this sink was not told that the incident was over"
"""Why it is not told that it was opened again."""


class Held(msgspec.Struct, frozen=True):
    """Until when (wall clock, epoch ms) a message waits before it is asked about again, and why."""

    until_ms: int
    why: str


class _Act(msgspec.Struct):
    who: str = ""
    verb: str = ""


class _Data(msgspec.Struct):
    state: str = ""
    severity: str = ""
    act: _Act | None = None


class _Body(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


_read = msgspec.json.Decoder(_Body).decode


def is_ending(notification: Notification) -> bool:
    """Say whether a message tells that its incident asks nothing more of anybody."""
    return _read(notification.body).data.state in OVER


def is_by_person(notification: Notification) -> bool:
    """Say whether a message tells of what a person did."""
    act = _read(notification.body).data.act
    return act is not None and act.who != MACHINE


def is_report(notification: Notification) -> bool:
    """Say whether a message tells of what somebody from outside reported."""
    act = _read(notification.body).data.act
    return act is not None and act.verb == "reported"


def as_opened(notification: Notification) -> Notification:
    """Give a message as the first one that its sink hears of the incident; its id and all that it says stay.

    >>> made = as_opened(Notification("m", "i", "s", "incident.raised", 2, 0, b'{"type":"incident.raised","data":{}}'))
    >>> made.type, made.body
    ('incident.opened', b'{"type":"incident.opened","data":{}}')
    """
    return _as(OPENED, notification)


def as_return(notification: Notification, last: Notification | None) -> Notification | None:
    """Give what tells of a return to a sink that heard `last` of the incident; None where that knows it to be as grave.

    Where it never heard of the end, it hears that what it knows to be open is graver now.
    """
    if last is None or is_ending(last):
        return notification
    graver = _read(notification.body).data.severity < _read(last.body).data.severity
    return _as(RAISED, notification) if graver else None


def _as(type_: str, notification: Notification) -> Notification:
    body = {**msgspec.json.decode(notification.body), "type": type_}
    return msgspec.structs.replace(notification, type=type_, body=msgspec.json.encode(body))


def unsent(delivery: Delivery, told: Notification | None, held: Mapping[str, Held]) -> Delivery | None:
    """Give what becomes of a message that is not sent now, None if it is; `told` is as its sink is to hear it."""
    if told is None:
        why = UNTOLD if is_ending(delivery.notification) else STILL_OPEN
        return msgspec.structs.replace(delivery, state="collapsed", error=why)
    hold = held.get(told.id)
    if hold is None:
        return None
    return msgspec.structs.replace(delivery, state="held", next_attempt_ms=hold.until_ms, error=hold.why)


def passed(delivery: Delivery, held: Sequence[Delivery]) -> list[Delivery]:
    """Take out what is held of an incident before a message, which says more."""
    told = delivery.notification
    return [
        msgspec.structs.replace(each, state="collapsed", error=NEWER)
        for each in held
        if each.notification.incident_id == told.incident_id and each.notification.sequence < told.sequence
    ]
