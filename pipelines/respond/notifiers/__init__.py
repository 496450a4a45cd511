"""The notifiers carry a message to one sink, one module each: delivered, try again, or give up.

A new sink is a module with a class that is made from its settings and has `send`, a row in `NOTIFIERS`, and a row of
what its settings need in `pipelines.config_sinks`. One that sends over HTTP takes a `transport` too;
tests/contracts/test_notifiers.py then runs its table of status codes on it.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from pipelines.respond.notifiers.alertmanager import Alertmanager
from pipelines.respond.notifiers.alertmanager_webhook import AlertmanagerWebhook
from pipelines.respond.notifiers.apprise import Apprise
from pipelines.respond.notifiers.email import Email
from pipelines.respond.notifiers.incident_io import IncidentIo
from pipelines.respond.notifiers.jsm import Jsm
from pipelines.respond.notifiers.kafka_topic import KafkaTopic, Writer
from pipelines.respond.notifiers.log import Log
from pipelines.respond.notifiers.pagerduty import PagerDuty
from pipelines.respond.notifiers.slack import Slack
from pipelines.respond.notifiers.teams import Teams
from pipelines.respond.notifiers.webhook import Webhook
from schemas import settings
from schemas.incident import Notification, Outcome


class Notifier(Protocol):
    """Sends messages to one sink, one attempt a call; the outbox decides about further attempts."""

    def send(self, notification: Notification, now_ms: int) -> Outcome:
        """Make one attempt at this time (wall clock, epoch ms).

        Outcomes: `done` (the sink has it), `retry` (it may work later, not before `retry_after_seconds`), `give_up`
        (it never will). Nothing is raised when the world fails, and no detail holds a secret or an address.
        """
        ...


@runtime_checkable
class Refreshing(Protocol):
    """A notifier whose sink forgets what it is not told again."""

    def refresh(self, standing: Sequence[tuple[Notification, Notification]], now_ms: int) -> Outcome:
        """Tell again of every incident that the sink has heard of, by its first and its latest message."""
        ...


NOTIFIERS: dict[str, Callable[[settings.Notifier], Notifier]] = {
    "alertmanager": Alertmanager,
    "alertmanager_webhook": AlertmanagerWebhook,
    "apprise": Apprise,
    "email": Email,
    "incident_io": IncidentIo,
    "jsm": Jsm,
    "log": Log,
    "pagerduty": PagerDuty,
    "slack": Slack,
    "teams": Teams,
    "webhook": Webhook,
}
"""Kind in the settings -> notifier made from its settings."""


def notifier_of(config: settings.Notifier, writer: Callable[[], Writer]) -> Notifier:
    """Make the notifier of a sink; only one that writes to Kafka needs the writer."""
    return KafkaTopic(config, writer()) if config.kind == "kafka" else NOTIFIERS[config.kind](config)
