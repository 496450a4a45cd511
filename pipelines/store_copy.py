"""A whole copy of a store's file: taken while others write to it, complete under its name or not there at all."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from pipelines.store_terms import StoreError
from pipelines.store_words import failure

SIDE_FILES = ("-wal", "-shm")
"""What SQLite keeps beside a database in use; a copy needs neither."""


def copy(source: Path, target: Path) -> None:
    """Copy the database at `source` to `target`, which is replaced at once when the copy is whole and on the disk.

    The copy is the state of one moment: it is read in one step, which holds no writer up. Raises `StoreError`.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        _clear(part)
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as reader,
            closing(sqlite3.connect(part)) as writer,
        ):
            reader.backup(writer)
            writer.execute("PRAGMA journal_mode = DELETE")  # one file that can be carried about, without side files
        settle(part)
        part.replace(target)
        settle(target.parent)
    except sqlite3.Error as error:
        raise failure(error, f"{source}, copied to {target}") from None
    except OSError as error:
        raise StoreError(f"{target}: cannot be written ({error.strerror}): check its folder, or name another") from None
    finally:
        _clear(part)


def put_in_place(copied: Path, path: Path) -> Path | None:
    """Put a whole database at `path` and give the name under which what was there is kept, None if nothing was.

    The name `path` has the one database or the other at every moment. Raises `StoreError`; `copied` is gone then.
    """
    kept = path.with_name(f"{path.name}.replaced")
    try:
        if kept.exists():
            raise StoreError(f"{kept}: is what an earlier restore replaced: move it away or remove it first")
        if path.exists():
            _fold_in(path)
            for side in SIDE_FILES:  # left by a damaged database; SQLite would mix them into the new one
                beside = Path(f"{path}{side}")
                if beside.exists():
                    beside.replace(f"{kept}{side}")
            os.link(path, kept)
        copied.replace(path)
        settle(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: cannot be replaced ({error.strerror}): check its folder") from None
    finally:
        copied.unlink(missing_ok=True)
    return kept if kept.exists() else None


def settle(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk before anything builds on it."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _fold_in(path: Path) -> None:
    """Take what is written in the side files into the database itself; a damaged one stays as it is."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as reader:
            whole = reader.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
        if whole:
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error:
        return


def _clear(part: Path) -> None:
    """Remove an unfinished copy with its side files."""
    for name in (str(part), *(f"{part}{side}" for side in ("-journal", *SIDE_FILES))):
        Path(name).unlink(missing_ok=True)
