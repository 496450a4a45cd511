"""The parts are what an engine is made of, a protocol each: the engine knows what they promise and no more."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from pipelines.detect.judged import Judged
from schemas.act import Heard, Response
from schemas.alert import Alert
from schemas.batch import Batch
from schemas.effects import Effects, Position
from schemas.event import Event, Reject
from schemas.incident import Incident
from schemas.operations import Sign
from schemas.partial import Minute, Partial
from schemas.record import Partition
from schemas.score import Candidate, Finding, Recovered
from schemas.settings import Settings


class Columns(Protocol):
    """Turns decoded records into columns with their measures taken."""

    def batch(self, partition: Partition, offsets: Sequence[int], items: Sequence[Event | Reject]) -> Batch:
        """Give the batch of consecutive records of one partition."""
        ...


class Reader(Protocol):
    """Decides what becomes of each event of one partition, in offset order, however batches are cut."""

    def add(self, batch: Batch) -> None:
        """Take the next batch."""
        ...

    def skip(self, until: int) -> None:
        """Learn that no record before this offset will come any more."""
        ...

    def cut(self, *, final: bool = False, now_ms: int = -1) -> Partial | None:
        """Give what was decided since the last cut, None if nothing.

        `final` decides what is still waiting, and `now_ms` helps: what is far ahead of the time of day is not believed.
        """
        ...

    def closed(self, minute: int) -> None:
        """Learn that this minute and all before it are closed: their events are late from now on."""
        ...


class Minutes(Protocol):
    """Merges the partials of all partitions and closes minutes in order."""

    def restore(
        self, positions: Sequence[Position], partials: Sequence[Partial], closed_minute: int, known: tuple[str, ...]
    ) -> None:
        """Go on where a store stands: partials with a minute that is still open, and `Minute.known` of the last one."""
        ...

    def expect(self, partitions: Collection[Partition]) -> None:
        """Hear of partitions that are there: none closes a minute before each has spoken, is idle or has ended."""
        ...

    def apply(self, partial: Partial) -> Literal["applied", "duplicate", "gap"]:
        """Merge a partial that begins where its partition stands; anything else changes nothing.

        Events of minutes that are closed already, which another process could not know, are counted as late.
        """
        ...

    def close(
        self, idle: Collection[Partition], ended: Collection[Partition], *, final: bool = False, at_most: int
    ) -> list[Minute]:
        """Close the oldest minutes that the watermarks allow; idle and ended partitions hold nothing back."""
        ...

    def close_until(self, ms: int, *, at_most: int) -> list[Minute]:
        """Close the oldest minutes that would be closed if all watermarks stood at this time."""
        ...

    def watermark_ms(self, partition: Partition) -> int:
        """Give the watermark of a partition, -1 before its first."""
        ...

    def position(self, partition: Partition) -> Position | None:
        """Give where a partition stands after all that was applied, None before its first partial."""
        ...

    def ahead(self) -> frozenset[Partition]:
        """Give the partitions that are so far ahead that they must wait for the others."""
        ...

    def uses(self) -> dict[str, int]:
        """Give how much of its limits is in use, by the name of their setting."""
        ...


class Detect(Protocol):
    """Judges closed minutes; what a restored one says next is bit for bit what the other would have said."""

    def step(self, minute: Minute, covered: frozenset[str]) -> Judged:
        """Judge one closed minute; what the series with these keys do is not taken for normal by itself."""
        ...

    def snapshot(self) -> bytes:
        """Give the whole state."""
        ...

    def restore(self, body: bytes) -> None:
        """Take up a snapshot."""
        ...

    def reload(self, settings: Settings) -> None:
        """Go on with other settings, as one made with them that restored a snapshot of this moment would."""
        ...


class Respond(Protocol):
    """Turns findings into alerts, incidents and messages; the same calls give the same effects, bit for bit."""

    def restore(
        self,
        alerts: Sequence[Alert],
        incidents: Sequence[Incident],
        window: bytes = b"",
        responses: Sequence[Response] = (),
    ) -> None:
        """Take up the alerts and incidents that are not finished, and what `window` gave at the snapshot.

        `responses` are what people did about the incidents.
        """
        ...

    def reload(self, settings: Settings) -> None:
        """Go on with other settings, as one made with them that restored the present state would."""
        ...

    def window(self) -> bytes:
        """Give what is known of the input of the latest closed minutes."""
        ...

    def recall(self, minute: Minute) -> None:
        """Take in the input of a closed minute, without judging it."""
        ...

    def look(self, minute: Minute) -> list[Effects]:
        """Give what the input of a closed minute changes, which `recall` has taken in."""
        ...

    def operate(self, signs: Sequence[Sign]) -> list[Effects]:
        """Give what signs about the input change; one that was taken in before changes nothing."""
        ...

    def reported(self, minute: Minute) -> Effects:
        """Give what the reports of people in a closed minute change."""
        ...

    def hear(self, heard: Sequence[Heard]) -> Effects:
        """Give what changes by what people did about incidents."""
        ...

    @property
    def covered(self) -> frozenset[str]:
        """Give the keys of the series of open incidents of sev1 and sev2; what was restored decides it."""
        ...

    def step(
        self,
        minute: int,
        detected_ms: int,
        findings: tuple[Finding, ...],
        candidates: tuple[Candidate, ...],
        recovered: tuple[Recovered, ...] = (),
    ) -> Effects:
        """Give what one closed minute changes."""
        ...


class Step(msgspec.Struct, frozen=True):
    """One closed minute judged: the series that incidents covered before it, what was judged, and what it changes."""

    covered: frozenset[str]
    judged: Judged
    effects: Effects


@dataclass(frozen=True)
class Codec:
    """How partials and minutes become bytes and come back exactly."""

    encode_partial: Callable[[Partial], bytes]
    decode_partial: Callable[[bytes], Partial]
    encode_minute: Callable[[Minute], bytes]
    decode_minute: Callable[[bytes], Minute]


@dataclass(frozen=True)
class Reading:
    """What turns records into partials.

    `reader` makes the reader of one partition from its stored position (None: never read), the partials of it whose
    minutes are still open, and the latest closed minute (-1: none).
    """

    decode: Callable[[bytes], Event | Reject]
    columns: Columns
    reader: Callable[[Partition, Position | None, tuple[Partial, ...], int], Reader]


@dataclass(frozen=True)
class Parts(Reading):
    """Everything an engine is made of, fresh and without a past.

    `rejects_max` rejects are kept of each partition, and with `dead_letters` each waits for the dead-letter topic.
    """

    minutes: Minutes
    detect: Detect
    respond: Respond
    codec: Codec
    rejects_max: int = 1_000
    dead_letters: bool = False
