"""The loop reads a source into the line, and knows what to do when the source fails or falls silent."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from random import Random

import msgspec

from pipelines.ingest.source import Source
from pipelines.run_line import Backoff, Clock, Line
from pipelines.run_losses import Losses
from pipelines.run_process import rare_collections
from pipelines.run_upkeep import Upkeep
from pipelines.run_words import Words
from pipelines.store_terms import StoreError
from schemas.minutes import MINUTE_MS
from schemas.record import Partition
from schemas.settings import Settings
from schemas.situation import PLAIN, Situation
from schemas.status import SourceUse

POLL_SECONDS = 0.2
"""How long a poll waits for records; a request to stop is heard at least as often."""
FIRST_OPEN_SECONDS_MAX = 30.0
"""How long the first contact with a source is tried: a wrong address should be told soon."""
REOPEN_SECONDS_MAX = 86_400.0
"""How long a source that once worked is tried again: a broker may be down over night, not for good."""
STALL_SECONDS = 60.0
"""Records are there and none comes for this long: the client is stuck, and is opened anew."""
STALLS_MAX = 3
"""Stalls in a row after which opening anew is no cure, and the process ends."""
CLOCK_MINUTES_MAX = 1_440
"""Most minutes that the clock closes at one checkpoint; after a long silence it takes several."""


class Ended(msgspec.Struct, frozen=True):
    """How a loop ended: `failures` are lines for a person, none if all was read or somebody asked it to stop.

    `reached` says whether the source could be opened at all.
    """

    failures: tuple[str, ...] = ()
    reached: bool = True


class Stop(Exception):  # noqa: N818 - it ends the loop from inside, and is no error by itself
    """End the loop with this line for a person; a source may raise it when only a new process can help."""


class Loop:
    """One source read into one line until it ends or somebody asks to stop; single-threaded, time from its clock.

    `guard` is entered around every call to the source that might never return. With `live` off, event time alone
    decides: no partition is ever idle, and the clock closes nothing.
    """

    def __init__(
        self,
        source: Source,
        line: Line,
        settings: Settings,
        clock: Clock,
        random: Random,
        *,
        live: bool = True,
        guard: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._source = source
        self._line = line
        self._settings = settings
        self._clock = clock
        self._live = live
        self._guard = guard
        self._opening = Backoff(random, FIRST_OPEN_SECONDS_MAX)
        self._polling = Backoff(random, REOPEN_SECONDS_MAX)
        self._random = random
        self._open = False
        self._reached = False
        self._failure = ""
        self._failures: list[str] = []
        self._fed = self._staged_bytes = 0
        self._use = SourceUse()
        self._idle: set[Partition] = set()
        self._held: frozenset[Partition] = frozenset()
        self._stalls = 0
        self._slept_ms = 0
        self._words = Words(line, source, clock)
        self._losses = Losses(source, line.engine, stopping=settings.source.kafka.on_gap == "stop")
        now = clock.monotonic()
        self._checkpointed = self._arrived = now
        self._upkeep = Upkeep(line, settings.storage, now)
        self._heard: dict[Partition, float] = {}

    def run(self) -> Ended:
        """Read until the source ends, somebody asks to stop, or nothing helps any more; then close the source."""
        try:
            with rare_collections():
                while not self._line.hooks.stopping() and not self._all_ended():
                    if self._open or self._connect():
                        self._turn()
                self._finish()
        except (Stop, StoreError) as error:
            self._failures.append(str(error))
        finally:
            self._source.close()
        return Ended(tuple(self._failures), self._reached)

    def _all_ended(self) -> bool:
        """Say whether nothing can come any more."""
        known = self._source.partitions() if self._open else ()
        return bool(known) and all(self._source.ended(partition) for partition in known)

    def _connect(self) -> bool:
        """Open the source where the engine stands, or wait before the next attempt."""
        with self._guard():
            self._failure = self._source.open(self._line.engine.offsets())
        if not self._failure:
            self._open = self._reached = True
            self._held = frozenset()
            self._count("opens")
            self._opening = Backoff(self._random, REOPEN_SECONDS_MAX)
            self._arrived = self._clock.monotonic()
            self._begin()
            self._publish()
            return True
        self._wait(self._opening)
        return False

    def _begin(self) -> None:
        """Let the engine know where partitions begin that it has not heard of yet; a topic may gain some."""
        for partition in self._source.partitions():
            self._line.engine.begin(partition, self._source.position(partition))

    def _wait(self, backoff: Backoff) -> None:
        """Tell the failure and wait; end the loop when it has lasted too long."""
        wait = backoff.failed(self._clock.monotonic())
        if wait is None:
            raise Stop(self._failure)
        self._count("failures")
        self._line.hooks.say(self._failure)
        waking = self._line.hooks.waking
        if self._losses.look(self._clock.now_ms()) or waking():  # while reading has stopped, no other checkpoint comes
            self._commit()
        self._publish()
        self._line.pause(wait, waking)

    def _turn(self) -> None:
        """Poll once, take in what came, and make a checkpoint when it is time."""
        self._source.watermarks(self._line.engine.watermarks())
        self._hold()
        with self._guard(), self._line.engine.progress.stage("read"):
            poll = self._source.poll(POLL_SECONDS, int(1000 * self._clock.monotonic()))
        self._count("polls")
        now = self._clock.monotonic()
        # Before losses are looked at: whoever cut a partial has passed over those before it.
        taken = [self._line.engine.take(partial) for partial in poll.partials]
        self._losses.look(self._clock.now_ms())
        if poll.records or poll.partials:
            self._line.engine.progress.polled_ms = self._clock.now_ms() if self._live else -1
            self._fed += self._line.engine.feed(poll.records) + sum(taken)
            self._staged_bytes += sum(len(record.value) for record in poll.records)
            self._staged_bytes += sum(len(partial.body) for partial in poll.partials)
            self._heard |= {record.partition: now for record in poll.records}
            self._arrived, self._stalls = now, 0
            self._words.records_came()
        if poll.failure and poll.final:
            self._failures.append(poll.failure)
            self._line.hooks.say(poll.failure)
        if poll.retrying and poll.failure not in ("", self._failure):
            self._line.hooks.say(poll.failure)
        self._failure = "" if poll.final else poll.failure
        storage = self._settings.storage
        full = self._fed >= storage.checkpoint_events or self._staged_bytes >= storage.checkpoint_bytes
        if full or now - self._checkpointed >= storage.checkpoint_seconds:
            self._checkpoint(now)
        if self._failure and not poll.retrying:
            self._wait(self._polling)
        elif poll.records:
            self._polling.succeeded()
        self._look_for_a_stall(now)

    def _hold(self) -> None:
        """Let partitions that are far ahead wait for the others, or every minute in between would stay open."""
        held = self._line.engine.ahead()
        if held != self._held:
            for partition in sorted(held - self._held):
                self._line.hooks.note(f"{partition} is far ahead of the others, and waits for them")
            self._held = held
            self._source.hold(held)

    def _checkpoint(self, now: float) -> None:
        """Commit what was read; close minutes by the clock where every partition has fallen silent."""
        self._begin()
        idle, ended = self._silent(now)
        now_ms = self._clock.now_ms()
        journal = [(now_ms, f"{partition} is idle") for partition in sorted(idle - self._idle)]
        journal += [(now_ms, f"{partition} is no longer idle") for partition in sorted(self._idle - idle)]
        clock_ms: int | None = None
        known = self._source.partitions()
        active = set(known) - ended
        if active and active == idle and self._line.engine.closed_minute >= 0:
            clock_ms = self._clock_limit(now_ms)
        before = self._line.engine.closed_minute
        self._idle = idle
        self._commit(Situation(idle, ended, expected=known, clock_ms=clock_ms, journal=tuple(journal)))
        if clock_ms is not None and self._line.engine.closed_minute > before:
            self._words.closed_by_clock()
        self._words.look()
        self._checkpointed = now
        self._take_stock()
        self._upkeep.look(now)
        self._publish()

    def _commit(self, known: Situation = PLAIN) -> None:
        """Commit, with what was lost since the last time; a replay has no time of day, and says the same every time.

        A time of day that jumped back must not put the present into the future.
        """
        signs, lost = self._losses.take()
        now_ms = max(self._clock.now_ms(), self._clock.steady_ms()) if self._live else -1
        journal = (*known.journal, *lost)
        self._line.checkpoint(msgspec.structs.replace(known, journal=journal, signs=signs, now_ms=now_ms))

    def _clock_limit(self, now_ms: int) -> int:
        """Give the time up to which the clock may close minutes at this checkpoint.

        A time of day that jumped ahead would make events late that are yet to come, so it is not believed; unless an
        event is from then, as after a machine has slept or its clock was put right.
        """
        reached_ms = max(self._line.engine.watermarks().values(), default=-1)
        self._slept_ms = max(self._slept_ms, reached_ms - self._clock.steady_ms())
        steady_ms = self._clock.steady_ms() + self._slept_ms
        lateness_ms = 1000 * self._settings.detection.lateness_seconds
        return min(
            now_ms, steady_ms, (self._line.engine.closed_minute + 1 + CLOCK_MINUTES_MAX) * MINUTE_MS + lateness_ms
        )

    def _silent(self, now: float) -> tuple[set[Partition], set[Partition]]:
        """Give the idle partitions, which have nothing to read and had nothing for a while, and those that ended."""
        idle, ended = set(), self._gone()
        for partition in self._source.partitions():
            quiet = now - self._heard.setdefault(partition, now)
            if self._source.ended(partition):
                ended.add(partition)
            elif self._live and quiet >= self._settings.source.idle_seconds and self._source.caught_up(partition):
                idle.add(partition)
        return idle, ended

    def _gone(self) -> set[Partition]:
        """Give what was read before and is not of this source, such as another topic: nothing can come of it."""
        return self._line.engine.positions.keys() - set(self._source.partitions())

    def _look_for_a_stall(self, now: float) -> None:
        """Open the source anew when records are there and none comes."""
        asked = [partition for partition in self._source.partitions() if partition not in self._held]
        if self._failure or all(self._source.lag(partition) <= 0 for partition in asked):
            self._arrived = now  # there was nothing to wait for, so the wait begins later
        if not self._live or now - self._arrived < STALL_SECONDS:
            return
        self._stalls += 1
        self._count("stalls")
        self._failure = f"no record came for {STALL_SECONDS:.0f} s although some are there: the source is opened anew"
        if self._stalls > STALLS_MAX:
            raise Stop(f"no record came although some are there, {self._stalls} times in a row: restart Limen")
        self._line.hooks.say(self._failure)
        self._checkpoint(now)  # the source begins at what is durable
        self._open = False

    def _finish(self) -> None:
        """Make the last checkpoint; when everything was read to its end, every minute closes."""
        if not self._reached:
            return
        known, over = self._source.partitions(), self._all_ended()
        ended = self._gone() | {partition for partition in known if over or self._source.ended(partition)}
        self._commit(Situation(ended=ended, expected=known, final=over))
        self._take_stock()
        self._words.end()
        self._publish()

    def _count(self, name: str) -> None:
        """Count one more poll, opening, failure or stall of the source."""
        self._use = msgspec.structs.replace(self._use, **{name: getattr(self._use, name) + 1})

    def _take_stock(self) -> None:
        """Note what the checkpoint took in, and begin to count what the next one will."""
        self._use = msgspec.structs.replace(self._use, staged_records=self._fed, staged_bytes=self._staged_bytes)
        self._fed = self._staged_bytes = 0

    def _publish(self) -> None:
        """Tell the status with what the source knows."""
        self._line.publish(
            ready=self._open and not self._failure,
            source_failure=self._failure,
            idle=frozenset(self._idle),
            lag=self._source.lag,
            gaps={str(partition): lost for partition, lost in self._losses.told.items()},
            use=self._use,
        )
