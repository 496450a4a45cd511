"""Upkeep drops from the store what is too old, now and then, while the line runs."""

from pipelines.run_line import Line
from pipelines.store_terms import Retention, StoreError
from schemas.minutes import MINUTE_MS
from schemas.settings import Storage

PRUNE_SECONDS = 3_600.0
"""How often what is too old is dropped from the store."""
DAY_MS = 86_400_000


class Upkeep:
    """Looks after the store of a line as its settings say; the first time at once, because a process may end soon."""

    def __init__(self, line: Line, storage: Storage, now: float) -> None:
        self._line = line
        self._storage = storage
        self._pruned = now - PRUNE_SECONDS

    def look(self, now: float) -> None:
        """Drop what is too old if it is time; a store that fails is told of, and the next time drops it all."""
        closed_minute, storage = self._line.engine.closed_minute, self._storage
        if now - self._pruned < PRUNE_SECONDS or closed_minute < 0:
            return
        self._pruned = now
        keep = Retention(
            history_from_minute=closed_minute - 60 * storage.history_hours,
            finished_from_ms=closed_minute * MINUTE_MS - storage.incidents_days * DAY_MS,
            history_bytes_max=storage.history_bytes_max,
        )
        try:
            told = self._line.store.prune(keep)
        except StoreError as error:
            told = str(error)
        if told:
            self._line.hooks.say(told)
