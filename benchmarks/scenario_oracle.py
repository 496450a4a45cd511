"""The oracle of the scenario board: how soon somebody could know who is told everything but the moment.

The oracle of a series knows the level and the shift, measured on the stream itself before and after the onset, and the
law of the background (`benchmarks.scenario_law`), fitted to the whole quiet part. It sums the likelihood ratios of all
possible onsets (Shiryaev-Roberts; Pollak, "Optimal detection of a change in distribution", Annals of Statistics 13,
1985), each with the wander filtered exactly on a grid, and alarms at the return period that the fleet's budget asks of
that series.
"""

from collections.abc import Callable

import msgspec
import numpy as np

from benchmarks.scenario_cells import LATENESS_MINUTES, Stream, Track
from benchmarks.scenario_law import LINKS, Law, fitted, log_sr, log_sr_shares, mix_shift, shares_of, shift_of
from benchmarks.verdicts import Truth
from detectors.budget import Budget
from detectors.count import CountDetector
from detectors.level import LevelDetector
from detectors.rate import RateDetector
from schemas.arrays import Floats
from schemas.settings import Detection

BUDGET = Budget.of(
    pages=Detection().false_pages_per_week,
    tickets=Detection().false_tickets_per_week,
    notes=Detection().false_notes_per_week,
)
"""The fleet's return periods, those of the default configuration."""
RAMP_MINUTES = {"r_version_canary": 240}
"""The change that grows: its generator moves the share over four hours, in a straight line, and the oracle knows it."""
QUIET_TRIALS_MIN = 50.0
"""Trials before the onset from which a law is fitted; with fewer there is none."""
DESIGN_STEP, DESIGN_MAX = 1.4, 60.0
"""By so much a design effect is raised at a time, and so far at the most."""


class Oracle(msgspec.Struct, frozen=True):
    """How soon the best right signal is known for sure: minutes after the onset, by the budgets of tickets and pages.

    A delay is None where the evidence never came so far, and `signal` is the one that was first. `blind_minutes` is the
    ticket of one who knows the law and not the shift.
    """

    signal: str
    ticket_minutes: float | None
    page_minutes: float | None
    blind_minutes: float | None
    signals: tuple["Known", ...]


class Known(msgspec.Struct, frozen=True):
    """What the oracle knows of one right signal in the affected cohort, and its delays in minutes.

    `per_minute` are trials a minute; `quiet_max` is the highest log evidence before the onset, `log_share` the log of
    the series' share of the budget.
    """

    signal: str
    per_minute: float
    law: Law
    shift: float
    log_share: float
    quiet_max: float
    ticket_minutes: float | None
    page_minutes: float | None
    blind_minutes: float | None


def oracle(stream: Stream, truth: Truth) -> Oracle | None:
    """Ask the oracle of every right signal of the affected cohort; None where nothing had to be found or is known."""
    if truth.onset is None or not truth.expected:
        return None
    direction = truth.expected[0].direction
    known = [each for name, track in stream.tracks.items() if (each := asked(name, track, stream, truth)) is not None]
    right = [each for each in known if direction == "any" or (each.shift > 0) == (direction == "up")]
    if not right:
        return None
    best = min(right, key=lambda each: (_late(each.ticket_minutes), _late(each.page_minutes)))
    pages, blind = (min(_late(getattr(each, name)) for each in right) for name in ("page_minutes", "blind_minutes"))
    return Oracle(best.signal, best.ticket_minutes, _told(pages), _told(blind), tuple(known))


def _late(minutes: float | None) -> float:
    return np.inf if minutes is None else minutes


def _told(minutes: float) -> float | None:
    return minutes if minutes < np.inf else None


