"""The steps from each format of the store to the next, taken in one transaction with a copy of the file before.

A step is written once and never changed: its SQL is spelled out, because the tables of today are not those of then.
"""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, update

from pipelines.store_copy import copy
from pipelines.store_tables import FORMAT, FORMATS

Step = Callable[[Connection], None]
"""Takes a store from one format to the next; what it raises leaves the store as it was."""

STEPS: tuple[Step, ...] = ()
"""The first takes format 1 to 2, the next 2 to 3; there is one fewer than there are formats."""


def keep_and_migrate(connection: Connection, path: Path | None, where: str, version: int) -> None:
    """Keep a copy of the file as `<path>.format-<version>`, then take every step to the present format.

    The connection holds the right to write, so the copy is what the steps begin with. Raises `StoreError`.
    """
    if path is not None:
        copy(path, path.with_name(f"{path.name}.format-{version}"))
    for step in STEPS[version - 1 :]:
        step(connection)
    connection.execute(update(FORMATS).values(version=FORMAT))
