"""The store's files as the disk shows them."""

from pathlib import Path

SUFFIXES = {"database": "", "wal": "-wal"}
"""What each file of a SQLite database is for -> what its name ends in behind the name of the database."""


def file_bytes(where: str) -> dict[str, int]:
    """Give the size of each file of the store at this place that is there; one in memory has none.

    >>> file_bytes("nowhere/limen.db")
    {}
    """
    found: dict[str, int] = {}
    for name, suffix in SUFFIXES.items():
        try:
            found[name] = Path(where + suffix).stat().st_size
        except OSError:
            continue
    return found
