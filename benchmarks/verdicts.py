"""What a replay found of the change that a stream holds, and what it said for nothing.

A stream comes with its truth: onset, the signals of which any is right, the scope, and what must stay quiet. Incidents
of sev1 and sev2 are pages, those of sev3 tickets; notes are not counted. The rules are those of the judge that lies
beside the generators, so that both print the same figures.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

PAGES = ("sev1", "sev2")
TICKET = "sev3"
IN_TIME_MINUTES = 720.0
"""An incident that comes later than half a day after the onset has not found it."""
FIRST_DAYS = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
"""The generators begin their streams on one of these days; a truth file does not say it."""
DAY_SECONDS = 86_400.0
WEEK_DAYS = 7.0

Incident = dict[str, Any]


class Want(msgspec.Struct, frozen=True):
    """What has to be found: one of the signals, in the scope, with the change named if there is one."""

    signals: tuple[str, ...]
    scope: dict[str, str]
    direction: str = "any"
    change: dict[str, str] = {}


class Truth(msgspec.Struct, frozen=True):
    """What a stream holds, as its generator wrote it; a `hard` change is so small that missing it is no fault."""

    scenario: str
    days: float
    onset: datetime | None
    expected: tuple[Want, ...]
    must_not_page: tuple[str, ...]
    note: str
    hard: bool = False
    end: datetime | None = None


class Row(msgspec.Struct, frozen=True):
    """The verdict on one stream; what does not apply is empty, and a delay is in minutes of event time.

    `found` is None where nothing had to be found. `scope_match` is exact, finer, coarser or none. `other_pages` came
    after the onset and are not the one that found it: consequences of the change, or noise beside it.
    """

    scenario: str
    note: str
    hard: bool
    onset: str
    found: bool | None
    detected_at: str = ""
    delay_minutes: float | None = None
    severity: str = ""
    scope: dict[str, str] = {}
    scope_match: str = ""
    signal: str = ""
    change_named: bool | None = None
    missed_because: str = ""
    false_pages: int = 0
    false_tickets: int = 0
    other_pages: int = 0
    quiet_days: float = 0.0
    events: int = 0
    rejected: int = 0
    late: int = 0


def verdict(truth: Truth, replayed: dict[str, Any]) -> Row:
    """Compare what `limen replay -o json` printed with the truth of the stream."""
    incidents: list[Incident] = sorted(replayed["incidents"], key=lambda i: str(i["detected_at"]))
    pages = [i for i in incidents if i["severity"] in PAGES]
    tickets = [i for i in incidents if i["severity"] == TICKET]
    onset = truth.onset
    early = [i for i in pages if onset is None or _when(i) < onset]
    if onset is None and "*" not in truth.must_not_page:
        early = [i for i in early if _signals(i) & set(truth.must_not_page)]
    row = Row(
        scenario=truth.scenario,
        note=truth.note,
        hard=truth.hard,
        onset="" if onset is None else _text(onset),
        found=None,
        false_pages=len(early),
        false_tickets=sum(onset is None or _when(i) < onset for i in tickets),
        quiet_days=_quiet_days(truth),
        events=replayed["events"],
        rejected=replayed["rejected"],
        late=replayed["late"],
    )
    if onset is None or not truth.expected:
        return row
    after = [i for i in incidents if _when(i) >= onset]
    best, why = _best(after, truth.expected[0], onset)
    others = sum(i["severity"] in PAGES and i is not best for i in after)
    if best is None:
        return msgspec.structs.replace(row, found=False, missed_because=why, other_pages=others)
    return msgspec.structs.replace(row, found=True, other_pages=others, **_found(best, truth.expected[0], onset))


def _best(after: Sequence[Incident], want: Want, onset: datetime) -> tuple[Incident | None, str]:
    """Give the first incident that finds the change, or none and how near the nearest came."""
    right = [i for i in after if _signals(i) & set(want.signals)]
    loud = [i for i in right if i["severity"] in (*PAGES, TICKET)]
    timely = [i for i in loud if _minutes(i, onset) <= IN_TIME_MINUTES]
    placed = [i for i in timely if scope_match(i["scope"], want.scope) != "wrong"]
    if placed:
        return placed[0], ""
    if timely:
        return None, f"in another scope: {_pairs(timely[0]['scope'])}"
    if loud:
        return None, f"too late: {_minutes(loud[0], onset):.0f} min"
    return None, "only as a note" if right else "not seen"


def _found(best: Incident, want: Want, onset: datetime) -> dict[str, Any]:
    right = sorted(_signals(best) & set(want.signals))
    lead = best.get("lead_signal", "")
    named = {(change["what"], change["to"]) for change in best.get("changes", ())}
    return {
        "detected_at": best["detected_at"],
        "delay_minutes": round(_minutes(best, onset), 1),
        "severity": best["severity"],
        "scope": best["scope"],
        "scope_match": scope_match(best["scope"], want.scope),
        "signal": lead if _base(lead) in want.signals else right[0],
        "change_named": set(want.change.items()) <= named if want.change else None,
    }


def scope_match(scope: dict[str, str], want: dict[str, str]) -> str:
    """Say how a scope lies to the right one.

    >>> eu = {"region": "eu"}
    >>> [scope_match(s, eu) for s in (eu, eu | {"tenant": "acme"}, {}, {"region": "us"})]
    ['exact', 'finer', 'none', 'wrong']
    >>> scope_match(eu, eu | {"tenant": "acme"})
    'coarser'
    """
    if scope == want:
        return "exact"
    if want.items() <= scope.items():
        return "finer"
    if not scope:
        return "none"
    return "coarser" if scope.items() <= want.items() else "wrong"


def summary(rows: Iterable[Row]) -> str:
    """Give the line that sums a board up; hard changes count neither as found nor as missed."""
    rows = list(rows)
    wanted = [row for row in rows if row.found is not None and not row.hard]
    missed = [row.scenario for row in wanted if not row.found]
    exact = sum(row.scope_match == "exact" for row in wanted)
    days = sum(row.quiet_days for row in rows)
    pages, tickets = (sum(each) for each in ([r.false_pages for r in rows], [r.false_tickets for r in rows]))
    week = WEEK_DAYS / max(days, 1e-9)
    return (
        f"found {len(wanted) - len(missed)}/{len(wanted)}, exact scope {exact}/{len(wanted)}, "
        f"false pages {pages} in {days:.0f} days ({pages * week:.2f} a week), "
        f"false tickets {tickets * week:.1f} a week, missed: {' '.join(missed) or 'none'}"
    )


def _base(signal: str) -> str:
    """Give a signal's name without its series or category.

    >>> _base("safety_trigger_rate:violence")
    'safety_trigger_rate'
    """
    return signal.partition("{")[0].partition(":")[0]


def _signals(incident: Incident) -> set[str]:
    return {_base(name) for name in incident["signals"]} | set(incident["signals"])


def _when(incident: Incident) -> datetime:
    return datetime.fromisoformat(incident["detected_at"])


def _minutes(incident: Incident, onset: datetime) -> float:
    return (_when(incident) - onset).total_seconds() / 60


def _quiet_days(truth: Truth) -> float:
    """Give the days of a stream in which nothing has changed."""
    if truth.onset is None:
        return truth.days
    began = max(day for day in FIRST_DAYS if day <= truth.onset)
    return min(truth.days, (truth.onset - began).total_seconds() / DAY_SECONDS)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _pairs(scope: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(scope.items())) or "everything"
