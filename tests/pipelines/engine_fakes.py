"""Small stand-ins for the rooms around the engine: each keeps its promise in the plainest way, on one signal.

The reader and the minutes count turns and refusals of everything; the detector remembers how many refusals it has ever
seen, and in how many minutes an incident was open, and finds every minute with more than `LIMIT` of them; the respond
room opens an incident for a run of such minutes and tells when it begins and ends.
"""

import pickle
from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from pipelines.detect.detect import Judged
from pipelines.engine import Engine
from pipelines.engine_parts import Codec, Parts
from schemas.act import Heard
from schemas.alert import Alert
from schemas.batch import Batch, Ratio
from schemas.effects import Effects, Position, Saved
from schemas.event import Event, Reject, RejectReason, event_time_ms
from schemas.hashing import hashes64
from schemas.history import HistoryRow, SeriesInfo
from schemas.incident import Effect, Incident, Notification
from schemas.minutes import MINUTE_MS
from schemas.operations import Sign
from schemas.partial import Cells, Counters, Minute, Partial, PartialMinute
from schemas.record import Partition
from schemas.reject import Rejected
from schemas.score import Candidate, Finding, Level, Reason, Recovered

LATENESS_MS = 2 * MINUTE_MS
LIMIT = 2


def decode(value: bytes) -> Event | Reject:
    """Read "id ts_ms refused"; anything else is a reject."""
    try:
        name, ts, refused = value.decode().split()
        return Event(event_id=name, ts=int(ts), model="m", refusal=refused == "1")
    except ValueError:
        return Reject(RejectReason.NOT_JSON)


class FakeColumns:
    """Columns of one rate."""

    def batch(self, partition: Partition, offsets: Sequence[int], items: Sequence[Event | Reject]) -> Batch:
        """Give the batch."""
        kept = [(offset, item) for offset, item in zip(offsets, items, strict=True) if isinstance(item, Event)]
        refused = np.array([int(bool(event.refusal)) for _, event in kept], dtype=np.int64)
        rejects = tuple(offset for offset, item in zip(offsets, items, strict=True) if isinstance(item, Reject))
        return Batch(
            partition=partition, start=offsets[0], until=offsets[-1] + 1,
            offsets=np.array([offset for offset, _ in kept], dtype=np.int64),
            ts_ms=np.array([event_time_ms(event) for _, event in kept], dtype=np.int64),
            id_hash=hashes64([event.event_id for _, event in kept]), dims={},
            ratios={"refusal_rate": Ratio(refused, np.ones_like(refused))}, levels={}, mixes={}, ids={},
            rejects=tuple(Rejected(offset, "not_json") for offset in rejects),
        )  # fmt: skip


