"""The tables of the scenario board: our verdicts beside the oracle, and the rivals beside ours."""

from collections.abc import Mapping, Sequence

from benchmarks.scenario_beside import Beside
from benchmarks.scenario_oracle import Oracle
from benchmarks.scenario_rivals import DUMMIES, RULES
from benchmarks.verdicts import WEEK_DAYS, Row

COLUMNS = (
    *("scenario", "onset", "detected at", "delay", "oracle, ticket", "oracle, page", "oracle by", "ours / oracle"),
    "shift not known",
    *("severity", "signal", "scope found", "scope is", "change named", "false pages", "false tickets", "other pages"),
)
RIVAL_COLUMNS = ("rule", "found", "false alarms", "a stream and week")
RATIO_MAX = 2.0
"""The target: a change is found within twice the time that the oracle takes."""
EARLIER = (
    ("3 sigma, 15-minute windows", "6/7", 4577),
    ("5 sigma, 15-minute windows", "3/7", 584),
    ("4 sigma, 60-minute windows", "5/7", 517),
    ("hour mean outside 24 h mean ± max(2 sd, 50 %)", "4/7", 4773),
)
"""Found and false alarms of the same rules, measured apart from this board: 7 signals of 9 grouping sets."""
EARLIER_DAYS = 27.0
"""They were measured on the nine chat streams, three days each."""


def cells(row: Row, oracle: Oracle | None) -> tuple[str, ...]:
    """Give one line of the table, in the order of COLUMNS; what does not apply is a dash."""
    name = f"{row.scenario} (hard)" if row.hard else row.scenario
    known = _oracle(row, oracle)
    if row.found:
        scope = ", ".join(f"{key} {value}" for key, value in sorted(row.scope.items())) or "everything"
        named = "-" if row.change_named is None else "yes" if row.change_named else "no"
        delay = f"{row.delay_minutes:.0f} min"
        what = (row.detected_at, delay, *known, row.severity, row.signal, scope, row.scope_match, named)
    elif row.found is None:
        what = ("-",) * 12
    else:
        what = ("MISSED", "-", *known, "-", "-", row.missed_because, "-", "-")
    return (name, row.onset or "-", *what, str(row.false_pages), str(row.false_tickets), str(row.other_pages))


def _oracle(row: Row, oracle: Oracle | None) -> tuple[str, str, str, str, str]:
    """Give the oracle's delays for a ticket and a page, its signal, how many times as long ours took, and blind."""
    if oracle is None:
        return ("-",) * 5
    every = (oracle.ticket_minutes, oracle.page_minutes, oracle.blind_minutes)
    ticket, page, blind = (f"{delay:.0f} min" if delay else "never" for delay in every)
    times = ratio(row, oracle)
    return ticket, page, oracle.signal, "-" if times is None else f"{times:.1f}", blind


def ratio(row: Row, oracle: Oracle | None) -> float | None:
    """Give our delay over that of the oracle's ticket; None where one of them has found nothing."""
    if oracle is None or not oracle.ticket_minutes or not row.delay_minutes:
        return None
    return row.delay_minutes / oracle.ticket_minutes


def against_oracle(rows: Sequence[Row], besides: Mapping[str, Beside]) -> str:
    """Give the line that sums up the delays; hard changes do not count."""
    wanted = [row for row in rows if row.found is not None and not row.hard]
    times = {row.scenario: ratio(row, besides[row.scenario].oracle) for row in wanted}
    slow = [
        f"{name} ({'missed' if each is None else f'{each:.1f}'})"
        for name, each in times.items()
        if each is None or each > RATIO_MAX
    ]
    kept = len(times) - len(slow)
    return f"delay at most {RATIO_MAX:g} x the oracle's in {kept}/{len(times)}, not: {', '.join(slow) or 'none'}"


def rival_lines(rows: Sequence[Row], besides: Mapping[str, Beside]) -> list[tuple[str, ...]]:
    """Give ours, the rivals and the dummies: changes found and false alarms; hard changes are not counted as found."""
    days = sum(row.quiet_days for row in rows)
    wanted = [row for row in rows if row.found is not None and not row.hard]
    ours = sum(row.false_pages + row.false_tickets for row in rows)
    found = sum(bool(row.found) for row in wanted)
    lines = [("Limen, pages and tickets", f"{found}/{len(wanted)}", f"{ours:,}", _weekly(ours, days))]
    for rule in (*(rule.name for rule in RULES), *DUMMIES):
        said = {row.scenario: next(h for h in besides[row.scenario].rivals if h.rule == rule) for row in rows}
        found = sum(bool(said[row.scenario].found) for row in wanted)
        false = sum(each.false_alarms for each in said.values())
        lines.append((rule, f"{found}/{len(wanted)}", f"{false:,}", _weekly(false, days)))
    return lines


def earlier_lines() -> list[tuple[str, ...]]:
    """Give the figures of the same rules that were measured apart, in the same columns."""
    return [(rule, found, f"{false:,}", _weekly(false, EARLIER_DAYS)) for rule, found, false in EARLIER]


def _weekly(alarms: int, days: float) -> str:
    return f"{alarms * WEEK_DAYS / max(days, 1e-9):,.1f}"
