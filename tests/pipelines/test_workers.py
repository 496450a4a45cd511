"""With any number of workers, and whatever becomes of them, Limen says what it would have said without.

Most workers here are threads at the ends of real pipes; some tests start real processes.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import Pipe
from pathlib import Path
from random import Random

import msgspec
import pytest

from pipelines.engine import Engine
from pipelines.ingest.source import Share
from pipelines.run import run
from pipelines.run_end import Stopper
from pipelines.run_line import unchanged
from pipelines.run_loop import Ended, Stop
from pipelines.store import Store
from pipelines.workers import Workers
from pipelines.workers_child import spawned
from pipelines.workers_post import HANG_MS, Post
from pipelines.workers_process import Made, Told, Work, encode, work_on
from schemas.effects import Commit, Position
from schemas.partial import Counters
from schemas.record import Partition
from schemas.settings import Settings
from schemas.situation import Situation
from schemas.status import Loss, PartitionStatus, StageSeconds, Status
from tests.pipelines.worker_log import LogSource, make, written
from tests.simulation.log import Log, make_log
from tests.simulation.plain import plain_parts, undisturbed
from tests.simulation.witness import Witness
from tests.simulation.world import Outcome, outcome

NEVER = 86_400.0
AT_0 = PartitionStatus(Partition("kafka:events", 0), position=0, watermark_ms=-1, lag=0, idle=False)
BEGUN = Commit(positions=(Position(AT_0.partition, 0, -1, Counters()),))
WAITING_MAX = (
    60  # records of a partition that may wait for those that follow: events far ahead, and rejects behind them
)


class Thread:
    """A worker in a thread of this process, which is killed by cutting its pipe."""

    def __init__(self, work: Work) -> None:
        self.connection, theirs = Pipe()
        self._end = socket.socket(fileno=os.dup(theirs.fileno()))
        self._thread = threading.Thread(target=work_on, args=(theirs, work, self._never), daemon=True)
        self._thread.start()
        self.killed = False

    @staticmethod
    def _never() -> None:
        raise AssertionError("a worker outlived its writer")

    @property
    def exitcode(self) -> int | None:
        """Give an exit code as a process would."""
        return None if self._thread.is_alive() else -9 if self.killed else 0

    def kill(self) -> None:
        """Cut the pipe."""
        self.killed = True
        if self._end.fileno() >= 0:
            self._end.shutdown(socket.SHUT_RDWR)
            self._end.close()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end of the thread."""
        self._thread.join(timeout)


def threaded(work: Work):
    """Start one."""
    thread = Thread(work)
    return thread.connection, thread


def untouched(read: int, running: list) -> None:
    """Leave the workers alone."""


