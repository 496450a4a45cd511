"""Windows of planned work, by the clocks of a place: right through the days on which these are put on or back.

A time of day that is passed over when clocks are put on counts as the moment at which they jump; of one that comes
twice a window begins with the first and ends with the second. So a window is one stretch of time, without gaps.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.quiet import DAYS, Window

_MINUTE = timedelta(minutes=1)


def zone_problem(name: str) -> str:
    """Say why a time zone cannot be used, "" if it can.

    >>> zone_problem("Europe/Berlin"), zone_problem("Europe/Bärlin")
    ('', 'is no time zone of the IANA database')
    """
    try:
        _zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "is no time zone of the IANA database"
    return ""


def until_of(window: Window, now_ms: int) -> int | None:
    """Give until when a window is open at this time (epoch ms), None where it is not.

    >>> night = Window("n", "22:00", "02:00", "Europe/Berlin")
    >>> until_of(night, 1767571200000)  # 2026-01-05 00:00 UTC, 01:00 in Berlin
    1767574800000
    """
    zone, now = _zone(window.zone), datetime.fromtimestamp(now_ms / 1_000, UTC)
    today = now.astimezone(zone).date()
    for day in (today, today - timedelta(days=1)):
        if _begins_on(window, day):
            begins, ends = time.fromisoformat(window.begins), time.fromisoformat(window.ends)
            last = day if ends > begins else day + timedelta(days=1)
            from_, until = _moment(day, begins, zone, second=False), _moment(last, ends, zone, second=True)
            if from_ <= now < until:
                return round(until.timestamp() * 1_000)
    return None


def _begins_on(window: Window, day: date) -> bool:
    """Say whether a window begins on a day; one that names neither days nor dates begins on each."""
    if not window.days and not window.dates:
        return True
    return DAYS[day.weekday()] in window.days or day.isoformat() in window.dates


def _moment(day: date, at: time, zone: ZoneInfo, *, second: bool) -> datetime:
    """Give the moment at which the clocks of a place show a time, the `second` of two, or jump over it."""
    shown = datetime.combine(day, at, zone)
    early, late = sorted((shown.replace(fold=0).astimezone(UTC), shown.replace(fold=1).astimezone(UTC)))
    if early.astimezone(zone).replace(tzinfo=None) == shown.replace(tzinfo=None):
        return late if second else early
    # Nobody's clock shows it: both readings lie around the jump, and the first minute after it is the one sought.
    offset = early.astimezone(zone).utcoffset()
    while early.astimezone(zone).utcoffset() == offset:
        early += _MINUTE
    return early


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
