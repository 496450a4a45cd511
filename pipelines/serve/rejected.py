"""Records that were no events, as the API, the pages and `limen rejects` show them: where, why, and their shape."""

from collections.abc import Collection

import msgspec

from pipelines.serve.reading import Sources
from schemas.record import Partition
from schemas.reject import Rejected
from schemas.words import rfc3339


class RejectShape(msgspec.Struct, frozen=True):
    """One record that was no event; nothing that anybody wrote into it is in `detail` or `sample`.

    `at` is the event time that its partition had reached, null before the first event. `sha256` is that of the bytes
    that were read of it.
    """

    source: str
    partition: int
    offset: int
    at: str | None
    reason: str
    detail: str
    size_bytes: int
    sha256: str
    sample: str


class DeadLetters(msgspec.Struct, frozen=True):
    """What became of rejects that were to go to a topic, and how many wait for it."""

    topic: str
    waiting: int
    sent: int
    refused: int
    dropped: int


class RejectList(msgspec.Struct, frozen=True):
    """One page of the rejects that are kept, those of the latest event time first; `next_offset` is null on the last.

    `rejected` counts every reject there ever was, and `reasons` the same by reason, whatever is asked for. Of each
    partition the newest `kept_max` are kept. `dead_letters` is null where rejects go to no topic.
    """

    rejected: int
    reasons: dict[str, int]
    kept_max: int
    dead_letters: DeadLetters | None
    next_offset: int | None
    rejects: tuple[RejectShape, ...]


def reject_list(
    sources: Sources, reasons: Collection[str], source: str, number: int | None, limit: int, offset: int
) -> RejectList:
    """Give one page of rejects for these reasons (none: for any), of a source and of partitions of a number."""
    found = sources.store.rejects(offset + limit + 1, reasons=reasons, source=source, number=number)
    counters = sources.status().counters
    topic = sources.settings().source.dead_letter_topic
    return RejectList(
        rejected=counters.rejected,
        reasons={reason: count for reason, count in sorted(counters.rejects.items()) if count},
        kept_max=sources.settings().storage.rejects_max,
        dead_letters=DeadLetters(topic, **sources.store.letter_counts()) if topic else None,
        next_offset=offset + limit if len(found) > offset + limit else None,
        rejects=tuple(reject_shape(*each) for each in found[offset : offset + limit]),
    )


def reject_shape(partition: Partition, reject: Rejected) -> RejectShape:
    """Give one reject."""
    return RejectShape(
        source=partition.source,
        partition=partition.number,
        offset=reject.offset,
        at=rfc3339(reject.at_ms),
        reason=reject.reason,
        detail=reject.detail,
        size_bytes=reject.size_bytes,
        sha256=reject.sha256,
        sample=reject.sample,
    )
