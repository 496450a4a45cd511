"""The kept reject is what remains of a record that is no event; the streak is a run of records of no use at all."""

import msgspec

BROKEN_RECORDS = 100
"""So many records of one partition in a row without a single one of use mean that its ingest is broken: more than a
sender's batch of ordinary size, and few enough that a partition of one record a second tells within two minutes."""
OUT_OF_RANGE = "out_of_range"
"""Stands among the reasons of a streak for events whose time cannot be believed."""


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """One record that is no event: where it lies in its partition, why, and what of it may be kept.

    `detail` and `sample` hold no content (`pipelines/ingest/redact.py`); `sha256` is that of the bytes that were read,
    in hexadecimal. `at_ms` is how far the event time of its partition had come, -1 before the first believable event.
    """

    offset: int
    reason: str
    detail: str = ""
    size_bytes: int = 0
    sha256: str = ""
    sample: str = ""
    at_ms: int = -1


class Streak(msgspec.Struct, frozen=True):
    """Records of one partition in a row of which none is of use: rejected, or of a time that cannot be believed.

    It began at offset `first` with the event time at `at_ms` (-1: none yet) and has `records` up to now. `reasons`
    counts why, over its first `BROKEN_RECORDS` only, so that they are final when it is told. `until` is the offset of
    the record of use that ended it, reached at `ended_ms`; -1 while it goes on.
    """

    first: int
    at_ms: int
    records: int
    reasons: dict[str, int]
    until: int = -1
    ended_ms: int = -1

    @property
    def broken(self) -> bool:
        """Say whether it is long enough to be told."""
        return self.records >= BROKEN_RECORDS
