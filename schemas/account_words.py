"""The account in words: where a change comes from, what was ruled out, and what was looked at and could not be.

Every sentence carries the numbers of the computation it rests on, and nothing is said to be ruled out that was not
tested or that the test had not the events to see.
"""

import msgspec

from schemas.account import Account, Beside, Part, Shape
from schemas.signal import Signal
from schemas.words import is_share, moment, number, number_beside, quantity, rfc3339, where

DETECTORS_IN_WORDS = {
    "rate": "minutes of hits among trials, against what past, parent, siblings and today's mix make expected",
    "count": "minutes of events per turn, against what past, parent and today's mix make expected",
    "level": "minutes of typical sizes, against what past and today's mix make expected",
    "shape": "hours of shares by category or size, against what the pasts of today's cells make expected",
    "canary": "a new version, against what all others of its parent show in the same minutes",
    "silence": "the length of the present gap, against the longest gaps of the past",
}
"""What each detector compares with what."""
LIMIT_PREFIX = "limit:"
RULED_OUT = 0.5
"""Another explanation is out if it can hold at most half of the change (95 %), or holds no more than half of it."""
NAMED_PARTS = 3
"""Parts named in a sentence; a table has all of them."""


class Said(msgspec.Struct, frozen=True):
    """Sentences: the detector, what was seen, in which parts, the share of all traffic, what is ruled out and what not.

    A sentence about what was not computed is empty.
    """

    detector: str
    seen: str
    parts: str
    share: str
    ruled_out: tuple[str, ...]
    not_ruled_out: tuple[str, ...]

    @property
    def source(self) -> tuple[str, ...]:
        """Give the sentences about where the change comes from."""
        return tuple(sentence for sentence in (self.seen, self.parts, self.share) if sentence)


def said_of(account: Account, signal: Signal, direction: str) -> Said:
    """Say what an account holds of a change up or down.

    >>> from schemas.account import Rest
    >>> signal = Signal("refusal_rate", "rate", "share", "", "capability_loss", "refusal")
    >>> part = Part({"region": "eu", "tenant": "acme"}, 0.15, 0.04, 700, 0.71)
    >>> rest = Rest(1.01, 0.94, 1.08, 12400)
    >>> figures = (0, 900_000, 0.12, 0.04, 2000, 160.0, 0.98, rest)
    >>> account = Account({"region": "eu"}, "rate", *figures, parts=(part,), cells=14)
    >>> said = said_of(account, signal, "up")
    >>> print(*said.source, *said.ruled_out, sep=chr(10))
    In region eu from 1970-01-01 00:00 to 1970-01-01 00:15 UTC it was 12 % where 4 % was expected, n = 2,000.
    Most of it is region eu, tenant acme (71 %; 15 % instead of 4 %).
    Region eu holds 98 % of the change in all traffic.
    All other traffic stands at x1.01 of its normal (95 %: 0.94 to 1.08, n = 12,400).
    """
    ruled_out: list[str] = []
    open_: list[str] = []
    for sentence, out in (_mix(account, signal), _rest(account, direction), _one_cell(account), _elsewhere(account)):
        if sentence:
            (ruled_out if out else open_).append(sentence)
    source = _seen(account, signal), _parts(account, signal), _share(account)
    return Said(detector_in_words(account.detector), *source, tuple(ruled_out), tuple(open_))


def detector_in_words(detector: str) -> str:
    """Name a detector and what it compares.

    >>> detector_in_words("limit:leaks")
    'limit leaks: a bound stated by people'
    """
    if detector.startswith(LIMIT_PREFIX):
        return f"limit {detector.removeprefix(LIMIT_PREFIX)}: a bound stated by people"
    return f"{detector}: {DETECTORS_IN_WORDS[detector]}" if detector in DETECTORS_IN_WORDS else detector


def percent(share: float) -> str:
    """Give a share in whole percent, less than one where it is more than nothing.

    >>> percent(0.714), percent(0.001), percent(1.2)
    ('71 %', 'less than 1 %', '120 %')
    """
    return "less than 1 %" if 0 < share < 0.005 else f"{share * 100:.0f} %"


def part_in_words(part: Part, signal: Signal) -> str:
    """Name a part with its share, and what it showed."""
    figures = f"{quantity(part.observed, signal)} instead of {quantity(part.expected, signal)}"
    return f"{where(part.cohort)} ({percent(part.share)}; {figures})"


def _seen(account: Account, signal: Signal) -> str:
    """Say what was looked at, and what it showed."""
    if account.shape is not None:
        return _drifted(account, account.shape)
    since, until = (moment(rfc3339(ms)) for ms in (account.from_ms, account.until_ms))
    observed, expected = quantity(account.observed, signal), quantity(account.expected, signal)
    figures = f"it was {observed} where {expected} was expected, n = {account.n:,}"
    said = f"In {where(account.cohort)} from {since} to {until} UTC {figures}."
    return said if account.beside is None else f"{said} {_beside(account.beside, signal)}"


