"""What reading and writing Kafka need of a client library; each adapter gives it in its own file.

The source works with raw bytes and positions of its own. It knows no class and no error of any library: what a library
raises, its adapter sorts into one of a few troubles.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from schemas.message import Message
from schemas.record import Partition, Record
from schemas.settings import KafkaSource

FETCH_WAIT_MS = 200
"""Longest wait of a fetch for data: a broker answers one request after another, so a check waits behind it."""
FETCH_PARTITION_BYTES = 1 << 20
"""Most bytes of one partition in one fetch, the default of Kafka; a longer record still comes, alone."""
FLUSHES = 3
"""Request timeouts after which messages that should have ended by themselves are waited for no longer."""

Trouble = Literal[
    "no_answer",
    "no_leader",
    "login",
    "forbidden",
    "no_topic",
    "out_of_range",
    "cut",
    "corrupt",
    "codec",
    "too_large",
    "unusable",
    "unknown",
]
"""What kept a library from doing what it was asked.

no_answer: no broker answered in time, for whatever reason. no_leader: no broker has the partition at the moment.
login: the broker refused who we say we are. forbidden: the topic may not be read, or written. no_topic: there is none
of this name. out_of_range: the broker has no record of the offset. cut: the log lost records that were read. corrupt: a
batch fails its checksum. codec: a compression that is not installed. too_large: the topic takes no message of this
size. unusable: a setting or a file of it cannot be used, and the exception says why. unknown: anything else.
"""
UNREACHED: tuple[Trouble, ...] = ("no_answer", "no_leader", "login")
"""Troubles of which a knock says more than a library."""


class UnusableError(Exception):
    """A setting, or a file that it names, cannot be used; the text is one line for a person."""


class Listing(msgspec.Struct, frozen=True):
    """What a topic is made of: the id that it got when it was made, in hexadecimal, and its partitions by number."""

    topic_id: str
    numbers: tuple[int, ...]


class Login(Protocol):
    """One login, as the library speaks it: bytes to the broker and bytes from it, in turns, until it is done."""

    def auth_bytes(self) -> bytes:
        """Give what is sent next."""
        ...

    def receive(self, auth_bytes: bytes) -> None:
        """Take what the broker answered; raises where it is wrong."""
        ...

    def is_done(self) -> bool:
        """Say whether nothing is left to be said."""
        ...


class Client(Protocol):
    """A connection to the brokers of one topic. Every method may raise; what that means, `Library.trouble` says.

    After an exception the client is only good to be closed.
    """

    def listing(self) -> Listing:
        """Ask for the topic's id and partitions."""
        ...

    def begins(self, numbers: Sequence[int]) -> dict[int, int]:
        """Ask for the first offset that each of these partitions still has."""
        ...

    def ends(self, numbers: Sequence[int]) -> dict[int, int]:
        """Ask for the offset behind the last record of each of these partitions that may be read."""
        ...

    def assign(self, positions: Mapping[Partition, int]) -> None:
        """Read these partitions from now on, from these offsets."""
        ...

    def poll(self, timeout_seconds: float) -> dict[Partition, list[Record]]:
        """Wait up to the timeout for records, and give some thousand at most, in the order of their offsets."""
        ...

    def position(self, partition: Partition) -> int:
        """Give the offset of an assigned partition that is looked at next, records or not, without asking a broker."""
        ...

    def hold(self, partitions: Collection[Partition]) -> None:
        """Deliver nothing of these assigned partitions, and of all others again; what was fetched may be kept."""
        ...

    def close(self) -> None:
        """Drop the connection within a moment."""
        ...


class Producer(Protocol):
    """A connection to brokers for writing. What its exceptions mean, `Library.trouble` says.

    After an exception, raised or returned, the producer is only good to be closed.
    """

    def send(self, messages: Sequence[Message]) -> list[Exception | None]:
        """Write messages and wait until every broker that keeps them has them; takes about one request timeout.

        Gives for each in order what kept it from being written, None where it is. Raises what concerns all of them.
        """
        ...

    def close(self) -> None:
        """Drop the connection within a moment, and what was not written with it."""
        ...


class Library(Protocol):
    """An adapter: a module with these functions."""

    def connect(self, config: KafkaSource) -> Client:
        """Make a client that has spoken to a broker; raises what the library raises."""
        ...

    def producer(self, config: KafkaSource) -> Producer:
        """Make a producer for the brokers that these settings name; raises what the library raises."""
        ...

    def trouble(self, error: Exception) -> Trouble:
        """Say what an exception of the library means."""
        ...

    def forget(self) -> None:
        """Let go of what a closed client has left behind; called once its exception is gone."""
        ...
