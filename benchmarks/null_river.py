"""River's drift detectors at their defaults on the windows of the null board, in an environment of their own.

Run with the interpreter of that environment as `python null_river.py WINDOWS.npz`, it prints the alarms of each
detector by null as JSON; the board calls it so, and says nothing of river where there is no such environment.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

SECONDS_MAX = 1_200
"""One value takes some microseconds; a run that takes twenty minutes hangs."""


def river_alarms(python: str, windows: dict[Any, Any], burn_in: int) -> dict[str, list[float]]:
    """Give the alarms after burn-in by detector and null; {} without an interpreter.

    `windows` has an array [windows x nulls x series] for each kind.
    """
    if not python:
        return {}
    with tempfile.TemporaryDirectory(prefix="limen-river-") as folder:
        file = Path(folder) / "windows.npz"
        np.savez(file, burn_in=np.array(burn_in), **{str(kind): values for kind, values in windows.items()})
        ran = subprocess.run(
            [python, __file__, str(file)], capture_output=True, text=True, timeout=SECONDS_MAX, check=True
        )
    answer: dict[str, list[float]] = json.loads(ran.stdout)
    return answer


def _alarms(values: Any, burn_in: int, make: Any) -> float:
    """Count the alarms of a fresh detector over one series, scaled by its first day so that defaults can apply."""
    known = values[np.isfinite(values)]
    first = known[:96]
    scaled = (known - first.mean()) / max(first.std(), 1e-12)
    detector, alarms = make(), 0
    for at, value in enumerate(scaled):
        found = detector(float(value))
        alarms += int(found and at >= burn_in)
    return float(alarms)


def _makers() -> dict[str, Any]:
    from river import anomaly, drift  # noqa: PLC0415 - only the rivals' environment has it

    def of_drift(made: Any) -> Any:
        def step(value: float) -> bool:
            made.update(value)
            return bool(made.drift_detected)

        return step

    def of_trees() -> Any:
        made, past = anomaly.HalfSpaceTrees(seed=1), [0.0]

        def step(value: float) -> bool:
            features = {"value": min(max((value + 5.0) / 10.0, 0.0), 1.0)}
            score = made.score_one(features)
            made.learn_one(features)
            alarm = score > 0.95 and past[0] <= 0.95
            past[0] = score
            return bool(alarm)

        return step

    return {
        "river ADWIN": lambda: of_drift(drift.ADWIN()),
        "river Page-Hinkley": lambda: of_drift(drift.PageHinkley()),
        "river half-space trees > 0.95": of_trees,
    }


def _main() -> None:
    saved = np.load(sys.argv[1])
    kinds = [name for name in saved.files if name != "burn_in"]
    nulls = saved[kinds[0]].shape[1]
    answer = {
        name: [
            sum(_alarms(v, int(saved["burn_in"]), make) for kind in kinds for v in saved[kind][:, null, :].T)
            for null in range(nulls)
        ]
        for name, make in _makers().items()
    }
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    _main()
