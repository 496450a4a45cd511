"""The board of memory feeds what it says it feeds, and its section is made from what was weighed."""

from itertools import pairwise

import msgspec

from benchmarks.memory import ByCohorts, Result, page
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
    result = Result("", (ByCohorts(10, 250, 8_960, 233_000_000),), 60_000, 20_000.0, 10_000.0, 60, 1_800.0,
                    300_000_000, 301_000_000, 1_500_000.0)  # fmt: skip
    found = page(msgspec.json.decode(msgspec.json.encode(result), type=Result))
    assert "| 10 | 250 | 8,960 | 233 |" in found
    assert "at 10,000 events a second, 50% of the\n20,000 a second" in found
    assert "(2.0 times as fast as\nreal time)" in found
    assert "**+1.5 MB an hour**" in found
