"""The Apprise notifier reaches the hundred services that have no notifier of their own here.

It needs the extra `apprise`. Apprise knows no repeats, acknowledgements or resolves and calls by its own ways, so it is
for channels of low stakes; the addresses in its file are not held against the guard of `allow_hosts`.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from pipelines.respond.notifiers.http import text_of
from pipelines.respond.notifiers.text import cut, plain, said_of
from schemas import settings
from schemas.incident import Notification, Outcome

TITLE_RUNES_MAX = 250
"""The shortest title that most of its services take whole; it cuts bodies itself."""
NEEDED = "the extra apprise is not installed: pip install 'limen[apprise]'"


def library() -> Any:
    """Give the library; raises ImportError where the extra is not installed."""
    return import_module("apprise")


class Apprise:
    """Sends to every address in `url_file`, one a line; `load` stands in for the library in tests."""

    def __init__(self, config: settings.Notifier, load: Callable[[], Any] = library) -> None:
        self._config = config
        self._load = load

    def send(self, notification: Notification, now_ms: int) -> Outcome:
        """Make one attempt; see `Notifier.send`. It is done when every address has taken the message."""
        assert self._config.url_file is not None, "the settings were checked: this kind has a url_file"
        text = text_of(self._config.url_file, "url_file")
        if isinstance(text, Outcome):
            return text
        try:
            library = self._load()
        except ImportError:
            return Outcome("retry", NEEDED)
        sender = library.Apprise()
        if not all(sender.add(line.strip()) for line in text.splitlines() if line.strip()) or not len(sender):
            return Outcome("retry", f"url_file {self._config.url_file} holds a line that is no address of Apprise")
        said = said_of(notification)
        kind = "success" if said.over else "failure" if said.severity in {"sev1", "sev2"} else "warning"
        try:
            sent = sender.notify(title=cut(said.headline, TITLE_RUNES_MAX), body=plain(said), notify_type=kind)
        except Exception as error:  # noqa: BLE001 - a hundred plug-ins raise what they like
            return Outcome("retry", f"apprise failed ({type(error).__name__})")
        return Outcome("done") if sent else Outcome("retry", "a service of apprise did not take the message")
