"""The delay board: minutes to see a change, against an oracle that knows all but the onset, at equal false alarms.

`python -m benchmarks.delay [--quick] [--seed N] [--tolerance T] [--json FILE]` runs 36 cells (rates, counts and levels;
independent, overdispersed and wandering minutes; 2 to 2,000 events a minute), in each some tens of series. Ours learns
all that is unknown in two days and goes on learning as in production. A quiet run then gives every statistic of every
cell the threshold at which one quiet stretch of twelve hours in ten holds an alarm: the oracle's, ours and those of
plain charts alike. Then the level shifts, each shift in a copy of its own, and the minutes to the alarm are counted
from the first one affected, 720 at most.

Nothing was chosen on the board's seed (20261121); development looked at seeds 1 to 3.
"""

import copy
from pathlib import Path

import click
import msgspec
import numpy as np

from benchmarks.delay_oracle import Oracle
from benchmarks.delay_ours import TOLERANCE, Ours
from benchmarks.delay_page import CUSUM, OURS, SR, STRETCH, Cell, Result, page
from benchmarks.delay_rivals import Rivals
from benchmarks.delay_streams import BACKGROUNDS, KINDS, SHIFTS, TRAFFIC, Streams, level_of
from schemas.arrays import Floats, Ints
from schemas.signal import SignalKind

SEED = 20_261_121
DAY = 1_440
ALARMED = 0.1
"""Share of quiet stretches that may hold an alarm: about one alarm in five days a series, which four quiet days of some
tens of series can still show."""
ONSETS = 120
"""Onsets lie spread over two hours, so that no chart's own windows favour one of them."""


class Plan(msgspec.Struct, frozen=True):
    """How large a run is."""

    series: int
    burn_in_days: int
    quiet_days: int
    seed: int
    tolerance: float
    shifts: tuple[float, ...]


FULL = Plan(series=48, burn_in_days=2, quiet_days=4, seed=SEED, tolerance=TOLERANCE, shifts=SHIFTS)
QUICK = Plan(series=10, burn_in_days=1, quiet_days=1, seed=SEED, tolerance=TOLERANCE, shifts=(2.0, 5.0, 0.5))


class Bench:
    """Streams and statistics of one kind at one moment; a deep copy goes on by itself."""

    def __init__(self, kind: SignalKind, plan: Plan) -> None:
        """Begin at minute 0, without a past."""
        self.streams = Streams(kind, plan.series, plan.seed)
        size, cells = len(self.streams.level), len(BACKGROUNDS) * len(TRAFFIC)
        factors = np.array(plan.shifts)
        self.shifts = level_of(kind, self.streams.value[:, None] * factors) - self.streams.level[:, None]
        self._ours = Ours(kind, cells, len(KINDS) * size, plan.tolerance)
        self._oracle = Oracle(self.streams, self.shifts)
        self._rivals = Rivals(size, plan.seed)
        self.minute = 0

    def only(self, shift: int) -> None:
        """Go on with the oracle of one shift, and with draws of its own."""
        self._oracle.only(shift)
        self.streams.rng = self.streams.rng.spawn(shift + 1)[shift]

    def learn(self, minutes: int) -> None:
        """Let ours and the charts learn; the oracle has nothing to learn and looks on at the end only."""
        none = np.zeros(len(self.streams.level))
        for left in range(minutes, 0, -1):
            self.step(none, oracle=left <= STRETCH)

    def step(self, shift: Floats, *, oracle: bool = True) -> dict[str, Floats]:
        """Give every statistic [rows x 1, the oracle's rows x J] after one more minute."""
        panel = self.streams.draw(self.minute, shift)
        self.minute += 1
        cusum, sr = self._oracle.step(panel) if oracle else (np.zeros(0), np.zeros(0))
        others = {OURS: self._ours.step(panel), **self._rivals.step(panel)}
        return {CUSUM: cusum, SR: sr, **{rule: value[:, None] for rule, value in others.items()}}


def threshold(most: Floats) -> tuple[float, float]:
    """Give the least value that at most a tenth of the stretches' largest reach, and the share that does.

    >>> threshold(np.array([1.0, 2.0, 2.0, 3.0] * 5 + [9.0]))
    (9.0, 0.047619047619047616)
    """
    values, counts = np.unique(most, return_counts=True)
    reached = counts[::-1].cumsum()[::-1] / len(most)
    fits = np.flatnonzero(reached <= ALARMED)
    return (float(values[fits[0]]), float(reached[fits[0]])) if len(fits) else (np.inf, 0.0)


