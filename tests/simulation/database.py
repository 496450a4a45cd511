"""Failpoints of the real store: each statement and each commit of it may fail, or be the last thing a process does."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from pipelines.store import Store
from tests.simulation.wall import Wall

CODES = {"full": sqlite3.SQLITE_FULL, "locked": sqlite3.SQLITE_BUSY}


class Failpoints:
    """Lets statements that write fail in some spells, and now and then one by one; passes the places of a kill."""

    def __init__(self, store: Store, wall: Wall, random: Random, spells: tuple[tuple[float, float, str], ...]) -> None:
        self._store = store
        self._wall = wall
        self._random = random
        self._spells = spells
        self.share = random.choice([0.0, 0.0, 0.003])

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Hold while the store is used by a process."""
        watched = {
            "before_cursor_execute": self._before, "after_cursor_execute": self._after, "commit": self._commit,
        }  # fmt: skip
        for name, function in watched.items():
            event.listen(self._store._engine, name, function)
        try:
            yield
        finally:
            for name, function in watched.items():
                event.remove(self._store._engine, name, function)

    def calm(self) -> None:
        """Let nothing fail any more."""
        self._spells, self.share = (), 0.0

    def _before(self, connection, cursor, statement, *_) -> None:
        if connection.get_execution_options().get("writes"):
            self._wall.at("statement")
            # The lock is asked for when the transaction begins; a full disk shows when something is written.
            self._fail("locked" if statement.startswith("BEGIN") else "full")

    def _after(self, connection, *_) -> None:
        if connection.get_execution_options().get("writes"):
            self._wall.at("after statement")

    def _commit(self, connection) -> None:
        if connection.get_execution_options().get("writes"):
            self._wall.at("commit")
            self._fail("full")

    def _fail(self, kind: str) -> None:
        """Fail as SQLite does if it is the time of this kind of failure."""
        spell = any(start <= self._wall.ms < until and kind == what for start, until, what in self._spells)
        if spell or self._random.random() < self.share:
            self._wall.counts[f"database {kind}"] += 1
            error = sqlite3.OperationalError(kind)
            error.sqlite_errorcode = CODES[kind]
            raise OperationalError("", {}, error)


def database_spells(random: Random, start_ms: float, until_ms: float) -> tuple[tuple[float, float, str], ...]:
    """Choose when the disk is full or another process writes: none, or some seconds to a quarter of an hour."""
    spells = []
    for _ in range(random.choice([0, 0, 1, 2])):
        at, what = start_ms + random.random() * (until_ms - start_ms), random.choice(["full", "locked"])
        spells.append((at, at + random.uniform(1_000, 900_000 if what == "full" else 60_000), what))
    return tuple(spells)
