"""The band: where quiet minutes lie, also where a minute holds only a few events."""

import numpy as np
import pytest
from scipy.special import logit

from detectors.base import SignalTable
from detectors.count import CountDetector
from detectors.rate import RateDetector

TABLE = SignalTable(tolerance=np.array([0.1]), rises=np.array([True]), falls=np.array([True]))


@pytest.mark.parametrize(
    ("n", "rate", "lower", "upper"),
    [(23, 0.035, 0.0, 0.211), (300, 0.035, 0.010, 0.078), (23, 0.965, 0.789, 1.0), (3, 0.035, 0.0, 0.606)],
)
def test_the_band_of_a_rate_holds_few_hits_and_not_everything(n: int, rate: float, lower: float, upper: float):
    """Of 23 turns at 3.5 % a quiet minute shows at most 4.9 hits, though on the scale of odds it would be eleven."""
    variance = 1 / (n * rate * (1 - rate)) + 0.05
    band = RateDetector(TABLE).band(np.array([logit(rate)]), np.array([variance]))
    assert [float(edge[0]) for edge in band] == pytest.approx([lower, upper], abs=0.001)


def test_the_band_of_a_count_has_no_ceiling():
    """Two tool calls a turn over 20 turns lie between 0.86 and 3.7 a turn."""
    band = CountDetector(TABLE).band(np.log([2.0]), np.array([0.05 + 1 / 40]))
    assert [float(edge[0]) for edge in band] == pytest.approx([0.865, 3.696], abs=0.001)
