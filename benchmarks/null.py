"""The null board: how often quiet traffic alarms, against what the budget allows.

`python -m benchmarks.null [--quick] [--series N] [--days D] [--seed N] [--json FILE] [--data DIR] [--rivals PYTHON]`
runs a fleet of N series (rates, counts and levels) on each of five nulls for D days; the first week is burn-in. All
that is unknown of a series is learned from the stream as in production: level, overdispersion, wandering, design
effect, and the audit's correction. Alarms are counted a series at a time (an alarm counts again only after the
evidence has fallen to half in log terms), before anything is folded into incidents. Beside ours stand plain rules and
dummies on the same minutes, and river's detectors where the interpreter of an environment that has them is given.

Nothing was chosen on the board's seed (20261121); development looked at seeds 1 to 3.
"""

import os
from pathlib import Path

import click
import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import chi2

from benchmarks.null_river import river_alarms
from benchmarks.null_rules import RULES, WINDOW_MINUTES, Rules
from benchmarks.null_streams import DAY, Real, Streams, real
from detectors import DETECTORS
from detectors.base import Detector, Shares, SignalTable
from detectors.budget import Budget
from pipelines.detect.watch import Watch
from schemas.arrays import Bools, Floats
from schemas.panel import Panel
from schemas.score import Level
from schemas.settings import Detection
from schemas.signal import SignalKind

ROOT = Path(__file__).resolve().parents[1]
SEED = 20_261_121
BURN_IN_DAYS = 7
WEEK = 7 * DAY
QUICK_SERIES, QUICK_DAYS = 60, 9
RIVER_SERIES = 60
"""River's detectors run one value at a time: so many series a null are enough to count their alarms."""
TOLERANCE = 0.1
"""The usual tolerance of a shipped signal."""
LEVELS = ((Level.NOTE, "note"), (Level.TICKET, "ticket"), (Level.PAGE, "page"))
NO_CELLS = Shares(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))


class Row(msgspec.Struct, frozen=True):
    """One null at one level: alarms seen, alarms the budget allows, and the exact 95 % interval of seen over allowed.

    `kept` says whether the promise holds: at note level the ratio lies in [0.1, 1], above, the interval is not wholly
    above 1.
    """

    null: str
    level: str
    seen: int
    allowed: float
    low: float
    high: float
    kept: bool


class Rival(msgspec.Struct, frozen=True):
    """Alarms of one rule a week and 1,000 series, for each null in the order of the result."""

    rule: str
    weekly: tuple[float, ...]


class Result(msgspec.Struct, frozen=True):
    """The board: `kinds` are our notes by kind, for each null in order."""

    command: str
    series: int
    days: int
    seed: int
    nulls: tuple[str, ...]
    rows: tuple[Row, ...]
    kinds: dict[str, tuple[int, ...]]
    rivals: tuple[Rival, ...]


def _detector(kind: SignalKind, nulls: int) -> Detector:
    """Make the detector of a kind; the tolerance is in its units, as in the product."""
    tolerance = np.log1p(TOLERANCE) / (np.log(2.0) if kind == "level" else 1.0)
    table = SignalTable(np.full(nulls, tolerance), np.full(nulls, True), np.full(nulls, True))
    return next(detector for detector in DETECTORS.values() if kind in detector.kinds)(table)


