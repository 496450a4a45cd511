"""The words and numbers that people read: odds, quantities, times and cohorts, each said one way everywhere."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from schemas.signal import Cohort, Signal

HOUR_MINUTES = 60
DAY_MINUTES = 1_440
WEEK_MINUTES = 10_080
YEAR_MINUTES = 525_960
BILLION_YEARS = 1_000_000_000
"""Beyond this nobody gains from more digits, and no model of chance holds either."""

_SPANS = (
    # up to this many of the unit before the next one reads better
    (120, 1, "minute"),
    (48, HOUR_MINUTES, "hour"),
    (14, DAY_MINUTES, "day"),
    (104, WEEK_MINUTES, "week"),
)


_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Control characters but tab and line feed, other ends of lines, and marks of direction."""


def unsteered(text: str) -> str:
    r"""Take out what would steer the program of a reader.

    >>> unsteered("eu\x1b[31m"), unsteered("a\u202eb"), unsteered("Zürich\n東京")
    ('eu [31m', 'a b', 'Zürich\n東京')
    """
    return _STEERS.sub(" ", text)


def span(minutes: float) -> str:
    """Give a length of time in the unit a person would choose.

    >>> span(1), span(90), span(150), span(5 * 1440), span(40 * 1440), span(3.2e6)
    ('1 minute', '90 minutes', '2.5 hours', '5 days', '5.7 weeks', '6.1 years')
    """
    for most, width, name in _SPANS:
        if minutes < most * width:
            return _plural(minutes / width, name)
    return _plural(minutes / YEAR_MINUTES, "year")


def odds(log_minutes: float) -> str:
    """Give how rarely chance alone would show this, from the natural log of the return period in minutes.

    >>> odds(math.log(150)), odds(math.log(1e9)), odds(60.0), odds(math.nan)
    ('once in 2.5 hours', 'once in 1,900 years', 'less than once in a billion years', 'not judged yet')
    """
    if math.isnan(log_minutes):
        return "not judged yet"
    if log_minutes >= math.log(BILLION_YEARS * YEAR_MINUTES):
        return "less than once in a billion years"
    return f"once in {span(max(1.0, math.exp(log_minutes)))}"


def number(value: float) -> str:
    """Give a number in three significant digits, in whole numbers with separators from a thousand on.

    >>> number(0.04567), number(12.0), number(1234567.8), number(math.nan)
    ('0.0457', '12', '1,234,568', 'none')
    """
    if not math.isfinite(value):
        return "none"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def number_beside(value: float, other: float) -> str:
    """Give a number to the last of the three significant digits that another one beside it shows.

    >>> number_beside(0.000361, 18.6), number_beside(-0.0133, 9.66), number_beside(-0.0009, 12.0)
    ('0', '-0.01', '0')
    """
    if not math.isfinite(value) or not math.isfinite(other) or other == 0:
        return number(value)
    # Adding zero takes the sign from a zero.
    return number(round(value, 2 - math.floor(math.log10(abs(other)))) + 0.0)


SHAPE_UNIT = "share of events"
"""Unit of the figures of a drift of shape, whatever the signal's own is."""


def is_share(signal: Signal) -> bool:
    """Say whether a signal's values are parts of a whole, which people read in percent."""
    return signal.kind == "rate" or signal.unit in {"share", SHAPE_UNIT}


def quantity(value: float | None, signal: Signal) -> str:
    """Give a value of a signal with its unit: a share in percent, everything else in the signal's own unit.

    >>> rate = Signal("refusal_rate", "rate", "share", "", "capability_loss", "refusal")
    >>> quantity(0.0312, rate), quantity(812.4, Signal("latency_ms", "level", "ms", "", "performance", "latency"))
    ('3.12 %', '812 ms')
    """
    if value is None or not math.isfinite(value):
        return "none"
    if is_share(signal):
        return f"{number(value * 100)} %"
    return f"{number(value)} {signal.unit}".strip()


def between(lower: float | None, upper: float | None, signal: Signal) -> str:
    """Give a band with its unit once.

    >>> between(0.01, 0.0312, Signal("refusal_rate", "rate", "share", "", "capability_loss", "refusal"))
    '1 to 3.12 %'
    """
    if lower is None or upper is None:
        return "none"
    scale = 100 if is_share(signal) else 1
    return f"{number_beside(lower * scale, upper * scale)} to {quantity(upper, signal)}"


def rfc3339(ms: int) -> str | None:
    """Give epoch milliseconds as RFC 3339 in UTC, None where the time was not reached (-1).

    >>> rfc3339(1767571200000), rfc3339(1767571200250), rfc3339(-1)
    ('2026-01-05T00:00:00Z', '2026-01-05T00:00:00.250Z', None)
    """
    if ms < 0:
        return None
    exact = datetime.fromtimestamp(ms // 1_000, UTC).replace(microsecond=ms % 1_000 * 1_000)
    return exact.isoformat(timespec="milliseconds" if ms % 1_000 else "seconds").replace("+00:00", "Z")


def moment(text: str | None) -> str:
    """Give an RFC 3339 time as a page shows it, to the second only where there are seconds.

    >>> moment("2026-01-05T10:42:00Z"), moment("2026-01-05T10:42:07.250Z"), moment(None)
    ('2026-01-05 10:42', '2026-01-05 10:42:07', 'not yet')
    """
    if text is None:
        return "not yet"
    shown = text[:19].replace("T", " ")
    return shown.removesuffix(":00")


def where(cohort: Cohort | Mapping[str, str]) -> str:
    """Name a cohort in one line.

    >>> where((("region", "eu"), ("surface", "chat"))), where(())
    ('region eu, surface chat', 'all traffic')
    """
    pairs = cohort.items() if isinstance(cohort, Mapping) else cohort
    return ", ".join(f"{dimension} {value}" for dimension, value in pairs) or "all traffic"


def _plural(count: float, name: str) -> str:
    shown = f"{count:.1f}" if count < 10 else f"{_two_digits(count):,.0f}"
    shown = shown.removesuffix(".0")
    return f"{shown} {name}" if shown == "1" else f"{shown} {name}s"


def _two_digits(count: float) -> float:
    """Round to two significant digits: more would claim to know odds better than anybody can."""
    return round(count, 1 - math.floor(math.log10(count)))
