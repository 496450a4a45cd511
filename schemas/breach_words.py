"""The breach in words: how a budget burns, which groups stand apart, how far a value moved, and on what numbers."""

import math

from schemas.breach import Breach, Burn, Gap, Moved, Trouble
from schemas.signal import Signal
from schemas.trouble_words import trouble_in_words
from schemas.words import number, odds, where

LOG_TEN = math.log(10.0)


def breach_title(breach: Burn | Gap, name: str, scope: dict[str, str]) -> str:
    """Give the title of an incident whose limit has more to say than a bound; `name` is that of the signal.

    >>> breach_title(Burn(0.99, 60, 5, 14.4, 16.02, 18.0, 2000, 320, -600.0), "Error rate", {"region": "eu"})
    'Error rate burns its budget x16 in region eu (320 bad of 2,000 in 1 h, objective 99 %)'
    >>> gap = Gap("language", "de", 1.823, 1.452, 2.271, 900, 8000, 4, ("tenant",), 24, -20.0)
    >>> breach_title(gap, "Refusal rate", {"language": "de"})
    'Refusal rate x1.82 between language de and its other values (95 %: 1.45 to 2.27)'
    """
    if isinstance(breach, Burn):
        figures = f"{breach.bad:,} bad of {breach.n:,} in {_hours(breach.long_minutes)}"
        allowed = f"objective {_percent(breach.objective)}"
        return f"{name} burns its budget x{number(breach.burn)} in {where(scope)} ({figures}, {allowed})"
    others = {name: value for name, value in scope.items() if name != breach.dimension}
    place = f" in {where(others)}" if others else ""
    interval = f"95 %: {number(breach.lower)} to {number(breach.upper)}"
    groups = f"between {breach.dimension} {breach.value} and its other values"
    return f"{name} x{number(breach.ratio)} {groups}{place} ({interval})"


def breach_in_words(breach: Breach, signal: Signal) -> str:
    """Say what a breach holds, in whole sentences.

    >>> rate = Signal("error_rate", "rate", "share", "", "quality_degradation", "errors", direction="up")
    >>> print(breach_in_words(Burn(0.99, 60, 5, 14.4, 16.02, 18.0, 2000, 320, -6.91), rate))
    320 of 2,000 were bad in 1 h, where the objective of 99 % allows 20. The budget burns x16 over 1 h and x18 over
    5 min; the limit is x14.4 in both. While the objective is kept, chance shows as much with odds of 1 in 10^3.
    >>> gap = Gap("language", "de", 1.82, 1.45, 2.27, 900, 8000, 4, ("tenant",), 24, -20.0)
    >>> print(breach_in_words(gap, rate))
    Over 24 h the share of hits in language de (n = 900) is x1.82 that of its other values (n = 8,000) within the same
    tenant; 95 % interval 1.45 to 2.27, for all 4 values at once. Between equal groups chance shows as much with odds
    of 1 in 10^9.
    >>> print(breach_in_words(Moved(1.42, 0.3, 5, 1200, 20.0), rate))
    Over 5 min that is 42 % more than was expected (n = 1,200), where a rise of 30 % is allowed. By chance this series
    shows as much about once in 920 years.
    """
    if isinstance(breach, Trouble):
        return trouble_in_words(signal.name, breach)
    if isinstance(breach, Burn):
        return _burn_in_words(breach)
    if isinstance(breach, Moved):
        return _moved_in_words(breach)
    return _gap_in_words(breach, "misses" if signal.direction == "down" else "hits")


def _burn_in_words(burn: Burn) -> str:
    """Say how fast a budget burns."""
    long, short, allowed = _hours(burn.long_minutes), _hours(burn.short_minutes), burn.n * (1.0 - burn.objective)
    return (
        f"{burn.bad:,} of {burn.n:,} were bad in {long}, where the objective of {_percent(burn.objective)} allows "
        f"{number(allowed)}. The budget burns x{number(burn.burn)} over {long} and x{number(burn.burn_short)} over "
        f"{short}; the limit is x{number(burn.factor)} in both. While the objective is kept, chance shows as much with "
        f"odds of {_one_in(burn.log_chance)}."
    )


def _gap_in_words(gap: Gap, counted: str) -> str:
    """Say how far a group stands from the others."""
    within = f" within the same {' and '.join(gap.strata)}" if gap.strata else ""
    return (
        f"Over {gap.hours} h the share of {counted} in {gap.dimension} {gap.value} (n = {gap.n:,}) is "
        f"x{number(gap.ratio)} that of its other values (n = {gap.n_rest:,}){within}; 95 % interval "
        f"{number(gap.lower)} to {number(gap.upper)}, for all {gap.groups} values at once. Between equal groups chance "
        f"shows as much with odds of {_one_in(gap.log_chance)}."
    )


def _moved_in_words(moved: Moved) -> str:
    """Say how far a value is from what was expected."""
    way, what = ("more", "rise") if moved.ratio > 1.0 else ("less", "drop")
    return (
        f"Over {_hours(moved.minutes)} that is {number(abs(moved.ratio - 1.0) * 100)} % {way} than was expected "
        f"(n = {moved.n:,}), where a {what} of {number(moved.allowed * 100)} % is allowed. By chance this series "
        f"shows as much about {odds(moved.log_return_period)}."
    )


def _percent(share: float) -> str:
    """Write an objective with all its nines."""
    return f"{share * 100:.6g} %"


def _hours(minutes: int) -> str:
    """Write a window as people do."""
    if minutes % 1440 == 0:
        return f"{minutes // 1440} d"
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


def _one_in(log_chance: float) -> str:
    """Write a small chance as a power of ten."""
    tens = -log_chance / LOG_TEN
    return f"1 in 10^{math.floor(tens + 0.5)}" if tens < 100 else "less than 1 in 10^100"
