"""An account says where a change comes from and what was ruled out, each from a computation over its last hour."""

import msgspec


class Part(msgspec.Struct, frozen=True):
    """A part of a cohort: what it showed, in the signal's unit, and the share of the cohort's excess that it holds.

    `share` leaves out what a part before it in the same list holds.
    """

    cohort: dict[str, str]
    observed: float
    expected: float
    n: int
    share: float


class Rest(msgspec.Struct, frozen=True):
    """All traffic outside a cohort against its own expectation: observed over expected, with its 95 % interval."""

    ratio: float
    lower: float
    upper: float
    n: int


class Beside(msgspec.Struct, frozen=True):
    """What a new version was held against: all others of `cohort` in the same minutes, in the signal's unit."""

    cohort: dict[str, str]
    observed: float
    n: int


class Composition(msgspec.Struct, frozen=True):
    """What is expected, in the signal's unit, of a cohort's cells at their usual shares and at those of today.

    Beside others, `usual` is at the shares of the others, and `today` at the version's own.
    """

    usual: float
    today: float


class Moved(msgspec.Struct, frozen=True):
    """A category, or a range of sizes, and the share of events in it: usually, and now."""

    what: str
    before: float
    now: float


class Shape(msgspec.Struct, frozen=True):
    """How far a shape has moved from its usual one in the hour told of, each less what chance explains.

    `distance` is Jensen-Shannon's, from 0 (the same) to 1 (nothing in common); `kl` (nats) and `psi` stand beside it
    for those who are used to them. Nothing is decided by the three. `moved` names what moved most. `spread` is the
    standard deviation of the sizes' logarithms over the usual one; None for categories.
    """

    distance: float
    kl: float
    psi: float
    moved: tuple[Moved, ...] = ()
    spread: float | None = None


class Account(msgspec.Struct, frozen=True):
    """What was looked at of `cohort` from `from_ms` to `until_ms`: since the onset, at most the last hour.

    `detector` is that of the finding. `observed` and `expected` are in the signal's unit over `n` trials; `excess` is
    observed minus expected, summed (hits, events, doublings). `share` is the part of the excess of all traffic that the
    cohort holds; None where it is all traffic, or all traffic did not move the same way. `parts` are slices of the
    cohort that stand out among its `cells`, and `largest` is the one cell with most of the excess. `elsewhere` counts
    the events of all other traffic while a cohort is silent. In a drift of shape `observed` and
    `expected` are shares of the last hour's events, those that stand where fewer used to, and `shape` says which. A new
    version was held against others, `beside`, which make `expected` what it is. What was not tested is None, or empty.
    """

    cohort: dict[str, str]
    detector: str
    from_ms: int
    until_ms: int
    observed: float
    expected: float
    n: int
    excess: float
    share: float | None = None
    rest: Rest | None = None
    mix: Composition | None = None
    parts: tuple[Part, ...] = ()
    cells: int = 0
    largest: Part | None = None
    elsewhere: int | None = None
    shape: Shape | None = None
    beside: Beside | None = None