def asked(name: str, track: Track, stream: Stream, truth: Truth) -> Known | None:
    """Ask the oracle of one series; None where no detector judges it or its quiet part says nothing of it.

    A fitted law that would have given a false ticket in the quiet part is no law: its design effect is raised until it
    gives none, and where that does not help nothing is known.
    """
    assert truth.onset is not None, "no change to ask of"
    onset = truth.onset.timestamp() / 60.0
    quiet = int(onset) - stream.first
    until = stream.minutes if truth.end is None else int(truth.end.timestamp() / 60.0) - stream.first
    ramp = RAMP_MINUTES.get(truth.scenario, 1)
    after = slice(quiet + ramp, until)
    if track.log_share == -np.inf or track.n[:quiet].sum() < QUIET_TRIALS_MIN or not track.n[after].sum():
        return None
    law, shift, evidence = (_of_shares if track.kind == "mix" else _of_level)(track, quiet, after, ramp)
    thresholds = [log_period - track.log_share for log_period in (BUDGET.ticket, BUDGET.page)]
    log_m = evidence(law)
    while log_m[:quiet].max() >= thresholds[0]:
        if law.design > DESIGN_MAX:
            return None
        law = msgspec.structs.replace(law, design=law.design * DESIGN_STEP)
        log_m = evidence(law)
    unknown = blind(track, law, quiet, until)
    told = [(log_m, thresholds[0]), (log_m, thresholds[1]), (unknown, thresholds[0])]
    reached = [np.flatnonzero(log[quiet:] >= threshold) for log, threshold in told]
    ends = stream.first + quiet + 1 + LATENESS_MINUTES
    delays = [round(float(ends + int(at[0]) - onset), 1) if len(at) else None for at in reached]
    per_minute = round(float((track.x if track.kind == "traffic" else track.n)[:quiet].mean()), 3)
    quiet_max = round(float(log_m[:quiet].max()), 2)
    return Known(name, per_minute, law, round(shift, 4), round(track.log_share, 3), quiet_max, *delays)


def blind(track: Track, law: Law, quiet: int, until: int) -> Floats:
    """Give the log evidence of one who knows level and law, and of the shift as much as our detectors.

    The mean of the statistics of the shifts that the detector of the kind seeks, up and down, each there at once; of
    other kinds -inf.
    """
    shifts = [d.shifts for d in (RateDetector, CountDetector, LevelDetector) if track.kind in d.kinds]
    if not shifts:
        return np.full(until, -np.inf)
    mix, at_once = mix_shift(track, quiet), np.ones(1)
    sought = np.concatenate([shifts[0], -shifts[0]])
    each = [log_sr(law, track.n[:until], track.x[:until], mix, float(shift), at_once) for shift in sought]
    return np.asarray(np.logaddexp.reduce(each, axis=0) - np.log(len(sought)))


Evidence = Callable[[Law], Floats]
"""Gives the log statistic of all minutes up to the end of the change under a law."""


def _of_level(track: Track, quiet: int, after: slice, ramp_minutes: int) -> tuple[Law, float, Evidence]:
    """Give the law of a level that wanders, how far it shifts, and the evidence of the shift."""
    until, ramp = after.stop, np.arange(1, ramp_minutes + 1) / ramp_minutes
    mix = mix_shift(track, quiet)
    law = fitted(LINKS[track.kind], track.n[:quiet], track.x[:quiet], track.squares[:quiet], mix[:quiet])
    shift = shift_of(law, track.n[after], track.x[after], mix[after])
    return law, shift, lambda each: log_sr(each, track.n[:until], track.x[:until], mix, shift, ramp)


def _of_shares(track: Track, quiet: int, after: slice, ramp_minutes: int) -> tuple[Law, float, Evidence]:
    """Give the law of shares, the nats that one count tells of the change, and the evidence; a ramp is not known."""
    before, then = shares_of(track.cell_n[:quiet]), shares_of(track.cell_n[after])
    nats = float((then * np.log(then / before)).sum())
    law = Law("shares", level=0.0, within=1.0, sigma=0.0, tau=1.0, design=1.0)
    return law, nats, lambda each: log_sr_shares(track.cell_n[: after.stop], before, then, each.design)
