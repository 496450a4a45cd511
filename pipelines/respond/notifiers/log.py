"""The log notifier writes one structured line for each message; it is what a fresh install has."""

import msgspec
import structlog

from schemas import settings
from schemas.incident import Notification, Outcome
from schemas.words import where

_LOUD = frozenset({"sev1", "sev2"})


class Log:
    """Writes to the program's log: a warning for sev1 and sev2, else for information."""

    def __init__(self, config: settings.Notifier) -> None:
        self._log = structlog.get_logger("limen.notice").bind(sink=config.name)

    def send(self, notification: Notification, now_ms: int) -> Outcome:
        """Write the line; always `done`."""
        data = msgspec.json.decode(notification.body)["data"]
        resolved = notification.type == "incident.resolved"
        write = self._log.warning if data["severity"] in _LOUD and not resolved else self._log.info
        write(
            notification.type,
            incident=data["id"],
            severity=data["severity"],
            title=data["title"],
            scope=where(data["scope"]),
            owner=data["owner"],
            onset=data["onset"],
            detected_at=data["detected_at"],
            explanation=data["explanation"],
            runbook=data["runbook"],
            url=data.get("url"),  # a message of an earlier version may wait without one
        )
        return Outcome("done")
