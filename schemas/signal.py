"""A signal is something measured on every event; a series is one signal of one cohort."""

from typing import Literal

import msgspec

SignalKind = Literal["rate", "count", "level", "score", "mix", "traffic", "distinct"]
"""How a signal is counted: hits of trials; events per turn; a skewed positive quantity; a bounded score;
counts by category; events a minute; distinct ids a minute."""

Cohort = tuple[tuple[str, str], ...]
"""Sorted (dimension, value) pairs; () is everything."""

OTHER = "__other__"
"""The value that collects what is over a cap."""

CATEGORIES: dict[str, str] = {
    "harmful_output": "safety",
    "data_leak": "safety",
    "misinformation": "functional",
    "unauthorised_action": "safety",
    "quality_degradation": "functional",
    "capability_loss": "functional",
    "safety_bypass": "safety",
    "prompt_injection": "safety",
    "bias": "safety",
    "data_poisoning": "safety",
    "model_extraction": "safety",
    "distribution_shift": "functional",
    "narrative": "narrative",
    "performance": "functional",
    "silence": "functional",
    "cost": "functional",
    "ingest": "functional",
}
"""The closed list of incident categories with the family of each (DESIGN section 4, PLAYBOOK C1)."""


class Signal(msgspec.Struct, frozen=True):
    """One row of the signal table.

    `scale` turns the unit into the fixed integer unit of the cells (ms -> us: 1000, USD -> nano-USD: 1e9).
    `direction` says which changes matter; `minimum_n` is the least number of trials a minute's value is shown for;
    `tolerance` is the relative change below which nobody would care, so that the detectors do not either;
    `group` joins signals that one cause tends to move together, so that they fold into one incident; a signal with
    `page` False is charted and not judged.
    """

    name: str
    kind: SignalKind
    unit: str
    summary: str
    category: str
    group: str
    direction: Literal["up", "down", "both"] = "both"
    scale: int = 1
    minimum_n: int = 1
    tolerance: float = 0.1
    page: bool = True
    category_down: str | None = None

    @property
    def family(self) -> str:
        """Give the incident family of the signal's category."""
        return CATEGORIES[self.category]


def cohort_key(cohort: Cohort) -> str:
    """Give the canonical JSON of a cohort: keys sorted, no spaces.

    >>> cohort_key((("model", "m1"), ("region", "eu")))
    '{"model":"m1","region":"eu"}'
    """
    return msgspec.json.encode(dict(sorted(cohort)), order="sorted").decode()


def series_key(signal: str, cohort: Cohort) -> str:
    """Give the canonical key of a series, stable across restarts and configurations.

    >>> series_key("refusal_rate", (("region", "eu"),))
    'refusal_rate{"region":"eu"}'
    """
    return signal + cohort_key(cohort)


def series_of(key: str) -> tuple[str, Cohort]:
    """Read signal and cohort of a series back from its key; raises `msgspec.DecodeError` on anything else.

    >>> series_of('refusal_rate{"region":"eu"}')
    ('refusal_rate', (('region', 'eu'),))
    >>> series_of('safety_trigger_rate:{pii{"region":"eu"}')
    ('safety_trigger_rate:{pii', (('region', 'eu'),))
    """
    # A category may have any name, one with braces too: what follows the signal is the longest end that is a cohort.
    for at in (k for k, sign in enumerate(key) if sign == "{"):
        try:
            return key[:at], cohort_of(key[at:])
        except msgspec.DecodeError:
            continue
    message = f"no key of a series: {key!r}"
    raise msgspec.DecodeError(message)


def cohort_of(key: str) -> Cohort:
    """Read a cohort back from its canonical JSON; raises `msgspec.DecodeError` on anything else.

    >>> cohort_of('{"region":"eu"}')
    (('region', 'eu'),)
    """
    return tuple(sorted(msgspec.json.decode(key.encode(), type=dict[str, str]).items()))
