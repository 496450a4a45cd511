"""Simulated traffic comes at the pace of a clock, whole, in order, and the same for the same seed."""

import json

from click.testing import CliRunner

from pipelines.cli_traffic import CHANGE_REGION, CHANGE_VERSION, LiveTraffic, Paced, change, simulate
from pipelines.ingest.simulate import PARTITION, Simulator
from schemas.minutes import MINUTE_MS

MINUTE = 29_459_520
RUNNER = CliRunner()


class SetClock:
    """A clock that stands where it is put, and moves when somebody sleeps."""

    def __init__(self, now_ms):
        self.ms = now_ms

    def now_ms(self):
        """Give the time."""
        return self.ms

    def monotonic(self):
        """Give the time in seconds."""
        return self.ms / 1000

    def sleep(self, seconds):
        """Move on."""
        self.ms += int(seconds * 1000)


def test_events_come_when_their_time_has_come():
    """What is due grows with the clock, and two minutes in pieces are the same two minutes."""
    simulator = Simulator(3)
    paced = Paced(simulator, MINUTE)
    pieces = [paced.due(MINUTE * MINUTE_MS + ms) for ms in (-1, 20_000, 59_999, 60_000, 119_999)]
    assert pieces[0] == []
    assert all(json.loads(line)["ts"] <= MINUTE * MINUTE_MS + 20_000 for line in pieces[1])
    assert [line for piece in pieces for line in piece] == simulator.lines(MINUTE) + simulator.lines(MINUTE + 1)


def test_a_stopped_process_catches_up_piece_by_piece():
    """After a long pause at most ten minutes come at once, and nothing is left out."""
    simulator = Simulator(3)
    paced = Paced(simulator, MINUTE)
    late = (MINUTE + 25) * MINUTE_MS - 1
    counts = [len(paced.due(late)) for _ in range(4)]
    assert counts[3] == 0
    assert sum(counts) == sum(len(simulator.lines(minute)) for minute in range(MINUTE, MINUTE + 25))
    assert max(counts) == counts[0] or max(counts) < sum(counts)


def test_the_live_source_numbers_its_records_on_from_where_it_was():
    """Records continue the offsets of the engine, wait for the clock, and the source never ends."""
    clock = SetClock(MINUTE * MINUTE_MS - 40)
    source = LiveTraffic(Simulator(3), MINUTE, clock)
    assert source.open({PARTITION: 100}) == ""
    assert source.poll(0.2, 0).records == []
    clock.ms = MINUTE * MINUTE_MS + 30_000
    records = source.poll(0.2, 0).records
    assert [record.offset for record in records] == list(range(100, 100 + len(records)))
    assert source.position(PARTITION) == 100 + len(records)
    assert source.caught_up(PARTITION)
    assert not source.ended(PARTITION)


def test_simulate_writes_the_same_lines_for_the_same_seed():
    """Two runs are equal to the byte, and another seed is not."""
    arguments = ["--start", "2026-01-05T00:00:00Z", "--minutes", "2", "--seed"]
    one, again, other = (RUNNER.invoke(simulate, [*arguments, seed]).stdout for seed in ("1", "1", "2"))
    assert one == again != other
    times = [json.loads(line)["ts"] for line in one.splitlines()]
    assert times == sorted(times)
    assert MINUTE * MINUTE_MS <= times[0] <= times[-1] < (MINUTE + 2) * MINUTE_MS


def test_simulate_at_a_pace_writes_the_same_lines():
    """A pace changes when lines are written, not which."""
    arguments = ["--start", "2026-01-05T00:00:00Z", "--minutes", "2"]
    assert RUNNER.invoke(simulate, [*arguments, "--speed", "600"]).stdout == RUNNER.invoke(simulate, arguments).stdout


def test_simulate_brings_the_change_when_it_is_asked_for():
    """From the given minute on one region has the new version, and an announcement precedes it."""
    arguments = ["--start", "2026-01-05T00:00:00Z", "--minutes", "3", "--change-after", "1"]
    events = [json.loads(line) for line in RUNNER.invoke(simulate, arguments).stdout.splitlines()]
    new = [event for event in events if event.get("model_version") == CHANGE_VERSION and event["kind"] == "turn"]
    assert {event["region"] for event in new} == {CHANGE_REGION}
    assert min(event["ts"] for event in new) >= (MINUTE + 1) * MINUTE_MS
    assert [event["change"]["to"] for event in events if event["kind"] == "change"] == [CHANGE_VERSION]


def test_a_start_that_is_no_time_is_misuse():
    """The error names what was given and how to write it."""
    result = RUNNER.invoke(simulate, ["--start", "monday"])
    assert result.exit_code == 2
    assert result.stderr == "limen: --start: monday is no time: write it as 2026-01-05T00:00:00Z\n"


def test_the_change_touches_one_region_only():
    """Both of its shifts are confined to the region; refusals triple there whatever the model."""
    version, refusals = change(MINUTE)
    assert (version.region, version.factor, version.announced) == (CHANGE_REGION, 1.0, True)
    assert (refusals.region, refusals.signal, refusals.factor) == (CHANGE_REGION, "refusal", 3.0)
