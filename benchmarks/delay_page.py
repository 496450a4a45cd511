"""The result of the delay board, and the section that is made from it."""

import math
from collections.abc import Callable, Iterable
from functools import partial
from textwrap import fill

import msgspec

from benchmarks.delay_streams import TRAFFIC
from benchmarks.tables import markdown

OURS, CUSUM, SR = "limen", "oracle CUSUM", "oracle Shiryaev-Roberts"
ORACLES = {"independent": CUSUM, "overdispersed": CUSUM, "wandering": SR}
"""Where the level wanders, Page's recursion is no longer the best rule, and the exact sum over all onsets is."""
TARGETS = {"independent": 1.3, "overdispersed": 2.0, "wandering": 2.0}
STRETCH = 720
"""Minutes of a quiet stretch, and the longest delay that is waited for: half a day."""
SEEN_WITHIN = STRETCH / 2
"""A case counts where the oracle needs at most half of the longest delay: only there could a ratio of two be seen."""


SMALL, THIN = 1.25, TRAFFIC[0]
"""The smallest shift and the thinnest traffic, where misses are expected."""
AT_ONCE = 1.05
"""A mean delay below this is a minute in all but one series of twenty."""


class Cell(msgspec.Struct, frozen=True):
    """One statistic in one cell.

    `alarmed` is the share of quiet stretches with an alarm, `delay` the mean delay in minutes and `missed` the share of
    series not found in time, one entry a shift each.
    """

    kind: str
    background: str
    traffic: int
    rule: str
    alarmed: tuple[float, ...]
    delay: tuple[float, ...]
    missed: tuple[float, ...]


class Result(msgspec.Struct, frozen=True):
    """What the benchmark writes as JSON, and `docs/benchmarks.md` is made from."""

    command: str
    seed: int
    series: int
    burn_in_days: int
    quiet_days: int
    tolerance: float
    shifts: tuple[float, ...]
    cells: tuple[Cell, ...]


class Case(msgspec.Struct, frozen=True):
    """One shift in one cell: mean minutes of a rule and of the oracle, and the share of series the rule missed."""

    kind: str
    background: str
    traffic: int
    shift: float
    delay: float
    oracle: float
    missed: float

    @property
    def place(self) -> tuple[str, str, int]:
        """Give the cell."""
        return self.kind, self.background, self.traffic

    @property
    def ratio(self) -> float:
        """Give how many times as long as the oracle the rule takes."""
        return self.delay / self.oracle

    @property
    def kept(self) -> bool:
        """Say whether the ratio is within the target of its background."""
        return self.ratio <= TARGETS[self.background]

    @property
    def counts(self) -> bool:
        """Say whether the oracle is fast enough for the ratio to mean something."""
        return self.oracle <= SEEN_WITHIN


def cases(result: Result, rule: str = OURS, oracle: str | None = None) -> list[Case]:
    """Compare a rule with the oracle of each background, or with the named one, in every cell and shift."""
    by_name = {(cell.kind, cell.background, cell.traffic, cell.rule): cell for cell in result.cells}
    found = []
    for (kind, background, traffic, name), cell in by_name.items():
        if name == rule:
            best = by_name[kind, background, traffic, oracle or ORACLES[background]]
            numbers = zip(result.shifts, cell.delay, best.delay, cell.missed, strict=True)
            found += [Case(kind, background, traffic, *each) for each in numbers]
    return found


def mean_ratio(some: Iterable[Case]) -> str:
    """Give the geometric mean ratio of the cases that count.

    >>> mean_ratio([Case("rate", "wandering", 2, 2.0, *each, 0.0) for each in ((8.0, 1.0), (4.0, 2.0), (720.0, 700.0))])
    '4.00'
    """
    logs = [math.log(case.ratio) for case in some if case.counts]
    return f"{math.exp(sum(logs) / len(logs)):.2f}" if logs else "-"


