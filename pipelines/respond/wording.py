"""Wording says in plain words what an incident is; the same words go into titles, messages and the command line."""

import math
from collections.abc import Callable, Sequence

import msgspec

from schemas.account import Beside
from schemas.account_words import said_of
from schemas.alert import Alert
from schemas.breach import Breach, Gap, Moved, Trouble
from schemas.breach_words import breach_in_words, breach_title
from schemas.incident import Effect, Found, Incident
from schemas.operations import OPERATIONAL
from schemas.score import Candidate, Recovered
from schemas.signal import Signal
from schemas.trouble_words import trouble_in_words, trouble_title
from schemas.words import SHAPE_UNIT, between, moment, number, odds, quantity, rfc3339, where

_UNITS_IN_NAMES = ("_ms", "_usd")
"""Endings of signal names that the figures beside them say already."""
_CHANGES_TOLD = 3
"""Changes named in an explanation; the incident lists more."""
_FACTOR_FROM = 2.0
"""From a doubling on, a factor reads better than a percentage."""


PEOPLE_SAY: dict[Found, str] = {
    "alert": "",
    "report": "Somebody reported this; nothing was measured for it.",
    "declared": "Somebody declared this; nothing was measured for it.",
}
"""What opened an incident -> what its text says of that; of an alert its figures speak."""
_REACH = {"one": "one case", "cohort": "one cohort", "wide": "several or all", "": "what nobody has said"}


INFRASTRUCTURE = ("error_rate", "latency_ms", "ttft_ms", "traffic", "cost_usd")
"""Signals that say how the machines are, whatever the answers are worth."""
GREEN = "Errors, latency and traffic do not alert with it: infrastructure that is green makes it no less grave."


def name_of(signal: Signal) -> str:
    """Give a signal's name as people write it.

    >>> shape = {"kind": "level", "unit": "ms", "summary": "", "category": "performance", "group": "speed"}
    >>> [name_of(Signal(name=name, **shape)) for name in ("latency_ms", "safety_trigger_rate:violence")]
    ['Latency', 'Safety trigger rate (violence)']
    """
    name, _, detail = signal.name.partition(":")
    for ending in _UNITS_IN_NAMES:
        name = name.removesuffix(ending)
    plain = name.replace("_", " ")
    return plain[:1].upper() + plain[1:] + (f" ({detail})" if detail else "")


def in_unit_of(effect: Effect, signal: Signal) -> Signal:
    """Give a signal in the unit of an effect: a drift of shape is counted in shares of events."""
    return msgspec.structs.replace(signal, unit=SHAPE_UNIT) if effect.unit == SHAPE_UNIT else signal


def moved(effect: Effect, direction: str) -> str:
    """Say by how much a value moved; without a factor where nothing was expected.

    >>> [moved(Effect(0, 1, 0, 0, "", ratio), way) for ratio, way in ((3.08, "up"), (1.38, "up"), (0.4, "down"))]
    ['up x3.08', 'up 38 %', 'down 60 %']
    """
    if not effect.expected or not math.isfinite(effect.ratio):
        return direction
    if effect.ratio >= _FACTOR_FROM:
        return f"{direction} x{number(effect.ratio)}"
    return f"{direction} {number(round(abs(effect.ratio - 1) * 100))} %"


def is_silence(signal: Signal, effect: Effect) -> bool:
    """Say whether the effect is that there is no traffic at all."""
    return signal.kind == "traffic" and effect.observed == 0


