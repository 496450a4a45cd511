"""The NAB board: the published rules on series small enough to score by hand, and a detector that cannot see ahead."""

import math

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import nab, nab_detector, nab_rivals
from benchmarks.nab_score import PROFILES, Series, Tally, best_setting, normalised, tally


def series(rows, windows, values=None):
    """Make a series with a value every five minutes."""
    values = np.zeros(rows) if values is None else values
    return Series("folder/a.csv", values, 300.0 * np.arange(rows), windows)


def sigmoid(position):
    """Write the published curve once more."""
    return 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def test_the_earliest_alarm_of_a_window_counts():
    """An alarm at the left edge is worth 1, a later one in the same window adds nothing."""
    one = series(100, ((50, 59),))
    assert tally(one, np.array([50, 55])) == Tally(pytest.approx(1.0), 1, 0.0, 1)
    late = tally(one, np.array([59]))
    assert late.worth == pytest.approx(sigmoid(-0.1) / sigmoid(-1.0))


def test_false_alarms_cost_less_right_behind_a_window():
    """Before the first window an alarm is wholly false; behind one it falls along the curve to three widths."""
    one = series(200, ((50, 60),))
    assert tally(one, np.array([40])).false == -1.0
    assert tally(one, np.array([65])).false == pytest.approx(sigmoid(5 / 10))
    assert tally(one, np.array([91])).false == -1.0


def test_the_first_rows_are_for_learning():
    """Nothing counts in the first 15 %, at most 750 rows."""
    one = series(100, ((50, 59),))
    assert (one.learning, series(9000, ()).learning) == (15, 750)
    assert tally(one, np.array([0, 14])).false == 0.0
    assert tally(one, np.array([15])).false == -1.0


def test_silence_is_nought_and_perfection_a_hundred_in_every_profile():
    """The scale runs from saying nothing to every window at its left edge."""
    for profile in PROFILES.values():
        assert normalised([Tally(0.0, 0, 0.0, 3)], profile) == 0.0
        assert normalised([Tally(3.0, 3, 0.0, 3)], profile) == 100.0


def test_profiles_weigh_misses_and_false_alarms():
    """Two windows, one found at worth 0.5, two false alarms: by hand in each profile."""
    told = [Tally(0.5, 1, -2.0, 2)]
    scores = [normalised(told, profile) for profile in PROFILES.values()]
    assert scores == pytest.approx([100 * (0.5 - 0.22 + 1) / 4, 100 * (0.5 - 0.44 + 1) / 4, 100 * (0.5 - 0.22 + 2) / 6])


def test_the_threshold_is_the_best_of_a_profile():
    """The loud setting wins where windows are dear, the quiet one where false alarms are."""
    tallies = [[Tally(1.0, 1, -6.0, 1), Tally(0.2, 1, 0.0, 1)]]
    assert [best_setting(tallies, profile) for profile in PROFILES.values()] == [0, 1, 0]


def test_the_detector_does_not_see_the_future():
    """The evidence of a prefix is that of the whole series, row by row."""
    generator = np.random.default_rng(3)
    values = np.sin(np.arange(900) / 20.0) + 0.1 * generator.standard_normal(900)
    values[700:] += 4.0
    whole = nab_detector.evidence(series(900, (), values))
    for rows in (300, 555, 701):
        part = nab_detector.evidence(series(rows, (), values[:rows]))
        assert part == pytest.approx(whole[:rows], abs=1e-9)


def test_a_jump_alarms_once():
    """A level never seen before opens one episode at its first row."""
    values = np.sin(np.arange(900) / 20.0) + 0.1 * np.random.default_rng(3).standard_normal(900)
    values[700:720] += 8.0
    log_r = nab_detector.evidence(series(900, (), values))
    assert nab_detector.episodes(log_r, 6.0, 135).tolist() == [700]


def test_distances_of_shapes_do_not_overlap_with_themselves():
    """Two values in a row are compared with stretches that ended before they began."""
    values = np.array([0.0, 0.0, 3.0, 4.0, 3.0, 4.0])
    found = nab_detector.distance_to_past(values, 2)
    # [3 4] from [0 0]; [4 3] from [0 3], the nearest but for [3 4] that shares a value; [3 4] again.
    assert found == pytest.approx([0.0, 0.0, 0.0, math.sqrt(12.5), math.sqrt(8.0), 0.0])


def test_the_same_hour_is_that_of_other_days():
    """A value is compared with those of the same hour, or beside it, at least half a day ago."""
    values = np.array([1.0, 9.0, 1.0, 5.0])
    seconds = 3600.0 * np.array([0.0, 12.0, 24.0, 36.0])
    assert nab_detector.distance_by_hour(values, seconds).tolist() == [0.0, 0.0, 0.0, 4.0]


def test_dummies_do_not_look_at_the_values():
    """Never, always, random and periodic say the same of any values."""
    other = series(1000, (), np.arange(1000.0))
    for dummy in nab_rivals.DUMMIES.values():
        for a, b in zip(dummy(series(1000, ())), dummy(other), strict=True):
            assert a.tolist() == b.tolist()
    assert [len(rows) for rows in nab_rivals.never(other)] == [0]
    assert [len(rows) for rows in nab_rivals.always(other)] == [1000]


def test_without_the_data_folder_the_board_says_so(tmp_path):
    """A checkout has no data: that is no error."""
    ended = CliRunner().invoke(nab.main, ["--data", str(tmp_path)])
    assert (ended.exit_code, ended.output[:8]) == (0, "skipped:")


def test_the_page_is_made_from_the_saved_result():
    """A result that was written as JSON gives its table, unknown halves as dashes."""
    rows = (nab.Row("limen", "ours", (72.0, 68.0, 78.0), (3.5, 4.0, 3.0)), nab.Row("X", "published", (1.0, 2.0, 3.0)))
    result = nab.Result("python -m benchmarks.nab", 58, 116, ("a/1",), "the same", rows)
    page = nab.page(msgspec.json.decode(msgspec.json.encode(result), type=nab.Result))
    assert "| limen | ours | 72.0 / 68.0 / 78.0 | - | - | - |" in page
    assert page.startswith("## NAB\n")