def page(result: Result) -> str:
    """Give the section of `docs/benchmarks.md` as Markdown."""
    ours = cases(result)
    backgrounds = list(dict.fromkeys(case.background for case in ours))
    kinds = list(dict.fromkeys(case.kind for case in ours))
    shifts: Groups = [(f"x{value:g}", partial(_shifted, value)) for value in result.shifts]
    traffics: Groups = [
        (f"{value:,} a minute", partial(_busy, value)) for value in dict.fromkeys(case.traffic for case in ours)
    ]
    return f"""## Delay: minutes to see a change, against an oracle

`{result.command}` (seed {result.seed})

{_filled(_preface(result))}

{_summary(ours, cases(result, oracle=CUSUM), backgrounds, kinds)}
{_misses(result, ours)}

Geometric mean ratios by shift and by traffic:

{_by(backgrounds, ours, shifts)}
{_by(backgrounds, ours, traffics)}
{_rules(result, backgrounds)}
{_filled(_legend())}

{_details(result, ours)}"""


def _preface(result: Result) -> str:
    """Say what was compared with what."""
    return f"""In each of 36 cells (rates of 2 to 5 %, counts of 0.3 to 1.2 a turn, levels scattering by 1.2 doublings;
independent minutes, 30 % fresh noise a minute, or an AR(1) of 25 % over 90 minutes; 2 to 2,000 events a minute) stand
{result.series} series. Ours learns level, noise and wander in {result.burn_in_days} days and goes on as in production,
at a tolerance of {100 * result.tolerance:.0f} %; it looks both ways for changes of any size. The oracle knows the
level, the law of the background and the shift, and only not the onset: Page's CUSUM of the exact likelihood
ratio, which has the least worst delay for a known shift where minutes do not depend on each other (Lorden 1971;
Moustakides 1986). It is a bound: no rule can be at 1 for all shifts at once. Under wander Page's recursion is no bound,
and the oracle is the exact Shiryaev-Roberts sum over all onsets.

False alarms are equal as measured: {result.quiet_days} quiet days give every statistic of every cell, the oracle's of
every shift too, the threshold at which one quiet stretch of {STRETCH // 60} hours in ten holds an alarm: about one in
five days a series. Delays are means over the series and count from the first minute affected, so 1 is the least; after
{STRETCH} minutes the wait ends. A case (a shift in a cell) counts where the oracle needs at most {SEEN_WITHIN:.0f}
minutes, so that a ratio of two could be seen. Development looked at seeds 1 to 3."""


def _legend() -> str:
    """Say how the details are read."""
    return f"""Minutes of `limen` / of the oracle in every case; `>` marks cases in which `limen` did
not find all series within {STRETCH} minutes, so that its mean is a lower bound, and `-` those
in which the oracle takes more than {SEEN_WITHIN:.0f} minutes itself:"""


def _filled(text: str) -> str:
    """Set paragraphs anew in lines of equal length."""
    return "\n\n".join(fill(part, 120, break_on_hyphens=False) for part in text.split("\n\n"))


def _summary(ours: list[Case], against_cusum: list[Case], backgrounds: list[str], kinds: list[str]) -> str:
    """Give the ratios by kind and background."""
    lines = []
    for background in backgrounds:
        for kind in kinds:
            some = [c for c in ours if (c.background, c.kind) == (background, kind) and c.counts]
            others = [c for c in against_cusum if (c.background, c.kind) == (background, kind)]
            if some:
                worst = max(some, key=lambda c: c.ratio)
                lines.append(
                    [background, kind, f"{TARGETS[background]:g}", mean_ratio(some), mean_ratio(others),
                     f"{sum(c.kept for c in some)} of {len(some)}",
                     f"{sum(c.kept or c.delay - c.oracle <= 1.0 for c in some)} of {len(some)}",
                     f"{worst.ratio:.1f} (x{worst.shift:g}, {worst.traffic:,} a minute)"]
                )  # fmt: skip
    head = ["background", "kind", "target", "mean ratio", "to the CUSUM", "within the target", "or a minute", "worst"]
    return markdown(head, lines)


