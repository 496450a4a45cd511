"""The status is what the running engine says of itself; pages and metrics read only this and the store."""

import msgspec

from schemas.history import HistoryRow, SeriesInfo
from schemas.partial import Counters
from schemas.record import Partition


class PartitionStatus(msgspec.Struct, frozen=True):
    """How far one partition has been read; `lag` is in records, -1 where the source cannot tell."""

    partition: Partition
    position: int
    watermark_ms: int
    lag: int
    idle: bool


UNKNOWN = -1
"""A number that cannot be known."""


class Loss(msgspec.Struct, frozen=True):
    """Records of one partition that can never be read; a negative number stands for one that cannot be known.

    `gone` were deleted before their turn; `corrupt` are broken where they lie, and were passed over.
    """

    gone: int = 0
    corrupt: int = 0

    def __add__(self, more: "Loss") -> "Loss":
        """Add what was lost besides; with a number that cannot be known the sum is none either.

        >>> Loss(gone=3) + Loss(gone=-1, corrupt=2)
        Loss(gone=-1, corrupt=2)
        """
        return Loss(added(self.gone, more.gone), added(self.corrupt, more.corrupt))

    def since(self, before: "Loss") -> "Loss":
        """Give what was lost since it was so much.

        >>> Loss(gone=7, corrupt=-1).since(Loss(gone=3, corrupt=-1))
        Loss(gone=4, corrupt=0)
        >>> (Loss(gone=-1) + Loss(gone=120)).since(Loss(gone=-1))
        Loss(gone=-1, corrupt=0)
        """
        return Loss(_since(self.gone, before.gone), _since(self.corrupt, before.corrupt))


def added(one: int, other: int) -> int:
    """Add a number of records to a sum; where one cannot be known, the sum cannot either.

    A sum that is not known goes down by one with whatever is added, so that more of it is seen.

    >>> added(3, 4), added(3, UNKNOWN), added(UNKNOWN, 120), added(UNKNOWN, 0)
    (7, -1, -2, -1)
    """
    if one >= 0:
        return other if other < 0 else one + other
    return one + other if other < 0 else one - (other > 0)


def _since(now: int, before: int) -> int:
    if now == before:
        return 0
    return UNKNOWN if min(now, before) < 0 else now - before


class StageSeconds(msgspec.Struct, frozen=True):
    """Seconds spent in each stage of the line since the start."""

    read: float = 0.0
    decode: float = 0.0
    aggregate: float = 0.0
    detect: float = 0.0
    respond: float = 0.0
    commit: float = 0.0


class Exemplar(msgspec.Struct, frozen=True):
    """One value of a histogram that can be looked up: the ids it belongs to, and when it was seen (epoch ms)."""

    value: float
    at_ms: int
    ids: dict[str, str]


class Histogram(msgspec.Struct, frozen=True):
    """How many values fell into each bucket since the start of the process, and their sum.

    `counts[i]` of them are at most `edges[i]` and above the edge before; the last count, one more than there are
    edges, is of those above all. `exemplars` has the latest value of a bucket, by the bucket's place, where it is kept.
    """

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = (0,)
    total: float = 0.0
    exemplars: dict[int, Exemplar] = {}


class ProcessUse(msgspec.Struct, frozen=True):
    """What one process of Limen takes of the machine; -1 where the system does not tell."""

    name: str
    resident_bytes: int = -1
    cpu_seconds: float = -1.0
    open_files: int = -1


class SourceUse(msgspec.Struct, frozen=True):
    """What reading the source took since the start: polls, times it was opened, failures and stalls.

    A failed poll of Kafka throws its client away, so `failures` counts the clients that were made anew.
    `staged_records` and `staged_bytes` are what the latest checkpoint took in.
    """

    polls: int = 0
    opens: int = 0
    failures: int = 0
    stalls: int = 0
    staged_records: int = 0
    staged_bytes: int = 0


class WorkersUse(msgspec.Struct, frozen=True):
    """The worker processes that read and decode: how many there should be, how many were started anew since the start.

    `staged_bytes` is the size of the partials that wait for the engine. Without workers all are 0.
    """

    number: int = 0
    restarts: int = 0
    staged_bytes: int = 0


class Status(msgspec.Struct, frozen=True):
    """One consistent picture of the engine; `latest` is the history row of the last closed minute, None before it.

    `series` lists all series by number; `learning` is the number that are not judged yet. `audit_expected` and
    `audit_observed` count low-threshold exceedances (the detectors' self-audit). `gaps` says by partition how many
    records can never be read. The snapshot is the latest one, and its
    minute -1 before the first. `heartbeats` counts calls of the dead-man's switch by what became of them. Histograms
    begin anew with the process; `incident_times` has those of incidents by what was reached, severity and category. The
    settings in use were taken up at `config_loaded_ms`; `config_problems` say why a later reload was refused. `uses`
    says of limits, by the name of their setting, how much of them is in use. Times are epoch ms.
    """

    started_ms: int
    heartbeat_ms: int
    ready: bool
    counters: Counters
    partitions: tuple[PartitionStatus, ...]
    closed_minute: int
    minutes_closed: int
    series: tuple[SeriesInfo, ...]
    latest: HistoryRow | None
    learning: int
    cohorts_total: int
    overflow: dict[str, int]
    audit_expected: float
    audit_observed: float
    stages: StageSeconds
    commits: int
    commit_bytes: int
    source_failure: str = ""
    store_failure: str = ""
    gaps: dict[str, Loss] = {}
    config_hash: str = ""
    config_loaded_ms: int = -1
    config_problems: tuple[str, ...] = ()
    event_delay_seconds: Histogram = Histogram()
    detection_latency_seconds: Histogram = Histogram()
    checkpoint_seconds: Histogram = Histogram()
    snapshot_minute: int = -1
    snapshot_bytes: int = 0
    source: SourceUse = SourceUse()
    processes: tuple[ProcessUse, ...] = ()
    uses: dict[str, int] = {}
    heartbeats: dict[str, int] = {}
    workers: WorkersUse = WorkersUse()
    incident_times: dict[tuple[str, str, str], Histogram] = {}
