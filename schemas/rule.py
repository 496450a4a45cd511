"""A rule is a limit that the settings put on one signal, with whom it calls and what it is worth."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.incident import Severity
from schemas.ladder import Minutes
from schemas.signal import Signal

Role = Literal[
    "commander", "model_owner", "safety_lead", "product_owner", "communications", "legal", "privacy", "support"
]
"""The roles of `schemas.people.ROLES`, of which one may own what a rule opens."""
SENSITIVE = "_sensitive"
"""End of the name of a rule that was made for sensitive surfaces."""
OBJECTIVE_MAX = 0.99999
"""The strictest objective: a halved budget ends there."""
OWNER_PATH = "owner"
"""The paging path of whoever owns the incident: their own escalation chain, else that of the default owner."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An absolute limit on one signal: it states its own severity and is counted apart from the budget.

    The condition holds in a minute when the value over `window_minutes` is above `above` or below `below` with at
    least `minimum_n` trials; the alert fires after it has held for `for_minutes`, and resolves after it has not for
    `keep_firing_minutes`. `match` selects cohorts by values of dimensions, one or several each, where `*` stands for
    any characters.

    With a `rise` or a `drop` it holds while the value is that share above or below what detection expects, and chance
    does not explain it; `above` and `below` must then hold as well. With an `objective` it holds while the error budget
    of a rate burns too fast (`detectors/burn.py` has the windows); with a `gap` while the ratio of a rate between a
    value of that dimension and all others, in whole hours of `window_minutes`, is above `above`.

    With `halved_on_sensitive` it holds on the sensitive surfaces at half its limit and half its `for` (`halved`).

    `summary` says in a few words what it watches for. Its incidents belong to `owner`, else to who holds the `role`.
    `path` names whose escalation chain is called, "owner" that of whoever owns the incident. With `decide_minutes` the
    incidents that it opens are decided on within so many minutes, where their severity does not ask for it sooner.
    """

    name: str
    signal: str
    enabled: bool = True
    above: float | None = None
    below: float | None = None
    rise: Annotated[float, Meta(gt=0.0, le=100.0)] | None = None
    drop: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    objective: Annotated[float, Meta(ge=0.5, le=OBJECTIVE_MAX)] | None = None
    gap: str | None = None
    match: dict[str, str | tuple[str, ...]] = {}
    by: tuple[str, ...] = ()
    window_minutes: Annotated[int, Meta(ge=1, le=1_440)] = 5
    minimum_n: Annotated[int, Meta(ge=1)] = 20
    for_minutes: Annotated[int, Meta(ge=0, le=1_440)] = 5
    keep_firing_minutes: Annotated[int, Meta(ge=0, le=1_440)] = 10
    severity: Severity | None = None
    category: str | None = None
    owner: str | None = None
    path: str | None = None
    decide_minutes: Minutes = 0
    runbook: str | None = None
    role: Role | None = None
    halved_on_sensitive: bool = False
    summary: str = ""


def is_relative(rule: Rule) -> bool:
    """Say whether a rule is about what is expected."""
    return rule.rise is not None or rule.drop is not None


def halved(rule: Rule, surfaces: tuple[str, ...]) -> Rule:
    """Make the stricter rule of some surfaces: half of what is allowed, for half as long.

    Of a share that must not fall below a bound, what it may lack is halved; of an objective, its budget.

    >>> rule = Rule("errors", "error_rate", above=0.02, rise=0.3, by=("model",), for_minutes=5)
    >>> made = halved(rule, ("code", "mail"))
    >>> made.name, made.above, made.rise, made.for_minutes, made.match
    ('errors_sensitive', 0.01, 0.15, 2, {'surface': ('code', 'mail')})
    """
    return msgspec.structs.replace(
        rule,
        name=f"{rule.name}{SENSITIVE}",
        above=None if rule.above is None else rule.above / 2.0,
        below=None if rule.below is None else (1.0 + rule.below) / 2.0,
        rise=None if rule.rise is None else rule.rise / 2.0,
        drop=None if rule.drop is None else rule.drop / 2.0,
        objective=None if rule.objective is None else min((1.0 + rule.objective) / 2.0, OBJECTIVE_MAX),
        match={**rule.match, "surface": surfaces},
        for_minutes=rule.for_minutes // 2,
        halved_on_sensitive=False,
    )


def looks_at(asked: str, signal: Signal) -> bool:
    """Say whether a rule for `asked` looks at a signal: at that of the name, or at all of a template.

    `evaluation:<name>` is every evaluation, `safety_trigger_rate:<category>` every guardrail category, and with an
    incident category in the brackets those that point to it.

    >>> injected = Signal("safety_trigger_rate:jailbreak", "rate", "share", "", "prompt_injection", "refusal")
    >>> [looks_at(f"safety_trigger_rate:{name}", injected) for name in ("jailbreak", "<prompt_injection>", "<bias>")]
    [True, True, False]
    """
    prefix, opens, named = asked.partition("<")
    if not opens or signal.name == asked:
        return signal.name == asked and not opens
    return signal.name.startswith(prefix) and named.rstrip(">") in ("name", "category", signal.category)


def wanted(rule: Rule) -> dict[str, tuple[str, ...]]:
    """Give what a rule asks of each dimension: the values of which one must fit.

    >>> wanted(Rule("a", "error_rate", match={"region": "eu", "model": ("gpt-*", "o1")}))
    {'region': ('eu',), 'model': ('gpt-*', 'o1')}
    """
    return {name: (values,) if isinstance(values, str) else values for name, values in rule.match.items()}


def fits(pattern: str, value: str) -> bool:
    """Say whether a value is this text, in which `*` stands for any characters, also for none.

    Parts are looked for from left to right and never again, so the time is bounded by the lengths.

    >>> [fits("gpt-*-mini", value) for value in ("gpt-4-mini", "gpt--mini", "gpt-mini", "gpt-4-mini-2")]
    [True, True, False, False]
    >>> fits("*", ""), fits("eu", "eu"), fits("eu", "eu2")
    (True, True, False)
    """
    first, *rest = pattern.split("*")
    if not rest:
        return value == pattern
    if not value.startswith(first):
        return False
    at = len(first)
    for part in rest[:-1]:
        found = value.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(value) - at >= len(rest[-1]) and value.endswith(rest[-1])
