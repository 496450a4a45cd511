"""A worker process is the first half of the line on its own: a source read into a pipe, by the same loop as everywhere.

What the writer's line would write to its store goes down the pipe: the partials of every checkpoint, then the status.
A worker keeps nothing: whatever the writer has not taken when one of them ends is read again.
"""

import os
import signal
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from random import Random

import msgspec

from pipelines.aggregate.ahead import ahead
from pipelines.engine_parts import Codec, Reading
from pipelines.engine_progress import Progress
from pipelines.engine_worker import Worker, stored
from pipelines.ingest.source import Share, Source
from pipelines.run_clock import SystemClock
from pipelines.run_line import Hooks, Line
from pipelines.run_loop import Loop
from pipelines.run_process import STUCK_EXIT_CODE, process_use
from pipelines.run_spare import spare_memory
from pipelines.store_terms import Retention, StoreError
from schemas.effects import Commit, Position, Saved, StoredPartial
from schemas.partial import Counters, Partial
from schemas.record import Partition, Record
from schemas.settings import Settings
from schemas.situation import PLAIN, Situation
from schemas.status import Status

HANDOVER_SECONDS = 1.0
"""How often a worker hands over what it has, at least: half of the writer's own pause between commits, so that one does
not wait for the other."""
ORPHAN_SECONDS = 5.0
"""How long a worker whose writer is gone may take to end by itself; a call that never returns must not keep it."""
MINUTE = struct.Struct("<q")
"""How the writer tells which minute it has closed."""


class Handed(msgspec.Struct, frozen=True, tag="handed"):
    """What a worker made of records."""

    partial: StoredPartial


class Told(msgspec.Struct, frozen=True, tag="told"):
    """How a worker and its source are; everything that it handed over before is told of here."""

    status: Status


class Over(msgspec.Struct, frozen=True, tag="over"):
    """A worker ends, and says why."""

    failures: tuple[str, ...]


Message = Handed | Told | Over
encode = msgspec.msgpack.Encoder().encode
decode: Callable[[bytes], Message] = msgspec.msgpack.Decoder(Message).decode


@dataclass(frozen=True)
class Made:
    """The parts of one worker, which read the share of the source that it was given."""

    source: Source
    reading: Reading
    codec: Codec


@dataclass(frozen=True)
class Work:
    """What a worker begins with: it crosses by the pipe of its start, and never stands on a command line.

    `saved` has the positions of all partitions, so that a new one is told from a first start, and the partials of the
    share. `make` is a function of a module, which a process can be told to call.
    """

    settings: Settings
    share: Share
    saved: Saved
    make: Callable[[Settings, Share], Made]


class Front:
    """What the loop of a worker process reads into: it cuts partials where an engine would, and closes no minute."""

    closed_minute = -1
    pending = False

    def __init__(self, made: Made, work: Work, closed: Callable[[], int], seconds: Callable[[], float]) -> None:
        """Go on as `work` says; `closed` gives the latest minute that the writer has closed."""
        saved = work.saved
        self.progress = Progress(seconds, saved)
        self._codec = made.codec
        self._closed = closed
        self._detection = work.settings.detection
        self._known = {position.partition: position for position in saved.positions}
        self._positions: dict[Partition, Position] = {}
        partials = [made.codec.decode_partial(each.body) for each in saved.partials]
        self._minutes = {minute.minute for partial in partials for minute in partial.minutes}
        self._worker = Worker(made.reading, self.progress, saved.positions, partials, saved.closed_minute)

    @property
    def positions(self) -> Mapping[Partition, Position]:
        """Give where each partition of the source stands; counters begin with this process."""
        return self._positions

    @property
    def counters(self) -> Counters:
        """Give what became of all records that this process decided about."""
        return sum((position.counters for position in self._positions.values()), Counters())

    def offsets(self) -> dict[Partition, int]:
        """Give the next offset that is expected of each partition."""
        return self._worker.offsets()

    def watermarks(self) -> dict[Partition, int]:
        """Give each partition's watermark, those without one left out."""
        return {each: at.watermark_ms for each, at in self._positions.items() if at.watermark_ms >= 0}

    def ahead(self) -> frozenset[Partition]:
        """Give the partitions of this worker that are far ahead of others, whose minutes the writer keeps open."""
        self._minutes = {minute for minute in self._minutes if minute > self._closed()}
        return ahead(self._minutes, self.watermarks(), self._detection)

    def begin(self, partition: Partition, offset: int) -> None:
        """Hear where the source begins with a partition."""
        self._worker.begin(partition, offset)
        if partition not in self._positions and offset >= 0:
            known = self._known.get(partition, Position(partition, offset, -1, Counters()))
            self._positions[partition] = msgspec.structs.replace(known, counters=Counters())

    def skip(self, partition: Partition, until: int) -> None:
        """Hear that no record before this offset will come any more."""
        self._worker.skip(partition, until)

    def feed(self, records: Sequence[Record]) -> int:
        """Decode records and take them in; gives how many were new."""
        return self._worker.feed(records)

    def take(self, handed: StoredPartial) -> int:
        """Refuse: a worker reads records, and nobody hands it anything."""
        raise AssertionError(f"a partial of {handed.partition} was handed to a worker")

    def checkpoint(self, known: Situation = PLAIN) -> Commit:
        """Decide what can be decided, and give the partials; minutes, the journal and signs are the writer's."""
        self._worker.closed(self._closed())
        cut = self._worker.cut(known)
        for partial in cut:
            self._move(partial)
        partials = tuple(stored(partial, self._codec.encode_partial) for partial in cut)
        return Commit(positions=tuple(self._positions.values()), partials=partials)

    def _move(self, partial: Partial) -> None:
        self._minutes |= {minute.minute for minute in partial.minutes}
        before = self._positions.get(partial.partition)
        counters = partial.counters if before is None else before.counters + partial.counters
        self._positions[partial.partition] = Position(partial.partition, partial.until, partial.watermark_ms, counters)


