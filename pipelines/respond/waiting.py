"""What a waiting message becomes once the sink knows less, or more, than when it was written."""

import msgspec

from schemas.incident import OVER, Notification

OPENED = "incident.opened"
NEWER = "a later message of the incident says more"
"""Why a message that waited through an outage is not sent."""
UNTOLD = "the incident was over before this sink could be told of it"
"""Why the end of an incident is not sent."""


class _Data(msgspec.Struct):
    state: str = ""


class _Body(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


_read = msgspec.json.Decoder(_Body).decode


def is_ending(notification: Notification) -> bool:
    """Say whether a message tells that its incident asks nothing more of anybody."""
    return _read(notification.body).data.state in OVER


def as_opened(notification: Notification) -> Notification:
    """Give a message as the first one that its sink hears of the incident; its id and all that it says stay.

    >>> made = as_opened(Notification("m", "i", "s", "incident.raised", 2, 0, b'{"type":"incident.raised","data":{}}'))
    >>> made.type, made.body
    ('incident.opened', b'{"type":"incident.opened","data":{}}')
    """
    body = {**msgspec.json.decode(notification.body), "type": OPENED}
    return msgspec.structs.replace(notification, type=OPENED, body=msgspec.json.encode(body))