class FakeReader:
    """Decides late and duplicate event by event."""

    def __init__(self, partition: Partition, position: Position | None, partials: tuple, closed_minute: int) -> None:
        self._partition = partition
        self._start = self._until = position.offset if position else 0
        self._watermark = position.watermark_ms if position else -1
        self._closed = closed_minute
        self._ids: dict[int, set[int]] = {}
        for partial in partials:
            for minute in partial.minutes:
                self._ids.setdefault(minute.minute, set()).update(np.frombuffer(minute.ids, dtype="<u8").tolist())
        self._clear()

    def _clear(self) -> None:
        self._counts = {"aggregated": 0, "late": 0, "duplicate": 0, "rejected": 0}
        self._cells: dict[int, list[int]] = {}
        self._new_ids: dict[int, list[int]] = {}

    def add(self, batch: Batch) -> None:
        """Decide every event of the batch."""
        ratio = batch.ratios["refusal_rate"]
        for ts, name, x in zip(batch.ts_ms.tolist(), batch.id_hash.tolist(), ratio.x.tolist(), strict=True):
            minute = ts // MINUTE_MS
            if (minute + 1) * MINUTE_MS + LATENESS_MS <= self._watermark or minute <= self._closed:
                self._counts["late"] += 1
            elif name in self._ids.setdefault(minute, set()):
                self._counts["duplicate"] += 1
            else:
                self._ids[minute].add(name)
                self._new_ids.setdefault(minute, []).append(name)
                cell = self._cells.setdefault(minute, [0, 0])
                cell[0] += 1
                cell[1] += x
                self._counts["aggregated"] += 1
            self._watermark = max(self._watermark, ts)
        self._counts["rejected"] += len(batch.rejects)
        self._until = batch.until

    def skip(self, until: int) -> None:
        """Go on behind what is lost."""
        self._until = max(self._until, until)

    def cut(self, *, final: bool = False, now_ms: int = -1) -> Partial | None:
        """Give what was decided."""
        if self._until == self._start:
            return None
        rejects = {"not_json": self._counts["rejected"]} if self._counts["rejected"] else {}
        partial = Partial(
            partition=self._partition, start=self._start, until=self._until, watermark_ms=self._watermark,
            counters=Counters(read=sum(self._counts.values()), rejects=rejects, **self._counts),
            dimensions=(), dictionary={},
            minutes=tuple(
                PartialMinute(
                    minute, b"", b"", b"", b"", np.array(cell, dtype="<i8").tobytes(),
                    np.array(self._new_ids[minute], dtype="<u8").tobytes(),
                )
                for minute, cell in sorted(self._cells.items())
            ),
        )  # fmt: skip
        self._start = self._until
        self._clear()
        return partial

    def closed(self, minute: int) -> None:
        """Forget the ids of closed minutes."""
        self._closed = minute
        self._ids = {key: ids for key, ids in self._ids.items() if key > minute}


