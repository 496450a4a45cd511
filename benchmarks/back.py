"""The board of returns: how often an incident that goes on is called over, how soon a return is told, and since when.

`python -m benchmarks.back [--quick] [--json FILE]`. Rates at 5 % are learned for two quiet days, then changed by a
factor. Half of the series stay there; the others return to their level an hour after they were detected. Turns a minute
are Poisson, hits binomial; where a series wanders, its log odds do, as an AR(1), from the first minute or only from the
change on. Everything is drawn from seed 47; the constants of the test were chosen on seed 900.
"""

from pathlib import Path
from typing import get_args

import click
import msgspec
import numpy as np

from benchmarks.back_page import Cell, Result, Wanders, page
from detectors import recovery
from detectors.base import SignalTable
from detectors.budget import ATTENTION, WEEK_MINUTES
from detectors.rate import RateDetector
from schemas.arrays import Bools, Floats
from schemas.panel import Panel
from schemas.score import Scores

SEED = 47
RATE, TOLERANCE = 0.05, 0.1
"""The quiet rate, and the change that nobody would care for."""
FACTORS = (1.5, 2.0, 3.0, 0.5, 0.0)
TURNS = (2, 20, 200)
WANDER_SD, WANDER_MINUTES = 0.2, 120.0
"""Standard deviation and time constant of the log odds of a series that wanders: a fifth, over two hours."""
DAY = 1_440
LAG = 5
"""Minutes between seeing and learning."""
WARM = 360
"""Quiet minutes that are judged before the change: evidence and filters are as they would be."""
HOLDS = 60
"""Minutes from the detection to the return."""
LOG_NOTE = float(np.log(10 * WEEK_MINUTES))
"""Detected at a return period of ten weeks: about a note for one of a thousand series."""
LOG_ATTENTION = LOG_NOTE - ATTENTION * float(np.log(WEEK_MINUTES / 100.0))
"""Evidence of an alert has faded below this: half the note's threshold for the fleet, with the same share."""
KEEP_MINUTES = 30
"""Minutes without evidence after which an alert cleared when this was the only rule (`severities.keep_firing`)."""