def _misses(result: Result, ours: list[Case]) -> str:
    """Say where the target is missed, each case under the first reason that fits."""
    counted = [case for case in ours if case.counts]
    left = [case for case in counted if not case.kept]
    at_once = sum(case.oracle < AT_ONCE for case in counted)
    by_one = sum(case.delay - case.oracle <= 1.0 for case in left)
    head = f"""The target is missed in {len(left)} of the {len(counted)} cases that count,
{by_one} of them by a minute or less.
In {at_once} cases the oracle takes a single minute: there a ratio of 1 is easy, and one more minute is 2."""
    least: dict[tuple[str, str, int], float] = {}
    for case in ours:
        least[case.place] = min(case.delay, least.get(case.place, math.inf))
    lines = []
    for name, fits in (
        ("no change, however large, is seen as fast", lambda c: least[c.place] > TARGETS[c.background] * c.oracle),
        (f"x{SMALL:g}", lambda c: c.shift == SMALL),
        ("wander", lambda c: c.background == "wandering"),
        (f"{THIN} events a minute", lambda c: c.traffic == THIN),
        ("others", lambda c: c.counts),
    ):
        some = [case for case in left if fits(case)]
        left = [case for case in left if not fits(case)]
        lines.append([name, str(len(some)), mean_ratio(some)])
    edge = 1.0 + result.tolerance
    why = f"""Why: a minute of one event says at most one nat, and one of n events log n more, so that no single answer
wakes anybody; however large a change is, ours takes a minute or a few until evidence has come together.
Of x{SMALL:g} a share of
{100 * math.log(edge) / math.log(SMALL):.0f} % lies within the tolerance, where nothing is called a change, and the
factor of {SMALL / edge:.2f} that is left is below the smallest sought. Under wander the oracle sees a jump that the
wander it knows cannot make, before its filter has taken the jump for wander; ours has learned the wander from days, and
takes it for larger than it found it. What it does not see as a jump it sees only as a level that fails to come back."""
    return f"""{_filled(head)}

{markdown(["missed, by the first that fits", "cases", "mean ratio"], lines)}
{_filled(why)}"""


Groups = list[tuple[str, Callable[[Case], bool]]]


def _shifted(shift: float, case: Case) -> bool:
    return case.shift == shift


def _busy(traffic: int, case: Case) -> bool:
    return case.traffic == traffic


def _by(backgrounds: list[str], ours: list[Case], groups: Groups) -> str:
    """Give mean ratios of groups of cases, a line a background."""
    lines = [
        [background, *(mean_ratio(c for c in ours if c.background == background and test(c)) for _, test in groups)]
        for background in backgrounds
    ]
    return markdown(["background", *(title for title, _ in groups)], lines)


def _rules(result: Result, backgrounds: list[str]) -> str:
    """Compare all rules."""
    lines = []
    for rule in dict.fromkeys(cell.rule for cell in result.cells):
        some = cases(result, rule)
        counted = [case for case in some if case.counts]
        lines.append(
            [rule, *(mean_ratio(c for c in some if c.background == background) for background in backgrounds),
             f"{100 * sum(c.missed for c in counted) / max(len(counted), 1):.1f}"]
        )  # fmt: skip
    head = ["rule, at equal false alarms", *(f"{name}, mean ratio" for name in backgrounds), "series missed, in %"]
    return markdown(head, lines)


def _details(result: Result, ours: list[Case]) -> str:
    """Give both delays in every cell and shift."""
    lines: dict[tuple[str, str, int], list[str]] = {}
    for case in ours:
        text = f"{'>' * (case.missed > 0)}{case.delay:.1f} / {case.oracle:.1f}" if case.counts else "-"
        lines.setdefault(case.place, []).append(text)
    head = ["kind", "background", "events a minute", *(f"x{shift:g}" for shift in result.shifts)]
    return markdown(head, [[kind, where, f"{n:,}", *texts] for (kind, where, n), texts in lines.items()])
