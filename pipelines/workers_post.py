"""A post is one share of the partitions and the worker that reads it now; workers come and go, and the share stays."""

from collections.abc import Iterable, Mapping
from random import Random

from pipelines.ingest.source import Share
from pipelines.run_line import Backoff
from pipelines.workers_child import Child
from pipelines.workers_process import Handed, Told
from schemas.effects import StoredPartial
from schemas.record import Partition
from schemas.status import Histogram, Loss, PartitionStatus, StageSeconds, Status

HANG_MS = 60_000
"""A worker that says nothing for so long never will: it tells its status every second or so, and every failure."""
RESTART_SECONDS_MAX = 600.0
"""How long a worker that ends again and again is started anew; then the process ends too, and says so."""


class Post:
    """One share of the partitions: the worker that reads it now, if any, and what is known of them all the same.

    `until` is how far what was handed over reaches. `gaps` are the records that can never be read, by partition, as all
    workers of the share have found them: each loss once, though one that reading stops at is found by every worker.
    """

    def __init__(self, share: Share, random: Random) -> None:
        """Begin with nobody at work."""
        self.share = share
        self.name = f"{share.name} of {share.of}"
        self.child: Child | None = None
        self.status: Status | None = None
        self.until: dict[Partition, int] = {}
        self.failure = ""
        self.why = ""
        self.due_ms = 0
        self.backoff = Backoff(random, RESTART_SECONDS_MAX)
        self._heard = (-1, 0)
        self.gaps: dict[str, Loss] = {}
        self._told: Mapping[str, Loss] = {}
        self._lost_at: dict[str, int] = {}
        self._stages = StageSeconds()
        self._delay = Histogram()

    def next(self) -> list[StoredPartial]:
        """Take messages up to the next partial."""
        while self.child and (message := self.child.take()):
            if isinstance(message, Handed):
                self.until[message.partial.partition] = message.partial.until
                return [message.partial]
            if isinstance(message, Told):
                self.hear(message.status)
            else:
                self.why = "; ".join(message.failures)
        return []

    def hear(self, status: Status) -> None:
        """Know how the worker is."""
        self.status = status
        self.failure = status.source_failure
        for each in status.partitions:
            self.until.setdefault(each.partition, each.position)
        reached = {str(partition): offset for partition, offset in self.until.items()}
        for name, loss in status.gaps.items():
            more, at = loss.since(self._told.get(name, Loss())), reached.get(name, -1)
            if more != Loss() and self._lost_at.get(name) != at:  # else the worker before has found it there too
                self.gaps[name] = self.gaps.get(name, Loss()) + more
                self._lost_at[name] = at
        self._told = status.gaps

    def lost(self, now_ms: int) -> bool:
        """Say whether the worker has ended, or says nothing any more; all that it handed over was taken."""
        if self.child is None or self.child.waiting:
            return False
        received, at_ms = self._heard
        if received != self.child.received:
            self._heard = (self.child.received, now_ms)
            return self.child.gone
        return self.child.gone or now_ms - at_ms >= HANG_MS

    def end(self) -> str:
        """End the worker and say how it ended; what it counted stays counted."""
        assert self.child is not None, f"{self.name} has ended already"
        how = self.child.end()
        self._stages, self._delay, self._told = self.stages, self.delay, {}
        self.child = self.status = None
        self._heard = (-1, 0)
        return self.why or how

    def partition(self, partition: Partition) -> PartitionStatus | None:
        """Give what the worker told last of a partition, None if it has told nothing."""
        told = self.status.partitions if self.status else ()
        return next((each for each in told if each.partition == partition), None)

    @property
    def stages(self) -> StageSeconds:
        """Give the seconds that all workers of this share spent in each stage."""
        return total((self._stages, self.status.stages)) if self.status else self._stages

    @property
    def delay(self) -> Histogram:
        """Give how long after their own times all workers of this share have read events."""
        return joined((self._delay, self.status.event_delay_seconds)) if self.status else self._delay


def joined(histograms: Iterable[Histogram]) -> Histogram:
    """Add up histograms of the same buckets; one without buckets counts for nothing."""
    found = [each for each in histograms if each.edges]
    if not found:
        return Histogram()
    counts = tuple(map(sum, zip(*(each.counts for each in found), strict=True)))
    return Histogram(found[0].edges, counts, sum(each.total for each in found))


def total(stages: Iterable[StageSeconds]) -> StageSeconds:
    """Add up the seconds spent in each stage."""
    found = list(stages)
    return StageSeconds(*(sum(getattr(each, name) for each in found) for name in StageSeconds.__struct_fields__))
