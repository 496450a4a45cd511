"""Building puts Limen together from its settings: the one file that knows every part."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from pipelines.aggregate.columns import Columns
from pipelines.aggregate.derived import Said, derived
from pipelines.aggregate.signals import Catalogue, catalogue
from pipelines.aggregate.windows import Minutes
from pipelines.build_worker import CODEC, reading, worker
from pipelines.detect.detect import Detect
from pipelines.engine import Engine
from pipelines.engine_parts import Parts
from pipelines.ingest.decode import Decoder
from pipelines.ingest.files import FileSource
from pipelines.ingest.kafka import KafkaSource
from pipelines.ingest.kafka_writer import KafkaWriter
from pipelines.ingest.source import Share, Source
from pipelines.reload import Board, Counted, Read, Reloads, Wishes
from pipelines.respond.crew import Crew
from pipelines.respond.duty import Duty
from pipelines.respond.gate import Gate
from pipelines.respond.heartbeat import Heartbeat
from pipelines.respond.inbox import Inbox
from pipelines.respond.incidents import Kind
from pipelines.respond.lane import Sink
from pipelines.respond.outbox import Outbox, sinks_of
from pipelines.respond.respond import Respond
from pipelines.run_clock import SystemClock
from pipelines.run_letters import Letters, end_letters
from pipelines.run_line import never, unchanged
from pipelines.serve.http import app
from pipelines.serve.reading import signal_or_gone
from pipelines.store import Store, StoreError
from pipelines.store_lease import Lease
from pipelines.workers import Workers
from pipelines.workers_child import spawned
from pipelines.workers_process import Made
from schemas.batch import Batch
from schemas.event import Event, Reject
from schemas.record import Partition
from schemas.settings import Settings
from schemas.signal import Signal
from schemas.status import Status


def parts(settings: Settings, known: Catalogue, kind: Kind) -> Parts:
    """Make the parts of an engine, in the order in which an event meets them.

    Bytes are decoded; events become columns; each partition's reader decides what counts and cuts partials; minutes
    merge the partials and close; detection judges closed minutes; respond turns findings into incidents and messages.
    `kind` says what its incidents are: "real", "drill" or "replay".
    """
    first = reading(settings, known)
    return Parts(
        decode=first.decode,
        columns=first.columns,
        reader=first.reader,
        minutes=Minutes(settings, known),
        detect=Detect(settings, known.signal),
        respond=Respond(settings, known.signal, kind),
        codec=CODEC,
        rejects_max=settings.storage.rejects_max,
        dead_letters=bool(settings.source.dead_letter_topic),
    )


def source(settings: Settings, stopping: Callable[[], bool] = never) -> Source:
    """Make the source that the settings name; it waits for nobody once somebody is `stopping`."""
    if settings.source.kind == "files":
        return FileSource(settings.source.files.paths, settings.source.record_bytes_max)
    return KafkaSource(settings.source.kafka, stopping=stopping)


@dataclass(frozen=True)
class Live:
    """Everything of one running Limen.

    `settings` are those of the start, `board` has those in use. `pump` sends what is due at a time of day in epoch
    milliseconds by the lanes of `crew`, `duty` writes what clocks and alerts ask for then, `beat` calls the
    dead-man's switch if there is one and it is time, and `letters` sends rejects to their topic if there is one.
    """

    settings: Settings
    known: Catalogue
    store: Store
    engine: Engine
    board: Board
    reloads: Reloads
    app: Any
    crew: Crew
    pump: Callable[[int], object]
    duty: Callable[[int], object]
    beat: Callable[[int], object]
    letters: Letters | None


def restart_problem(settings: Settings) -> str:
    """Say in one line why a start could not go on with what is in the store, "" if it could; changes nothing."""
    try:
        store = Store.open(settings.storage.url, create=False, check=False)
        try:
            Engine(parts(settings, catalogue(settings.signals, settings.cohorts), "real"), store.load())
        finally:
            store.close()
    except StoreError as error:
        return str(error)
    return ""


def live(
    settings: Settings,
    *,
    recoverable: bool = True,
    lease: Lease | None = None,
    read: Read = lambda running: running,
    wishes: Wishes | None = None,
) -> Live:
    """Make a Limen that goes on where its store stands; raises `StoreError` if the store cannot be used.

    With `recoverable` off it keeps nothing for a restart, which the demo does not need. A `lease` that was waited for
    is given back with the store. `read` reads the settings anew when `wishes` say so.
    """
    known = catalogue(settings.signals, settings.cohorts)
    lease = lease or Lease.of(settings.storage.url)
    lease.take()  # before anything is opened: an older store is brought up to date at once
    try:
        store = Store.open(settings.storage.url, lease=lease)
    except StoreError:
        lease.give_back()
        raise
    try:
        engine = Engine(
            parts(settings, known, "real"),
            store.load(),
            snapshot_minutes=settings.detection.snapshot_minutes,
            recoverable=recoverable,
            seconds=SystemClock().monotonic,
        )
        topic = settings.source.dead_letter_topic
        if not topic:
            end_letters(store)
    except StoreError:
        store.close()
        raise
    heartbeat = Heartbeat(settings.heartbeat)
    now_ms = SystemClock().now_ms
    gate = Gate(store.acts, settings, store.silences.held)
    duty = Duty(store.acts, settings, partial(signal_or_gone, known.signal), store.silences.held)
    counted = Counted(
        heartbeats=lambda: heartbeat.counts if heartbeat.configured else {}, times=lambda: duty.times.histograms
    )
    board = Board(settings, counted, now_ms())
    outbox = Outbox(store.outbox, sinks(settings), Random(), gate)  # noqa: S311 - jitter, not a secret
    inbox = Inbox(store.acts, board.settings, partial(signal_or_gone, known.signal))
    writer = KafkaWriter(settings.source.kafka)

    def take_up(others: Settings) -> None:
        engine.reload(others)
        outbox.reload(sinks(others))
        heartbeat.reload(others.heartbeat)
        duty.reload(others)
        gate.reload(others)

    wishes, crew = wishes or Wishes(), Crew(outbox)
    return Live(
        settings=settings,
        known=known,
        store=store,
        engine=engine,
        board=board,
        reloads=Reloads(wishes, board, read, take_up, now_ms),
        app=app(store, board.status, board.settings, known.signal, wishes.ask, now_ms, inbox),
        crew=crew,
        pump=crew.pump,
        duty=lambda now_ms: (duty.look(now_ms), inbox.look(now_ms)),
        beat=lambda now_ms: heartbeat.look(board.status(), now_ms),
        letters=Letters(store, writer, topic, Random()) if topic else None,  # noqa: S311 - as above
    )


def sinks(settings: Settings) -> dict[str, Sink]:
    """Make the sinks that the settings name; one that writes to Kafka has a connection of its own."""
    return sinks_of(settings.notifiers, lambda: KafkaWriter(settings.source.kafka))


def workers(
    limen: Live,
    number: int,
    make: Callable[[Settings, Share], Made] = worker,
    stopping: Callable[[], bool] = never,
) -> Workers:
    """Make the source whose records so many processes read and decode; no start is waited for once `stopping`."""
    return Workers(
        number,
        limen.settings,
        make,
        start=spawned,
        load=limen.store.load,
        closed_minute=lambda: limen.engine.closed_minute,
        random=Random(),  # noqa: S311 - jitter, not a secret
        stopping=stopping,
    )


@dataclass(frozen=True)
class Feed:
    """What a running Limen reads, and what that adds to its status."""

    source: Source
    complete: Callable[[Status], Status] = unchanged


def feed(limen: Live, number: int, stopping: Callable[[], bool] = never) -> Feed:
    """Make what Limen reads: by so many worker processes, or with none by itself."""
    if not number:
        return Feed(source(limen.settings, stopping))
    made = workers(limen, number, stopping=stopping)
    return Feed(made, made.status)


@dataclass(frozen=True)
class Replaying:
    """What a replay needs: an engine without a past, and a store in memory that lasts as long as it."""

    engine: Engine
    store: Store
    signal_of: Callable[[str], Signal]


def replaying(settings: Settings) -> Replaying:
    """Make a Limen that keeps nothing: no recovery, no history, no messages."""
    known = catalogue(settings.signals, settings.cohorts)
    store = Store.open("sqlite://")
    engine = Engine(parts(settings, known, "replay"), store.load(), recoverable=False, history=False)
    return Replaying(engine, store, known.signal)


@dataclass(frozen=True)
class Measuring:
    """How one configuration decodes a record, takes the measures of events, and reads them in the signals' units."""

    decode: Callable[[bytes], Event | Reject]
    take: Callable[[Partition, Sequence[int], Sequence[Event | Reject]], Batch]
    measures: Callable[[Batch], list[dict[str, Said]]]


def measuring(settings: Settings) -> Measuring:
    """Make what looks at single records."""
    known = catalogue(settings.signals, settings.cohorts)
    return Measuring(
        decode=Decoder(settings.source.format, settings.source.record_bytes_max).decode,
        take=Columns(known, settings.signals.text_sample).batch,
        measures=lambda batch: derived(batch, known),
    )
