"""Opening the store: its address, connections, pragmas and checks."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from pipelines.store_steps import keep_and_migrate
from pipelines.store_tables import FORMAT, FORMATS, METADATA, ONLY
from pipelines.store_terms import StoreError
from pipelines.store_words import ADVICE, PRIMARY_CODE, failure, format_problem

BUSY_SECONDS = 5.0
"""How long a transaction waits for another process that writes; a commit of ours takes far less."""
CONNECTIONS = 8
"""Connections that stay open: the engine, the outbox and a few readers of the web server."""
CONNECTIONS_EXTRA = 32
"""More for a crowd of readers; the web server has 40 threads at most."""
PAGE_BYTES = 8192
"""Twice the default: bodies are large, and a page that fits them costs fewer writes."""
IN_MEMORY = "the store in memory"


def open_engine(url: str, *, create: bool, check: bool) -> tuple[Engine, str]:
    """Open the database at this address, checked and with its tables made, and say where it is.

    With `create` a database that is not there is made, and one that may only be read is refused; with `check` the
    whole file is read for damage. Raises `StoreError`.
    """
    path, where = place(url)
    if path is not None:
        look(path, where, create=create)
    engine = create_engine(url, **(_ONE_CONNECTION if path is None else _POOL))
    event.listen(engine, "connect", _connected)
    event.listen(engine, "begin", _begun)
    try:
        with engine.connect().execution_options(writes=create) as connection, connection.begin():
            if check:
                _check(connection, where)
            _tables(connection, path, where, create=create)
            if create:
                # SQLite lets a transaction begin on a file that may only be read; a write that changes nothing tells.
                connection.execute(update(FORMATS).values(version=FORMAT))
    except SQLAlchemyError as error:
        engine.dispose()
        raise failure(error, where) from None
    except UnicodeDecodeError:  # a damaged name of a table or an index
        engine.dispose()
        raise StoreError(f"{where}: {ADVICE[sqlite3.SQLITE_CORRUPT]}") from None
    except StoreError:
        engine.dispose()
        raise
    return engine, where


_ONE_CONNECTION: dict[str, Any] = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
_POOL: dict[str, Any] = {
    "pool_size": CONNECTIONS,
    "max_overflow": CONNECTIONS_EXTRA,
    "connect_args": {"timeout": BUSY_SECONDS},
}


def place(url: str) -> tuple[Path | None, str]:
    """Give the path of the database (None: in memory) and its name for people; raises `StoreError`."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError("storage.url: is not the address of a database: write sqlite:///limen.db") from None
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise StoreError(f"storage.url: {parsed.drivername} is not supported: write sqlite:///limen.db")
    if parsed.database in {None, "", ":memory:"}:
        return None, IN_MEMORY
    where = str(parsed.database).removeprefix("file:")
    return Path(where), where


def look(path: Path, where: str, *, create: bool) -> None:
    """Refuse a path that cannot hold a database, while it can still be said why; raises `StoreError`."""
    if path.is_dir():
        raise StoreError(f"{where}: is a directory: name a file in storage.url")
    if not path.parent.is_dir():
        raise StoreError(f"{where}: its folder does not exist: make the folder, or name another in storage.url")
    if not create and not path.exists():
        raise StoreError(f"{where}: does not exist: `limen run` makes it, or name another in storage.url")
    if path.exists():
        # The WAL pragma writes, so what is not ours must be recognised before the engine touches it.
        try:
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
                names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        except sqlite3.Error as error:
            code = (getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_CANTOPEN) & PRIMARY_CODE
            raise StoreError(f"{where}: {ADVICE.get(code, str(error))}") from None
        except UnicodeDecodeError:  # a damaged name of a table or an index
            raise StoreError(f"{where}: {ADVICE[sqlite3.SQLITE_CORRUPT]}") from None
        if names and FORMATS.name not in names:
            raise StoreError(f"{where}: is the database of another program: name another file in storage.url")


def _connected(connection: Any, record: Any) -> None:
    """Set up a new connection; WAL lets readers and the writer work side by side, FULL survives a power cut."""
    connection.isolation_level = None  # the driver must not begin transactions of its own: `_begun` does
    fresh = connection.execute("PRAGMA page_count").fetchone() == (0,)
    for pragma in (
        f"page_size = {PAGE_BYTES}",
        # Pruning gives free pages back; to be said once, because saying it writes to the file each time.
        *(["auto_vacuum = INCREMENTAL"] if fresh else []),
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begun(connection: Connection) -> None:
    """Begin a transaction; a writer takes the write lock at once, so that it never fails half way for want of it."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _check(connection: Connection, where: str) -> None:
    """Read the whole database for damage."""
    said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if said != "ok":
        raise StoreError(f"{where}: {ADVICE[sqlite3.SQLITE_CORRUPT]}")


def _tables(connection: Connection, path: Path | None, where: str, *, create: bool) -> None:
    """Make the tables in an empty database, bring an older one up to date, and refuse what is newer than we are."""
    if FORMATS.name not in inspect(connection).get_table_names():
        if not create:
            raise StoreError(f"{where}: is empty: `limen run` fills it, or name another in storage.url")
        METADATA.create_all(connection)
        connection.execute(insert(FORMATS), {"id": ONLY, "version": FORMAT})
        return
    version = connection.execute(select(FORMATS.c.version)).scalar() or 0
    if version < FORMAT and create:
        keep_and_migrate(connection, path, where, version)
    elif version != FORMAT:
        raise StoreError(f"{where}: {format_problem(version)}")
