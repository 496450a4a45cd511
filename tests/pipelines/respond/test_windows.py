"""Windows of planned work follow the clocks of their place, also on the two days on which these are changed."""

from datetime import datetime

import pytest

from pipelines.respond.windows import until_of
from schemas.quiet import Window


def ms(text: str) -> int:
    """Give epoch milliseconds of a time with its offset."""
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


def stretches(window: Window, from_: str, hours: int) -> list[tuple[str, str]]:
    """Give when a window opens and closes in UTC, asked every minute."""
    found: list[tuple[str, str]] = []
    opened = None
    for minute in range(hours * 60 + 1):
        now_ms = ms(from_) + minute * 60_000
        until = until_of(window, now_ms)
        if until is not None and opened is None:
            opened = now_ms
            said = until
        if until is None and opened is not None:
            assert said == now_ms, "it closes when it has said that it would"
            found.append((shown(opened), shown(now_ms)))
            opened = None
    return found


def shown(at_ms: int) -> str:
    """Give a time in UTC."""
    return datetime.fromtimestamp(at_ms / 1_000, tz=datetime.fromisoformat("2026-01-01T00:00Z").tzinfo).strftime(
        "%d %H:%M"
    )


BERLIN = "Europe/Berlin"
SPRING = "2026-03-28T12:00Z"  # on the 29th clocks go from 02:00 to 03:00, at 01:00 UTC
AUTUMN = "2026-10-24T12:00Z"  # on the 25th clocks go from 03:00 back to 02:00, at 01:00 UTC


@pytest.mark.parametrize(
    ("begins", "ends", "from_", "found"),
    [
        ("01:00", "04:00", SPRING, [("29 00:00", "29 02:00")]),  # three hours on the clock, of which one is not there
        ("02:30", "04:00", SPRING, [("29 01:00", "29 02:00")]),  # begins with the jump
        ("01:30", "02:30", SPRING, [("29 00:30", "29 01:00")]),  # ends with the jump
        ("02:00", "03:00", SPRING, []),  # the hour that is not there
        ("02:15", "02:45", SPRING, []),
        ("23:00", "03:30", SPRING, [("28 22:00", "29 01:30")]),  # over midnight, and over the jump
        ("01:00", "04:00", AUTUMN, [("24 23:00", "25 03:00")]),  # four hours
        ("02:00", "03:00", AUTUMN, [("25 00:00", "25 02:00")]),  # both hours that the clock shows as this one
        ("01:00", "02:30", AUTUMN, [("24 23:00", "25 01:30")]),  # to the second 02:30, without a gap
        ("02:30", "03:30", AUTUMN, [("25 00:30", "25 02:30")]),  # from the first 02:30 on
    ],
)
def test_a_window_is_one_stretch_on_the_days_of_the_change(begins, ends, from_, found):
    """What the clocks of the place show counts; what they never show, and what they show twice, has one meaning."""
    assert stretches(Window("w", begins, ends, BERLIN), from_, hours=22) == found


def test_the_same_hour_moves_in_utc_with_the_season():
    """From 22:00 on in Berlin: 21:00 UTC in winter, 20:00 in summer."""
    window = Window("w", "22:00", "23:00", BERLIN)
    assert stretches(window, "2026-01-14T12:00Z", hours=24) == [("14 21:00", "14 22:00")]
    assert stretches(window, "2026-07-14T12:00Z", hours=24) == [("14 20:00", "14 21:00")]


def test_a_zone_beyond_the_date_line_has_its_own_day():
    """Monday in Auckland begins on Sunday in UTC."""
    window = Window("w", "08:00", "09:00", "Pacific/Auckland", days=("mon",))
    assert stretches(window, "2026-01-04T12:00Z", hours=48) == [("04 19:00", "04 20:00")]


def test_a_night_belongs_to_the_day_on_which_it_began():
    """Friday's night goes on on Saturday; Saturday has none, and a single date is one more."""
    window = Window("w", "22:00", "02:00", days=("fri",), dates=("2026-01-11",))
    assert stretches(window, "2026-01-09T00:00Z", hours=96) == [("09 22:00", "10 02:00"), ("11 22:00", "12 02:00")]


def test_one_that_ends_when_it_begins_is_a_whole_day():
    """From noon to noon."""
    assert stretches(Window("w", "12:00", "12:00", dates=("2026-01-09",)), "2026-01-09T00:00Z", hours=48) == [
        ("09 12:00", "10 12:00")
    ]
