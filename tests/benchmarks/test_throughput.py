"""The throughput board: its traffic is what it says, ratios are medians of rates, and samples are told by stage."""

from collections import Counter

import msgspec
import pytest

from benchmarks import throughput_samples as samples
from benchmarks.throughput import RIVALS, topic_of
from benchmarks.throughput_page import Commits, Result, Round, Share, cpu_us, page, rate
from benchmarks.throughput_readers import READERS
from benchmarks.throughput_traffic import EVENTS_PER_MINUTE, events
from pipelines.ingest.decode import Decoder
from schemas.event import Event, event_time_ms

READ = ("pipelines/ingest/kafka.py", "poll")
FEED = ("pipelines/engine.py", "feed")
BATCH = ("pipelines/aggregate/columns.py", "batch")


def result(**changes):
    """Give a result of two readers."""
    made = Result(
        command="python -m benchmarks.throughput",
        events=1_000,
        event_bytes=1_200.0,
        compression="lz4",
        batch_bytes=65_536,
        events_per_minute=10_000,
        cohorts=32,
        processors=2,
        load=1.5,
        versions={"kafka-python": "3"},
        rivals_not_run="none here",
        rounds={
            "kafka-python": (Round(1_000, 0.01, 0.01), Round(1_000, 0.02, 0.01), Round(1_000, 0.04, 0.01)),
            "limen": (Round(1_000, 0.05, 0.04),),
        },
        commits=Commits(events=1_000, commits=2, bytes=4_000, seconds=0.01, minutes=3, series=50),
        samples=4,
        stages=(Share("read", 0.75), Share("texts", 0.25)),
        functions=(Share("`a.py` f", 1.0),),
    )
    return msgspec.structs.replace(made, **changes)


def test_the_traffic_is_drawn_by_its_seed():
    """The same seed draws the same events, all of which decode; they are as large, as different and as fast as told."""
    drawn = list(events(2_000))
    assert drawn[:50] == list(events(50))
    assert drawn[:50] != list(events(50, seed=30))
    decoded = [Decoder("auto", 1 << 20).decode(value) for _, value in drawn]
    assert all(isinstance(event, Event) for event in decoded)
    assert sum(len(value) for _, value in drawn) / 2_000 == pytest.approx(1_200, rel=0.05)
    assert len({event.response for event in decoded}) > 1_800
    assert event_time_ms(decoded[-1]) - event_time_ms(decoded[0]) == pytest.approx(
        2_000 * 60_000 / EVENTS_PER_MINUTE, 0.01
    )
    assert {key for key, _ in drawn[:1]} == {f"{decoded[0].tenant}|{decoded[0].region}".encode()}


def test_rates_are_medians():
    """Of three rounds the middle one counts, by the clock and by processor time."""
    rounds = result().rounds["kafka-python"]
    assert rate(rounds) == 50_000
    assert cpu_us(rounds) == pytest.approx(10.0)


def test_the_page_is_made_from_the_saved_result():
    """A result that was written as JSON gives its tables, its verdict on the targets, and who was not run."""
    text = page(msgspec.json.decode(msgspec.json.encode(result()), type=Result))
    assert "| kafka-python | 50,000 | 25,000 to 100,000 | 10.0 | 1.00 |" in text
    assert "| limen | 20,000 | 20,000 to 20,000 | 40.0 | 0.40 |" in text
    assert "Rivals: not run, none here." in text
    assert "0.5 x kafka-python is missed (0.40 by the clock, 0.25 by processor time)" in text
    assert "2 checkpoints of 2,000 bytes; the store takes 5.0 ms for one" in text
    assert "| read | 75.0% |" in text
    assert "2 processors, and a load of 1.5" in text


def test_workers_share_a_topic_of_two_partitions():
    """Every other reader reads the topic of one partition, so that all of them read the same log."""
    names = [*READERS, *RIVALS]
    assert {topic_of(name) for name in names if name not in {"limen, 1 worker", "limen, 2 workers"}} == {"throughput"}
    assert topic_of("limen, 2 workers") == topic_of("limen, 1 worker") == "throughput-2"


def test_a_sample_is_told_by_the_stage_it_was_taken_in():
    """What columns call belongs to columns, except the reading of texts; what no stage owns is the loop itself."""
    stacks = Counter({
        (FEED, BATCH, ("numpy/core.py", "take")): 2,
        (FEED, BATCH, ("pipelines/aggregate/many_texts.py", "entropies")): 1,
        (READ, ("kafka/consumer.py", "poll")): 4,
        (("threading.py", "wait"),): 1,
    })  # fmt: skip
    assert {each.name: each.share for each in samples.by_stage(stacks)} == {
        "read": 0.5, "columns": 0.25, "texts": 0.125, samples.OTHER: 0.125,
    }  # fmt: skip
    assert samples.by_function(stacks)[0] == Share("`kafka/consumer.py` poll", 0.5)


def test_a_frame_is_drawn_as_wide_as_its_share():
    """The outermost frame of half of the samples takes half of the width, and names are written as text."""
    drawing = samples.drawing(Counter({(FEED,): 1, (("a.py", "<listcomp>"),): 1}))
    assert drawing.count('width="600.0"') == 2
    assert "&lt;listcomp&gt; 50.0%" in drawing
    assert "<listcomp>" not in drawing


def test_the_stack_of_this_test_names_this_file():
    """Files are named from the project on, the innermost frame last."""
    import sys

    assert samples.stack_of(sys._getframe())[-1] == (
        "tests/benchmarks/test_throughput.py",
        "test_the_stack_of_this_test_names_this_file",
    )
