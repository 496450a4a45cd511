"""Charts lose no peak, weigh what they average, and show gaps as gaps."""

import numpy as np
import pytest

from pipelines.serve import reading
from pipelines.serve.charts import picture, points, step_for
from pipelines.serve.reading import Columns, columns
from pipelines.serve.views import series_detail
from tests.pipelines.serve.made_up import FIRST_MINUTE
from tests.pipelines.serve.made_up_days import busy

NONE = float("nan")


def history(first, **rows):
    """Make the columns of one series; what is left out is 1 everywhere."""
    length = len(next(iter(rows.values())))
    arrays = {name: np.array(rows.get(name, [1.0] * length), dtype=float)[:, None] for name in Columns.__annotations__}
    return Columns(**{**arrays, "first_minute": first})


def test_a_step_weighs_minutes_by_their_trials_and_keeps_the_peak():
    """The observed rate of a step is hits over trials; the return period is the highest of its minutes."""
    drawn = points(history(0, n=[10, 30], observed=[0.4, 0.0], expected=[0.1, 0.3], log_r=[9.0, 2.0]), 0, 2, "rate")
    assert (drawn.n, drawn.observed, drawn.expected, drawn.log_return_period) == ((40.0,), (0.1,), (0.2,), (9.0,))


def test_a_step_of_traffic_is_a_plain_mean():
    """Traffic is itself a number a minute, so a busy minute weighs no more than a calm one."""
    assert points(history(0, n=[10, 30], observed=[10, 30]), 0, 2, "traffic").observed == (20.0,)


def test_steps_begin_at_multiples_of_their_width():
    """A chart that moves on by a minute keeps the steps it had."""
    drawn = points(history(5, observed=[0.1, 0.2, 0.3, 0.4], n=[1, 1, 1, 1]), 0, 3, "rate")
    assert drawn.time_ms == (180_000, 360_000)
    assert drawn.observed == (0.1, 0.3)


def test_what_is_not_known_stays_unknown():
    """Minutes without events or expectation are null, and a step is null only if all of its minutes are."""
    drawn = points(history(0, n=[0, 5, 0, 0], observed=[NONE, 0.2, NONE, NONE], log_r=[NONE] * 4), 0, 2, "rate")
    assert drawn.observed == (0.2, None)
    assert drawn.log_return_period == (None, None)


@pytest.mark.parametrize("minutes", [1, 499, 500, 501, 1_440, 4_320, 11_520])
def test_no_chart_has_more_points_than_asked_for(minutes):
    """However the range lies to its steps, the points stay within their limit."""
    step = step_for(minutes, 500)
    for first in range(3 * step):
        assert (first + minutes - 1) // step - first // step + 1 <= 500


def test_a_picture_breaks_where_nothing_is_known():
    """Gaps break the line and the band; a lone minute is a dot."""
    drawn = picture([1.0, None, 3.0, 2.0], [1.0, 1.0, None, None], [2.0, 2.0, 2.0, None], width=90, height=24)
    assert drawn.line == "M0.0 22.0h0M60.0 2.0L90.0 12.0"
    assert drawn.band == "M0.0 12.0L30.0 12.0L30.0 22.0L0.0 22.0Z"
    assert picture([None], [None], [None]).line == ""


def test_history_is_read_in_pieces_that_fit_together(tmp_path, monkeypatch):
    """Reading minute by minute gives the same columns as reading all at once."""
    world = busy(tmp_path)
    last = FIRST_MINUTE + 99
    at_once = columns(world.store, [1, 0], FIRST_MINUTE, last, 56)
    monkeypatch.setattr(reading, "_CHUNK_BYTES", 1)
    np.testing.assert_array_equal(columns(world.store, [1, 0], FIRST_MINUTE, last, 56).observed, at_once.observed)
    assert at_once.observed.shape == (100, 2)


def test_a_range_that_takes_too_long_to_read_is_shortened_and_says_so(tmp_path, monkeypatch):
    """With very many series a chart shows the latest minutes that can be read in time."""
    world = busy(tmp_path)
    sources = reading.Sources(world.store, lambda: world.status, lambda: world.settings, world.signal_of)
    assert series_detail(sources, 1, "24h", None, 12_000).shortened is False
    monkeypatch.setattr("pipelines.serve.views.CHART_BYTES_MAX", 1)
    detail = series_detail(sources, 1, "24h", None, 12_000)
    assert (detail.shortened, len(detail.points.time_ms)) == (True, 60)


def test_the_band_of_a_step_is_drawn_in():
    """Over four minutes the band of a minute is half as wide round what is expected, on the scale of square roots."""
    four = history(0, n=[5] * 4, observed=[0.1] * 4, expected=[0.1] * 4, lower=[0.0] * 4, upper=[0.5] * 4)
    drawn = points(four, 0, 4, "rate")
    assert (drawn.lower, drawn.upper) == ((0.025,), (0.261803,))
