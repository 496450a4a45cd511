"""What one event says about every signal, in the signals' own units: for people who look at a single record."""

from pipelines.aggregate.columns import Columns
from pipelines.aggregate.fixed import SCORE_SCALE
from pipelines.aggregate.signals import CATEGORY_PREFIX, EVALUATION_PREFIX, Catalogue
from schemas.event import Event
from schemas.record import Partition

Said = list[int] | list[str] | float
"""[hits, trials] of a rate or count; the names of a mix; the value of a level or score."""


def derived(columns: Columns, catalogue: Catalogue, event: Event) -> dict[str, Said]:
    """Give what the event says, by signal; signals that it says nothing about are left out."""
    batch = columns.batch(Partition("record"), [0], [event])
    found: dict[str, Said] = {}
    for name, ratio in batch.ratios.items():
        x, n = int(ratio.x[0]), int(ratio.n[0])
        if catalogue.signal(name).kind == "score":
            if n:
                found[name] = x / SCORE_SCALE
        elif x or n:
            found[name] = [x, n]
    for name, level in batch.levels.items():
        if level[0] >= 0:
            found[name] = int(level[0]) / catalogue.signal(name).scale
    for name, mix in batch.mixes.items():
        names = [mix.values[code] for code in mix.code.tolist()]
        if name == CATEGORY_PREFIX[:-1]:
            found |= {CATEGORY_PREFIX + one: [1, 1] for one in names}
        elif names:
            found[name] = names
    if batch.scores is not None:
        scores = zip(batch.scores.code.tolist(), batch.scores.x.tolist(), strict=True)
        found |= {EVALUATION_PREFIX + batch.scores.values[code]: x / SCORE_SCALE for code, x in scores}
    return found
