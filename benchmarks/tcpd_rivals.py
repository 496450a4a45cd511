"""What stands beside Limen on the TCPD board: dummies, and the published scores of other methods at their defaults.

The published scores are those of TCPDBench (`analysis/output/scores/default_{f1,cover}_scores.json`), series by series,
so that all are averaged over the same series. None: the method failed on that series.
"""

import zlib
from collections.abc import Callable

import numpy as np

from schemas.arrays import Floats

Finder = Callable[[str, Floats], tuple[int, ...]]
"""Something that gives change points for a named series [n x d]."""
PERIOD = 50
"""Steps between two change points of the periodic dummy."""
RANDOM_POINTS = 3
"""Change points that the random dummy draws: about as many as people mark."""


def never(name: str, series: Floats) -> tuple[int, ...]:
    """Say nothing changed; the published method called zero."""
    return ()


def always(name: str, series: Floats) -> tuple[int, ...]:
    """Say that every step is a change."""
    return tuple(range(1, len(series)))


def periodic(name: str, series: Floats) -> tuple[int, ...]:
    """Say that every so many steps something changes."""
    return tuple(range(PERIOD, len(series), PERIOD))


def random(name: str, series: Floats) -> tuple[int, ...]:
    """Draw change points, seeded by the series' name."""
    drawn = np.random.default_rng(zlib.crc32(name.encode())).integers(1, len(series), RANDOM_POINTS)
    return tuple(sorted({int(point) for point in drawn}))


DUMMIES: dict[str, Finder] = {"never": never, "always": always, "random": random, "periodic": periodic}
"""Methods that do not look at the values."""
METHODS = ("amoc", "binseg", "bocpd", "pelt")
"""Four of the published methods, in the order of the columns below."""
_ = None  # no published score
F1: dict[str, tuple[float | None, ...]] = {
    "bank": (0.667, 0.400, 0.047, 0.400),
    "brent_spot": (0.272, 0.483, 0.521, 0.465),
    "businv": (0.455, 0.370, 0.270, 0.370),
    "centralia": (0.763, 0.909, 0.909, 0.909),
    "children_per_woman": (0.618, 0.618, 0.637, 0.618),
    "co2_canada": (0.544, 0.691, 0.619, 0.661),
    "construction": (0.516, 0.709, 0.634, 0.709),
    "debt_ireland": (0.469, 0.760, 0.760, 0.760),
    "gdp_argentina": (0.889, 0.889, 0.947, 0.889),
    "gdp_croatia": (0.583, 0.583, 1.000, 0.583),
    "gdp_iran": (0.492, 0.492, 0.622, 0.492),
    "gdp_japan": (0.615, 0.615, 0.800, 0.615),
    "global_co2": (0.929, 0.929, 0.754, 0.754),
    "homeruns": (0.812, 0.812, 0.729, 0.812),
    "jfk_passengers": (0.776, 0.776, 0.437, 0.776),
    "lga_passengers": (0.422, 0.438, 0.630, 0.438),
    "nile": (1.000, 1.000, 1.000, 1.000),
    "ozone": (0.531, 0.650, 0.650, 1.000),
    "quality_control_1": (1.000, 1.000, 0.800, 1.000),
    "quality_control_2": (1.000, 1.000, 1.000, 1.000),
    "quality_control_3": (1.000, 1.000, 1.000, 1.000),
    "quality_control_4": (0.810, 0.873, 0.658, 0.726),
    "quality_control_5": (1.000, 1.000, 1.000, 1.000),
    "rail_lines": (0.846, 0.846, 0.846, 0.846),
    "run_log": (_, _, 1.000, _),
    "seatbelts": (0.474, 0.683, 0.583, 0.683),
    "shanghai_license": (0.868, 0.868, 0.713, 0.868),
    "uk_coal_employ": (_, _, _, _),
    "unemployment_nl": (0.566, 0.876, 0.683, 0.773),
    "us_population": (1.000, 0.667, 0.216, 0.471),
    "usd_isk": (0.785, 0.657, 0.609, 0.657),
    "well_log": (0.279, 0.534, 0.796, 0.555),
}
"""Published F1 at default settings."""
COVER: dict[str, tuple[float | None, ...]] = {
    "bank": (0.967, 0.509, 0.048, 0.509),
    "brent_spot": (0.423, 0.627, 0.586, 0.627),
    "businv": (0.574, 0.562, 0.463, 0.603),
    "centralia": (0.675, 0.564, 0.612, 0.564),
    "children_per_woman": (0.798, 0.798, 0.758, 0.798),
    "co2_canada": (0.527, 0.608, 0.716, 0.611),
    "construction": (0.525, 0.466, 0.395, 0.423),
    "debt_ireland": (0.321, 0.635, 0.584, 0.635),
    "gdp_argentina": (0.667, 0.667, 0.630, 0.667),
    "gdp_croatia": (0.605, 0.605, 0.642, 0.605),
    "gdp_iran": (0.484, 0.477, 0.520, 0.477),
    "gdp_japan": (0.654, 0.654, 0.578, 0.654),
    "global_co2": (0.743, 0.748, 0.640, 0.638),
    "homeruns": (0.683, 0.683, 0.526, 0.683),
    "jfk_passengers": (0.839, 0.839, 0.541, 0.839),
    "lga_passengers": (0.427, 0.458, 0.496, 0.474),
    "nile": (0.880, 0.880, 0.888, 0.880),
    "ozone": (0.701, 0.600, 0.602, 0.635),
    "quality_control_1": (0.992, 0.992, 0.887, 0.992),
    "quality_control_2": (0.922, 0.922, 0.927, 0.922),
    "quality_control_3": (0.996, 0.996, 0.997, 0.996),
    "quality_control_4": (0.563, 0.518, 0.511, 0.538),
    "quality_control_5": (1.000, 1.000, 1.000, 1.000),
    "rail_lines": (0.786, 0.786, 0.767, 0.786),
    "run_log": (_, _, 0.815, _),
    "seatbelts": (0.683, 0.797, 0.757, 0.797),
    "shanghai_license": (0.920, 0.920, 0.856, 0.920),
    "uk_coal_employ": (_, _, _, _),
    "unemployment_nl": (0.507, 0.669, 0.495, 0.648),
    "us_population": (0.736, 0.391, 0.219, 0.506),
    "usd_isk": (0.853, 0.735, 0.672, 0.730),
    "well_log": (0.453, 0.695, 0.776, 0.679),
}
"""Published cover at default settings."""
