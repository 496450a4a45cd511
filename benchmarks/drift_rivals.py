"""The rivals of the drift board, run from their own packages in their own environment.

`PYTHON -m benchmarks.drift_rivals SETUP`, with SETUP the JSON of `benchmarks.drift.Setup`, draws the board's samples
anew and prints one JSON object: rule -> cell "family|change|n" -> alarms by the rule's own defaults, and a score a
trial (the higher, the more drift). PYTHON is that of an environment with requirements/rivals.txt; `benchmarks.drift`
starts it. Evidently compares a window with one past window of the same size, and with a long past; its choice of test
goes by the size of the reference. NannyML has all past windows as chunks.
"""

import json
import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.core import ColumnType
from nannyml.chunk import SizeBasedChunker
from nannyml.drift.univariate.methods import FeatureType, MethodFactory
from nannyml.thresholds import StandardDeviationThreshold

from benchmarks import drift_samples as samples

EVIDENTLY, LONG, PSI = "evidently, defaults", "evidently, defaults, long past", "evidently, PSI > 0.1"
NANNYML = "nannyml, defaults"
LONG_MAX = 20_000
"""Values of the past that Evidently's defaults get at most where they get all of it: they sort it for every window."""
REFERENCE = "past"
"""The name of a reference column, which NannyML asks for."""
Cells = dict[str, dict[str, dict[str, Any]]]


def run(setup: dict[str, Any]) -> Cells:
    """Judge every trial of every cell by every rule."""
    lengths = samples.real_lengths(setup["data"])
    cells: Cells = {EVIDENTLY: {}, LONG: {}, PSI: {}, NANNYML: {}}
    for family in samples.families(lengths):
        for n in setup["sizes"]:
            for reference in range(setup["references"]):
                rng = samples.rng_of(setup["seed"], family, n, reference, REFERENCE)
                past = samples.draw(family, samples.NONE, samples.WINDOWS, n, rng, lengths)
                rules = _rules(past, mix=family in samples.MIXES)
                for change in (samples.NONE, *samples.changes_of(family)):
                    rng = samples.rng_of(setup["seed"], family, n, reference, change)
                    windows = samples.draw(family, change, samples.trials_of(change), n, rng, lengths)
                    for rule, judge in rules.items():
                        cell = cells[rule].setdefault(f"{family}|{change}|{n}", {"alarms": 0, "scores": []})
                        for window in windows:
                            score, alarm = judge(window)
                            cell["alarms"] += int(alarm)
                            cell["scores"].append(round(float(score), 9))
    return cells


def _rules(past: Any, *, mix: bool) -> dict[str, Any]:
    """Give each rule as a function of a window, fitted to past windows [W x n]."""
    return {
        EVIDENTLY: _evidently(past[-1], None, mix=mix),
        LONG: _evidently(past.ravel()[-LONG_MAX:], None, mix=mix),
        PSI: _evidently(past[-1], "psi", mix=mix),
        NANNYML: _nannyml(past, mix=mix),
    }


def _evidently(past: Any, named: str | None, *, mix: bool) -> Any:
    """Give Evidently's own choice of test, or the named one, with its own threshold."""
    reference, kind = pd.Series(past), ColumnType.Categorical if mix else ColumnType.Numerical

    def judge(window: Any) -> tuple[float, bool]:
        current = pd.Series(window)
        test = get_stattest(reference, current, kind, named)
        found = test(reference, current, kind, None)
        by_p = test.name in {"ks", "chisquare", "z"}
        score = -np.log(max(found.drift_score, 1e-300)) if by_p else found.drift_score
        return score, bool(found.drifted)

    return judge


def _nannyml(past: Any, *, mix: bool) -> Any:
    """Give NannyML's Jensen-Shannon distance with its default threshold over past chunks.

    The score is the distance in standard deviations over the mean of the past chunks, as its threshold counts.
    """
    kind = FeatureType.CATEGORICAL if mix else FeatureType.CONTINUOUS
    method = MethodFactory.create(
        "jensen_shannon",
        kind,
        chunker=SizeBasedChunker(past.shape[1]),
        threshold=StandardDeviationThreshold(std_lower_multiplier=None),
    )
    method.fit(pd.Series(past.ravel(), name=REFERENCE))
    quiet = np.array([method.calculate(pd.Series(window)) for window in past])

    def judge(window: Any) -> tuple[float, bool]:
        value = method.calculate(pd.Series(window))
        return (value - quiet.mean()) / max(quiet.std(), 1e-12), bool(method.alert(value))

    return judge


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    json.dump(run(json.loads(sys.argv[1])), sys.stdout)
