"""What the scenario board gathers of a stream: the product's own cells, by quarters and by minutes."""

import json

import numpy as np
import pytest

from benchmarks.scenario_cells import gathered, settings_for
from schemas.settings import Settings

EU = (("region", "eu"),)


@pytest.fixture
def events(tmp_path):
    """Write forty minutes of events: two tenants in eu, one in us, one refusal a minute, latencies of 1 and 3 ms."""
    file = tmp_path / "events.jsonl"
    lines = []
    for minute in range(40):
        for number, (tenant, region) in enumerate([("acme", "eu"), ("acme", "eu"), ("hooli", "eu"), ("hooli", "us")]):
            event = {
                "event_id": f"{minute}-{number}", "ts": f"2026-01-05T00:{minute:02d}:0{number}.000Z",
                "tenant": tenant, "region": region, "surface": "chat", "model": "m1", "refusal": number == 0,
                "latency_ms": (1.0, 3.0, 1.0, 1.0)[number], "language": ("en", "en", "de", "en")[number],
            }  # fmt: skip
            lines.append(json.dumps(event))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_the_affected_cohort_is_kept_by_minutes_and_cells(events):
    """The last minute is not known to be whole and is left out; a level is a sum of logarithms."""
    minute = 29459520
    stream = gathered(
        events, ("refusal_rate",), ("refusal_rate", "latency_ms", "traffic", "language_mix"), EU, minute + 30
    )
    assert (stream.first, stream.minutes) == (minute, 39)
    rate = stream.tracks["refusal_rate"]
    assert (rate.n.tolist(), rate.x.tolist()) == ([3.0] * 39, [1.0] * 39)
    assert (rate.cell_n[0].tolist(), rate.cell_x[0].tolist()) == ([2.0, 1.0], [1.0, 0.0])
    level = stream.tracks["latency_ms"]
    assert level.x[0] == pytest.approx(2 * np.log2(1001) + np.log2(3001), abs=0.01)
    assert level.squares[0] == pytest.approx(np.var([np.log2(1001)] * 2 + [np.log2(3001)]) * 3, abs=0.1)
    traffic = stream.tracks["traffic"]
    assert (traffic.n[0], traffic.x[0]) == (1.0, 3.0)
    mix = stream.tracks["language_mix"]
    assert (mix.n[0], mix.cell_n[0].tolist()) == (3.0, [1.0, 2.0])


def test_series_are_added_up_by_quarters(events):
    """Every cohort of the default grouping sets, and no other; the last quarter is nine minutes long."""
    stream = gathered(events, ("refusal_rate",), (), (), None)
    row = stream.series.index(("refusal_rate", EU))
    assert (stream.n[row].tolist(), stream.x[row].tolist()) == ([45.0, 45.0, 27.0], [15.0, 15.0, 9.0])
    sets = {tuple(sorted(each)) for each in Settings().cohorts.sets}
    assert {tuple(name for name, _ in cohort) for _, cohort in stream.series} <= sets
    assert stream.tracks == {}


def test_shares_of_the_budget_are_those_before_the_onset(events):
    """The shares of all judged series sum to one, so a single one has less; without an onset nobody has any."""
    minute = 29459520
    with_onset = gathered(events, (), ("refusal_rate", "latency_ms"), EU, minute + 30).tracks
    assert all(-8.0 < each.log_share < -1.0 for each in with_onset.values())
    assert gathered(events, (), ("refusal_rate",), EU, None).tracks["refusal_rate"].log_share == -np.inf


def test_the_mix_needs_a_grouping_set_of_its_own_only_where_none_fits():
    """A region's cells are the finest default set; a model's are that set with the model."""
    assert settings_for(EU) == Settings()
    assert settings_for((("model", "m1"),)).cohorts.sets[-1] == ("model", "region", "surface", "tenant")
