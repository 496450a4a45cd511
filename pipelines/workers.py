"""Workers are a source whose records come as partials: processes read and decode a share of the partitions each.

The engine takes what they hand over as it takes what its own worker cuts, so it says the same with any number of them.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from random import Random
from types import MappingProxyType

import msgspec

from pipelines.ingest.source import Poll, Share
from pipelines.run_line import PAUSE_SECONDS_MAX, never
from pipelines.run_loop import Stop
from pipelines.store_terms import StoreError
from pipelines.workers_child import Child, Start
from pipelines.workers_post import Post, joined, total
from pipelines.workers_process import Made, Over, Told, Work
from schemas.effects import Saved, StoredPartial
from schemas.record import Partition
from schemas.settings import Settings
from schemas.status import Loss, PartitionStatus, Status, WorkersUse

OPEN_SECONDS_MAX = 45.0
"""How long all workers may take to start and to open their source: it has timeouts of its own, and a call that is
guarded may take a minute."""
AGAIN_MS = 1_000
"""How soon it is tried again to start a worker: what the one before handed over must be durable first, and the writer
commits every other second."""


class Workers:
    """So many worker processes, as `pipelines.ingest.source.Source` promises of a source.

    `load` reads the store, from which every worker begins; `closed_minute` is asked for what to tell them. They try
    their source again by themselves; one that ends or hangs is started anew, with growing waits. Between them and the
    engine wait at most `source.staged_bytes_max` bytes; then they wait as well.
    """

    def __init__(
        self,
        number: int,
        settings: Settings,
        make: Callable[[Settings, Share], Made],
        start: Start,
        load: Callable[[], Saved],
        closed_minute: Callable[[], int],
        random: Random,
        stopping: Callable[[], bool] = never,
    ) -> None:
        self._settings = settings
        self._make = make
        self._start = start
        self._load = load
        self._closed_minute = closed_minute
        self._random = random
        self._stopping = stopping
        self._changed = threading.Condition()
        self._posts = [Post(Share(index, number), random) for index in range(number)]
        self._restarts = 0

    def open(self, positions: Mapping[Partition, int]) -> str:
        """Start all workers where the store stands, and wait until each has opened its source or one has failed.

        Minutes must not close before all partitions are known.
        """
        self.close()
        try:
            saved = self._load()
        except StoreError as error:
            return str(error)
        stored = _offsets(saved)
        assert all(stored.get(each) == offset for each, offset in positions.items()), f"{positions} is not {stored}"
        failure = self._started(self._posts, saved)
        if not failure:
            self._wait_for_all()
            failure = next((each for each in map(_unopened, self._posts) if each), "")
        if failure:
            self.close()
        return failure

    def partitions(self) -> tuple[Partition, ...]:
        """Give the partitions of all shares, also of those that nobody reads at the moment."""
        return tuple(sorted(partition for post in self._posts for partition in post.until))

    def watermarks(self, watermarks_ms: Mapping[Partition, int]) -> None:
        """Do nothing: each worker has a source of its own."""

    def poll(self, timeout_seconds: float, now_ms: int) -> Poll:
        """Give the next partial of each worker, and start those anew that ended; raises `Stop` if that cannot help."""
        closed_minute = self._closed_minute()
        for post in self._posts:
            if post.child:
                post.child.tell(closed_minute)
        with self._changed:
            self._changed.wait_for(self._something, timeout_seconds)
        partials: list[StoredPartial] = []
        for post in self._posts:
            partials += post.next()
            if post.lost(now_ms):
                self._replace_later(post, now_ms)
            if post.child is None and now_ms >= post.due_ms:
                self._replace(post, now_ms)
        failure = next((post.failure for post in self._posts if post.failure), "")
        return Poll(partials=partials, failure=failure, retrying=True)

    def position(self, partition: Partition) -> int:
        """Give the offset at which the next partial begins, -1 for a partition that is not known."""
        return next((post.until[partition] for post in self._posts if partition in post.until), -1)

    def ended(self, partition: Partition) -> bool:
        """Give False: what workers read goes on."""
        return False

    def caught_up(self, partition: Partition) -> bool:
        """Say whether the worker has called the partition idle, and nothing that it handed over waits."""
        post, told = self._told(partition)
        waiting = post is None or post.child is None or post.child.waiting
        return not waiting and told is not None and told.idle and told.lag == 0

    def lag(self, partition: Partition) -> int:
        """Give the number of records that its worker has not read, -1 while that is not known."""
        _, told = self._told(partition)
        return -1 if told is None else told.lag

    def gaps(self) -> Mapping[Partition, Loss]:
        """Give the number of records that can never be read, by partition."""
        found = {name: lost for post in self._posts for name, lost in post.gaps.items()}
        return MappingProxyType({each: found[str(each)] for each in self.partitions() if str(each) in found})

    def hold(self, partitions: Collection[Partition]) -> None:
        """Do nothing: each worker holds what is far ahead of the closed minute, which it is told."""

    def close(self) -> None:
        """End all workers at once: whatever was not taken is read again."""
        for post in self._posts:
            if post.child:
                post.end()

    def status(self, status: Status) -> Status:
        """Add to a status what workers are and what they spent."""
        use = WorkersUse(
            number=len(self._posts),
            restarts=self._restarts,
            staged_bytes=sum(post.child.staged_bytes for post in self._posts if post.child),
        )
        return msgspec.structs.replace(
            status,
            workers=use,
            stages=total((status.stages, *(post.stages for post in self._posts))),
            event_delay_seconds=joined((status.event_delay_seconds, *(post.delay for post in self._posts))),
            processes=(
                *status.processes,
                *(each for post in self._posts if post.status for each in post.status.processes),
            ),
        )

    def _started(self, posts: Iterable[Post], saved: Saved) -> str:
        """Start workers where the store stands, which must be where the line stands; gives a failure, "" if none."""
        for post in posts:
            partials = tuple(each for each in saved.partials if post.share.has(each.partition.number))
            ours = Saved(saved.positions, partials, saved.closed_minute, None, (), (), (), ())
            work = Work(self._settings, post.share, ours, self._make)
            try:
                connection, running = self._start(work)
            except OSError as error:
                return f"{post.name} cannot be started: {error.strerror}: give Limen room for more processes and files"
            staged_bytes_max = self._settings.source.staged_bytes_max // len(self._posts)
            post.child = Child(connection, running, staged_bytes_max, self._changed)
        return ""

    def _wait_for_all(self) -> None:
        """Wait until all speak, or it has taken too long, or somebody wants to stop."""
        with self._changed:
            for _ in range(round(OPEN_SECONDS_MAX / PAUSE_SECONDS_MAX)):
                if self._changed.wait_for(self._all_speak, PAUSE_SECONDS_MAX) or self._stopping():
                    return

    def _all_speak(self) -> bool:
        """Say whether nothing is left to wait for at the start."""
        children = [post.child for post in self._posts if post.child]
        failed = any(child.gone or (child.first and not _is_open(child.first)) for child in children)
        return failed or all(child.first for child in children)

    def _something(self) -> bool:
        return any(post.child and (post.child.waiting or post.child.gone) for post in self._posts)

    def _replace_later(self, post: Post, now_ms: int) -> None:
        """End a worker that is lost, and decide when the next one begins."""
        why = post.end()
        wait = post.backoff.failed(now_ms / 1000)
        if wait is None:
            raise Stop(f"{post.name} ends again and again ({why}): look at its last lines, and restart Limen")
        post.failure = f"{post.name} has ended ({why}): another one is started where the store stands"
        post.due_ms = now_ms + round(1000 * wait)

    def _replace(self, post: Post, now_ms: int) -> None:
        """Start a worker anew as soon as all that the one before handed over is durable."""
        post.due_ms = now_ms + AGAIN_MS
        try:
            saved = self._load()
        except StoreError as error:
            post.failure = str(error)
            return
        durable = _offsets(saved)
        if any(durable.get(each) != offset for each, offset in post.until.items()):
            return
        post.why = ""
        post.failure = self._started([post], saved) or post.failure
        self._restarts += 1

    def _told(self, partition: Partition) -> tuple[Post | None, PartitionStatus | None]:
        """Give whose share a partition is, and what was told of it last."""
        post = next((post for post in self._posts if partition in post.until), None)
        return post, post.partition(partition) if post else None


def _offsets(saved: Saved) -> dict[Partition, int]:
    return {position.partition: position.offset for position in saved.positions}


def _is_open(first: Told | Over) -> bool:
    return isinstance(first, Told) and first.status.ready


def _unopened(post: Post) -> str:
    """Take up the first words of a worker; gives why its source is not open, "" if it is."""
    first = post.child.first if post.child else None
    if isinstance(first, Told):
        post.hear(first.status)
        return first.status.source_failure
    words = "; ".join(first.failures) if first else ""
    return words or f"{post.name} did not begin to read: look at its last lines, and start Limen again"
