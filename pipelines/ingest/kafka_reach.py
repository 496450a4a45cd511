"""The way to the brokers of one topic: a client that has spoken to them, or one line about why there is none.

Whatever it takes to find that out, all together has one deadline.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from pipelines.ingest.kafka_client import UNREACHED, Client, Library, Listing, Trouble, UnusableError
from pipelines.ingest.kafka_knock import knock
from pipelines.ingest.kafka_libraries import library
from pipelines.ingest.kafka_patience import Patience
from pipelines.ingest.kafka_words import told, where
from schemas.settings import KafkaSource

DEADLINE_SECONDS = 7.0
"""How long asking a broker may take, all requests of one poll or opening together: a process that is asked to stop must
end within ten seconds. Where the settings let one request take longer, so does this."""
KNOCK_SECONDS = 2.0
"""What is left then for a knock behind a request that has timed out: a port where nobody listens says so at once."""
SEARCH_SECONDS = 50.0
"""How long the end of what is broken in a log is looked for at one time: within the minute that any call may take."""
T = TypeVar("T")


class FailedError(Exception):
    """Asking the broker failed; the text is one line for a person."""


class Reached(NamedTuple):
    """A client that has spoken to a broker, and what it was told of the topic."""

    client: Client
    listing: Listing
    begins: dict[int, int]
    ends: dict[int, int]


class Reach:
    """Asks the brokers that the settings name; `library` is the adapter once it was needed.

    Nothing is waited for once `stopping` says that the process is to end.
    """

    def __init__(self, config: KafkaSource, stopping: Callable[[], bool]) -> None:
        self.library: Library | None = None
        self._config = config
        self._stopping = stopping
        self._patience = Patience(max(DEADLINE_SECONDS, config.request_timeout_seconds + KNOCK_SECONDS), stopping)
        self._search = Patience(SEARCH_SECONDS, stopping)

    def connect(self, wanted: Callable[[int], bool]) -> Reached:
        """Make a client, and ask for all that is needed to place it on the wanted partitions; raises `FailedError`."""
        made: list[Client] = []

        def reached() -> Reached:
            self.library = library(self._config)
            if found := knock(self._config):
                raise FailedError(str(found))
            made.append(client := self.library.connect(self._config))
            listing = client.listing()
            numbers = list(filter(wanted, listing.numbers))
            return Reached(client, listing, client.begins(numbers), client.ends(numbers))

        return self.ask(reached, made)

    def ask(self, action: Callable[[], T], clients: list[Client]) -> T:
        """Ask a broker, and why if it does not answer; raises `FailedError`.

        These clients are closed then: at once, or as soon as what was asked of them is over.
        """

        def closed() -> None:
            for each in clients:
                each.close()

        def asked() -> T:
            try:
                return action()
            except FailedError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it was, the client cannot be trusted any more
                trouble, failure = self.meaning(error)
            closed()
            raise FailedError(self._knocked(trouble) or failure)

        try:
            return self._patience.within(asked, closed)
        except TimeoutError as error:
            if self._stopping():
                raise FailedError(f"{where(self._config)}: its answer is not waited for, since Limen ends") from None
            raise FailedError(told(self._config, "no_answer", error)) from None

    def search(self, action: Callable[[], T]) -> T:
        """Look through a log by clients that the action makes and closes; raises what that raises."""
        return self._search.within(action, lambda: None)

    def meaning(self, error: Exception) -> tuple[Trouble, str]:
        """Say what an exception means, and what a person is told."""
        if self.library is None or isinstance(error, UnusableError):
            return "unusable", str(error)
        trouble = self.library.trouble(error)
        return trouble, told(self._config, trouble, error)

    def why(self, trouble: Trouble | None) -> str:
        """Say why no broker answers or lets us in, "" if nothing more is found than the library says."""
        if trouble is None:
            return ""
        known = trouble
        try:
            return self._patience.within(lambda: self._knocked(known), lambda: None) if known in UNREACHED else ""
        except TimeoutError:
            return ""

    def forget(self) -> None:
        """Let go of what closed clients have left behind; to be called once the exception itself is gone."""
        if self.library is not None:
            self.library.forget()

    def _knocked(self, trouble: Trouble) -> str:
        found = knock(self._config) if trouble in UNREACHED else None
        return str(found) if found else ""
