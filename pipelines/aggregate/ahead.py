"""Who is so far ahead of the others that every minute in between would have to stay open."""

from collections.abc import Collection, Mapping

from schemas.minutes import MINUTE_MS
from schemas.record import Partition
from schemas.settings import Detection


def ahead(
    minutes: Collection[int], watermarks_ms: Mapping[Partition, int], detection: Detection
) -> frozenset[Partition]:
    """Give the partitions that must wait, because more of these minutes are open than may be.

    They have passed the last minute that may be open, and its lateness too: so when all have, minutes close.
    """
    if len(minutes) <= detection.open_minutes_max:
        return frozenset()
    last = sorted(minutes)[detection.open_minutes_max]
    limit_ms = (last + 1) * MINUTE_MS + 1_000 * detection.lateness_seconds
    return frozenset(each for each, watermark_ms in watermarks_ms.items() if watermark_ms >= limit_ms)
