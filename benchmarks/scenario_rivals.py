"""Rules that a team might write instead, and dummies, on the streams of the scenario board.

A rule looks at every series of ten signals in every configured grouping set: the mean of a window against the day
before it. It is silent until it has a day of history. Window means rest on at least as many trials as the product shows
a value for; traffic is events a minute. The dummies show what the count of found changes is worth.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from benchmarks.scenario_cells import LATENESS_MINUTES, QUARTER_MINUTES, Series, Stream
from benchmarks.verdicts import IN_TIME_MINUTES, Truth, scope_match
from schemas.arrays import Bools, Floats, Ints

SIGNALS = (
    *("refusal_rate", "safety_trigger_rate", "tool_calls_per_turn", "tool_error_rate", "latency_ms", "input_tokens"),
    *("output_tokens", "prompt_chars", "response_chars", "traffic"),
)
"""What a dashboard of such a system shows."""
DAY_QUARTERS = 96
HISTORY_MIN = 12
"""Window means of the day before that a rule needs; fewer give no standard deviation to speak of."""
LEAST_TRIALS = {"refusal_rate": 20.0, "safety_trigger_rate": 20.0, "tool_error_rate": 20.0}
LEAST_OF_OTHERS = 10.0
"""Fewer trials in a window are noise: the product's own least n of a minute."""
RANDOM_SHARE = 0.001
"""The random dummy alarms on a series in one of a thousand looks: as often as three standard deviations, were means
normal and independent."""
PERIOD_QUARTERS = 24
"""The periodic dummy alarms on every series every six hours."""
SEED = 4


class Rule(msgspec.Struct, frozen=True):
    """A rule: a window of some quarters, looked at every `step` quarters, against the 24 hours before it.

    It alarms where the mean stands further from that of the day than `sigmas` standard deviations of window means, and
    further than `share` of the day's mean.
    """

    name: str
    quarters: int
    step: int
    sigmas: float
    share: float = 0.0


RULES = (
    Rule("3 sigma, 15-minute windows", 1, 1, 3.0),
    Rule("5 sigma, 15-minute windows", 1, 1, 5.0),
    Rule("4 sigma, 60-minute windows", 4, 4, 4.0),
    Rule("hour mean outside 24 h mean ± max(2 sd, 50 %)", 4, 1, 2.0, 0.5),
)
"""Three rules of thumb, and the adaptive bands of the published Grafana rules."""
Dummy = Literal["never", "always", "random", "periodic"]
DUMMIES: tuple[Dummy, ...] = ("never", "always", "random", "periodic")


class Heard(msgspec.Struct, frozen=True):
    """What one rule said of one stream; `found` is None where nothing had to be found, delays are in minutes."""

    rule: str
    found: bool | None
    delay_minutes: float | None
    false_alarms: int


def windows(stream: Stream, quarters: int) -> Floats:
    """Give the mean of the last `quarters` at the end of every quarter [S x Q], NaN where there were too few trials."""
    n, x = (_last(each, quarters) for each in (stream.n, stream.x))
    names = [name for name, _ in stream.series]
    least = np.array([LEAST_TRIALS.get(name, LEAST_OF_OTHERS) for name in names])[:, None]
    mean = np.where(n >= least, x / np.maximum(n, 1.0), np.nan)
    traffic = np.array([name == "traffic" for name in names])
    mean[traffic] = x[traffic] / (quarters * QUARTER_MINUTES)
    mean[:, : quarters - 1] = np.nan
    return mean


def _last(values: Floats, quarters: int) -> Floats:
    """Sum the last so many columns at each column.

    >>> _last(np.array([[1.0, 2.0, 4.0]]), 2).tolist()
    [[1.0, 3.0, 6.0]]
    """
    total = np.cumsum(np.pad(values, ((0, 0), (quarters, 0))), axis=1)
    return np.asarray(total[:, quarters:] - total[:, :-quarters])