class Killer:
    """Ends one living worker after another, at even steps of a log, and waits until each has a successor."""

    def __init__(self, log: Log, times: int, kill: Callable) -> None:
        self._due = [log.records * k // (2 * times) for k in range(1, times + 1)]
        self._kill = kill
        self._ended: list = []
        self._started = 0

    def __call__(self, read: int, running: list) -> None:
        """Look whether it is time."""
        self._started = self._started or len(running)
        if self._due and read >= self._due[0] and len(running) == self._started + len(self._ended):
            self._due.pop(0)
            victim = next(each for each in running if each not in self._ended)
            self._ended.append(victim)
            self._kill(victim)

    @property
    def kills(self) -> int:
        """Count them."""
        return len(self._ended)


@dataclass
class Stand:
    """One store, and workers that read a log into it until they have read it all, or somebody stops them."""

    settings: Settings
    log: Log
    number: int
    start: Callable = threaded
    make: Callable = make
    at: Callable[[int, list], None] = untouched
    running: list = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Store.open(self.settings.storage.url)
        self.stopper = Stopper()

    def _started(self, work: Work):
        connection, running = self.start(work)
        self.running.append(running)
        return connection, running

    def source(self, engine: Engine):
        """Give the source: workers, or the whole log where there are none."""
        if not self.number:
            return LogSource(self.settings, Share())
        closed = lambda: engine.closed_minute  # noqa: E731 - it is shorter than a method
        return Workers(
            self.number, self.settings, self.make, self._started, self.store.load, closed, Random(1), self.stopper
        )

    def run(self) -> Ended:
        """Read until everything is decided that can be."""
        engine = Engine(plain_parts(), self.store.load())
        source = self.source(engine)
        enough = self.log.records - WAITING_MAX * len(self.log.entries)

        def status(status: Status) -> None:
            self.statuses.append(status)
            self.at(status.counters.read, self.running)
            if status.counters.read >= enough:
                self.stopper.stop()

        complete = source.status if self.number else unchanged
        return run(
            self.settings, source, engine, self.store,
            stopper=self.stopper, say=self.said.append, status=status, complete=complete,
        )  # fmt: skip

    def outcome(self) -> Outcome:
        """Read what waited to the end in one process, and give what is in the store."""
        engine = Engine(plain_parts(), self.store.load())
        rest = LogSource(self.settings, Share())
        rest.open(engine.offsets())
        while any(map(rest.lag, rest.partitions())):
            engine.feed(rest.poll(0.0, 0).records)
        while True:
            self.store.commit(engine.checkpoint(Situation(ended=rest.partitions(), final=True)))
            if not engine.pending:
                break
        found = outcome(self.store, Witness(self.log))
        self.store.close()
        return found


def check(found: Outcome, batch: Outcome) -> None:
    """Compare all but the closed minutes, which only the batch has been watched for."""
    assert replace(found, minutes={}) == replace(batch, minutes={})


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Callable[..., Stand]]:
    """Give a function that makes a stand over a log."""
    made = []

    def new(log: Log, number: int, **options) -> Stand:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        source = {"idle_seconds": NEVER, "staged_bytes_max": 8_000 * max(1, number), **options.pop("source", {})}
        made.append(Stand(written(folder, log, **source), log, number, **options))
        return made[-1]

    yield new
    for each in made:
        each.store.close()


@pytest.mark.parametrize(("partitions", "numbers"), [(1, (0, 2)), (3, (1, 2))])
def test_any_number_of_workers_gives_what_one_process_gives(stand, partitions, numbers):
    """Counters, history, incidents and messages equal the batch, with more workers than partitions and with fewer."""
    log = make_log(3, partitions, busy=4)
    batch = undisturbed(log)
    assert batch.incidents
    for number in numbers:
        one = stand(log, number)
        assert one.run() == Ended()
        assert one.said == []
        check(one.outcome(), batch)


def test_workers_that_are_killed_lose_nothing_and_count_nothing_twice(stand):
    """Others take their place, at the positions and with the partials of the store; the status counts them."""
    log = make_log(5, 3, busy=20)
    killer = Killer(log, 3, Thread.kill)
    one = stand(log, 2, at=killer)
    assert one.run() == Ended()
    assert (killer.kills, len(one.running), one.statuses[-1].workers.restarts) == (3, 5, 3)
    assert [each for each in one.said if "another one is started where the store stands" not in each] == []
    check(one.outcome(), undisturbed(log))


def test_processes_that_are_killed_are_started_again_and_end_with_their_writer(stand):
    """The same with real processes and a real SIGKILL; afterwards none is left."""
    log = make_log(6, 2, busy=20)
    killer = Killer(log, 2, lambda process: os.kill(process.pid, signal.SIGKILL))
    one = stand(log, 2, start=spawned, at=killer)
    assert one.run() == Ended()
    assert (killer.kills, one.statuses[-1].workers.restarts) == (2, 2)
    assert not any(each.is_alive() for each in one.running)
    check(one.outcome(), undisturbed(log))