class Pipe:
    """The way to the writer, in the place of a store; a writer that is gone is a store that cannot be written."""

    def __init__(self, connection: Connection, closed_minute: int, leave: Callable[[], None]) -> None:
        """Write to the connection and listen to it; `leave` ends the process when it does not end by itself."""
        self._connection = connection
        self._leave = leave
        self._closed_minute = closed_minute
        self._over = threading.Event()
        self._done = threading.Event()
        threading.Thread(target=self._listen, name="writer", daemon=True).start()

    def over(self) -> bool:
        """Say whether the writer is gone."""
        return self._over.is_set()

    def closed_minute(self) -> int:
        """Give the latest minute that the writer has closed."""
        return self._closed_minute

    def commit(self, commit: Commit) -> int:
        """Hand the partials over; it waits while the writer holds as many bytes as it may."""
        for partial in commit.partials:
            self.send(Handed(partial))
        return sum(len(partial.body) for partial in commit.partials)

    def prune(self, retention: Retention) -> str:
        """Keep nothing, and so drop nothing."""
        return ""

    def tell(self, status: Status) -> None:
        """Tell the writer how this worker and its source are."""
        self.send(Told(status))

    def send(self, message: Message) -> None:
        """Write one message; raises `StoreError` when nobody reads any more."""
        try:
            self._connection.send_bytes(encode(message))
        except OSError:
            self._over.set()
            raise StoreError("the process that takes what this worker reads is gone") from None

    def done(self) -> None:
        """Need the process no more."""
        self._done.set()

    def _listen(self) -> None:
        try:
            while True:
                (self._closed_minute,) = MINUTE.unpack(self._connection.recv_bytes(MINUTE.size))
        except (EOFError, OSError):
            self._over.set()
        if not self._done.wait(ORPHAN_SECONDS):
            self._leave()


def work_on(connection: Connection, work: Work, leave: Callable[[], None]) -> None:
    """Read the share of the source into the pipe until the writer is gone, or until nothing helps any more."""
    pipe = Pipe(connection, work.saved.closed_minute, leave)
    clock = SystemClock()
    random = Random()  # noqa: S311 - jitter, not a secret
    seconds = min(work.settings.storage.checkpoint_seconds, HANDOVER_SECONDS)
    storage = msgspec.structs.replace(work.settings.storage, checkpoint_seconds=seconds)
    settings = msgspec.structs.replace(work.settings, storage=storage)
    try:
        made = work.make(settings, work.share)
        front = Front(made, work, pipe.closed_minute, clock.monotonic)
        hooks = Hooks(status=pipe.tell, stopping=pipe.over, processes=lambda: (process_use(work.share.name),))
        line = Line(front, pipe, clock, random, hooks)
        pipe.send(Over(Loop(made.source, line, settings, clock, random).run().failures))
    except StoreError:
        return  # the writer is gone, and nobody is left to be told
    finally:
        pipe.done()
        connection.close()


def main(connection: Connection, work: Work) -> None:
    """Be a worker process: it ends with its writer, whoever sends a signal; none of its settings can be reloaded."""
    spare_memory()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    work_on(connection, work, lambda: os._exit(STUCK_EXIT_CODE))
