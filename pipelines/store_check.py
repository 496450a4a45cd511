"""Looking through the file of a store: damage, format, counters that add up, and how far it stands."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from pipelines.store_tables import FORMAT
from pipelines.store_terms import StoreError
from pipelines.store_words import failure, format_problem
from schemas.health import Health
from schemas.minutes import MINUTE_MS
from schemas.partial import Counters
from schemas.words import moment, rfc3339

DAMAGES_MAX = 10
"""Most damaged places that are counted: one is enough to know, and each costs time to find."""
RESTORE = "put a backup in its place: `limen store restore FILE`"
REPORT = "restore a backup, keep this file, and report it as a bug"

_counters = msgspec.msgpack.Decoder(Counters).decode


def look_through(path: Path) -> list[Health]:
    """Say how the database at this path stands; it may be in use, and is only read.

    Stops at the first failure, because what follows would be read from what cannot be trusted. Raises `StoreError`
    where there is no file.
    """
    if not path.is_file():
        raise StoreError(f"{path}: does not exist: `limen run` makes a store, or name another file")
    found = []
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("BEGIN")  # one moment, whatever is written meanwhile
            for each in _looked(connection, str(path)):
                found.append(each)
                if each.state == "fail":
                    break
    except sqlite3.Error as error:
        found.append(Health("fail", _without(str(failure(error, str(path))), path), str(path), RESTORE))
    except (ValueError, msgspec.MsgspecError) as error:
        found.append(Health("fail", f"a row cannot be read: {error}", str(path), REPORT))
    return found


def standing(path: Path) -> str:
    """Say how large a database is and up to which minute it was judged; raises `StoreError` if it cannot be read."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return f"{path.stat().st_size:,} bytes, {_reached(connection)}"
    except sqlite3.Error as error:
        raise failure(error, str(path)) from None


def _looked(connection: sqlite3.Connection, where: str) -> Iterator[Health]:
    """Yield what is found, in an order in which each may build on those before."""
    damages = [text for (text,) in connection.execute(f"PRAGMA integrity_check({DAMAGES_MAX})")]
    if damages != ["ok"]:
        count = f"{len(damages)}{' or more' if len(damages) >= DAMAGES_MAX else ''}"
        yield Health("fail", f"the file is damaged in {count} places: {_line(damages[0])}", where, RESTORE)
        return
    yield Health("ok", "the file is undamaged", where)
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "limen_format" not in names:
        yield Health("fail", "is no store of Limen", where, "name another file")
        return
    (version,) = connection.execute("SELECT version FROM limen_format").fetchone() or (0,)
    if version != FORMAT:
        what, _, to_do = format_problem(version).partition(": ")
        yield Health("warn" if version < FORMAT else "fail", what, where, to_do)
        return
    yield Health("ok", f"has format {FORMAT}, which this Limen reads", where)
    yield from _rows(connection, where)


def _rows(connection: sqlite3.Connection, where: str) -> Iterator[Health]:
    """Yield how the rows stand of a store whose file and format are right."""
    loose = len(connection.execute("PRAGMA foreign_key_check").fetchmany(DAMAGES_MAX))
    if loose:
        yield Health("fail", f"{loose} or more messages belong to no incident", where, REPORT)
        return
    read = 0
    rows = connection.execute("SELECT source, number, counters FROM positions ORDER BY source, number")
    for source, number, body in rows:
        counters = _counters(body)
        read += counters.read
        if not counters.conserved:
            place = f"{where}, {source}/{number}"
            yield Health("fail", "records were read that have no outcome, or more than one", place, REPORT)
            return
    yield Health("ok", f"each of {read:,} records read has one outcome", where)
    yield Health("ok", _reached(connection), where)


def _reached(connection: sqlite3.Connection) -> str:
    """Say up to which minute a store was judged."""
    row = connection.execute("SELECT closed_minute FROM progress").fetchone()
    if row is None:
        return "no minute is judged yet"
    return f"judged up to {moment(rfc3339((row[0] + 1) * MINUTE_MS))} UTC"


def _without(text: str, path: Path) -> str:
    return text.removeprefix(f"{path}: ").partition(": ")[0]


def _line(text: str) -> str:
    return " ".join(text.split())
