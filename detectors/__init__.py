"""Scoring from the past, vectorised over series: numpy and scipy only, no I/O, no clock, no logging.

`DETECTORS` is the table that contract tests and documentation read; a new detector is one file and one row.
"""

from detectors.base import Detector
from detectors.count import CountDetector
from detectors.level import LevelDetector
from detectors.rate import RateDetector
from detectors.silence import SilenceDetector

DETECTORS: dict[str, type[Detector]] = {
    "rate": RateDetector,
    "count": CountDetector,
    "level": LevelDetector,
    "silence": SilenceDetector,
}
"""Name -> detector; each says in `kinds` which panels it judges."""

__all__ = ["DETECTORS", "Detector"]
