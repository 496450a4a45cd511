"""The heartbeat calls a dead-man's switch while Limen does its work, so that its own silence pages somebody.

The service on the other side (healthchecks, an uptime monitor, one's own) raises the alarm when no call has come for
a while. A call goes out only while the line moves: it reads, and its last step is fresh. A process that merely lives
sends none.
"""

from typing import Literal

import httpx2
import structlog

from pipelines.respond.notifiers.address import Resolve, resolved
from pipelines.respond.notifiers.http import Sender, text_of
from schemas import settings
from schemas.incident import Outcome
from schemas.status import Status

FRESH_SECONDS = 60.0
"""A step takes a few seconds, and one that waits for the disk or many closed minutes still less than this."""

Beat = Literal["sent", "failed", "held"]
"""What became of one beat; held back is what would have told that all is well when it is not."""


class Heartbeat:
    """Calls one URL with GET, which every such service takes. `transport` and `resolve` stand in for the network."""

    def __init__(
        self,
        config: settings.Heartbeat,
        transport: httpx2.BaseTransport | None = None,
        resolve: Resolve = resolved,
    ) -> None:
        self.counts: dict[str, int] = {"sent": 0, "failed": 0, "held": 0}
        self._config = config
        self._before: Beat = "sent"
        self._due_ms = -1
        self._sender = Sender(config, transport, resolve)
        self._log = structlog.get_logger("limen.heartbeat")

    @property
    def configured(self) -> bool:
        """Say whether there is anybody to call."""
        return bool(self._config.url or self._config.url_file)

    def reload(self, config: settings.Heartbeat) -> None:
        """Call another address, or at other times, from the next call on."""
        self._config = config
        self._sender.reload(config)

    def look(self, status: Status, now_ms: int) -> None:
        """Beat if that is due at this time of day (epoch ms), for the first time after one interval."""
        wait_ms = round(1_000 * self._config.seconds)
        if not self.configured or self._due_ms < 0:
            self._due_ms = now_ms + wait_ms if self.configured else -1
        elif not now_ms < self._due_ms <= now_ms + wait_ms:  # a later time is of a longer interval, or of another clock
            self._due_ms = now_ms + wait_ms
            self.beat(status, now_ms)

    def beat(self, status: Status, now_ms: int) -> Beat:
        """Call, unless the line stands still at this time of day (epoch ms); never raises for what the world does."""
        why = standing_still(status, now_ms)
        if why:
            became: Beat = "held"
        else:
            outcome = self._call(now_ms)
            became, why = ("sent", "") if outcome.result == "done" else ("failed", outcome.detail)
        self.counts[became] += 1
        if became != self._before:
            self._tell(became, why)
        self._before = became
        return became

    def _tell(self, became: Beat, why: str) -> None:
        """Write to the log that beats are sent again, or no longer, and why; no line holds the address."""
        if became == "sent":
            self._log.info("heartbeat.works_again")
        else:
            again = (
                "it is tried again; correct heartbeat.url if that lasts" if became == "failed" else "mend that first"
            )
            self._log.warning(f"heartbeat.{became}", reason=why, what_to_do=again)

    def _call(self, now_ms: int) -> Outcome:
        """Make one call and give what the other side said."""
        url: str | Outcome = self._config.url or text_of(self._config.url_file or "", "url_file")
        if isinstance(url, Outcome):
            return url
        return self._sender.call("GET", url, now_ms)


def standing_still(status: Status, now_ms: int) -> str:
    """Say why the line does not do its work at this time, "" if it does."""
    if not status.ready:
        return status.source_failure or status.store_failure or "the state is being restored"
    seconds = (now_ms - status.heartbeat_ms) / 1_000
    return f"no step was finished for {seconds:.0f} s" if seconds > FRESH_SECONDS else ""