def title_of(
    signal: Signal,
    effect: Effect,
    direction: str,
    scope: dict[str, str],
    *,
    limit: bool,
    breach: Breach | None = None,
    beside: Beside | None = None,
) -> str:
    """Give the title of an incident: what moved, by how much, where, from and to.

    >>> rate = Signal("refusal_rate", "rate", "share", "", "capability_loss", "refusal")
    >>> effect = Effect(observed=0.098, expected=0.032, lower=0.02, upper=0.04, unit="share", ratio=3.06)
    >>> title_of(rate, effect, "up", {"region": "eu", "model": "gpt-4"}, limit=False)
    'Refusal rate up x3.06 in region eu, model gpt-4 (3.2 % -> 9.8 %)'
    >>> title_of(rate, effect, "up", {"prompt_version": "v2"}, limit=False, beside=Beside({}, 0.031, 420))
    'Refusal rate up x3.06 in prompt_version v2 against the rest of all traffic (3.2 % -> 9.8 %)'
    >>> title_of(rate, effect, "up", {}, limit=True)
    'Refusal rate above its limit in all traffic (9.8 %, limit 3.2 %)'
    >>> title_of(rate, effect, "up", {}, limit=True, breach=Moved(3.06, 0.5, 5, 400, 20.0))
    'Refusal rate up x3.06 in all traffic (3.2 % -> 9.8 %)'
    >>> latency = Signal("latency_ms", "level", "ms", "", "performance", "speed")
    >>> drift = Effect(0.25, 0.1, 0.08, 0.12, SHAPE_UNIT, 2.5)
    >>> title_of(latency, drift, "up", {"tenant": "acme"}, limit=False)
    'Latency has another shape in tenant acme (25 % stand where 10 % usually do)'
    >>> traffic = Signal("traffic", "traffic", "events/min", "", "silence", "traffic")
    >>> title_of(traffic, Effect(0.0, 12.0, 0.0, math.inf, "", 0.0), "down", {"tenant": "acme"}, limit=False)
    'Silence in tenant acme (0 events/min, expected 12 events/min)'
    """
    if isinstance(breach, Trouble):
        return trouble_title(signal.name, breach)
    if breach is not None and not isinstance(breach, Moved):
        return breach_title(breach, name_of(signal), scope)
    signal = in_unit_of(effect, signal)
    observed, expected = quantity(effect.observed, signal), quantity(effect.expected, signal)
    if effect.unit == SHAPE_UNIT:
        return f"{name_of(signal)} has another shape in {where(scope)} ({observed} stand where {expected} usually do)"
    if is_silence(signal, effect) and not limit:
        return f"Silence in {where(scope)} ({observed}, expected {expected})"
    if limit and not isinstance(breach, Moved):
        side = "above" if direction == "up" else "below"
        return f"{name_of(signal)} {side} its limit in {where(scope)} ({observed}, limit {expected})"
    rest = "" if beside is None else f" against the rest of {where(beside.cohort)}"
    return f"{name_of(signal)} {moved(effect, direction)} in {where(scope)}{rest} ({expected} -> {observed})"


def is_green(incident: Incident) -> bool:
    """Say whether behaviour is bad while nothing of the infrastructure has alerted with it."""
    measured = incident.level != "declared" and incident.lead_signal not in OPERATIONAL
    return measured and not any(name in INFRASTRUCTURE for name in (incident.lead_signal, *incident.signals))


def explain(incident: Incident, signal: Signal) -> str:
    """Explain an incident in short sentences: seen, expected, odds, since when, where from, and what else changed.

    `signal` is that of the incident's lead.
    """
    if isinstance(incident.breach, Trouble):
        since = f"Since {moment(rfc3339(incident.onset_ms))} UTC." if incident.onset_ms >= 0 else ""
        return f"{trouble_in_words(signal.name, incident.breach)} {since}".strip()
    if incident.level == "declared":
        return f"{PEOPLE_SAY[incident.found]} It is said to reach {_REACH[incident.extent]}: {where(incident.scope)}."
    effect = incident.effect
    signal = in_unit_of(effect, signal)
    said = [f"{name_of(signal)} in {where(incident.scope)}: {quantity(effect.observed, signal)}"]
    if isinstance(incident.breach, Gap):
        said[0] += f" where its other values show {quantity(effect.expected, signal)}"
    elif isinstance(incident.breach, Moved):
        said[0] += f" where {quantity(effect.expected, signal)} was expected"
    elif incident.level == "limit":
        said[0] += f", past the limit of {quantity(effect.expected, signal)}"
    else:
        said[0] += f" where {expectation(effect, signal)}"
    if not is_silence(signal, effect):
        said[0] += f", n = {effect.n:,}"
    said[0] += f", since {moment(rfc3339(incident.onset_ms))} UTC."
    if incident.level == "limit":
        told = "" if incident.breach is None else breach_in_words(incident.breach, signal)
        said.append(told or "A limit is stated by people and has no odds.")
    else:
        series, fleet = odds(incident.log_return_period), odds(incident.log_fleet)
        said.append(f"By chance about {series} on this series, {fleet} in the whole fleet.")
    if incident.account is not None:
        account = said_of(incident.account, signal, incident.direction)
        said.append(f"Found by {account.detector}.")
        said += account.source
        said += ["Ruled out:", *account.ruled_out] if account.ruled_out else []
        said += ["Not ruled out:", *account.not_ruled_out] if account.not_ruled_out else []
    said += [GREEN] if is_green(incident) else []
    others = [name for name in incident.signals if name != incident.lead_signal]
    if others:
        said.append(f"Also moved: {', '.join(others)}.")
    if incident.changes:
        told = "; ".join(change_in_words(change) for change in incident.changes[:_CHANGES_TOLD])
        said.append(f"Changed near the onset (which does not prove a cause): {told}.")
    return " ".join(said)