class Group:
    """Series of one number of turns, wandering or not, over all factors; the second half of them return."""

    def __init__(self, turns: int, wanders: Wanders, each: int, rng: np.random.Generator) -> None:
        """Begin with `each` series of every factor that stay, and as many that return."""
        self.turns, self.wanders, self.rng = turns, wanders, rng
        self.wandering = wanders == "always"
        self.factor = np.tile(np.repeat(np.arange(len(FACTORS)), each), 2)
        self.size = len(self.factor)
        self.returns = np.arange(self.size) >= self.size // 2
        yes = np.full(1, True)
        self.detector = RateDetector(SignalTable(np.log1p(np.full(1, TOLERANCE)), yes, yes))
        states = self.detector.baseline(), self.detector.evidence()
        self.baseline, self.evidence = self.detector.grow(*states, self.size, 1)
        self.wander = rng.normal(0.0, WANDER_SD, self.size)
        self.away = recovery.empty()
        never = np.full(self.size, np.nan)
        self.found, self.onset, self.told, self.faded = (never.copy() for _ in range(4))
        self.last = never.copy()

    def draw(self, minute: int, changed: Bools) -> Panel:
        """Draw one minute; `changed` series are at their factor."""
        keep = np.exp(-1.0 / WANDER_MINUTES)
        self.wander = keep * self.wander + self.rng.normal(0.0, WANDER_SD * np.sqrt(1 - keep**2), self.size)
        rate = np.where(changed, np.array(FACTORS)[self.factor], 1.0) * RATE
        odds = rate / (1.0 - rate) * np.exp(self.wander * self.wandering)
        n = self.rng.poisson(self.turns, self.size)
        zero = np.zeros(self.size)
        return Panel(
            kind="rate", minute=minute, n=n.astype(float), x=self.rng.binomial(n, odds / (1.0 + odds)).astype(float),
            mean_log=zero, var_log=zero, parent=np.full(self.size, -1), signal=np.zeros(self.size, dtype=np.int64),
            mix=zero, within=np.full(self.size, np.nan),
        )  # fmt: skip

    def quiet(self, minutes: int) -> None:
        """Learn quiet minutes, and judge the last of them."""
        waiting: list[Panel] = []
        everywhere, nowhere = np.full(self.size, True), np.full(self.size, False)
        for minute in range(minutes):
            waiting.append(self.draw(minute, nowhere))
            if minute >= minutes - WARM:
                self.evidence, _ = self.detector.step(self.baseline, self.evidence, waiting[-1])
            if len(waiting) > LAG:
                self.baseline = self.detector.learn(self.baseline, waiting.pop(0), everywhere)

    def change(self, start: int, minutes: int) -> None:
        """Change every series at `start`, bring half of them back, and write down what is told when."""
        self.wandering = self.wanders != "never"
        for minute in range(start, start + minutes):
            over = self.returns & (minute - self.found > HOLDS)
            panel = self.draw(minute, ~over)
            self.evidence, scores = self.detector.step(self.baseline, self.evidence, panel)
            self._test(panel)
            self._follow(panel, scores, start)

    def _test(self, panel: Panel) -> None:
        """Move the test of returns, and let go of the series that it tells."""
        rows = self.away.rows["row"].astype(np.int64)
        at = np.flatnonzero(panel.n[rows] > 0)
        if len(at):
            seen = self.detector.seen(self.baseline, panel, rows[at])
            back = rows[at[recovery.advance(self.away, panel.minute, at, seen, self.detector).back]]
            self.told[back] = panel.minute - self.found[back]
            self.away = recovery.kept(self.away, ~np.isin(rows, back))

    def _follow(self, panel: Panel, scores: Scores, start: int) -> None:
        """Write down what is found for the first time, and what has had no evidence for too long."""
        sign = np.where(np.array(FACTORS)[self.factor] > 1.0, 1, -1)
        far = scores.effect**scores.direction >= 1.0 + TOLERANCE
        right = (scores.direction == sign) & far
        new = np.flatnonzero(np.isnan(self.found) & right & (scores.log_r >= LOG_NOTE))
        self.found[new], self.onset[new] = panel.minute, scores.onset[new] - start
        sums = recovery.since_onset(panel, scores, new)
        self.away = recovery.begun(self.away, panel.minute, new, scores.direction[new], sums)
        self.last = np.where(right & (scores.log_r >= LOG_ATTENTION), panel.minute, self.last)
        gone = np.isnan(self.faded) & (panel.minute - self.last >= KEEP_MINUTES)
        self.faded = np.where(gone, panel.minute - self.found, self.faded)

    def cells(self, start: int) -> list[Cell]:
        """Give what was seen of every factor."""
        return [self._cell(start, k) for k in range(len(FACTORS))]

    def _cell(self, start: int, k: int) -> Cell:
        """Give what was seen of one factor; times of returns are counted from the return."""
        own = self.factor == k
        # Who was found too late cannot be followed for a day.
        found = own & (self.found - start < DAY)
        stay, back = found & ~self.returns, found & self.returns
        error = np.abs(self.onset[found])
        after = self.told[back] - HOLDS
        faded = self.faded[back] - HOLDS
        return Cell(
            turns=self.turns, wanders=self.wanders, factor=FACTORS[k], series=int(own.sum()), found=int(found.sum()),
            delay=_quantile(self.found[found] - start + 1.0, 0.5),
            onset_median=_quantile(error, 0.5), onset_most=_quantile(error, 0.9),
            stay=int(stay.sum()), called_over=int((self.told[stay] <= DAY).sum()),
            faded=int((self.faded[stay] <= DAY).sum()),
            back=int((after > 0).sum()), too_soon=int((after <= 0).sum()),
            back_median=_quantile(_late(after), 0.5), back_most=_quantile(_late(after), 0.9),
            fade_median=_quantile(_late(faded), 0.5), fade_most=_quantile(_late(faded), 0.9),
        )  # fmt: skip


def _late(minutes: Floats) -> Floats:
    """Leave out what was told before the return; what was never told takes for ever."""
    return np.where(np.isnan(minutes), np.inf, minutes)[~(minutes <= 0)]


def _quantile(values: Floats, share: float) -> float | None:
    """Give an observed quantile, None where there is none or it was not reached.

    >>> _quantile(np.array([3.0, 1.0, np.inf]), 0.5), _quantile(np.array([1.0, np.inf]), 0.9)
    (3.0, None)
    """
    if not len(values):
        return None
    found = float(np.quantile(values, share, method="higher"))
    return found if np.isfinite(found) else None


def measured(command: str, *, quick: bool) -> Result:
    """Run the whole board."""
    each, quiet = (8, DAY) if quick else (50, 2 * DAY)
    cells: list[Cell] = []
    for turns in TURNS[1:2] if quick else TURNS:
        for k, wanders in enumerate(get_args(Wanders)):
            group = Group(turns, wanders, each, np.random.default_rng([SEED, turns, k]))
            group.quiet(quiet)
            group.change(quiet, 2 * DAY)
            cells += group.cells(quiet)
    return Result(command=command, seed=SEED, rate=RATE, holds=HOLDS, keep=KEEP_MINUTES, cells=tuple(cells))


@click.command()
@click.option("--quick", is_flag=True, help="One size, a quiet day and few series: under a minute.")
@click.option("--json", "file", type=click.Path(dir_okay=False), help="Write the result to this file too.")
def main(*, quick: bool, file: str | None) -> None:
    """Measure the test of returns: wrongly told, delay beside the fading of evidence, and the error of the onset."""
    options = [*(["--quick"] if quick else []), *([f"--json {file}"] if file else [])]
    result = measured(" ".join(["python -m benchmarks.back", *options]), quick=quick)
    click.echo(page(result))
    if file:
        Path(file).write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")


if __name__ == "__main__":
    main()
