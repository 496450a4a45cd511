"""Late, duplicate, ahead: verdicts, cuts, restarts and the order in which minutes close."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.aggregate import caps
from schemas.event import Change, Evaluation, Event, Reject, RejectReason, SafetyHit, ToolCall
from schemas.minutes import MINUTE_MS
from schemas.partial import Counters
from schemas.record import Partition
from schemas.settings import Cohorts, Detection, Settings
from tests.support.minutes import minutes_of
from tests.support.windows import START_MS, Line, turn, whole

HOUR = 3_600
REJECT = Reject(RejectReason.NOT_JSON)


def counters(items, settings=None):
    """Give what became of the items as read, aggregated, late, out of range, duplicate, rejected."""
    c = whole(items, settings)[1]
    return [c.read, c.aggregated, c.late, c.out_of_range, c.duplicate, c.rejected]


def steady(count, begin=0, step=1.0):
    """Give turns at even distance."""
    return [turn(begin + k * step, f"s{begin}-{k}") for k in range(count)]


def test_an_event_is_late_once_its_minute_and_the_lateness_are_past():
    """Minute 0 ends at 60 s; with 120 s of lateness it takes events until the watermark has come to 180 s."""
    before = [*steady(20), turn(179.999, "a"), turn(59, "just in time")]
    after = [*steady(20), turn(180, "a"), turn(59, "too late"), turn(60, "next minute")]
    assert counters(before) == [22, 22, 0, 0, 0, 0]
    assert counters(after) == [23, 22, 1, 0, 0, 0]


def test_a_duplicate_is_found_while_its_minute_is_open():
    """The same id in the same minute counts once; in another minute it is another event."""
    items = [*steady(20), turn(30, "a"), turn(31, "a"), turn(61, "a"), REJECT, turn(62, "a")]
    assert counters(items) == [25, 22, 0, 0, 2, 1]


def test_a_lone_event_far_ahead_is_out_of_range():
    """One clock that is two hours ahead does not move the watermark, so nothing behind it is late."""
    items = [*steady(20), turn(2 * HOUR, "wrong clock"), *steady(20, begin=20)]
    assert counters(items) == [41, 40, 0, 1, 0, 0]


def test_a_jump_that_most_events_agree_with_is_believed():
    """After two hours of silence the stream goes on there; the few that still come for before are late."""
    items = [*steady(20), *steady(9, begin=2 * HOUR), turn(21, "old"), *steady(9, begin=2 * HOUR + 9)]
    assert counters(items) == [39, 38, 1, 0, 0, 0]


def test_a_jump_is_decided_by_more_than_half_of_the_fifteen_that_follow():
    """Seven of fifteen are too few, eight are enough."""
    for agreeing, out_of_range in ((7, 8), (8, 0)):
        ahead = [turn(2 * HOUR + k, f"a{k}") for k in range(agreeing + 1)]
        behind = [turn(20 + k, f"b{k}") for k in range(15 - agreeing)]
        found = counters([*steady(20), *ahead, *behind])
        assert found[3] == out_of_range
        assert found[2] == (0 if out_of_range else 15 - agreeing)


@pytest.mark.parametrize(("ahead", "believed"), [(2, 0), (8, 0), (9, 9)])
def test_at_the_end_of_a_file_as_many_must_agree_as_anywhere(ahead, believed):
    """Two neighbours with one wrong clock would close minutes for nothing; of nine, eight agree with the first."""
    found = counters([*steady(20), *steady(ahead, begin=2 * HOUR)])
    assert found == [20 + ahead, 20 + believed, 0, ahead - believed, 0, 0]


@pytest.mark.parametrize(("now_hours", "before", "found"), [
    (0, 20, [22, 20, 0, 2, 0, 0]),  # the clock says that they come from the future
    (2, 20, [22, 22, 0, 0, 0, 0]),  # it says that the log has been silent
    (2, 0, [2, 2, 0, 0, 0, 0]),
    (0, 3, [5, 3, 0, 2, 0, 0]),  # fewer than set a first watermark
    (0, 0, [2, 0, 0, 2, 0, 0]),
])  # fmt: skip
def test_what_is_far_ahead_of_a_log_that_falls_idle_is_held_against_the_clock(now_hours, before, found):
    """Nothing follows that could agree, so what the clock has reached is believed, and nothing else."""
    line = Line()
    line.add([*steady(before), turn(2 * HOUR, "a"), turn(2 * HOUR + 1, "b")])
    line.cut(final=True, now_ms=START_MS + now_hours * HOUR * 1_000 + 30_000)
    c = line.minutes.counters
    assert [c.read, c.aggregated, c.late, c.out_of_range, c.duplicate, c.rejected] == found


@pytest.mark.parametrize(("wrong_hours", "found"), [(10, [47, 40, 0, 7, 0, 0]), (-10, [47, 40, 7, 0, 0, 0])])
def test_wrong_clocks_at_the_beginning_decide_nothing(wrong_hours, found):
    """Seven of the first sixteen events with a wrong clock neither set the watermark nor make the others late."""
    wrong = [turn(wrong_hours * HOUR + k, f"w{k}") for k in range(7)]
    assert counters([*wrong, *steady(40)]) == found


@pytest.mark.parametrize("count", [3, 16, 40])
def test_a_slow_stream_in_order_loses_nothing(count):
    """One event every half hour is on time from the first event on."""
    assert counters(steady(count, step=HOUR / 2)) == [count, count, 0, 0, 0, 0]


def test_times_outside_this_century_are_out_of_range():
    """Seconds in place of milliseconds fall into 1970, for single events and for a whole stream."""
    seconds = [Event(event_id=f"e{k}", ts=START_MS / 1000 + k, model="m") for k in range(40)]
    assert counters([*steady(20), *seconds[:3]]) == [23, 20, 0, 3, 0, 0]
    assert counters(seconds) == [40, 0, 0, 40, 0, 0]
    assert counters([turn(0, "only one")]) == [1, 1, 0, 0, 0, 0]


def test_nothing_is_decided_before_its_neighbours_are_known():
    """The partial ends before the first undecided record; rejects behind it wait as well."""
    line = Line()
    line.add([*steady(20), REJECT, turn(2 * HOUR, "ahead"), REJECT, turn(20, "behind")])
    partial = line.readers[Partition("test")].cut()
    assert (partial.start, partial.until, partial.watermark_ms) == (0, 21, START_MS + 19_000)
    assert partial.counters == Counters(read=21, aggregated=20, rejected=1, rejects={"not_json": 1})
    rest = line.readers[Partition("test")].cut(final=True)
    assert (rest.start, rest.until) == (21, 24)
    assert rest.counters == Counters(read=3, aggregated=1, out_of_range=1, rejected=1, rejects={"not_json": 1})


def test_a_gap_and_a_duplicate_partial_are_not_applied():
    """A partial is applied only where its partition stands."""
    line = Line()
    reader_of = line.readers
    line.add(steady(30))
    first = reader_of[Partition("test")].cut()
    line.add(steady(10, begin=30), start=30)
    second = reader_of[Partition("test")].cut()
    assert line.minutes.apply(first) == "applied"
    assert line.minutes.apply(first) == "duplicate"
    line.add(steady(10, begin=40), start=40)
    third = reader_of[Partition("test")].cut()
    assert line.minutes.apply(third) == "gap"
    assert line.minutes.apply(second) == "applied"
    assert line.minutes.counters.aggregated == 40


def test_every_minute_between_closes_in_order_and_the_last_one_is_not_scored():
    """Minutes without events close too; the last one is known to be incomplete."""
    line = Line()
    line.add([*steady(20), turn(200, "later")])
    line.finish()
    first = START_MS // MINUTE_MS
    assert [(m.minute - first, int(m.leaf_events.sum()), m.scored) for m in line.closed] == [
        *((0, 20, True), (1, 0, True), (2, 0, True), (3, 1, False)),
    ]
    assert [m.detected_ms - START_MS for m in line.closed] == [180_000, 240_000, 300_000, 360_000]


def test_a_silence_of_weeks_does_not_cost_millions_of_minutes():
    """A jump of ten years is believed when the stream agrees, and two weeks of empty minutes are closed for it."""
    line = Line()
    line.add([*steady(20), *steady(20, begin=10 * 365 * 24 * HOUR)])
    line.finish()
    assert len(line.closed) == 1 + 20_160 + 1
    assert [int(line.closed[k].leaf_events.sum()) for k in (0, -1)] == [20, 20]


def test_the_slowest_active_partition_holds_minutes_open():
    """A partition that lags holds all back, an idle one does not, and one that never spoke counts until it is idle."""
    one, two, three = (Partition("test", number) for number in range(3))
    line = Line()
    line.minutes.expect([three])
    line.add(steady(20, step=60), partition=one)
    line.add(steady(20, step=30), partition=two)
    line.cut()
    assert line.close() == []
    assert len(line.close(idle=[three])) == 7  # the watermark of the second is 570 s, lateness 120 s
    assert line.close(idle=[three, one, two]) == []
    assert len(line.close(idle=[three], ended=[two])) == 10
    assert line.close(ended=[one, two]) == []
    assert len(line.close(ended=[one, two, three])) == 3
    assert [m.scored for m in line.closed] == [True] * 19 + [False]


def test_the_clock_may_close_minutes_when_all_are_idle():
    """`close_until` closes what has ended, lateness included, by the time it is given."""
    line = Line()
    line.add(steady(20))
    line.cut()
    assert line.minutes.close_until(START_MS + 179_999) == []
    assert len(line.minutes.close_until(START_MS + 180_000)) == 1
    assert len(line.minutes.close_until(START_MS + 300_000)) == 2


def test_events_for_a_closed_minute_are_late():
    """What a reader is told is closed is late there; what it was not told is counted as late when it is merged."""
    for told in (True, False):
        line = Line()
        line.add(steady(20))
        line.cut()
        line.minutes.close_until(START_MS + 180_000)
        if told:
            line.readers[Partition("test")].closed(line.minutes.closed_minute)
        line.add([turn(30, "a"), turn(90, "b")], start=20)
        line.cut()
        assert line.minutes.counters == Counters(read=22, aggregated=21, late=1)


def test_a_change_is_told_and_is_no_behaviour():
    """A change event is kept with the cohort it names, counts as aggregated, and forms no cell."""
    change = Event(
        event_id="c", ts=START_MS + 5_000, kind="change", region="eu", change=Change(what="policy", to="p2")
    )  # fmt: skip
    line = Line()
    line.add([*steady(20), change, change])
    line.finish()
    assert line.minutes.counters == Counters(read=22, aggregated=21, duplicate=1)
    minute = line.closed[0]
    assert [(c.change.to, c.cohort, c.ts_ms - START_MS) for c in minute.changes] == [("p2", {"region": "eu"}, 5_000)]
    assert int(minute.leaf_events.sum()) == 20


NAMES = st.sampled_from(["a", "b", "c", ""])
EVENTS = st.builds(
    lambda at, number, tenant, region, user, tool, latency, text, category, score: turn(
        at,
        f"id{number}",
        tenant=tenant or None,
        region=region or None,
        user_hash=user or None,
        tool_calls=[ToolCall(name=tool, status="error")] if tool else None,
        latency_ms=latency,
        response=text,
        safety=[SafetyHit(category=category)] if category else [],
        evaluations=[Evaluation(name=tool or "x", score=score)] if score is not None else None,
    ),
    at=st.one_of(st.integers(0, 400), st.sampled_from([5 * HOUR, 9 * HOUR, -(10**9)])),
    number=st.integers(0, 60),
    tenant=NAMES,
    region=NAMES,
    user=NAMES,
    tool=NAMES,
    latency=st.one_of(st.none(), st.floats(0, 1e6)),
    text=st.sampled_from([None, "", "I can't help with that.", "- a\n- b", "[1]"]),
    category=NAMES,
    score=st.one_of(st.none(), st.floats(-2, 2)),
)
STREAMS = st.lists(st.one_of(EVENTS, EVENTS, EVENTS, st.just(REJECT)), max_size=80)
TIGHT = Settings(cohorts=Cohorts(values_max=2, leaves_max=3), detection=Detection(lateness_seconds=60))


@pytest.mark.parametrize("settings", [Settings(), TIGHT], ids=["default", "tight caps"])
@given(items=STREAMS, seed=st.integers(0, 2**32))
def test_cutting_anyhow_and_restarting_anywhere_changes_nothing(settings, items, seed):
    """Batches, partials, closings and restarts at any place give the same minutes to the bit, and equal counters."""
    expected = whole(items, settings)
    rng = random.Random(seed)
    line = Line(settings)
    at = 0
    while at < len(items):
        size = rng.choice((1, 2, 5, 20))
        line.add(items[at : at + size], start=at)
        at += size
        if rng.random() < 0.5:
            line.cut()
            line.close()
            if rng.random() < 0.3:
                line = line.restarted()
                # Undecided records were not stored: they are read again from the stored position on.
                known = line.minutes.positions
                at = known[0].offset if known else 0
    assert line.finish() == expected


@given(items=st.lists(EVENTS, max_size=60, unique_by=lambda event: event.event_id), seed=st.integers(0, 2**32))
def test_order_within_the_lateness_changes_nothing(items, seed):
    """Events that come out of order, but within the lateness, give the same minutes."""
    events = sorted((e for e in items if 0 <= e.ts - START_MS < 400_000), key=lambda e: e.ts)
    rng = random.Random(seed)
    shuffled = sorted(events, key=lambda e: e.ts + rng.uniform(0, 100_000))
    assert whole(shuffled)[0] == whole(events)[0]


@given(items=STREAMS, seed=st.integers(0, 2**32))
def test_partitions_add_up(items, seed):
    """Events spread over partitions that are read in any order give the minutes of one partition."""
    events = [e for e in items if isinstance(e, Event) and 0 <= e.ts - START_MS < 60_000]
    events = list({e.event_id: e for e in events}.values())
    line = Line()
    rng = random.Random(seed)
    shares = [[e for e in events if e.event_id[-1] in digits] for digits in ("0123", "456", "789")]
    for number in rng.sample(range(3), 3):
        line.add(shares[number], partition=Partition("test", number))
    assert line.finish()[0] == whole(events)[0]


@pytest.mark.parametrize("batch_records", [1_000, 40_000])
def test_a_file_gives_its_minutes(tmp_path: Path, batch_records):
    """The helper for files reads lines of JSON and gives the same minutes for every batch size."""
    path = tmp_path / "events.jsonl"
    line = '{{"event_id":"e{0}","ts":{1},"model":"m","latency_ms":{0}}}\n'
    path.write_text("".join(line.format(k, START_MS + 1_000 * k) for k in range(2_000)), encoding="utf-8")
    minutes = minutes_of(path, batch_records=batch_records)
    assert len(minutes) == 34
    assert [int(m.events[0]) for m in minutes[:2]] == [60, 60]
    assert minutes[0].signals["latency_ms"].x[0] == sum(range(60)) * 1_000


@pytest.mark.parametrize("cut_at", [17, 18, 19])
def test_a_restart_remembers_names_and_ids(monkeypatch, cut_at):
    """Tools, evaluations and ids of an open minute are known again after a restart, so the caps decide the same."""
    monkeypatch.setattr(caps, "NAMES_MAX", 2)
    items = [
        turn(k, f"id{k % 18}", tool_calls=[ToolCall(name=f"t{k % 3}")], evaluations=[Evaluation(f"e{k % 3}", score=k)])
        for k in range(24)
    ]
    line = Line()
    line.add(items[:cut_at])
    line.cut()
    line = line.restarted()
    at = line.minutes.positions[0].offset
    line.add(items[at:], start=at)
    assert line.finish() == whole(items)
    assert line.minutes.counters.duplicate == 6
    assert line.closed[0].overflow == {"evaluation": 6, "tool_mix": 6}


@pytest.mark.parametrize("cut_at", [0, 5, 15, 25])
def test_the_memory_of_ids_is_bounded(cut_at):
    """Ids beyond the bound are counted without being compared, in order of offset, and after a restart as before."""
    items = [*(turn(k, f"id{k}") for k in range(20)), *(turn(30 + k, f"id{k}") for k in range(20))]
    line = Line(Settings(detection=Detection(ids_max=10)))
    line.add(items[:cut_at])
    line.cut()
    line = line.restarted()
    at = line.minutes.positions[0].offset if line.minutes.positions else 0
    line.add(items[at:], start=at)
    line.finish()
    c = line.minutes.counters
    assert (c.read, c.aggregated, c.duplicate) == (40, 30, 10)
    assert line.closed[0].overflow == {"ids": 20}


@pytest.mark.parametrize("order", [1, -1])
def test_the_earliest_changes_of_a_minute_are_kept(order):
    """Of seven changes three are kept, whatever order they come in, and the others are counted."""
    changes = [turn(k, f"c{k}", kind="change", change=Change("model", to=f"m{k}")) for k in range(7)]
    line = Line(Settings(detection=Detection(changes_max=3)))
    line.add([*changes[::order], *steady(20, begin=10)])
    line.finish()
    assert [seen.change.to for seen in line.closed[0].changes] == ["m0", "m1", "m2"]
    assert line.closed[0].overflow == {"changes": 4}
