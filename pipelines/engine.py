"""The engine is the line from records to effects: pure, so that a crash anywhere costs nothing but the time to redo.

It takes records in, and at each checkpoint gives one `Commit`. The caller writes that commit to the store before it
asks for the next one; a commit that could not be written is written again, never skipped.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter

import msgspec

from pipelines.engine_kept import UNREADABLE, Kept, Snapshot, encode, kept_of, snapshot_of
from pipelines.engine_parts import Parts, Step
from pipelines.engine_progress import Progress
from pipelines.engine_worker import Worker, last_minute, lasting
from pipelines.respond.signs import broken
from pipelines.store_terms import StoreError
from schemas.act import Heard
from schemas.batch import Batch
from schemas.effects import Commit, Effects, Position, Saved, StoredPartial, merged
from schemas.operations import Sign
from schemas.partial import Counters, Minute, Partial
from schemas.record import Partition, Record
from schemas.reject import Rejected, Streak
from schemas.settings import Settings
from schemas.situation import PLAIN, Situation

COMMIT_MINUTES_MAX = 60
"""Most minutes closed and judged for one commit: each is held with all its cells, and its row for the charts alone
takes 2.4 MB at 100,000 series."""


class Engine:
    """The line of one Limen, going on from what a store has saved.

    `snapshot_minutes` says how many closed minutes are kept to be judged again after a restart before the detectors'
    whole state is written. One checkpoint closes at most `commit_minutes_max` of them; the others are `pending`. With
    `recoverable` off nothing is kept for a restart, and with `history` off nothing for charts: a replay needs neither.
    `seconds` is a clock for the stage times, by default one that stands still. Raises `StoreError` when
    the saved state cannot be read.
    """

    def __init__(
        self,
        parts: Parts,
        saved: Saved,
        *,
        snapshot_minutes: int = 10,
        commit_minutes_max: int = COMMIT_MINUTES_MAX,
        recoverable: bool = True,
        history: bool = True,
        seconds: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.progress = Progress(seconds, saved)
        self._parts = parts
        self._snapshot_minutes = snapshot_minutes
        self._commit_minutes_max = commit_minutes_max
        self._recoverable = recoverable
        self._history = history
        self._positions = {position.partition: position for position in saved.positions}
        self._closed_minute = saved.closed_minute
        self._unsnapped = len(saved.minutes)
        self._known: tuple[str, ...] = ()
        self._pending = False
        self._taken: list[StoredPartial] = []
        self._rejects: list[tuple[Partition, tuple[Rejected, ...]]] = []
        self._rejects_over = 0
        self._streaks: list[tuple[Partition, Streak]] = []
        self._signs: list[Sign] = []
        self._heard = saved.heard
        self._hearing: list[Heard] = []
        partials = self._restore(saved)
        self._worker = Worker(parts, self.progress, saved.positions, partials, saved.closed_minute)

    def _restore(self, saved: Saved) -> list[Partial]:
        """Bring every part to where the store stands, and give the partials of minutes that are still open.

        Minutes since the snapshot are judged again, without effects. Raises `StoreError` when another version wrote
        what is there.
        """
        codec = self._parts.codec
        try:
            partials = [codec.decode_partial(each.body) for each in saved.partials]
            kept = [kept_of(body) for _, body in saved.minutes]
            minutes = [(codec.decode_minute(each.minute), frozenset(each.covered)) for each in kept]
            snapshot = snapshot_of(saved.snapshot[1]) if saved.snapshot else None
            if snapshot:
                self._known = snapshot.known
                self._parts.detect.restore(snapshot.detect)
            window = snapshot.window if snapshot else b""
            self._parts.respond.restore(saved.alerts, saved.incidents, window, saved.responses)
        except (ValueError, msgspec.MsgspecError) as error:
            raise StoreError(f"the state in the store cannot be read ({error}): {UNREADABLE}") from error
        for minute, covered in minutes:
            self._known = minute.known
            self.progress.look(self._parts.detect.step(minute, covered))
            self._parts.respond.recall(minute)
        self._parts.minutes.restore(saved.positions, partials, saved.closed_minute, self._known)
        return partials

    @property
    def positions(self) -> Mapping[Partition, Position]:
        """Give where each partition stands: everything before is decided and in a commit."""
        return self._positions

    @property
    def closed_minute(self) -> int:
        """Give the latest minute that was closed and judged, -1 before the first."""
        return self._closed_minute

    @property
    def pending(self) -> bool:
        """Say whether the last checkpoint closed as many minutes as it may, so that the next one may find more."""
        return self._pending

    @property
    def counters(self) -> Counters:
        """Give what became of all decided records."""
        return sum((position.counters for position in self._positions.values()), Counters())

    def offsets(self) -> dict[Partition, int]:
        """Give the next offset that `feed` expects of each partition: where a source goes on in this process."""
        return self._worker.offsets()

    def watermarks(self) -> dict[Partition, int]:
        """Give each partition's watermark in epoch milliseconds of event time, those without one left out."""
        known = {partition: self._parts.minutes.watermark_ms(partition) for partition in self._worker.offsets()}
        return {partition: watermark for partition, watermark in known.items() if watermark >= 0}

    def ahead(self) -> frozenset[Partition]:
        """Give the partitions of which nothing should be read until the others have come up to them."""
        return self._parts.minutes.ahead()

    def reload(self, settings: Settings) -> None:
        """Judge by other settings from the next minute on; what a restart judges again is judged by them alone."""
        self._parts.detect.reload(settings)
        self._parts.respond.reload(settings)
        self._unsnapped = self._snapshot_minutes

    def begin(self, partition: Partition, offset: int) -> None:
        """Hear where a source begins; of a partition never read before it becomes the position, read or not.

        Otherwise a restart would not know where "latest" was, and would read what had been passed over.
        """
        begun = self._worker.begin(partition, offset)
        if begun:
            self._positions[partition] = begun

    def skip(self, partition: Partition, until: int) -> None:
        """Hear that no record before this offset will come any more: from the next checkpoint on it is the position."""
        self._worker.skip(partition, until)

    @property
    def heard(self) -> int:
        """Give the place of the latest act of people that was heard of."""
        return self._heard

    def hear(self, place: int, heard: Sequence[Heard]) -> None:
        """Hear what people did about incidents, up to this place in the order of all acts; checkpoints go by it."""
        assert place >= self._heard, f"acts up to {self._heard} were heard of, not {place}"
        self._heard = place
        self._hearing += heard

    def feed(self, records: Sequence[Record]) -> int:
        """Decode records and take them in with the engine's own worker; gives how many were new."""
        return self._worker.feed(records)

    def feed_batch(self, batch: Batch) -> None:
        """Take in events that are columns already; a batch begins at or after the offset that is expected."""
        self._worker.feed_batch(batch)

    def take(self, handed: StoredPartial) -> int:
        """Take in what another worker made of records; gives their number, 0 for a partial that was taken before."""
        with self.progress.stage("aggregate"):
            partial = self._parts.codec.decode_partial(handed.body)
            if not self._apply(partial):
                return 0
        self._worker.passed(partial.partition, partial.until)
        self._taken.append(lasting(partial, self._parts.codec.encode_partial) if partial.rejects else handed)
        return partial.counters.read

    def checkpoint(self, known: Situation = PLAIN) -> Commit:
        """Decide what can be decided, close the minutes that are complete, judge them, and give it all as one commit.

        The time of day dates what is wrong with records before the first event time, and tells what an idle partition
        has far ahead of it.
        """
        cut = self._worker.cut(known)
        with self.progress.stage("aggregate"):
            for partial in cut:
                assert self._apply(partial), f"{partial.partition}: our own partial from {partial.start} came twice"
            self._parts.minutes.expect(known.expected)
            most = self._commit_minutes_max
            minutes = self._parts.minutes.close(known.idle, known.ended, final=known.final, at_most=most)
            if known.clock_ms is not None:
                minutes += self._parts.minutes.close_until(known.clock_ms, at_most=most - len(minutes))
        self.progress.uses |= self._parts.minutes.uses()
        self._pending = len(minutes) == most
        if minutes:
            self._worker.closed(minutes[-1].minute)
        found = [sign for streak in self._streaks for sign in broken(*streak, known.now_ms)]
        self._signs, self._streaks = sorted([*found, *known.signs], key=attrgetter("at_ms")), []
        told, self._hearing = self._parts.respond.hear(self._hearing), []
        steps = [self._judge(minute) for minute in minutes]
        if minutes:
            self._closed_minute, self._known = minutes[-1].minute, minutes[-1].known
        effects = [told, *(step.effects for step in steps), *self._operate(len(self._signs))]
        return self._commit(cut, minutes, steps, merged(effects), known.journal)

    def _apply(self, partial: Partial) -> bool:
        """Merge a partial and move its partition's position on; one that was merged before changes nothing."""
        partition = partial.partition
        verdict = self._parts.minutes.apply(partial)
        assert verdict != "gap", f"{partition}: records before {partial.start} are missing"
        if verdict == "duplicate":
            return False
        before, after = self._positions.get(partition), self._parts.minutes.position(partition)
        assert after is not None, f"{partition} stands nowhere"
        assert after.counters.conserved, f"{partition}: records are missing in {after.counters}"
        assert before is None or partial.start == before.offset, f"{partition} went back to {partial.start}"
        assert before is None or after.watermark_ms >= before.watermark_ms, f"the watermark of {partition} went back"
        self._positions[partition] = after
        if partial.rejects:
            self._rejects.append((partition, partial.rejects))
        self._rejects_over += partial.counters.rejected - len(partial.rejects)
        self._streaks += [(partition, streak) for streak in partial.streaks if streak.broken]
        return True

    def _operate(self, count: int) -> list[Effects]:
        """Take in so many of the signs that wait, the earliest by event time."""
        signs, self._signs = self._signs[:count], self._signs[count:]
        return self._parts.respond.operate(signs)

    def _judge(self, minute: Minute) -> Step:
        """Judge one closed minute; one that is known to be incomplete has no effects but what people reported in it."""
        assert self._closed_minute < minute.minute, f"minute {minute.minute} closed twice"
        covered = self._parts.respond.covered
        with self.progress.stage("detect"):
            judged = self._parts.detect.step(minute, covered)
        self.progress.closed(minute, judged)
        respond = self._parts.respond
        respond.recall(minute)
        if not minute.scored:
            return Step(covered, judged, respond.reported(minute))
        with self.progress.stage("respond"):
            effects = self._operate(sum(sign.at_ms < minute.detected_ms for sign in self._signs))
            step = respond.step(minute.minute, minute.detected_ms, judged.findings, judged.candidates, judged.recovered)
        self.progress.fired(minute, step)
        return Step(covered, judged, merged([*effects, step, respond.reported(minute), *respond.look(minute)]))

    def _commit(
        self,
        cut: Iterable[Partial],
        minutes: list[Minute],
        steps: list[Step],
        effects: Effects,
        journal: tuple[tuple[int, str], ...],
    ) -> Commit:
        """Put together what one checkpoint must write."""
        codec, judged = self._parts.codec, [step.judged for step in steps]
        kept: list[StoredPartial] = []
        if self._recoverable:
            kept = [each for each in self._taken if each.last_minute > self._closed_minute]
            kept += [lasting(p, codec.encode_partial) for p in cut if last_minute(p) > self._closed_minute]
        rejects, self._taken, self._rejects = tuple(self._rejects), [], []
        over, self._rejects_over = self._rejects_over, 0
        snapshot: tuple[int, bytes] | None = None
        encoded: list[tuple[int, bytes]] = []
        if self._recoverable and self._closed_minute >= 0:
            self._unsnapped += len(minutes)
            if self._unsnapped >= self._snapshot_minutes:
                state = Snapshot(self._parts.detect.snapshot(), self._known, self._parts.respond.window())
                snapshot = (self._closed_minute, encode(state))
                self._unsnapped = 0
            else:
                encoded = [
                    (minute.minute, encode(Kept(codec.encode_minute(minute), tuple(sorted(step.covered)))))
                    for minute, step in zip(minutes, steps, strict=True)
                ]
        return Commit(
            positions=tuple(self._positions[partition] for partition in sorted(self._positions)),
            partials=tuple(kept),
            closed_minute=self._closed_minute,
            minutes=tuple(encoded),
            snapshot=snapshot,
            history=tuple(self.progress.history_body(each) for each in judged) if self._history else (),
            series=tuple(series for each in judged for series in each.new_series),
            effects=effects,
            journal=journal,
            rejects=rejects,
            rejects_max=self._parts.rejects_max,
            rejects_over=over,
            heard=self._heard,
            dead_letters=self._parts.dead_letters,
        )
