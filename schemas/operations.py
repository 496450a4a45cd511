"""Operational signals are about the input itself; a sign is the moment at which one of them shows."""

import msgspec

from schemas.breach import Trouble
from schemas.signal import Cohort, Signal

BROKEN = "ingest_broken"
DRIFT = "schema_drift"
UNREADABLE = "unreadable_records"
LOST = "records_lost"
CORRUPT = "corrupt_batch"
CAPPED = "cohort_caps"


def _signal(name: str, summary: str, category: str = "ingest") -> tuple[str, Signal]:
    return name, Signal(name, "rate", "share", summary, category, name, direction="up")


OPERATIONAL: dict[str, Signal] = dict(
    (
        _signal(BROKEN, "records of a partition in a row of which none is of use"),
        _signal(DRIFT, "records whose fields are missing or not as the schema says"),
        _signal(UNREADABLE, "records that cannot be read at all"),
        _signal(LOST, "records that were gone before they could be read", "silence"),
        _signal(CORRUPT, "records in batches that fail their checksum and were passed over"),
        _signal(CAPPED, "events over a cap, such as those counted under `__other__`"),
    )
)
"""Name -> signal; each is a rule and a signal group of its own."""


class Sign(msgspec.Struct, frozen=True):
    """One signal of `OPERATIONAL` that shows, of a partition or (cohort ()) of all the input, at an event time.

    `began` is the first moment in the terms of the log: an offset of the partition, or a minute. `limit` is the share
    that is put up with. A `wide` one blinds detection as a whole and takes the column *wide* of the triage matrix.
    """

    signal: str
    cohort: Cohort
    began: int
    at_ms: int
    trouble: Trouble
    limit: float = 0.0
    wide: bool = False
