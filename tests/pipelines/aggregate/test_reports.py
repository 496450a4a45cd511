"""Reports in the stream come through to their minute: users as a count, the others one by one, and without a word."""

import pytest

from pipelines.aggregate import windows
from pipelines.aggregate.codec import decode_minute
from schemas.event import Event, Report
from schemas.report import Reported
from tests.support.windows import START_MS, turn, whole


def told(at_seconds: float, event_id: str, **report) -> Event:
    """Make a report so many seconds after the start, with texts that nobody asked for."""
    made = Report(**report)
    at_ms = START_MS + int(at_seconds * 1_000)
    return Event(event_id, at_ms, "report", tenant="acme", prompt="secret", response="secret", report=made)


@pytest.mark.playbook("S5")
def test_each_report_but_a_users_comes_to_its_minute_once():
    """The cohort is that of the event, its texts are gone, and a second copy of an event is none."""
    press = told(30, "r1", reporter="press", channel="mail to a@b.example", authentic="edited", category="bias")
    items = [
        turn(1, "a"),
        press,
        press,
        told(40, "r2", reporter="user"),
        told(65, "r3", reporter="staff"),
        turn(70, "b"),
    ]
    bodies, counters = whole(items)
    closed = list(map(decode_minute, bodies))
    assert (counters.aggregated, counters.duplicate) == (5, 1)
    assert [[each.report for each in minute.reports] for minute in closed] == [
        [Reported("press", "bias", cohort={"tenant": "acme"}, channel="mail to [address]", authentic="edited")],
        [Reported("staff", cohort={"tenant": "acme"})],
    ]
    assert closed[0].signals["complaint_rate"].x.max() == 2


def test_more_reports_than_are_looked_at_are_counted(monkeypatch):
    """The earliest are looked at, whatever order they come in, and the others are a cap that was met."""
    monkeypatch.setattr(windows, "REPORTS_MAX", 2)
    bodies, _ = whole([told(30 - at, f"r{at}", reporter="staff") for at in range(5)])
    closed = list(map(decode_minute, bodies))
    assert [each.ts_ms - START_MS for each in closed[0].reports] == [26_000, 27_000]
    assert closed[0].overflow["reports"] == 3
