"""The sizes on the page of operations come from measurements, and say so where there is none."""

import msgspec

from benchmarks.throughput_page import Result, Round
from docs import generate_operations


def result() -> Result:
    """Give a made-up result of the throughput board: Limen twice, and a bare reader."""
    rounds = {
        "kafka-python": (Round(1_000, 0.01, 0.01),),
        "limen": (Round(1_000, 0.1, 0.09), Round(1_000, 0.2, 0.11), Round(1_000, 0.125, 0.1)),
    }
    return Result(
        command="python -m benchmarks.throughput", events=1_000, event_bytes=1_234.5, compression="zstd",
        batch_bytes=1, events_per_minute=1, cohorts=1, processors=2, load=0.0,
        versions={}, rivals_not_run="", rounds=rounds, commits=None,
        samples=0, stages=(), functions=(),
    )  # fmt: skip


def test_cores_are_the_measured_time_of_an_event_times_the_rate(tmp_path, monkeypatch):
    """A hundred microseconds an event are a tenth of a core at a thousand events a second; of Limen alone."""
    monkeypatch.setattr(generate_operations, "RESULTS", tmp_path)
    assert "is not measured yet" in generate_operations._reading()
    (tmp_path / "throughput.json").write_bytes(msgspec.json.encode(result()))
    *_, last = generate_operations._reading().splitlines()
    assert last == "| limen | 8,000 | 100 | 0.01 | 0.10 | 0.50 | 1.00 |"


def test_every_alert_has_its_line():
    """A rule without a line in the runbook would be an alert without an answer, and the page is not made."""
    page = generate_operations.operations_page()
    assert [name for name in generate_operations.RUNBOOK if f"| `{name}` |" not in page] == []
