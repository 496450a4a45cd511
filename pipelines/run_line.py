"""The running line joins engine and store: what a checkpoint decides is durable before anything else happens."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol

import msgspec

from pipelines.engine_tally import CHECKPOINT_EDGES, Tally
from pipelines.run_parts import Core, Keeper
from pipelines.store_terms import StoreError
from schemas.effects import Commit, Effects, Position, merged
from schemas.record import Partition
from schemas.situation import PLAIN, Situation
from schemas.status import Loss, PartitionStatus, ProcessUse, SourceUse, Status

COMMIT_SECONDS_MAX = 600.0
"""How long a commit is tried again: time to free a full disk; after it the process ends, and nothing is lost."""
PAUSE_SECONDS_MAX = 0.2
"""The longest sleep in one piece, so that a request to stop is heard at once."""
FORGET_SECONDS = 300.0
"""A failure so long after the one before has a cause of its own; attempts and the waits between them are shorter."""


class Clock(Protocol):
    """Time as the loop sees it; a simulated one may run faster."""

    def now_ms(self) -> int:
        """Give the time of day in epoch milliseconds; it may jump."""
        ...

    def steady_ms(self) -> int:
        """Give the time of day at the start, carried on by seconds that never go back: it never jumps."""
        ...

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Backoff:
    """How long to wait before the next attempt: doubling, with jitter, up to a longest wait and a last attempt.

    Success begins anew, and so does a long time without a failure: not every success can be seen.
    """

    def __init__(self, random: Random, seconds_max: float, first: float = 0.25, longest: float = 30.0) -> None:
        self._random = random
        self._seconds_max = seconds_max
        self._first = first
        self._longest = longest
        self.succeeded()

    def succeeded(self) -> None:
        """Begin anew at the next failure."""
        self._began: float | None = None
        self._latest = 0.0
        self._wait = self._first

    def failed(self, now: float) -> float | None:
        """Give the seconds to wait before the next attempt, None when it has failed for too long."""
        if self._began is None or now - self._latest > FORGET_SECONDS:
            self._began, self._wait = now, self._first
        self._latest = now
        if now - self._began >= self._seconds_max:
            return None
        # Half of the wait is random, so that many that failed together do not come back together.
        wait = self._wait * (0.5 + self._random.random() / 2)
        self._wait = min(self._longest, 2 * self._wait)
        return wait


def _ignore(_: object) -> None:
    """Do nothing with what is told."""


def never() -> bool:
    """Never ask to stop."""
    return False


def unchanged(status: Status) -> Status:
    """Add nothing to a status."""
    return status


def _none() -> tuple[ProcessUse, ...]:
    """Know of no process."""
    return ()


def _nothing() -> tuple[tuple[int, str], ...]:
    """Have nothing to reload."""
    return ()


@dataclass(frozen=True)
class Hooks:
    """Whom the line tells: `say` what a person should look at, `note` what is good to know, a line each.

    `effects` hears of each commit, `status` of each checkpoint; `stopping` is asked whether the line is to end,
    `processes` what each process of Limen takes of the machine, and `complete` adds what only others know of to a
    status before it is told. `hear` lets the engine hear of what people did, and says whether there was anything.
    `waking` is asked whether somebody wants other settings; `reload` takes them up, and gives lines for the journal.
    """

    say: Callable[[str], None] = _ignore
    effects: Callable[[Effects], None] = _ignore
    status: Callable[[Status], None] = _ignore
    stopping: Callable[[], bool] = never
    note: Callable[[str], None] = _ignore
    processes: Callable[[], tuple[ProcessUse, ...]] = _none
    complete: Callable[[Status], Status] = unchanged
    hear: Callable[[], bool] = never
    waking: Callable[[], bool] = never
    reload: Callable[[], tuple[tuple[int, str], ...]] = _nothing


def _unknown(_: Partition) -> int:
    """Do not know how far a partition lags."""
    return -1


@dataclass(frozen=True)
class _Source:
    """What the owner of the source said of it last."""

    ready: bool
    failure: str
    idle: Collection[Partition]
    lag: Callable[[Partition], int]
    gaps: Mapping[str, Loss]
    use: SourceUse


class Line:
    """An engine whose checkpoints are written to a store, with the status that pages and metrics show."""

    def __init__(self, engine: Core, store: Keeper, clock: Clock, random: Random, hooks: Hooks | None = None) -> None:
        self.engine = engine
        self.store = store
        self.hooks = hooks or Hooks()
        self._clock = clock
        self._backoff = Backoff(random, COMMIT_SECONDS_MAX)
        self._started_ms = clock.now_ms()
        self._commits = 0
        self._bytes = 0
        self._seconds = Tally(CHECKPOINT_EDGES)
        self._written = self._standing()
        self._failure = ""
        self.publish()

    def checkpoint(self, known: Situation = PLAIN) -> Effects:
        """Decide, commit and tell, as `Engine.checkpoint` explains; raises `StoreError` when the store stays broken.

        A commit that fails is tried again for a while: meanwhile nothing is read, and the status says why. Many
        closed minutes take several commits; wishes to stop and to reload are heard between them.
        """
        began = self._clock.monotonic()
        heard, known = self.hooks.hear(), self._reloaded(known)
        commit = self.engine.checkpoint(known)
        done: list[Effects] = []
        if known.journal or heard or self._written != self._standing():
            done.append(self._write(commit, began))
        told = msgspec.structs.replace(known, journal=(), signs=())
        while self.engine.pending and not self.hooks.stopping():
            self._tell()
            began = self._clock.monotonic()
            known = self._reloaded(told)
            commit = self.engine.checkpoint(known)
            if known.journal or self._written != self._standing():
                done.append(self._write(commit, began))
        return merged(done)

    def _reloaded(self, known: Situation) -> Situation:
        """Take other settings up if somebody has asked, and add the lines of the journal that tell of it."""
        if not self.hooks.waking():
            return known
        return msgspec.structs.replace(known, journal=(*known.journal, *self.hooks.reload()))

    def _write(self, commit: Commit, began: float) -> Effects:
        """Commit a checkpoint that began at this time, again and again if need be, and tell the effects."""
        while True:
            try:
                with self.engine.progress.stage("commit"):
                    self._bytes += self.store.commit(commit)
            except StoreError as error:
                wait = self._backoff.failed(self._clock.monotonic())
                if wait is None or self.hooks.stopping():
                    raise
                self._failure = str(error)
                self.hooks.say(self._failure)
                self._tell()
                self.pause(wait)
            else:
                break
        self._commits += 1
        self._written = self._standing()
        self._failure = ""
        self._backoff.succeeded()
        self._seconds.add_one(self._clock.monotonic() - began)
        self.engine.progress.committed(commit, self._clock.now_ms())
        self.hooks.effects(commit.effects)
        return commit.effects

    def _standing(self) -> tuple[dict[Partition, Position], int]:
        """Give how far the engine has come."""
        return dict(self.engine.positions), self.engine.closed_minute

    def pause(self, seconds: float, waking: Callable[[], bool] = never) -> None:
        """Wait, unless somebody wants the line to end, or to do something that it does not do while it waits."""
        end = self._clock.monotonic() + seconds
        while not self.hooks.stopping() and not waking():
            left = end - self._clock.monotonic()
            if left <= 0:
                return
            self._clock.sleep(min(left, PAUSE_SECONDS_MAX))

    def publish(
        self,
        *,
        ready: bool = False,
        source_failure: str = "",
        idle: Collection[Partition] = (),
        lag: Callable[[Partition], int] = _unknown,
        gaps: Mapping[str, Loss] | None = None,
        use: SourceUse | None = None,
    ) -> None:
        """Tell the present status; what only the source knows is given by its owner, and kept until the next time."""
        self._source = _Source(ready, source_failure, idle, lag, gaps or {}, use or SourceUse())
        self._tell()

    def _tell(self) -> None:
        """Tell the present status with what the source was last known to be."""
        engine, progress, view = self.engine, self.engine.progress, self._source
        partitions = tuple(
            PartitionStatus(p, position.offset, position.watermark_ms, view.lag(p), p in view.idle)
            for p, position in sorted(engine.positions.items())
        )
        status = self.hooks.complete(
            Status(
                started_ms=self._started_ms,
                heartbeat_ms=self._clock.now_ms(),
                ready=view.ready and not self._failure,
                counters=engine.counters,
                partitions=partitions,
                closed_minute=engine.closed_minute,
                minutes_closed=progress.minutes_closed,
                series=progress.series,
                latest=progress.latest,
                learning=progress.learning,
                cohorts_total=progress.cohorts_total,
                overflow=dict(progress.overflow),
                audit_expected=progress.audit_expected,
                audit_observed=progress.audit_observed,
                stages=progress.stages,
                commits=self._commits,
                commit_bytes=self._bytes,
                source_failure=view.failure,
                store_failure=self._failure,
                gaps=dict(view.gaps),
                event_delay_seconds=progress.event_delay.histogram(),
                detection_latency_seconds=progress.detection_latency.histogram(),
                checkpoint_seconds=self._seconds.histogram(),
                snapshot_minute=progress.snapshot_minute,
                snapshot_bytes=progress.snapshot_bytes,
                source=view.use,
                processes=self.hooks.processes(),
                uses=dict(progress.uses),
            )
        )
        self.hooks.status(status)
