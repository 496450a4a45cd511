"""The tables of the scenario board: ours beside the oracle and the rivals."""

from benchmarks.scenario_beside import Beside
from benchmarks.scenario_oracle import Oracle
from benchmarks.scenario_rivals import DUMMIES, RULES, Heard
from benchmarks.scenario_tables import COLUMNS, RIVAL_COLUMNS, against_oracle, cells, earlier_lines, rival_lines
from benchmarks.verdicts import Row


def row(scenario, found, delay=None, *, hard=False):
    """Make a verdict on a stream with two quiet days, a false page and two false tickets."""
    return Row(scenario, "", hard, "", found, delay_minutes=delay, false_pages=1, false_tickets=2, quiet_days=2.0)


def beside(found, ticket, false=7):
    """Make what the others said: every rule the same."""
    rules = [*(rule.name for rule in RULES), *DUMMIES]
    told = None if ticket is None else Oracle("refusal_rate", ticket, None, ticket + 3.0, ())
    return Beside(tuple(Heard(name, found, None, false) for name in rules), told)


ROWS = (
    *(row("quick", True, 10.0), row("slow", True, 50.0), row("missed", False), row("null", None)),
    row("tiny", False, hard=True),
)
BESIDES = {
    "quick": beside(True, 8.0), "slow": beside(True, 20.0), "missed": beside(False, 30.0), "null": beside(None, None),
    "tiny": beside(True, 90.0),
}  # fmt: skip


def test_the_oracle_stands_beside_our_delay():
    """Ticket, page, our delay over it, the ticket without the shift; a miss has no ratio, a null no oracle."""
    lines = [dict(zip(COLUMNS, cells(each, BESIDES[each.scenario].oracle), strict=True)) for each in ROWS]
    names = ("oracle, ticket", "oracle, page", "ours / oracle", "shift not known")
    assert [tuple(line[name] for name in names) for line in lines[:4]] == [
        ("8 min", "never", "1.2", "11 min"), ("20 min", "never", "2.5", "23 min"), ("30 min", "never", "-", "33 min"),
        ("-",) * 4,
    ]  # fmt: skip


def test_what_took_too_long_is_named():
    """A miss is too long, a hard change is not counted."""
    said = against_oracle(ROWS, BESIDES)
    assert said == "delay at most 2 x the oracle's in 1/3, not: slow (2.5), missed (missed)"


def test_rivals_are_counted_on_the_same_streams():
    """Ours first, then rules and dummies: three changes to find, five streams of two quiet days."""
    lines = rival_lines(ROWS, BESIDES)
    assert lines[0] == ("Limen, pages and tickets", "2/3", "15", "10.5")
    assert lines[1] == (RULES[0].name, "2/3", "35", "24.5")
    assert [line[0] for line in lines[1:]] == [*(rule.name for rule in RULES), *DUMMIES]
    assert {len(line) for line in (*lines, *earlier_lines())} == {len(RIVAL_COLUMNS)}
