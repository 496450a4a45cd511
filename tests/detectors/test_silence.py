"""Silence is measured by the events that it lacks, and what ends it is speech."""

import numpy as np
import pytest

from detectors import DETECTORS, calibration
from detectors.base import SignalTable
from detectors.silence import SilenceDetector
from schemas.panel import Panel

DAY = 1_440
TABLE = SignalTable(tolerance=np.zeros(1), rises=np.array([True]), falls=np.array([True]))


def minute(at: int, n: float) -> Panel:
    """Make a minute of one cohort's traffic."""
    zero = np.zeros(1)
    return Panel(
        kind="traffic", minute=at, n=np.array([n]), x=zero, mean_log=zero, var_log=zero, parent=np.array([-1]),
        signal=np.array([0]), mix=zero, within=np.full(1, np.nan),
    )  # fmt: skip


def missed_after(hour: int) -> int:
    """Give after how many silent minutes from an hour of the third day on the gap is rarer than once in a month.

    The cohort has twelve events a minute by day and one in two minutes by night (Poisson, seed 5).
    """
    detector, random = SilenceDetector(TABLE), np.random.default_rng(5)
    baseline, evidence = detector.grow(detector.baseline(), detector.evidence(), 1, 1)
    for at in range(2 * DAY + hour * 60):
        panel = minute(at, float(random.poisson(12.0 if 8 <= at % DAY // 60 < 20 else 0.5)))
        evidence, _ = detector.step(baseline, evidence, panel)
        baseline = detector.learn(baseline, panel, np.array([True]))
    for silent in range(1, DAY):
        evidence, scores = detector.step(baseline, evidence, minute(2 * DAY + hour * 60 + silent - 1, 0.0))
        if scores.log_r[0] >= np.log(30 * DAY):
            return silent
    raise AssertionError


def test_a_day_is_missed_sooner_than_a_night():
    """The same cohort is missed within twenty minutes at noon, and at two in the night only after hours."""
    noon, night = missed_after(12), missed_after(2)
    assert (noon <= 20, night > 120) == (True, True)


def test_speech_ends_an_excursion_of_silence():
    """Two outages with speech between them are two excursions for the audit."""
    detector, evidence_of = DETECTORS["silence"](TABLE), []
    baseline, evidence = detector.grow(detector.baseline(), detector.evidence(), 1, 1)
    away, ended = np.zeros(1, np.int8), 0
    for at in range(2 * DAY + 600):
        panel = minute(at, 0.0 if at >= 2 * DAY and at % 300 < 120 else 3.0)
        evidence, scores = detector.step(baseline, evidence, panel)
        if at < 2 * DAY:
            baseline = detector.learn(baseline, panel, np.array([True]))
        judged, quiet = scores.log_r > -np.inf, np.array([False])
        away, over, _ = calibration.count(away, scores.log_r, judged, quiet)
        ended += int(over[0])
        evidence_of.append(scores.log_r[0])
    assert ended == 2
    assert evidence_of[-1] == pytest.approx(0.0)
