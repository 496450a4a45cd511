"""Silencing is what people ask for: a silence of what they name, for so long, with a reason, made under their name."""

from typing import Protocol

import msgspec

from pipelines.respond.alerts import short_hash
from pipelines.respond.orders import Refusal
from schemas.audit import AuditLine
from schemas.event import DIMENSIONS, NAME_CHARS_MAX
from schemas.incident import Incident, Severity
from schemas.minutes import MINUTE_MS
from schemas.quiet import BELOW_SEV1, SILENCE_DAYS_MAX, SILENCES_MAX, Matcher, Silence
from schemas.settings import Settings
from schemas.signal import CATEGORIES
from schemas.words import moment, rfc3339, where

WHY_CHARS_MAX = 200
"""Longest reason: it stands in every place that says why nobody is told."""
NAMES_MAX = 50
"""Most names of one kind, as many as an incident has of signals."""
MINUTES_MAX = SILENCE_DAYS_MAX * 1_440


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody wants to be silent, for how many minutes, and why; of sev1 only where `severities` names it."""

    minutes: int
    why: str
    rules: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    match: dict[str, str] = {}
    severities: tuple[Severity, ...] = BELOW_SEV1


class SilenceStore(Protocol):
    """What silencing needs of a store."""

    def add(self, silence: Silence, line: AuditLine) -> bool:
        """Write a silence with its line of the audit log, unless there are too many."""
        ...

    def end(self, silence_id: str, by: str, line: AuditLine) -> Silence | None:
        """End a silence that is in force."""
        ...


def silence(store: SilenceStore, wish: Wish, who: str, via: str, now_ms: int, settings: Settings) -> Silence | Refusal:
    """Make a silence and give it, or say why not. Raises `StoreError`."""
    which = Matcher(wish.rules, wish.signals, wish.categories, wish.match, wish.severities)
    why = _wrong(wish, which) or _unknown(which, (*DIMENSIONS, *settings.cohorts.labels))
    if why:
        return Refusal(why)
    ends_ms = now_ms + wish.minutes * MINUTE_MS
    made_id = short_hash(who, now_ms, msgspec.json.encode(wish).decode())
    made = Silence(made_id, which, now_ms, ends_ms, who, wish.why.strip())
    what = f"silence {made.id} until {moment(rfc3339(ends_ms))} UTC of {in_words(which)}: {made.why}"
    if not store.add(made, AuditLine(now_ms, who, what, via)):
        return Refusal(f"{SILENCES_MAX} silences are in force, the most there may be: end one first", conflict=True)
    return made


def end_silence(store: SilenceStore, silence_id: str, who: str, via: str, now_ms: int) -> Silence | Refusal:
    """End a silence before its time and give it, or say why not. Raises `StoreError`."""
    line = AuditLine(now_ms, who, f"silence {silence_id[:60]!a} ended", via)
    ended = store.end(silence_id, who, line)
    return Refusal(f"there is no silence {silence_id[:60]!a} in force", conflict=True) if ended is None else ended


def wish_for(incident: Incident, minutes: int = 120) -> Wish:
    """Give the wish that fits an incident as it stands: its signals in its scope, and sev1 only if it is one."""
    severities: tuple[Severity, ...] = ("sev1", *BELOW_SEV1) if incident.severity == "sev1" else BELOW_SEV1
    return Wish(minutes, "", signals=incident.signals, match=incident.scope, severities=severities)


def in_words(which: Matcher) -> str:
    """Say what a matcher names.

    >>> in_words(Matcher(signals=("latency_ms",), match={"region": "eu"}))
    'signals latency_ms; region eu; sev2, sev3, sev4'
    """
    named = [f"{name} {', '.join(getattr(which, name))}" for name in ("rules", "signals", "categories")]
    found = [text for text in named if not text.endswith(" ")]
    return "; ".join([*found, *([where(which.match)] if which.match else []), ", ".join(which.severities)])


def _wrong(wish: Wish, which: Matcher) -> str:
    """Say what is wrong with a wish, "" if nothing."""
    if not 1 <= wish.minutes <= MINUTES_MAX:
        return f"a silence takes 1 minute to {SILENCE_DAYS_MAX} days: what is quiet for longer is a window, or a rule"
    if not wish.why.strip():
        return "say why: it stands wherever nobody is told"
    if len(wish.why) > WHY_CHARS_MAX:
        return f"the reason has {len(wish.why):,} characters, {WHY_CHARS_MAX} at most"
    if which.is_open:
        return "name rules, signals, categories or values: a silence of everything hides what nobody thought of"
    if not which.severities:
        return "name a severity: without one nothing is silent"
    if max(len(each) for each in (which.rules, which.signals, which.categories, which.match)) > NAMES_MAX:
        return f"name {NAMES_MAX} of one kind at most"
    if len(set(which.severities)) < len(which.severities):
        return "name each severity once"
    if not wish.why.isprintable():
        return "write the reason on one line, of characters that can be printed"
    return ""


def _unknown(which: Matcher, dimensions: tuple[str, ...]) -> str:
    """Say what a matcher names that there is not, so that it would silence nothing; "" if nothing.

    >>> _unknown(Matcher(match={"regoin": "eu"}), ("region", "tenant"))
    "'regoin' is not one of region, tenant"
    """
    for known, names in ((tuple(CATEGORIES), which.categories), (dimensions, tuple(which.match))):
        for name in names:
            if name not in known:
                return f"{name[:60]!a} is not one of {', '.join(known)}"
    for name in (*which.rules, *which.signals, *which.match.values()):
        if not name.isprintable() or not 0 < len(name) <= NAME_CHARS_MAX:
            return f"{name[:60]!a}: a name has 1 to {NAME_CHARS_MAX} characters that can be printed"
    return ""
