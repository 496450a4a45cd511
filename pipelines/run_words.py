"""What a running loop tells people unasked: how far it has come, that nothing comes, that a short source is no good."""

from pipelines.ingest.source import Source
from pipelines.run_line import Clock, Line
from schemas.minutes import MINUTE_MS
from schemas.partial import Counters
from schemas.words import moment, rfc3339, span

PROGRESS_SECONDS = 30.0
"""How often the way through a backlog is told: long enough not to flood a log, short enough to see that it moves."""
BACKLOG_MINUTES = 10
"""Events so much older than the time of day are a backlog; live ones wait two minutes for late ones."""


class Words:
    """Looks at a loop's line, source and clock at each checkpoint, and tells what a person would ask about."""

    def __init__(self, line: Line, source: Source, clock: Clock) -> None:
        self._line = line
        self._source = source
        self._clock = clock
        self._told = clock.monotonic()
        self._read = line.engine.counters.read
        self._since = line.engine.counters
        self._silent = 0

    def look(self) -> None:
        """Tell what is due at a checkpoint."""
        now, counters = self._clock.monotonic(), self._line.engine.counters
        if now - self._told >= PROGRESS_SECONDS:
            self._progress(counters.read)
            self._told, self._read = now, counters.read

    def end(self) -> None:
        """Tell at the end of a source if nothing of what came could be read, and it was too little for an incident."""
        found = self._line.engine.counters
        streaks = [position.streak for position in self._line.engine.positions.values()]
        told = any(streak is not None and streak.broken for streak in streaks)
        if _all_rejected(self._since, found) and not told:
            self._line.hooks.say(_unreadable(self._since, found))

    def records_came(self) -> None:
        """Take note that the source is not silent."""
        self._silent = 0

    def closed_by_clock(self) -> None:
        """Tell that the clock closed minutes: for information at first, as a warning when it goes on, ever rarer."""
        self._silent += 1
        if self._silent & (self._silent - 1):
            return  # it was told at 1, 2, 4, 8, ... checkpoints
        until = moment(rfc3339((self._line.engine.closed_minute + 1) * MINUTE_MS))
        tell = self._line.hooks.note if self._silent == 1 else self._line.hooks.say
        tell(f"no events come: the clock closed minutes up to {until} UTC")

    def _progress(self, read: int) -> None:
        """Tell how far a backlog has been read."""
        partitions = self._source.partitions()
        behind = [each for each in partitions if self._source.lag(each)]
        reached_ms = min(self._line.engine.watermarks().values(), default=-1)
        late_minutes = (self._clock.now_ms() - reached_ms) / MINUTE_MS
        if read == self._read or not behind or reached_ms < 0 or late_minutes < BACKLOG_MINUTES:
            return
        lags = [self._source.lag(each) for each in behind]
        left = f", {sum(lags):,} records to go" if min(lags) >= 0 else ""
        at = moment(rfc3339(reached_ms // 1_000 * 1_000))
        self._line.hooks.note(f"{read:,} records read, up to {at} UTC, {span(late_minutes)} behind{left}")


def _all_rejected(before: Counters, after: Counters) -> bool:
    read = after.read - before.read
    return read > 0 and after.rejected - before.rejected == read


def _unreadable(before: Counters, after: Counters) -> str:
    """Say why nothing could be read.

    >>> _unreadable(Counters(), Counters(read=3, rejected=3, rejects={"not_json": 3}))
    'none of the last 3 records could be read: not_json (3); `limen decode FILE` shows what is wrong with each'
    """
    reasons = {name: count - before.rejects.get(name, 0) for name, count in after.rejects.items()}
    return (
        f"none of the last {after.read - before.read:,} records could be read: {in_words(reasons)}; "
        "`limen decode FILE` shows what is wrong with each"
    )


def in_words(reasons: dict[str, int]) -> str:
    """Name the reasons of rejects with how often each was the one.

    >>> in_words({"not_json": 1200, "no_time": 0, "no_model": 1})
    'no_model (1), not_json (1,200)'
    """
    return ", ".join(f"{reason} ({count:,})" for reason, count in sorted(reasons.items()) if count)
