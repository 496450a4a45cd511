"""The trial makes the messages by which a person sees whether a sink works: marked as a test, opened and resolved."""

from typing import Any

import msgspec

from pipelines.respond.alerts import short_hash
from pipelines.respond.notices import notices
from schemas.incident import Effect, Incident, Notification
from schemas.settings import Notifier, Serve, Settings
from schemas.signal import Signal

TITLE = "Test message of Limen: nothing is wrong, nobody need act"
EXPLANATION = "Somebody tries this sink with `limen notify test`. The figures are made up."
_SIGNAL = Signal("refusal_rate", "rate", "share", "Turns that were refused.", "capability_loss", "refusal")
_MINUTE_MS = 60_000


def trial(sink: Notifier, now_ms: int, public_url: str) -> tuple[Notification, Notification]:
    """Give the message that an incident is opened and the one that it is resolved, of the least severity that is sent.

    The incident is of kind drill, and its id begins with "test-", so nobody takes it for a real one.
    """
    begun_ms = now_ms - now_ms % _MINUTE_MS
    opened = Incident(
        id=f"test-{short_hash(sink.name, now_ms)}", kind="drill", state="triage", level="ticket",
        severity=sink.minimum_severity, category="capability_loss", family="functional", owner="nobody", title=TITLE,
        signals=(_SIGNAL.name,), lead_signal=_SIGNAL.name, direction="up", scope={"tenant": "test"},
        onset_ms=begun_ms - 5 * _MINUTE_MS, detected_ms=begun_ms, updated_ms=now_ms, resolved_ms=-1,
        effect=Effect(0.098, 0.032, 0.02, 0.04, "share", 3.06, 420), log_return_period=13.8, log_fleet=9.2,
        changes=(), alert_ids=(), alerts_total=0, runbook="", timeline=(),
    )  # fmt: skip
    resolved = msgspec.structs.replace(opened, state="resolved", resolved_ms=now_ms, version=2)
    settings = Settings(notifiers=(sink,), serve=Serve(public_url=public_url))
    made: list[Notification] = []
    for before, after in ((None, opened), (opened, resolved)):
        made += notices(before, after, None, lambda _: _SIGNAL, settings)
    first, last = map(_marked, made)
    return first, last


def _marked(notification: Notification) -> Notification:
    body: dict[str, Any] = msgspec.json.decode(notification.body)
    body["data"]["explanation"] = EXPLANATION
    return msgspec.structs.replace(notification, body=msgspec.json.encode(body))
