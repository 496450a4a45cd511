"""The two faces of simulated traffic agree: measured events and batches made directly are the same to the last bit."""

import numpy as np
import pytest

from pipelines.aggregate.columns import Columns
from pipelines.aggregate.signals import catalogue
from pipelines.ingest.simulate import Simulator
from pipelines.ingest.simulate_model import Shift
from schemas.batch import Batch
from schemas.event import Event
from schemas.formats.native import decode
from schemas.record import Partition
from schemas.settings import Cohorts, Signals

MONDAY = 29_459_520  # Monday 2026-01-05, 00:00 UTC, in minutes since the epoch
PARTITION = Partition("simulate")
DRILL = (
    Shift(MONDAY + 1, region="eu", model_version={"from": "orion-2026-07", "to": "orion-2026-09"}, announced=True),
    Shift(MONDAY + 3, region="us", signal="tool_calls", factor=3.0),
    Shift(MONDAY + 3, signal="latency", factor=1.5, announced=True),
    Shift(MONDAY + 5, region="ap", signal="traffic", factor=0.3),
    Shift(MONDAY + 5, tenant="meadow", signal="error", factor=20.0),
)
MINUTES = 30


def column(array: np.ndarray) -> tuple[str, list[int]]:
    """Write a column down, its type included."""
    return str(array.dtype), array.tolist()


def written_out(batch: Batch) -> dict[str, object]:
    """Write a batch down so that equal contents are equal, however names are coded and mixes ordered."""
    return {
        "place": (batch.partition, batch.start, batch.until, batch.offsets.tolist()),
        "ts_ms": column(batch.ts_ms),
        "id_hash": column(batch.id_hash),
        "dims": {name: [coded.values[code] for code in coded.codes] for name, coded in batch.dims.items()},
        "ratios": {name: (*column(ratio.x), *column(ratio.n)) for name, ratio in batch.ratios.items()},
        "levels": {name: column(level) for name, level in batch.levels.items()},
        "mixes": {
            name: sorted((row, mix.values[code]) for row, code in zip(mix.row.tolist(), mix.code.tolist(), strict=True))
            for name, mix in batch.mixes.items()
        },
        "ids": {name: column(ids) for name, ids in batch.ids.items()},
        "scores": None if batch.scores is None else batch.scores.row.tolist(),
        "changes": (batch.changes, batch.change_rows),
        "rejects": batch.rejects,
    }


def events_of(simulator: Simulator) -> list[Event]:
    """Give the events of all minutes, as the decoder reads them from their bytes."""
    return [decode(line) for minute in range(MINUTES) for line in simulator.lines(MONDAY + minute)]


@pytest.mark.parametrize("shifts", [(), DRILL], ids=["plain", "drill"])
@pytest.mark.parametrize(
    "signals",
    [Signals(), Signals(off=("latency_ms", "tool_mix", "char_entropy"))],
    ids=["all signals", "some switched off"],
)
def test_events_measured_and_batches_made_directly_are_equal(shifts, signals):
    """Every column of every signal, dimension and id agrees, over plain and changed traffic."""
    take = Columns(catalogue(signals, Cohorts()), 1.0).batch
    simulator = Simulator(7, shifts=shifts, take=take)
    events = events_of(simulator)
    measured = written_out(take(PARTITION, range(1_000, 1_000 + len(events)), events))
    direct = written_out(simulator.batch(MONDAY, 1_000, MINUTES))
    assert direct.keys() == measured.keys()
    for part, content in measured.items():
        if isinstance(content, dict):
            assert direct[part].keys() == content.keys(), part
            for name, column_of_events in content.items():
                assert direct[part][name] == column_of_events, f"{part} {name}"
        else:
            assert direct[part] == content, part


def test_how_minutes_are_cut_into_batches_changes_nothing():
    """One batch of thirty minutes holds what thirty batches of one hold."""
    take = Columns(catalogue(Signals(), Cohorts()), 1.0).batch
    simulator = Simulator(7, shifts=DRILL, take=take)
    together = simulator.batch(MONDAY, 0, MINUTES)
    apart = list(simulator.batches(MONDAY, MINUTES))
    assert [batch.start for batch in apart[1:]] == [batch.until for batch in apart[:-1]]
    assert apart[-1].until == together.until
    assert np.concatenate([batch.id_hash for batch in apart]).tolist() == together.id_hash.tolist()
    for name, ratio in together.ratios.items():
        assert np.concatenate([batch.ratios[name].x for batch in apart]).tolist() == ratio.x.tolist()
    for name, level in together.levels.items():
        assert np.concatenate([batch.levels[name] for batch in apart]).tolist() == level.tolist()