class Fleet:
    """Our detectors over all nulls: each null is a fleet of its own, and a signal of its own, so none helps another."""

    def __init__(self, streams: Streams) -> None:
        """Begin without a past."""
        self._streams = streams
        self._budget = Budget.of(
            Detection().false_pages_per_week, Detection().false_tickets_per_week, Detection().false_notes_per_week
        )
        nulls, accept_after = len(streams.nulls), Detection().accept_after_hours * 60.0
        self._watches = {kind: Watch([_detector(kind, nulls)], accept_after) for kind in streams.sizes}
        self._fleet = np.log(sum(streams.sizes.values()))
        self._thresholds = (self._budget.note, self._budget.ticket, self._budget.page)
        self._on = {kind: np.zeros((3, len(streams.signal(kind))), dtype=bool) for kind in streams.sizes}
        self.alarms = {kind: np.zeros((3, nulls)) for kind in streams.sizes}

    def step(self, kind: SignalKind, panel: Panel, *, counts: bool) -> None:
        """Judge one minute of one kind, learn, and count what began to alarm."""
        watch, nulls = self._watches[kind], len(self._streams.nulls)
        watch.mixed(panel, nulls, NO_CELLS)
        plain = watch.step(panel)[0]
        scores = watch.calibrated(panel, plain)
        log_fleet = scores.log_r - self._fleet
        # As in the product: a finding has to have moved by more than the tolerance.
        moved = np.where(scores.direction > 0, scores.effect, 1.0 / np.maximum(scores.effect, 1e-9)) >= 1 + TOLERANCE
        level = np.where(moved, self._budget.level(log_fleet), Level.NONE)
        watch.learn(panel, level >= Level.NOTE)
        watch.audit(panel, plain, np.full(len(level), True), level >= Level.PAGE)
        on = self._on[kind]
        for i, threshold in enumerate(self._thresholds):
            on[i], began = episodes(on[i], (log_fleet >= threshold) & moved, scores.log_r, threshold + self._fleet)
            if counts:
                self.alarms[kind][i] += np.bincount(panel.signal[began], minlength=nulls)


def episodes(on: Bools, over: Bools, log_r: Floats, threshold: float) -> tuple[Bools, Bools]:
    """Give which series alarm after a minute, and which have begun to, from which did and which are `over` now.

    An alarm ends where the evidence has fallen to half of the threshold. A minute without events (-inf) says nothing
    and ends nothing, or one alarm of a thin series would count anew after each empty minute.
    """
    ended = (log_r > -np.inf) & (log_r < threshold / 2.0)
    return (on | over) & ~ended, over & ~on


def panel_of(kind: SignalKind, minute: int, streams: Streams) -> Panel:
    """Draw the panel of one minute; every series is a top of its own."""
    quiet, signal = streams.draw(kind, minute), streams.signal(kind)
    return Panel(
        kind=kind, minute=minute, n=quiet.n, x=quiet.x, mean_log=quiet.mean_log, var_log=quiet.var_log,
        parent=np.full(len(signal), -1), signal=signal, mix=np.zeros(len(signal)), within=np.full(len(signal), np.nan),
    )  # fmt: skip