class FakeMinutes:
    """Adds cells up, and closes minutes by the lowest watermark."""

    def __init__(self) -> None:
        self._watermarks: dict[Partition, int] = {}
        self._positions: dict[Partition, Position] = {}
        self._cells: dict[int, list[int]] = {}
        self._closed = -1
        self._known = ("0",)

    def restore(
        self, positions: Sequence[Position], partials: Sequence[Partial], closed_minute: int, known: tuple[str, ...]
    ) -> None:
        """Go on."""
        self._known = known or ("0",)
        self._closed = closed_minute
        for partial in partials:
            self._merge(partial)
        self._watermarks = {position.partition: position.watermark_ms for position in positions}
        self._positions = {position.partition: position for position in positions}

    def apply(self, partial: Partial) -> str:
        """Merge."""
        before = self.position(partial.partition) or Position(partial.partition, 0, -1, Counters())
        if partial.start != before.offset:
            return "gap" if partial.start > before.offset else "duplicate"
        self._positions[partial.partition] = Position(
            partial.partition, partial.until, partial.watermark_ms, before.counters + partial.counters
        )
        self._watermarks[partial.partition] = partial.watermark_ms
        self._merge(partial)
        return "applied"

    def position(self, partition: Partition) -> Position | None:
        """Give where a partition stands."""
        return self._positions.get(partition)

    def _merge(self, partial: Partial) -> None:
        for part in partial.minutes:
            if part.minute > self._closed:
                cell = self._cells.setdefault(part.minute, [0, 0])
                for k, value in enumerate(np.frombuffer(part.value, dtype="<i8").tolist()):
                    cell[k] += value

    def expect(self, partitions: Sequence[Partition]) -> None:
        """Wait for them."""
        for partition in partitions:
            self._watermarks.setdefault(partition, -1)

    def close(self, idle: set[Partition], ended: set[Partition], *, at_most: int, final: bool = False) -> list[Minute]:
        """Close by the lowest watermark."""
        active = [ms for partition, ms in self._watermarks.items() if partition not in {*idle, *ended}]
        if final:
            last = max(self._cells, default=self._closed)
            return self._until_minute(last, at_most, unscored=last)
        return self.close_until(min(active), at_most=at_most) if active else []

    def close_until(self, ms: int, *, at_most: int) -> list[Minute]:
        """Close by a time."""
        return self._until_minute((ms - LATENESS_MS) // MINUTE_MS - 1, at_most)

    def _until_minute(self, last: int, at_most: int, unscored: int = -1) -> list[Minute]:
        if self._closed < 0 and not self._cells:
            return []
        first = self._closed + 1 if self._closed >= 0 else min(self._cells)
        due = range(first, last + 1)[:at_most]
        closed = [self._minute(minute, scored=minute != unscored) for minute in due]
        self._closed = due[-1] if due else self._closed
        return closed

    def _minute(self, minute: int, *, scored: bool) -> Minute:
        n, x = self._cells.pop(minute, [0, 0])
        self._known = (str(int(self._known[0]) + 1),)
        none = np.zeros(0, dtype=np.int64)
        cells = Cells(np.array([n]), np.array([x]), np.array([0]), none, none, none)
        return Minute(
            minute=minute, detected_ms=(minute + 1) * MINUTE_MS + LATENESS_MS, scored=scored, cohorts=((),),
            events=np.array([n]), signature=np.array([1]), signals={"refusal_rate": cells}, categories=(), leaves=(),
            leaf_events=none, known=self._known,
        )  # fmt: skip

    def watermark_ms(self, partition: Partition) -> int:
        """Give the watermark."""
        return self._watermarks.get(partition, -1)

    def ahead(self) -> frozenset[Partition]:
        """Let whoever is an hour ahead of the last wait."""
        last = min(self._watermarks.values(), default=0)
        return frozenset(each for each, at in self._watermarks.items() if at > last + 60 * MINUTE_MS)

    def uses(self) -> dict[str, int]:
        """Know of one limit."""
        return {"detection.open_minutes_max": len(self._cells)}


class FakeDetect:
    """Finds minutes with many refusals, and knows how many there ever were."""

    def __init__(self) -> None:
        self.seen = self.covered = 0
        self.minutes: list[tuple[int, int, int]] = []

    def step(self, minute: Minute, covered: frozenset[str] = frozenset()) -> Judged:
        """Judge."""
        self.covered += len(covered)
        cells = minute.signals["refusal_rate"]
        n, x = int(cells.n[0]), int(cells.x[0])
        new = (SeriesInfo(0, "refusal_rate", (), minute.minute),) if not self.seen and x else ()
        self.seen += x
        self.minutes.append((minute.minute, n, x))
        found = Finding(
            signal="refusal_rate", cohort=(), detector="rate", level=Level.PAGE, log_return_period=10.0,
            log_fleet=9.0, direction="up", observed=x, expected=1.0, lower=0.0, upper=2.0, effect=float(x), n=n,
            excess=float(self.seen), onset_ms=minute.minute * MINUTE_MS, detected_ms=minute.detected_ms,
            reason=Reason.SUSPICIOUS, inside=((("covered", str(self.covered)),),),
        )  # fmt: skip
        row = HistoryRow(minute.minute, *(np.array([n], dtype="<f4").tobytes(),) * 6)
        return Judged((found,) if x > LIMIT else (), (), new, row, 0, 0.0, 0.0)

    def snapshot(self) -> bytes:
        """Give the state."""
        return f"{self.seen} {self.covered}".encode()

    def restore(self, body: bytes) -> None:
        """Take up the state."""
        self.seen, self.covered = map(int, body.split())


class FakeRespond:
    """One incident a run of findings, told when it opens, when it grows, and when it is over."""

    def __init__(self) -> None:
        self._open: tuple[Alert, Incident] | None = None

    def restore(
        self, alerts: Sequence[Alert], incidents: Sequence[Incident], window: bytes = b"", responses=()
    ) -> None:
        """Take up the open incident."""
        self._open = (alerts[0], incidents[0]) if alerts else None

    def window(self) -> bytes:
        """Know nothing of the input."""
        return b""

    def recall(self, minute: Minute) -> None:
        """Remember nothing of the input."""

    def reported(self, minute: Minute) -> Effects:
        """Know of no people."""
        return Effects()

    def look(self, minute: Minute) -> list[Effects]:
        """See nothing wrong."""
        return []

    def operate(self, signs: Sequence[Sign]) -> list[Effects]:
        """Tell nothing."""
        return []

    def hear(self, heard: Sequence[Heard]) -> Effects:
        """Hear of nothing: nobody acts here."""
        assert not heard
        return Effects()

    @property
    def covered(self) -> frozenset[str]:
        """Give the only series while its incident is open."""
        return frozenset() if self._open is None else frozenset({"refusal_rate{}"})

    def step(
        self,
        minute: int,
        detected_ms: int,
        findings: tuple[Finding, ...],
        candidates: tuple[Candidate, ...],
        recovered: tuple[Recovered, ...] = (),
    ) -> Effects:
        """Give what changes."""
        if not findings and self._open is None:
            return Effects()
        if self._open is None:
            self._open = _alert(findings[0], minute), _incident(findings[0], minute)
        else:
            alert, incident = self._open
            over = not findings
            alert = msgspec.structs.replace(
                alert, state="resolved" if over else "firing", last_seen_ms=detected_ms,
                latest=alert.latest if over else findings[0],
            )  # fmt: skip
            incident = msgspec.structs.replace(
                incident, state="closed" if over else "triage", updated_ms=detected_ms, version=incident.version + 1
            )
            self._open = alert, incident
        alert, incident = self._open
        if incident.state == "closed":
            self._open = None
        body = f"{alert.id} {incident.state} {alert.latest.excess}".encode()
        told = Notification(
            f"{incident.id}-{incident.version}", incident.id, "log", "opened", incident.version, detected_ms, body
        )
        return Effects((alert,), (incident,), (told,))


def _alert(finding: Finding, minute: int) -> Alert:
    return Alert(
        id=f"a{minute}", rule="budget", signal=finding.signal, cohort=(), state="firing", direction="up",
        pending_ms=finding.detected_ms, firing_ms=finding.detected_ms, resolved_ms=-1,
        last_seen_ms=finding.detected_ms, peak=finding, latest=finding, severity="sev1",
    )  # fmt: skip


def _incident(finding: Finding, minute: int) -> Incident:
    return Incident(
        id=f"i{minute}", kind="real", state="triage", level="page", severity="sev1", category="capability_loss",
        family="functional", owner="o", title="t", signals=("refusal_rate",), lead_signal="refusal_rate",
        direction="up", scope={}, onset_ms=finding.onset_ms, detected_ms=finding.detected_ms,
        updated_ms=finding.detected_ms, resolved_ms=-1, effect=Effect(1.0, 1.0, 0.0, 2.0, "", 1.0),
        log_return_period=1.0, log_fleet=1.0, changes=(), alert_ids=(f"a{minute}",), alerts_total=1, runbook="",
        timeline=(),
    )  # fmt: skip


CODEC = Codec(msgspec.msgpack.encode, msgspec.msgpack.Decoder(Partial).decode, pickle.dumps, pickle.loads)


def fake_parts(read: Callable[[bytes], Event | Reject] = decode) -> Parts:
    """Give fresh parts without a past."""
    return Parts(read, FakeColumns(), FakeReader, FakeMinutes(), FakeDetect(), FakeRespond(), CODEC)


def engine(saved: Saved, **options) -> Engine:
    """Give an engine of fakes."""
    return Engine(fake_parts(), saved, **options)


def line(name: str, ts_ms: int, refused: bool = False) -> bytes:
    """Write an event."""
    return f"{name} {ts_ms} {int(refused)}".encode()


def increases(values: Sequence[int]) -> bool:
    """Say whether values never go back."""
    return all(a <= b for a, b in pairwise(values))