def _beside(beside: Beside, signal: Signal) -> str:
    """Say what a new version was held against.

    >>> signal = Signal("refusal_rate", "rate", "share", "", "capability_loss", "refusal")
    >>> _beside(Beside({"model": "orion"}, 0.031, 4210), signal)
    'It was held against the 4,210 other events of model orion in the same minutes: 3.1 % there.'
    """
    others = f"the {beside.n:,} other events of {where(beside.cohort)} in the same minutes"
    return f"It was held against {others}: {quantity(beside.observed, signal)} there."


def _drifted(account: Account, shape: Shape) -> str:
    """Say how a shape differs from the usual one, and what moved most.

    >>> from schemas.account import Moved
    >>> shape = Shape(0.12, 0.03, 0.1, (Moved("send_money", 0.016, 0.034), Moved("stop", 0.02, 0.0)))
    >>> account = Account({"tenant": "desk"}, "shape", 0, 3_600_000, 0.09, 0.04, 668, 33.4, shape=shape)
    >>> for sentence in _drifted(account, shape).partition(" UTC ")[2].split(". "):
    ...     print(sentence)
    9 % of 668 stand where 4 % usually do: send_money (1.6 % -> 3.4 %), stop (2 % -> 0 %)
    Jensen-Shannon distance 0.12, KL 0.03, PSI 0.1, each less what chance explains.
    """
    since, until = (moment(rfc3339(ms)) for ms in (account.from_ms, account.until_ms))
    moved = [f"{m.what} ({number(m.before * 100)} % -> {number(m.now * 100)} %)" for m in shape.moved]
    said = f"In {where(account.cohort)} from {since} to {until} UTC {number(account.observed * 100)} %"
    said += f" of {account.n:,} stand where {number(account.expected * 100)} % usually do"
    said += f": {', '.join(moved)}." if moved else "."
    if shape.spread is not None:
        said += f" Sizes scatter x{number(shape.spread)} as widely as usual."
    sizes = f"Jensen-Shannon distance {number(shape.distance)}, KL {number(shape.kl)}, PSI {number(shape.psi)}"
    return f"{said} {sizes}, each less what chance explains."


def _parts(account: Account, signal: Signal) -> str:
    """Name the parts that stand out, or say that none does."""
    if not account.parts:
        return f"No slice of its {account.cells} cells stands out by itself." if account.cells > 1 else ""
    named = account.parts[:NAMED_PARTS]
    most = "Most of it is" if sum(part.share for part in named) > 0.5 else "Of it stand out"
    told = [part_in_words(part, signal) for part in named]
    return f"{most} {' and '.join([', '.join(told[:-1]), told[-1]] if len(told) > 1 else told)}."


def _share(account: Account) -> str:
    """Say how much of the change of all traffic the cohort holds."""
    if account.share is None:
        return ""
    amount = "all" if account.share > 0.995 else percent(account.share)
    place = where(account.cohort)
    return f"{place[:1].upper()}{place[1:]} holds {amount} of the change in all traffic."


def _mix(account: Account, signal: Signal) -> tuple[str, bool]:
    """Say what a change of mix explains: what remains is against today's mix already."""
    if account.mix is None:
        return "", False
    mix, whole = account.mix.today - account.mix.usual, account.observed - account.mix.usual
    share = mix / whole if whole else 0.0
    scale, unit = (100, "points") if is_share(signal) else (1, signal.unit)
    figures = f"{number_beside(mix * scale, whole * scale)} of {number(whole * scale)} {unit}".strip()
    kind = "change" if account.beside is None else "difference"
    return f"A {kind} of mix explains {figures}.", share <= RULED_OUT


def _rest(account: Account, direction: str) -> tuple[str, bool]:
    """Say how all other traffic stands; it is ruled out where it can have moved half as far at most."""
    rest = account.rest
    if rest is None or not account.expected:
        return "", False
    half = RULED_OUT * (account.observed / account.expected - 1.0)
    out = rest.upper - 1.0 <= half if direction == "up" else rest.lower - 1.0 >= half
    interval = f"95 %: {number(rest.lower)} to {number(rest.upper)}"
    return f"All other traffic stands at x{number(rest.ratio)} of its normal ({interval}, n = {rest.n:,}).", out


def _one_cell(account: Account) -> tuple[str, bool]:
    """Say whether a single cell makes the change."""
    cell = account.largest
    if cell is None:
        return "", False
    told = f"The largest of its {account.cells} cells, {where(cell.cohort)}, holds {percent(cell.share)} of the change."
    return told, cell.share <= RULED_OUT


def _elsewhere(account: Account) -> tuple[str, bool]:
    """Say whether others spoke during a silence."""
    if account.elsewhere is None:
        return "", False
    return f"All other traffic had {account.elsewhere:,} events in the same minutes.", account.elsewhere > 0