class Windows:
    """Sums a kind's minutes to windows of a quarter of an hour, for the rules; keeps some series whole for river."""

    def __init__(self, streams: Streams, kind: SignalKind, seed: int) -> None:
        """Begin an empty window."""
        self._kind = kind
        self._size = streams.sizes[kind]
        self._n, self._sum = np.zeros(0), np.zeros(0)
        self.rules = Rules(streams.signal(kind), len(streams.nulls), seed)
        self.kept: list[np.ndarray] = []

    def step(self, panel: Panel, *, counts: bool) -> None:
        """Add a minute; a full window goes to the rules."""
        value = panel.n * panel.mean_log if self._kind == "level" else panel.x
        self._n, self._sum = (self._n + panel.n, self._sum + value) if len(self._n) else (panel.n, value)
        if (panel.minute + 1) % WINDOW_MINUTES == 0:
            mean = np.where(self._n > 0, self._sum / np.maximum(self._n, 1.0), np.nan)
            self.rules.step(mean, counts=counts)
            self.kept.append(mean.reshape(-1, self._size)[:, : RIVER_SERIES // 3].astype(np.float32))
            self._n, self._sum = np.zeros(0), np.zeros(0)


def measured(series: int, days: int, seed: int, shared: Real | None, rivals: str, command: str) -> Result:
    """Run the board."""
    streams = Streams(series, days * DAY, seed, shared)
    fleet = Fleet(streams)
    windows = {kind: Windows(streams, kind, seed) for kind in streams.sizes}
    for minute in range(days * DAY):
        counts = minute >= BURN_IN_DAYS * DAY
        for kind in streams.sizes:
            panel = panel_of(kind, minute, streams)
            fleet.step(kind, panel, counts=counts)
            windows[kind].step(panel, counts=counts)
        if (minute + 1) % DAY == 0:
            click.echo(f"day {minute // DAY + 1} of {days}", err=True)
    weeks = (days - BURN_IN_DAYS) / 7.0
    total = np.sum(list(fleet.alarms.values()), axis=0)
    weekly = 1_000.0 / (sum(streams.sizes.values()) * weeks)
    plain = [Rival(rule, _weekly(windows, rule, weekly)) for rule in RULES]
    river = river_alarms(rivals, {k: np.array(w.kept) for k, w in windows.items()}, BURN_IN_DAYS * DAY // 15)
    scaled = 1_000.0 / (3 * (RIVER_SERIES // 3) * weeks)
    plain += [Rival(rule, tuple(round(count * scaled, 1) for count in counts)) for rule, counts in river.items()]
    return Result(
        command=command, series=series, days=days, seed=seed, nulls=streams.nulls,
        rows=tuple(_row(null, i, total[i, k], weeks) for k, null in enumerate(streams.nulls) for i in range(3)),
        kinds={kind: tuple(int(v) for v in alarms[0]) for kind, alarms in fleet.alarms.items()},
        rivals=tuple(plain),
    )  # fmt: skip


def _weekly(windows: dict[SignalKind, Windows], rule: str, weekly: float) -> tuple[float, ...]:
    alarms = np.sum([w.rules.alarms[rule] for w in windows.values()], axis=0)
    return tuple(round(float(v) * weekly, 1) for v in alarms)


def _row(null: str, i: int, seen: float, weeks: float) -> Row:
    level, name = LEVELS[i]
    detection = Detection()
    budget = {
        Level.NOTE: detection.false_notes_per_week, Level.TICKET: detection.false_tickets_per_week,
        Level.PAGE: detection.false_pages_per_week,
    }[level]  # fmt: skip
    allowed = budget * weeks
    low = float(chi2.ppf(0.025, 2 * seen) / 2) if seen else 0.0
    high = float(chi2.ppf(0.975, 2 * seen + 2) / 2)
    kept = allowed / 10 <= seen <= allowed if level is Level.NOTE else low <= allowed
    return Row(null, name, int(seen), round(allowed, 2), round(low / allowed, 3), round(high / allowed, 3), bool(kept))


@click.command(help=__doc__)
@click.option("--quick", is_flag=True, help=f"{QUICK_SERIES} series for {QUICK_DAYS} days: a look, no measurement.")
@click.option("--series", default=1_000, show_default=True, help="Series a null.")
@click.option("--days", default=28, show_default=True, help="Days, the first week of them burn-in.")
@click.option("--seed", default=SEED, show_default=True, help="Seed of the streams.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write the result there.")
@click.option("--data", type=click.Path(path_type=Path), help="The shared data folder; else LIMEN_SHARED_DATA.")
@click.option("--rivals", default="", help="Python of an environment with requirements/rivals.txt.")
def main(*, quick: bool, series: int, days: int, seed: int, file: Path | None, data: Path | None, rivals: str) -> None:
    """Run the null board and print it."""
    series, days = (QUICK_SERIES, QUICK_DAYS) if quick else (series, days)
    folder = data or Path(os.environ.get("LIMEN_SHARED_DATA", str(ROOT.parent / "shared" / "data")))
    shared = real(folder, np.random.default_rng(seed)) if (folder / "arrivals").is_dir() else None
    if shared is None:
        click.echo("the shared data is not here, so there is no shuffled null; LIMEN_SHARED_DATA names its folder")
    command = f"python -m benchmarks.null{' --quick' if quick else ''} --json benchmarks/results/null.json"
    result = measured(series, days, seed, shared, rivals, command)
    show(result)
    if file:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")


def show(result: Result) -> None:
    """Print the board."""
    console = Console()
    ours = Table("null", "level", "seen", "allowed", "seen / allowed, 95 %", "kept")
    for row in result.rows:
        ratio = f"{row.seen / row.allowed:.2f} [{row.low:.2f}, {row.high:.2f}]"
        ours.add_row(row.null, row.level, str(row.seen), f"{row.allowed:g}", ratio, "yes" if row.kept else "NO")
    console.print(ours)
    others = Table("alarms a week and 1,000 series", *result.nulls)
    for rival in result.rivals:
        others.add_row(rival.rule, *(f"{v:,.1f}" for v in rival.weekly))
    console.print(others)
    console.print(f"notes by kind: {result.kinds}")


if __name__ == "__main__":
    main()
