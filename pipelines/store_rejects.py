"""Kept rejects in the store: written with the offsets of a commit, the newest of each partition, read by filters."""

from collections.abc import Collection

from sqlalchemy import Connection, Select, delete, select

from pipelines.store_rows import reject_row, upsert
from pipelines.store_tables import REJECTS
from schemas.effects import Commit

_C = REJECTS.c


def keep(connection: Connection, commit: Commit) -> None:
    """Write the rejects of a commit, and drop the oldest of each of its partitions beyond the most that are kept."""
    for partition, rejects in commit.rejects:
        upsert(connection, REJECTS, [reject_row(partition, reject) for reject in rejects])
        mine = (_C.source == partition.source) & (_C.number == partition.number)
        over = select(_C.offset).where(mine).order_by(_C.offset.desc()).limit(1).offset(commit.rejects_max)
        connection.execute(delete(REJECTS).where(mine, _C.offset <= over.scalar_subquery()))


def asked(
    limit: int,
    reasons: Collection[str] = (),
    source: str = "",
    number: int | None = None,
    since_ms: int | None = None,
    until_ms: int | None = None,
) -> Select[tuple[object, ...]]:
    """Give the query of the latest rejects that fit all of this: from event time `since_ms` on and before `until_ms`.

    Those from before the first event time fit only where no time is asked for.
    """
    query = select(REJECTS).order_by(_C.at_ms.desc(), _C.source, _C.number, _C.offset.desc()).limit(limit)
    if reasons:
        query = query.where(_C.reason.in_(reasons))
    if source:
        query = query.where(_C.source == source)
    if number is not None:
        query = query.where(_C.number == number)
    if since_ms is not None:
        query = query.where(_C.at_ms >= since_ms)
    if until_ms is not None:
        query = query.where(_C.at_ms >= 0, _C.at_ms < until_ms)
    return query