def test_a_process_ends_by_itself_when_its_writer_is_gone(stand):
    """Nobody ends it: the end of its pipe is enough."""
    one = stand(make_log(7, 1, busy=20), 1)
    connection, process = spawned(Work(one.settings, Share(), one.store.load(), make))
    assert connection.recv_bytes()
    connection.close()
    process.join(20)
    assert process.exitcode == 0


class Growing(LogSource):
    """A topic that has one partition at first."""

    def __init__(self, settings: Settings, share: Share, grown: threading.Event) -> None:
        super().__init__(settings, share)
        self._grown = grown

    def open(self, positions):
        """Begin with what there is."""
        failure = super().open(positions)
        self._next = {each: at for each, at in self._next.items() if self._grown.is_set() or not each.number}
        return failure

    def poll(self, timeout_seconds, now_ms):
        """Give the next pieces, of new partitions too."""
        if self._grown.is_set():
            self._next = dict.fromkeys(self._values, 0) | self._next
        return super().poll(timeout_seconds, now_ms)


@pytest.mark.parametrize("number", [1, 2])
def test_a_partition_that_is_added_is_read_by_the_worker_whose_share_it_is(stand, number):
    """Also by one that had none until then; what comes of it equals the batch, which knew of it from the beginning."""
    log, grown = make_log(3, 2, busy=20, late_partition=True), threading.Event()

    def grow(read: int, running: list) -> None:
        if read:  # at once: a worker reads ahead of what is told, and no minute of the new one may close before
            grown.set()

    def growing(settings: Settings, share: Share) -> Made:
        return replace(make(settings, share), source=Growing(settings, share, grown))

    one = stand(log, number, at=grow, make=growing)
    assert one.run() == Ended()
    assert [len(status.partitions) for status in (one.statuses[0], one.statuses[-1])] == [0, 2]
    assert any(len(status.partitions) == 1 for status in one.statuses)
    check(one.outcome(), undisturbed(log))


def opened(one: Stand) -> Workers:
    """Give workers that have begun on an empty store."""
    source = one.source(Engine(plain_parts(), one.store.load()))
    assert source.open({}) == ""
    return source


def test_each_partition_belongs_to_one_worker_and_begins_where_its_source_says(stand):
    """All are known as soon as the source is open, so that no minute closes without one of them."""
    source = opened(stand(make_log(7, 5), 2))
    assert source.partitions() == tuple(Partition("kafka:events", number) for number in range(5))
    assert [source.position(each) for each in source.partitions()] == [0] * 5
    assert source.position(Partition("kafka:events", 9)) == -1
    source.close()


def told(failure: str = "", gaps: dict[str, Loss] | None = None) -> Status:
    """Give the status of a line that has one partition and has done nothing."""
    return Status(
        started_ms=0, heartbeat_ms=0, ready=not failure, counters=Counters(), partitions=(AT_0,), closed_minute=-1,
        minutes_closed=0, series=(), latest=None, learning=0, cohorts_total=0, overflow={}, audit_expected=0.0,
        audit_observed=0.0, stages=StageSeconds(), commits=0, commit_bytes=0, source_failure=failure, gaps=gaps or {},
    )  # fmt: skip


def test_what_waits_for_the_engine_is_bounded_and_told(stand):
    """Nobody takes anything: the workers stop, and what waits stays under the cap."""
    source = opened(stand(make_log(8, 2, busy=60), 2, source={"staged_bytes_max": 20_000}))
    sizes: list[int] = []
    pause = threading.Event()
    while len(set(sizes[-20:])) != 1 or len(sizes) < 20:
        sizes.append(source.status(told()).workers.staged_bytes)
        pause.wait(0.01)
    assert 10_000 < sizes[-1] <= 20_000
    source.close()


class Mute:
    """A worker that tells one status and then nothing any more."""

    exitcode = None

    def __init__(self, status: Status) -> None:
        self.connection, self._theirs = Pipe()
        self._theirs.send_bytes(encode(Told(status)))

    def kill(self) -> None:
        """End."""
        self._theirs.close()

    def join(self, timeout: float | None = None) -> None:
        """Have ended."""


