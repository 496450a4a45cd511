"""The section of the null board in the page of benchmarks."""

from benchmarks.null import Result
from benchmarks.tables import markdown


def page(result: Result) -> str:
    """Give the section of `docs/benchmarks.md` as Markdown."""
    ours = markdown(
        ["null", "level", "seen", "allowed", "seen / allowed, exact 95 % interval", "kept"],
        [
            [row.null, row.level, str(row.seen), f"{row.allowed:g}", _ratio(row.seen, row.allowed, row.low, row.high),
             "yes" if row.kept else "NO"]
            for row in result.rows
        ],
    )  # fmt: skip
    kinds = markdown(
        ["notes by kind", *result.nulls], [[kind, *map(str, counts)] for kind, counts in result.kinds.items()]
    )
    rivals = markdown(
        ["alarms a week and 1,000 series", *result.nulls],
        [[rival.rule, *(f"{value:,.1f}" for value in rival.weekly)] for rival in result.rivals],
    )
    missed = [f"{row.null} at {row.level} level" for row in result.rows if not row.kept]
    verdict = f"Missed: {', '.join(missed)}." if missed else "Kept everywhere."
    return f"""## Null: false alarms on quiet traffic

`{result.command}` (seed {result.seed})

{result.series:,} series a null (rates, counts and levels of 2 to 60 events a minute) over {result.days} days, the first
week of them burn-in. Each null is a fleet of its own with the default budget: 100 notes, 10 tickets, one page a week.
Everything is learned from the stream: levels, overdispersion, wandering, design effects, the audit's correction.
Alarms are counted series by series, before any folding. The promise: at note level between a tenth of the budget and
the budget; at ticket and page level the exact interval is not wholly above it. Development looked at seeds 1 to 3 of
the generator. The nulls (`benchmarks/null_streams.py`): independent events; 30 % fresh noise a minute; a wander of 25 %
over 90 minutes; a day and a week that swing, with a holiday; and real runs of agents at real arrival rates, sessions
laid one after the other in new orders.

{ours}
{verdict} Where a real session of dozens of unusual turns is all that a thin cohort sees for minutes, nothing tells it
from a change but the session itself, which no signal carries yet.

{kinds}
Plain rules and dummies on the same minutes (`benchmarks/null_rules.py`), and river's detectors at their defaults on
sixty of the series, in windows of 15 minutes:

{rivals}"""


def _ratio(seen: int, allowed: float, low: float, high: float) -> str:
    return f"{seen / allowed:.2f} [{low:.2f}, {high:.2f}]"
