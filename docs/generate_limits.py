"""The page of limits: what bounds everything that could grow, and what that comes to."""  # noqa: INP001 - a script of the documentation, no package

from docs.generate_words import generated, table
from pipelines.serve import limits
from schemas.settings import Settings

WORDS = """## What it comes to in memory

With the settings as they are by default, in one process; Kafka adds what is fetched ahead from each broker.
`limen run` reserves no threads for matrices, one pool of memory for its threads and 2 MB of stack for each
(`pipelines/run_spare.py`).

| what | resident at most | address space |
| --- | --- | --- |
| a flood of 208,500 events in three minutes, few cohorts (case 25 of the fault table) | 154 MB | 291 MB |
| 30,000 events a minute in 2,785 combinations, 1,050 cohorts, 37,440 series | 357 MB | 495 MB |
| 30,000 events a minute of 1,000 tenants, 12,644 cohorts, 100,000 series, the most by default | 511 MB | 656 MB |

So 512 MB of address space (`RLIMIT_AS`) hold the settings as they are by default up to some 37,000 series at this
rate; where more are likely, give it 1 GB or lower `cohorts.series_max`. Each event id of an open minute takes 8 bytes.

## Series are never freed

A series keeps its row for good, also when its tenant, model or version is never seen again. With the signals and
cohort sets of the default a tenant has some 720 series (2,552 with one tenant, 8,960 with ten, 73,648 with a hundred,
on the board of memory), so some 136 tenants fill the table of 100,000, however many of them are still there. Fifty
tenants of whom five leave and five come in each week fill it in 17 weeks. From then on no room is made: whoever is
new is counted in the wider cohorts above it, where a change must be larger to be seen, and is not judged apart.
`limen_cap_hits_total{cap="series"}` counts that in every minute, and the rule LimenCapReached tells of it after an
hour.

What helps: a higher `cohorts.series_max` (some 1,000 bytes each, and time in every minute; the sizes are on the page
of [operations](operations.md)), fewer `cohorts.sets`, or `limen store relearn`, which empties the table and lets all
that is still there learn anew. Where tenants come and go, plan for as many as there will be between two of those.
"""


def limits_page() -> str:
    """Give the page of limits: every row of the table, settings with their defaults."""
    defaults = limits.limits(Settings())
    rows = [
        (f"`{each.name}`", f"{defaults[each.name]:,}" if each.name in defaults else "", each.bounds, each.over)
        for each in limits.LIMITS
    ]
    return (
        f"# Limits\n\n{generated('`pipelines/serve/limits.py`')}\n"
        "Everything in Limen that could grow with its input has a limit, and what is over it is counted or told.\n"
        "Limits are settings, or constants of the code under `pipelines/` that nobody should have to choose; each has\n"
        "its reason where it stands. `limen_limit` and `limen_limit_used` in [metrics](metrics.md) show the settings,\n"
        "and `limen_cap_hits_total` counts what a cap kept from being counted under its own name.\n\n"
        f"{table(('limit', 'default', 'what it bounds', 'what becomes of more'), rows)}\n{WORDS}"
    )