def muted(status: Status, work: Work):
    """Start one."""
    mute = Mute(status)
    return mute.connection, mute


def polled(source: Workers, times_ms: range) -> None:
    """Poll at these times."""
    for now_ms in times_ms:
        source.poll(0.0, now_ms)


def test_a_worker_that_says_nothing_is_ended_and_replaced_until_that_is_no_cure(stand):
    """After a minute without a word it is taken for stuck; when ten minutes of new ones were all the same, it ends."""
    one = stand(make_log(9, 1), 1, start=partial(muted, told()))
    source = opened(one)
    one.store.commit(BEGUN)
    assert source.poll(0.0, 0).failure == ""
    assert source.poll(0.0, HANG_MS - 1).failure == ""
    failed = source.poll(0.0, HANG_MS)
    assert failed.failure == (
        "worker-1 of 1 has ended (it did not answer): another one is started where the store stands"
    )
    assert failed.retrying
    with pytest.raises(Stop, match="worker-1 of 1 ends again and again"):
        polled(source, range(HANG_MS, 3_600_000, 500))
    assert 8 <= len(one.running) <= 12
    source.close()


class Gone:
    """A worker that has ended."""

    def end(self) -> str:
        """Say how."""
        return "exit code 1"


def test_what_one_worker_has_lost_stays_told_when_another_takes_its_place():
    """Losses in different places add up; an unknown number makes the sum unknown."""
    post, seen = Post(Share(), Random(1)), []
    for at, lost in ((10, 3), (20, 4), (30, -1)):
        post.until[AT_0.partition] = at
        post.child = Gone()
        post.hear(told(gaps={"kafka:events/0": Loss(gone=lost)}))
        seen.append(post.gaps["kafka:events/0"])
        post.end()
    assert seen == [Loss(gone=3), Loss(gone=7), Loss(gone=-1)]


def test_a_loss_that_each_worker_finds_again_counts_once():
    """Where reading stops for it, its share stands still; the next loss of the same worker counts when it has moved."""
    post, gone = Post(Share(), Random(1)), {"kafka:events/0": Loss(gone=3)}
    for _ in range(3):
        post.child = Gone()
        post.hear(told("3 records were deleted unread", gone))
        post.hear(told("3 records were deleted unread", gone))
        post.end()
    assert post.gaps == gone
    post.child, post.until[AT_0.partition] = Gone(), 90
    post.hear(told(gaps={"kafka:events/0": Loss(gone=5, corrupt=2)}))
    assert post.gaps == {"kafka:events/0": Loss(gone=8, corrupt=2)}


def test_a_source_that_cannot_be_opened_is_told_by_its_own_line(stand):
    """The workers are ended, and the caller opens again later."""
    one = stand(make_log(9, 1), 2, start=partial(muted, told("127.0.0.1:9092: nobody answers")))
    source = one.source(Engine(plain_parts(), one.store.load()))
    assert [source.open({}), source.open({})] == ["127.0.0.1:9092: nobody answers"] * 2
    assert len(one.running) == 4


def test_a_system_without_room_for_a_process_is_told(stand):
    """It is a failure of the outside world, which somebody can mend."""

    def full(work: Work):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    one = stand(make_log(9, 1), 1, start=full)
    said = one.source(Engine(plain_parts(), one.store.load())).open({})
    assert said.startswith("worker-1 of 1 cannot be started: Resource temporarily unavailable: give Limen room")


def test_a_stop_is_heard_while_workers_start(stand):
    """A worker whose broker does not answer may take most of a minute to say so, and nobody waits for it."""
    one = stand(make_log(9, 1), 1, start=partial(muted, msgspec.structs.replace(told(), ready=False)))
    source = one.source(Engine(plain_parts(), one.store.load()))
    one.stopper.stop()
    assert source.open({}) == "worker-1 of 1 did not begin to read: look at its last lines, and start Limen again"
    assert len(one.running) == 1
