"""Kept rejects in the store: written with the offsets of a commit, the newest of each partition, read by filters.

They are also the queue of the dead-letter topic: those that wait for it bear a mark, and what became of the others is
counted here, exactly, because the counts change in the same transactions.
"""

from collections.abc import Collection, Mapping
from typing import Any, Literal

from sqlalchemy import Connection, Select, and_, bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from pipelines.store_rows import reject_row, upsert
from pipelines.store_tables import LETTERS, REJECTS
from schemas.effects import Commit
from schemas.record import Partition

Result = Literal["sent", "refused", "dropped"]
"""What becomes of a letter: the topic has it, or will never take it, or it was dropped before it was sent, to make room
or because there is no topic any more."""
RESULTS: tuple[Result, ...] = ("sent", "refused", "dropped")
Letters = Mapping[Result, Collection[tuple[Partition, int]]]
"""Letters by what became of them, each named by the partition and offset of its record."""
_C = REJECTS.c


def keep(connection: Connection, commit: Commit) -> None:
    """Write the rejects of a commit, and drop the oldest of each of its partitions beyond the most that are kept.

    Those that came in greater numbers than are kept never reached a commit; their letters are dropped.
    """
    if commit.dead_letters:
        _count(connection, "dropped", commit.rejects_over)
    for partition, rejects in commit.rejects:
        rows = [reject_row(partition, reject, waiting=commit.dead_letters) for reject in rejects]
        upsert(connection, REJECTS, rows)
        mine = (_C.source == partition.source) & (_C.number == partition.number)
        over = select(_C.offset).where(mine).order_by(_C.offset.desc()).limit(1).offset(commit.rejects_max)
        drop(connection, and_(mine, _C.offset <= over.scalar_subquery()))


def drop(connection: Connection, which: Any) -> None:
    """Drop these rejects, and count those that were still waiting for the dead-letter topic."""
    lost = connection.execute(select(func.count()).select_from(REJECTS).where(which, _C.waiting == 1)).scalar_one()
    connection.execute(delete(REJECTS).where(which))
    _count(connection, "dropped", lost)


def settle(connection: Connection, became: Letters) -> None:
    """Count what became of letters, and let them wait no longer; those dropped since are counted already."""
    place = and_(_C.source == bindparam("log"), _C.number == bindparam("part"), _C.offset == bindparam("at"))
    statement = update(REJECTS).where(place, _C.waiting == 1).values(waiting=0)
    for result, letters in became.items():
        rows = [{"log": partition.source, "part": partition.number, "at": offset} for partition, offset in letters]
        _count(connection, result, connection.execute(statement, rows).rowcount if rows else 0)


def end(connection: Connection) -> int:
    """Let no letter wait any more: those that do are counted as dropped; gives their number."""
    ended = connection.execute(update(REJECTS).where(_C.waiting == 1).values(waiting=0)).rowcount
    _count(connection, "dropped", ended)
    return ended


def _count(connection: Connection, result: Result, number: int) -> None:
    if number:
        statement = insert(LETTERS).values(result=result, total=number)
        more = {"total": LETTERS.c.total + statement.excluded.total}
        connection.execute(statement.on_conflict_do_update(index_elements=["result"], set_=more))


def letter_counts(connection: Connection) -> dict[str, int]:
    """Give the number of letters that wait, and of those of each result since the store was made."""
    ever = {row.result: row.total for row in connection.execute(select(LETTERS.c.result, LETTERS.c.total))}
    still = connection.execute(select(func.count()).select_from(REJECTS).where(_C.waiting == 1)).scalar_one()
    return {"waiting": still} | {result: ever.get(result, 0) for result in RESULTS}


def waiting(limit: int) -> Select[tuple[object, ...]]:
    """Give the query of the rejects that wait for the dead-letter topic, the oldest by event time first."""
    return select(REJECTS).where(_C.waiting == 1).order_by(_C.at_ms, _C.source, _C.number, _C.offset).limit(limit)


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
