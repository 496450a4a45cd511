"""A breach is what a broken limit has to say beyond its bound: budgets, groups apart, what moved, bad input."""

import msgspec


class Burn(msgspec.Struct, frozen=True, tag="burn"):
    """An error budget that burns: `bad` of `n` trials in the long window, where the `objective` allows 1 less it.

    `burn` and `burn_short` are the shares of bad trials over the allowed one in the long and in the short window, and
    both are above `factor`. `log_chance` is the log of the chance of it while the objective is just kept.
    """

    objective: float
    long_minutes: int
    short_minutes: int
    factor: float
    burn: float
    burn_short: float
    n: int
    bad: int
    log_chance: float


class Gap(msgspec.Struct, frozen=True, tag="gap"):
    """Two groups that stand apart: a `value` of a `dimension`, and all its other values, in the same `strata`.

    `ratio` is that of their rates (hits, or misses where less is worse), debiased, with the interval that holds the
    ratios of all `groups` at once (95 %). `n` and `n_rest` are their trials over `hours` hours. `log_chance` is the log
    of the chance of so large a gap in any group where there is none.
    """

    dimension: str
    value: str
    ratio: float
    lower: float
    upper: float
    n: int
    n_rest: int
    groups: int
    strata: tuple[str, ...]
    hours: int
    log_chance: float


class Moved(msgspec.Struct, frozen=True, tag="moved"):
    """A value that moved further than is `allowed` from what was expected of it, both over the last `minutes`.

    `ratio` is observed over expected, and `allowed` the share by which it may differ from 1 on that side. What
    the detectors know says as much by chance once in exp(`log_return_period`) minutes of this series.
    """

    ratio: float
    allowed: float
    minutes: int
    n: int
    log_return_period: float


class Trouble(msgspec.Struct, frozen=True, tag="trouble"):
    """Something wrong with the input itself: with `records` of the `of` that came, -1 where the number is unknown.

    `partition` is "" where all of the input is meant, else the records lie from offset `first` on and before `until`
    (-1: not known). `counts` says of what kind they are. It is `lasting` while nothing has shown its end. Those of one
    incident may lie in several `places`, of which the first is named.
    """

    partition: str
    first: int
    until: int
    records: int
    of: int
    counts: dict[str, int]
    lasting: bool = False
    places: int = 1


Breach = Burn | Gap | Moved | Trouble
"""What a finding of a limit may carry; one of a plain bound has none."""
