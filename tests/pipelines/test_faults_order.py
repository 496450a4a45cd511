"""Faults of order: cases 4 to 7 of the fault table, duplicates, disorder, late events and times out of range.

What is counted is told at the end of the run; `-m soak` runs the cases as often as the table says.
"""

import json
from random import Random

import msgspec
import pytest

from pipelines.run_line import Hooks, Line
from pipelines.run_loop import Loop
from schemas.partial import Counters
from tests.pipelines.run_fakes import FakeClock, ScriptedSource
from tests.support.whole import (
    MINUTE_MS,
    START_MS,
    P,
    Whole,
    log,
    oracle,
    refusals,
    same,
    settings_with,
    steady,
    turn,
    whole,
)

SHORT, LONG = 3, 200
"""How often a case runs in the suite, and in the soak."""


def duplicates(seed: int, soak_count) -> None:
    """Send a tenth again as it is, and one in a hundred with another body."""
    random = Random(f"duplicates {seed}")
    values = log(random)
    sent, again, conflicts = list(values), 0, 0
    for value in values:
        draw = random.random()
        if draw < 0.11:
            event = json.loads(value)
            conflicts += draw < 0.01
            copy = value if draw >= 0.01 else msgspec.json.encode(event | {"refusal": not event["refusal"]})
            sent.insert(min(len(sent), sent.index(value) + random.randint(1, 20)), copy)
            again += 1
    read = whole(sent, piece=random.randint(1, 400))
    assert read.counters.duplicate == again
    assert read.counters.aggregated == len(values)
    assert refusals(read) == oracle(values)
    soak_count(4, again, "duplicates")
    soak_count(4, conflicts, "of them with another body")


@pytest.mark.parametrize("seed", range(SHORT))
def test_duplicates_count_once(seed, soak_count):
    """Case 4: the first of an id counts, exact copies and other bodies alike are counted as duplicates."""
    duplicates(seed, soak_count)


def disorder(seed: int, soak_count) -> None:
    """Shuffle a log within five minutes, and read it with a lateness of as much."""
    random = Random(f"disorder {seed}")
    values = log(random)
    late = settings_with(lateness_seconds=300)
    arrives = {value: json.loads(value)["ts"] + random.uniform(0, 299_000) for value in values}
    shuffled = sorted(values, key=arrives.__getitem__)
    assert shuffled != values
    read = whole(shuffled, late, piece=random.randint(1, 400))
    assert read.counters.late == read.counters.out_of_range == 0
    same(read, whole(values, late))
    soak_count(5, len(values), "records out of order")


@pytest.mark.parametrize("seed", range(SHORT))
def test_disorder_within_the_lateness_changes_nothing(seed, soak_count):
    """Case 5: every closed minute is that of the sorted log, bit for bit."""
    disorder(seed, soak_count)


def lateness(seed: int, soak_count) -> None:
    """Slip events of a minute to a week ago into a log, and compare it with the log without them."""
    random = Random(f"late {seed}")
    values = log(random)
    sent, late = list(values), 0
    for k in range(60):
        place = random.randint(300, len(values))
        reached = json.loads(values[place - 1])["ts"]
        back_ms = int(60_000 * 10_080 ** random.random())  # a minute to a week, each length alike
        minute_over = ((reached - back_ms) // MINUTE_MS + 1) * MINUTE_MS
        if minute_over + 120_000 > reached:
            continue  # within the lateness: that is the next test
        sent.insert(
            sent.index(values[place - 1]) + 1, turn(f"late{k}", (reached - back_ms - START_MS) / 1_000, refusal=True)
        )
        late += 1
    clean, read = whole(values), whole(sent)
    assert read.counters.late == late > 0
    same(read, clean)
    assert read.incidents == clean.incidents
    assert read.store.deliveries(100) == clean.store.deliveries(100)
    soak_count(6, late, "late events")


@pytest.mark.parametrize("seed", range(SHORT))
def test_late_events_are_counted_and_change_nothing(seed, soak_count):
    """Case 6: beyond the lateness an event is late, closed minutes stay, and nobody is told anything anew."""
    lateness(seed, soak_count)


def test_an_event_within_the_lateness_is_in_its_minute(soak_count):
    """Case 6: one that comes up to two minutes after its minute is over counts in it, a second later it is late."""
    in_time = [*steady(179), turn("slow", 59.9), turn("end", 180), turn("too slow", 59.9)]
    read = whole(in_time)
    assert (read.events[0], read.counters.late) == (61, 1)
    soak_count(6, 2, "events at the edge")


WRONG_TIMES = [
    0, -1, -62_135_596_800_000, "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z",
    START_MS // 1_000,  # seconds
    START_MS * 1_000,  # microseconds
    START_MS + 86_400_000,  # a day ahead
    START_MS + 366 * 86_400_000,
]  # fmt: skip
"""Times that no event of the log can have."""


@pytest.mark.parametrize("wrong", WRONG_TIMES)
def test_a_time_out_of_range_moves_nothing(wrong, soak_count):
    """Case 7: it is counted as out of range, the watermark stays, and no minute closes for it."""
    line = Whole()
    line.feed([*steady(60), msgspec.json.encode({"event_id": "w", "ts": wrong, "model": "m"}), *steady(16, begin=60)])
    position = next(iter(line.engine.positions.values()))
    assert position.counters.out_of_range == 1
    assert position.watermark_ms == START_MS + 75_000
    assert line.engine.closed_minute == -1
    assert line.end().events == {0: 60, 1: 16}
    soak_count(7, 1, "times out of range")


@pytest.mark.parametrize("wrong", [1, 2, 5])
def test_a_partition_that_falls_idle_behind_events_of_next_week_is_not_led_on(wrong, soak_count):
    """Case 7: a live line holds them against the clock, so no minute closes too early, and none is late."""
    week = [(20.0, turn(f"w{k}", 7 * 86_400 + k)) for k in range(wrong)]
    after = [(200.0 + k, turn(f"a{k}", 200.0 + k)) for k in range(60)]
    clock, line = FakeClock(START_MS), Whole()
    source = ScriptedSource(clock, {P: [*((float(k), turn(f"s{k}", k)) for k in range(20)), *week, *after]}, ends=False)
    hooks = Hooks(stopping=lambda: clock.seconds >= 300.0)
    Loop(source, Line(line.engine, line.store, clock, Random(1), hooks), line.settings, clock, Random(1)).run()
    assert line.engine.counters == Counters(read=80 + wrong, aggregated=80, out_of_range=wrong)
    assert line.engine.closed_minute == START_MS // MINUTE_MS + 1  # the watermark is 4:19, the lateness 2:00
    soak_count(7, wrong, "times out of range")


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("check", [duplicates, disorder, lateness])
def test_many_logs_out_of_order(check, soak_count):
    """Cases 4, 5 and 6 in the soak."""
    for seed in range(LONG):
        check(1_000 + seed, soak_count)
