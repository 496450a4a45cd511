"""The board of memory feeds what it says it feeds, and its section is made from what was weighed."""

from itertools import pairwise

import msgspec

from benchmarks.memory import ByCohorts, Result, page, slope
from benchmarks.memory_run import Plan, records
from schemas.event import Event
from schemas.formats import native


def test_records_are_events_in_order_with_tenants_in_turn():
    """Two minutes of six events: ids and offsets go on, times rise evenly, three tenants take turns."""
    minutes = [list(minute) for minute in records(Plan(tenants=3, events=6, minutes=2))]
    events = [native.decode(record.value) for minute in minutes for record in minute]
    assert all(isinstance(event, Event) for event in events)
    assert [event.tenant for event in events[:4]] == ["t0", "t1", "t2", "t0"]
    assert [record.offset for record in minutes[1]] == list(range(6, 12))
    assert {after.ts - before.ts for before, after in pairwise(events)} == {10_000}


def test_the_page_is_made_from_the_saved_result():
    """Rates, the factor of compression and the slope stand in it."""
    result = Result(
        command="", by_cohorts=(ByCohorts(10, 250, 8_960, 233_000_000, 330_000_000),), events_a_minute=60_000,
        capacity=20_000.0, rate=10_000.0, minutes=60, worked_seconds=1_800.0,
        rss_by_ten=(290_000_000, 300_000_000), rss_first=300_000_000,
        rss_last=301_000_000, rss_highest=340_000_000, slope=1_500_000.0, slope_off=2_000_000.0, load=1.5,
    )  # fmt: skip
    found = page(msgspec.json.decode(msgspec.json.encode(result), type=Result))
    assert "| 10 | 250 | 8,960 | 233 | 330 |" in found
    assert "at 10,000 events a second, 50% of the\n20,000 a second" in found
    assert "(2.0 times as fast as\nreal time; load" in found
    assert (
        "at most 340 MB:\na slope of **+1.5 MB an hour** (95 %: -0.5 to +3.5). It held 290, 300 MB every ten minutes."
        in found
    )


def test_the_past_comes_before_the_hour_at_its_own_rate():
    """Two minutes of one event, then one of three: offsets go on, and times are even within a minute."""
    minutes = list(records(Plan(tenants=2, events=3, minutes=1, warm_events=1, warm_minutes=2)))
    assert [[record.offset for record in minute] for minute in minutes] == [[0], [1], [2, 3, 4]]


def test_a_slope_is_as_sure_as_what_is_held_is_steady():
    """Steps of 2 a minute around a level give no slope, and an interval that has it; a drift of 2 stands out of its."""
    steady, off = slope([100, 102] * 20)
    assert abs(steady) < off
    rising, off = slope([100 + 2 * minute + minute % 2 for minute in range(40)])
    assert rising - off > 60