def quiet_run(bench: Bench, days: int) -> dict[str, Floats]:
    """Give the largest value of every stretch [stretches x rows x J], rule by rule."""
    none = np.zeros(len(bench.streams.level))
    found: dict[str, list[Floats]] = {}
    for at in range(days * DAY):
        for rule, value in bench.step(none).items():
            if at % STRETCH == 0:
                found.setdefault(rule, []).append(value)
            else:
                found[rule][-1] = np.maximum(found[rule][-1], value)
    return {rule: np.stack(most) for rule, most in found.items()}


def delays(bench: Bench, shift: int, thresholds: dict[str, Floats]) -> dict[str, Floats]:
    """Shift every series of a copy and give the minutes until each rule's alarm [rows], 0 where there was none."""
    bench = copy.deepcopy(bench)
    bench.only(shift)
    size, signal = len(bench.streams.level), bench.streams.signal
    onset: Ints = np.arange(size) * 37 % ONSETS
    # Only the oracle has thresholds by shift.
    limits = {rule: at[signal, shift % at.shape[1]] for rule, at in thresholds.items()}
    found = {rule: np.zeros(size) for rule in thresholds}
    for at in range(ONSETS + STRETCH):
        age = at - onset + 1
        moved = np.where(age > 0, bench.shifts[:, shift], 0.0)
        timely = (age > 0) & (age <= STRETCH)
        seen = bench.step(moved)
        for rule, limit in limits.items():
            over = (seen[rule][:, 0] >= limit) & timely & (found[rule] == 0.0)
            found[rule] = np.where(over, age, found[rule])
    return found


def measured_kind(kind: SignalKind, plan: Plan) -> list[Cell]:
    """Run all cells of a kind."""
    bench = Bench(kind, plan)
    bench.learn(plan.burn_in_days * DAY)
    cells = len(BACKGROUNDS) * len(TRAFFIC)
    limits, alarmed = {}, {}
    for rule, most in quiet_run(bench, plan.quiet_days).items():
        by_cell = most.reshape(len(most), cells, plan.series, -1)
        pairs = np.array([[threshold(by_cell[:, c, :, j].ravel()) for j in range(most.shape[2])] for c in range(cells)])
        limits[rule], alarmed[rule] = pairs[:, :, 0], pairs[:, :, 1]
    click.echo(f"{kind}: thresholds measured", err=True)
    runs = []
    for shift, factor in enumerate(plan.shifts):
        runs.append(delays(bench, shift, limits))
        click.echo(f"{kind}: x{factor:g}", err=True)
    made = []
    for rule in limits:
        waited = np.stack([run[rule].reshape(cells, plan.series) for run in runs], axis=1)
        mean, missed = np.where(waited > 0, waited, STRETCH).mean(axis=2), (waited == 0).mean(axis=2)
        for c in range(cells):
            place = BACKGROUNDS[c // len(TRAFFIC)], TRAFFIC[c % len(TRAFFIC)]
            shares = np.broadcast_to(alarmed[rule][c], len(plan.shifts))
            numbers = (tuple(float(v) for v in each.round(3)) for each in (shares, mean[c], missed[c]))
            made.append(Cell(kind, *place, rule, *numbers))
    return made


def measured(plan: Plan, command: str) -> Result:
    """Run the board."""
    cells = [cell for kind in KINDS for cell in measured_kind(kind, plan)]
    return Result(
        command=command, seed=plan.seed, series=plan.series, burn_in_days=plan.burn_in_days,
        quiet_days=plan.quiet_days, tolerance=plan.tolerance, shifts=plan.shifts, cells=tuple(cells),
    )  # fmt: skip


@click.command(help=__doc__)
@click.option("--quick", is_flag=True, help="Few series, days and shifts: a look, no measurement.")
@click.option("--seed", default=SEED, show_default=True, help="Seed of the streams.")
@click.option("--tolerance", default=TOLERANCE, show_default=True, help="Change that nobody would care for.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write the result there.")
def main(*, quick: bool, seed: int, tolerance: float, file: Path | None) -> None:
    """Measure detection delays and print the board."""
    plan = msgspec.structs.replace(QUICK if quick else FULL, seed=seed, tolerance=tolerance)
    options = [*(["--quick"] if quick else []), *([f"--seed {seed}"] if seed != SEED else [])]
    options += [f"--tolerance {tolerance:g}"] if tolerance != TOLERANCE else []
    command = " ".join(["python -m benchmarks.delay", *options, "--json benchmarks/results/delay.json"])
    result = measured(plan, command)
    click.echo(page(result))
    if file:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")


if __name__ == "__main__":
    main()