def expectation(effect: Effect, signal: Signal) -> str:
    """Say what was expected, with the band around it where there is one: silence has none.

    >>> latency = Signal("latency_ms", "level", "ms", "", "performance", "speed")
    >>> expectation(Effect(900.0, 400.0, 350.0, 460.0, "ms", 2.25), latency)
    '400 ms was expected (usually 350 to 460 ms)'
    >>> expectation(Effect(0.0, 400.0, 0.0, math.inf, "ms", 0.0), latency)
    '400 ms was expected'
    """
    expected = f"{quantity(effect.expected, signal)} was expected"
    known = math.isfinite(effect.lower) and math.isfinite(effect.upper)
    return expected + (f" (usually {between(effect.lower, effect.upper, signal)})" if known else "")


def change_in_words(change: Candidate) -> str:
    """Say what changed, where and when.

    >>> change_in_words(Candidate("model_version", "0301", "0613", 1767571200000, {"region": "eu"}))
    'model_version 0301 -> 0613 in region eu, first seen 2026-01-05 00:00'
    """
    before = f"{change.from_} -> " if change.from_ else ""
    seen = change.seen.replace("_", " ") + (f" by {change.actor}" if change.actor else "")
    at = moment(rfc3339(change.at_ms))
    return f"{change.what} {before}{change.to or 'none'} in {where(change.cohort)}, {seen} {at}"


def joined_in_words(series: list[tuple[str, dict[str, str]]]) -> str:
    """Name the series whose alerts joined, the first few by name.

    >>> joined_in_words([("latency_ms", {"region": "eu"}), ("cost_usd", {}), ("a", {}), ("b", {})])
    'latency_ms in region eu; cost_usd in all traffic; a in all traffic; and 1 more'
    """
    named = [f"{signal} in {where(cohort)}" for signal, cohort in series[:_CHANGES_TOLD]]
    more = len(series) - len(named)
    return "; ".join(named + ([f"and {more} more"] if more else []))


def back_in_words(alerts: Sequence[Alert], signal_of: Callable[[str], Signal]) -> str:
    """Say which series are shown to be back, the first few by name; each has its own odds."""
    every = [alert.recovered for alert in alerts if alert.recovered is not None]
    named = [returned(each, signal_of(each.signal)) for each in every[:_CHANGES_TOLD]]
    more = len(every) - len(named)
    return "; ".join(named + ([f"and {more} more"] if more else []))


def gone_in_words(rules: Sequence[str]) -> str:
    """Say that rules have left the settings, the first few by name.

    >>> gone_in_words(["slow"]), gone_in_words(["dear", "slow"])
    ('the settings have no rule slow any more', 'the settings have no rules dear, slow any more')
    """
    more = [f"and {len(rules) - _CHANGES_TOLD} more"] if len(rules) > _CHANGES_TOLD else []
    named = ", ".join([*rules[:_CHANGES_TOLD], *more])
    return f"the settings have no rule{'s' if len(rules) > 1 else ''} {named} any more"


def returned(recovered: Recovered, signal: Signal) -> str:
    """Say that one series is back: where, at what, since when, and how rarely it would look like this if it were not.

    >>> rate = Signal("refusal_rate", "rate", "share", "", "capability_loss", "refusal")
    >>> returned(Recovered("refusal_rate", (), 1767571200000, 0.031, 9.9), rate)
    'refusal_rate in all traffic is back at 3.1 % since 2026-01-05 00:00 UTC (if not, by chance once in 14 days)'
    >>> returned(Recovered("traffic", (("region", "eu"),), 1767571200000, None, None), rate)
    'traffic in region eu is back since 2026-01-05 00:00 UTC'
    """
    at = "" if recovered.observed is None else f" at {quantity(recovered.observed, signal)}"
    since = moment(rfc3339(recovered.since_ms))
    said = f"{recovered.signal} in {where(recovered.cohort)} is back{at} since {since} UTC"
    if recovered.log_return_period is None:
        return said
    return f"{said} (if not, by chance {odds(recovered.log_return_period)})"