def alarms(rule: Rule, means: Floats) -> Ints:
    """Give where a rule alarms on window means [S x Q]: 1 above, -1 below, 0 not at all or not looked."""
    found = np.zeros(means.shape, dtype=np.int64)
    for at in range(DAY_QUARTERS + rule.quarters - 1, means.shape[1]):
        if (at + 1) % rule.step:
            continue
        last = at - rule.quarters
        past = means[:, last - DAY_QUARTERS + 1 : last + 1][:, :: -rule.step]
        known = np.isfinite(past)
        count = known.sum(axis=1)
        centre = np.where(known, past, 0.0).sum(axis=1) / np.maximum(count, 1)
        squares = np.where(known, (past - centre[:, None]) ** 2, 0.0).sum(axis=1)
        spread = np.sqrt(squares / np.maximum(count - 1, 1))
        gap = means[:, at] - centre
        limit = np.maximum(rule.sigmas * spread, rule.share * np.abs(centre))
        with np.errstate(invalid="ignore"):
            out = (count >= HISTORY_MIN) & (np.abs(gap) > limit)
        found[:, at] = np.where(out, np.sign(np.nan_to_num(gap)), 0)
    return found


def pretended(dummy: Dummy, shape: tuple[int, int]) -> Ints:
    """Give the alarms [S x Q] of a dummy: never, always, at random, or every six hours; any direction is right."""
    if dummy == "random":
        return (np.random.default_rng(SEED).random(shape) < RANDOM_SHARE).astype(np.int64)
    at = np.arange(shape[1])
    one = {"never": at < 0, "always": at >= 0, "periodic": at % PERIOD_QUARTERS == PERIOD_QUARTERS - 1}[dummy]
    return np.broadcast_to(one, shape).astype(np.int64)


def episodes(alarming: Bools, quarters: int) -> Bools:
    """Say where an alarm counts [S x Q]: the first after at least one whole window of quiet.

    >>> episodes(np.array([[True, True, False, True, False, False, True]]), 2).astype(int).tolist()
    [[1, 0, 0, 0, 0, 0, 1]]
    """
    recent = _last(alarming.astype(float), quarters + 1) - alarming
    return np.asarray(alarming & (recent < 0.5))


def heard(stream: Stream, truth: Truth) -> tuple[Heard, ...]:
    """Give what every rule and every dummy said of a stream."""
    means = {rule.quarters: windows(stream, rule.quarters) for rule in RULES}
    return (
        *(
            judged(rule.name, alarms(rule, means[rule.quarters]), rule.quarters, stream, truth, directed=True)
            for rule in RULES
        ),
        *(judged(dummy, pretended(dummy, stream.n.shape), 1, stream, truth, directed=False) for dummy in DUMMIES),
    )


def judged(name: str, found: Ints, quarters: int, stream: Stream, truth: Truth, *, directed: bool) -> Heard:
    """Compare alarms [S x Q] with the truth of a stream, as the verdicts do with incidents.

    An alarm on a right signal within half a day of the onset finds the change where its cohort is right, coarser or
    finer, and its direction right if the truth states one. Alarms before the onset are false; in a stream without a
    change those on signals that must stay quiet.
    """
    ends = stream.first + QUARTER_MINUTES * (1 + np.arange(found.shape[1]))
    began = episodes(found != 0, quarters)
    if truth.onset is None:
        quiet = [_quiet(series, truth.must_not_page) for series in stream.series]
        return Heard(name, None, None, int(began[quiet].sum()))
    onset = truth.onset.timestamp() / 60.0
    false = int(began[:, ends <= onset].sum())
    if not truth.expected:
        return Heard(name, None, None, false)
    want = truth.expected[0]
    rows = [each in want.signals and scope_match(dict(cohort), want.scope) != "wrong" for each, cohort in stream.series]
    right = found[rows] != 0
    if directed and want.direction != "any":
        right = found[rows] == (1 if want.direction == "up" else -1)
    times = ends[right.any(axis=0) & (ends > onset) & (ends <= onset + IN_TIME_MINUTES)]
    delay = round(float(times.min() - onset + LATENESS_MINUTES), 1) if len(times) else None
    return Heard(name, delay is not None, delay, false)


def _quiet(series: Series, must_not_page: Sequence[str]) -> bool:
    """Say whether an alarm on a series of a stream without a change is false."""
    return "*" in must_not_page or series[0] in must_not_page
