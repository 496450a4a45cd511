"""The TCPD board: the published scores by hand, and the segmentation on series with plain changes."""

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import tcpd
from benchmarks.tcpd_rivals import COVER, F1, METHODS
from benchmarks.tcpd_score import cover, f1, matched
from detectors.segments import CUTS_MAX, changes


def test_f1_takes_precision_from_all_and_recall_from_each():
    """Index 0 counts for everyone; one of three points is wrong, one of two people is met in full."""
    people = {"6": [10, 30], "7": [10]}
    # Points {0, 12, 50}: precision 2/3; recall (2/3 + 2/2) / 2 = 5/6; F1 = 2 (2/3) (5/6) / (3/2) = 20/27.
    assert f1(people, [12, 50]) == pytest.approx(20 / 27)


def test_a_point_meets_one_mark_within_five_steps():
    """Two marks close together need two points, and six steps are too far."""
    assert matched([10, 12], [11]) == 1
    assert matched([10], [15]) == 1
    assert matched([10], [16]) == 0


def test_cover_weighs_segments_by_length():
    """One person cuts 10 steps at 4; we cut at 5."""
    # [0, 4) is covered 4/5 by [0, 5); [4, 10) 5/6 by [5, 10): (4 x 4/5 + 6 x 5/6) / 10.
    assert cover({"6": [4]}, [5], 10) == pytest.approx(0.82)
    assert cover({"6": [4], "7": [5]}, [5], 10) == pytest.approx(0.91)


def test_a_steady_noisy_series_has_no_changes():
    """White noise and a straight line are one segment each."""
    noise = np.random.default_rng(1).standard_normal(300)
    assert changes(noise) == ()
    assert changes(0.5 * np.arange(300.0) + noise) == ()


def test_steps_are_found_through_spikes_and_gaps():
    """A shift of three deviations is found at its place; a spike and missing values are no change."""
    values = np.random.default_rng(2).standard_normal(200)
    values[120:] += 3.0
    values[40] = 60.0
    values[80:84] = np.nan
    (found,) = changes(values)
    assert abs(found - 120) <= 2


def test_a_bent_line_is_cut_at_the_bend():
    """A change of slope is a change."""
    rising = np.concatenate([np.arange(100.0), 100.0 - 2.0 * np.arange(100.0)])
    (found,) = changes(rising + np.random.default_rng(4).standard_normal(200))
    assert abs(found - 100) <= 3


def test_columns_are_cut_together():
    """What no column shows alone strongly enough, two show together at the same place."""
    noise = np.random.default_rng(5).standard_normal((120, 2))
    noise[60:] += 2.5
    (found,) = changes(noise)
    assert abs(found - 60) <= 2


def test_a_series_too_short_or_without_values_has_no_changes():
    """Nothing, nine values, one value for ever and no value at all are whole."""
    assert changes(np.array([])) == ()
    assert changes(np.arange(9.0)) == ()
    assert changes(np.full(50, 7.0)) == ()
    assert changes(np.full(50, np.nan)) == ()


def test_the_number_of_cuts_is_limited():
    """A series that changes for ever gets no more than the most cuts."""
    steps = np.repeat(np.tile([0.0, 9.0], 20), 10)
    assert len(changes(steps)) <= CUTS_MAX


def test_published_scores_are_whole():
    """Both tables name the same series, with one score a method."""
    assert F1.keys() == COVER.keys()
    assert {len(scores) for table in (F1, COVER) for scores in table.values()} == {len(METHODS)}


def test_without_the_data_folder_the_board_says_so(tmp_path):
    """A checkout has no data: that is no error."""
    ended = CliRunner().invoke(tcpd.main, ["--data", str(tmp_path)])
    assert (ended.exit_code, ended.output[:8]) == (0, "skipped:")


def test_a_method_is_averaged_over_what_it_could_do():
    """A failed series is left out and named."""
    score = tcpd.Scored(0.5, 0.25)
    row = tcpd.row("X", "published", {"a": score, "b": None, "c": tcpd.Scored(1.0, 0.75)}, {"a", "b"})
    assert (row.every, row.first, row.second) == (tcpd.Scored(0.75, 0.5), score, tcpd.Scored(1.0, 0.75))
    assert row.failed == ("b",)


def test_the_page_is_made_from_the_saved_result():
    """A result that was written as JSON gives its table."""
    half = tcpd.Scored(0.5, 0.25)
    row = tcpd.Row("limen", "ours", half, half, half, ())
    result = tcpd.Result("python -m benchmarks.tcpd", ("a",), (row,), {"a": half, "b": half}, {"a": (), "b": (4,)})
    page = tcpd.page(msgspec.json.decode(msgspec.json.encode(result), type=tcpd.Result))
    assert "| limen | ours | 2 | 0.500 | 0.250 | 0.500 | 0.250 | 0.500 | 0.250 |" in page
