"""The notifiers carry a message to one sink, one module each: delivered, try again, or give up.

A new sink is a module with a class that is made from its settings and has `send`, and a row in `NOTIFIERS`. One that
sends over HTTP takes a `transport` too; tests/contracts/test_notifiers.py then runs its table of status codes on it.
"""

from collections.abc import Callable
from typing import Protocol

from pipelines.respond.notifiers.log import Log
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


NOTIFIERS: dict[str, Callable[[settings.Notifier], Notifier]] = {"log": Log, "webhook": Webhook}
"""Kind in the settings -> notifier made from its settings."""
