"""Effects are what one closed minute changes in the world; a commit is all that must reach the store together."""

from collections.abc import Iterable

import msgspec

from schemas.act import Response
from schemas.alert import Alert
from schemas.history import SeriesInfo
from schemas.incident import Incident, Notification
from schemas.partial import Counters
from schemas.record import Partition
from schemas.reject import Rejected, Streak


class Effects(msgspec.Struct, frozen=True):
    """Alerts and incidents that are new or changed, and the messages that tell of it."""

    alerts: tuple[Alert, ...] = ()
    incidents: tuple[Incident, ...] = ()
    notifications: tuple[Notification, ...] = ()


def merged(effects: Iterable[Effects]) -> Effects:
    """Join the effects of consecutive minutes: of an alert or incident the last state counts, every message is kept.

    >>> merged([Effects(), Effects()])
    Effects(alerts=(), incidents=(), notifications=())
    """
    alerts: dict[str, Alert] = {}
    incidents: dict[str, Incident] = {}
    notifications: list[Notification] = []
    for each in effects:
        alerts |= {alert.id: alert for alert in each.alerts}
        incidents |= {incident.id: incident for incident in each.incidents}
        notifications += each.notifications
    return Effects(tuple(alerts.values()), tuple(incidents.values()), tuple(notifications))


class Position(msgspec.Struct, frozen=True):
    """Where one partition stands: the next offset to read, its watermark, and what became of its records so far.

    `streak` is that of its latest records, None where the last one was of use.
    """

    partition: Partition
    offset: int
    watermark_ms: int
    counters: Counters
    streak: Streak | None = None


class StoredPartial(msgspec.Struct, frozen=True):
    """An applied partial kept while one of its minutes is still open; `last_minute` is the latest of them."""

    partition: Partition
    start: int
    until: int
    last_minute: int
    body: bytes


class Commit(msgspec.Struct, frozen=True):
    """Everything of one step that becomes durable in one transaction, or not at all.

    `closed_minute` is the latest closed minute (-1: none yet): stored partials whose last minute is not later are
    dropped. `minutes` are encoded closed minutes since the last snapshot; a `snapshot` (minute, body) replaces the
    older one and drops the minutes up to it. `history` rows and `series` are for charts. `journal` notes decisions
    that came from the clock (a partition declared idle) or from the source. `rejects` are the records of each partition
    that were no events, and `rejects_over` says how many more there were; of each partition the newest `rejects_max`
    stay, and with `dead_letters` wait for their topic. `heard` is the place of the latest act of people that incidents
    go by.
    """

    positions: tuple[Position, ...]
    partials: tuple[StoredPartial, ...] = ()
    closed_minute: int = -1
    minutes: tuple[tuple[int, bytes], ...] = ()
    snapshot: tuple[int, bytes] | None = None
    history: tuple[tuple[int, bytes], ...] = ()
    series: tuple[SeriesInfo, ...] = ()
    effects: Effects = Effects()
    journal: tuple[tuple[int, str], ...] = ()
    rejects: tuple[tuple[Partition, tuple[Rejected, ...]], ...] = ()
    rejects_max: int = 0
    rejects_over: int = 0
    heard: int = 0
    dead_letters: bool = False


class Saved(msgspec.Struct, frozen=True):
    """What a restart finds in the store: enough to go on as if nothing had happened.

    `alerts` and `incidents` are those not yet finished (alerts pending or firing, incidents not closed), `responses`
    what people did about these incidents.
    """

    positions: tuple[Position, ...]
    partials: tuple[StoredPartial, ...]
    closed_minute: int
    snapshot: tuple[int, bytes] | None
    minutes: tuple[tuple[int, bytes], ...]
    series: tuple[SeriesInfo, ...]
    alerts: tuple[Alert, ...]
    incidents: tuple[Incident, ...]
    heard: int = 0
    responses: tuple[Response, ...] = ()
