"""The oracle of the delay board: exact likelihood ratios, under wander too, as if all onsets were summed by hand."""

import numpy as np
import pytest
from scipy.stats import betabinom, multivariate_normal, nbinom

from benchmarks.delay_oracle import Oracle
from benchmarks.delay_streams import NOISE, SIGMA, WANDER_MINUTES, Streams

QUIET_MINUTES = 5


def driven(kind, series=1, minutes=QUIET_MINUTES, shift=0.6):
    """Drive an oracle over some quiet minutes; gives streams, panels, and both statistics of the last minute."""
    streams = Streams(kind, series, 5)
    oracle = Oracle(streams, np.full((len(streams.level), 1), shift))
    panels = [streams.draw(minute, np.zeros(len(streams.level))) for minute in range(minutes)]
    return streams, panels, [oracle.step(panel) for panel in panels]


def test_independent_counts_have_the_cusum_of_poisson():
    """W = max(0, W) + x d - n r (e^d - 1), and R = (1 + R) times the same ratio, minute by minute."""
    streams, panels, found = driven("count")
    w, r = 0.0, 0.0
    for panel, (cusum, sr) in zip(panels, found, strict=True):
        row = 1  # independent, 20 a minute
        ratio = panel.x[row] * 0.6 - panel.n[row] * streams.value[row] * np.expm1(0.6)
        w, r = max(w, 0.0) + ratio, (1.0 + r) * np.exp(ratio)
        assert cusum[row, 0] == pytest.approx(w)
        assert sr[row, 0] == pytest.approx(np.log(r))


def test_overdispersed_minutes_have_the_ratio_of_their_law():
    """Beta-binomial hits and negative binomial events, as scipy has them; the first CUSUM is the first ratio."""
    streams, panels, found = driven("rate", minutes=1)
    row, p = 5, streams.value[5]  # overdispersed, 20 a minute
    moved = 1.0 / (1.0 + np.exp(-(streams.level[row] + 0.6)))
    n, x = int(panels[0].n[row]), int(panels[0].x[row])
    laws = [betabinom(n, q * size, (1 - q) * size) for q in (p, moved) for size in (1 / (q * (1 - q) * NOISE**2) - 1,)]
    assert found[0][0][row, 0] == pytest.approx(laws[1].logpmf(x) - laws[0].logpmf(x))
    streams, panels, found = driven("count", minutes=1)
    size, mean, x = 1 / NOISE**2, panels[0].n[row] * streams.value[row], panels[0].x[row]
    logs = [nbinom.logpmf(x, size, size / (size + m)) for m in (mean, mean * np.exp(0.6))]
    assert found[0][0][row, 0] == pytest.approx(logs[1] - logs[0])


def test_under_wander_all_onsets_are_summed():
    """Five normal means of an AR(1): the sum of five ratios of five-dimensional normal densities."""
    streams, panels, found = driven("level")
    row = 9  # wandering, 20 a minute
    seen = np.array([panel.mean_log[row] for panel in panels])
    apart = np.abs(np.subtract.outer(np.arange(QUIET_MINUTES), np.arange(QUIET_MINUTES)))
    law = streams.wander_sd**2 * np.exp(-apart / WANDER_MINUTES)
    law += np.diag([SIGMA**2 / panel.n[row] for panel in panels])
    level = np.full(QUIET_MINUTES, streams.level[row])
    ratios = [
        multivariate_normal.logpdf(seen, level + 0.6 * (np.arange(QUIET_MINUTES) >= onset), law)
        - multivariate_normal.logpdf(seen, level, law)
        for onset in range(QUIET_MINUTES)
    ]
    assert found[-1][1][row, 0] == pytest.approx(np.logaddexp.reduce(ratios), abs=0.02)


def test_one_shift_of_many_goes_on_alone():
    """An oracle that keeps the second of two shifts says what it said of it before."""
    streams = Streams("rate", 2, 5)
    shifts = np.tile([0.5, -0.5], (len(streams.level), 1))
    both, one = Oracle(streams, shifts), Oracle(streams, shifts)
    quiet = np.zeros(len(streams.level))
    for minute in range(3):
        panel = streams.draw(minute, quiet)
        both.step(panel), one.step(panel)
    one.only(1)
    panel = streams.draw(3, quiet)
    wide, narrow = both.step(panel), one.step(panel)
    assert narrow[0][:, 0].tolist() == pytest.approx(wide[0][:, 1].tolist())
    assert narrow[1][:, 0].tolist() == pytest.approx(wide[1][:, 1].tolist())
