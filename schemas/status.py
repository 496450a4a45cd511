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


class StageSeconds(msgspec.Struct, frozen=True):
    """Seconds spent in each stage of the line since the start."""

    read: float = 0.0
    decode: float = 0.0
    aggregate: float = 0.0
    detect: float = 0.0
    respond: float = 0.0
    commit: float = 0.0


class Status(msgspec.Struct, frozen=True):
    """One consistent picture of the engine; `latest` is the history row of the last closed minute, None before it.

    `series` lists all series by number; `learning` is the number that are not judged yet. `audit_expected` and
    `audit_observed` count low-threshold exceedances (the detectors' self-audit). `gaps` counts records that were gone
    before they could be read, by partition, -1 where the number is unknown. Times are epoch ms.
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
    gaps: dict[str, int] = {}
    config_hash: str = ""
