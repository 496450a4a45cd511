"""What each event of a batch says about every signal, in the signals' own units: for people who look at records."""

from pipelines.aggregate.fixed import SCORE_SCALE
from pipelines.aggregate.signals import CATEGORY_PREFIX, EVALUATION_PREFIX, Catalogue
from schemas.batch import Batch

Said = list[int] | list[str] | float
"""[hits, trials] of a rate or count; the names of a mix; the value of a level or score."""


def derived(batch: Batch, catalogue: Catalogue) -> list[dict[str, Said]]:
    """Give what each event says, by signal; signals that it says nothing about are left out."""
    found: list[dict[str, Said]] = [{} for _ in range(len(batch.ts_ms))]
    for name, ratio in batch.ratios.items():
        score = catalogue.signal(name).kind == "score"
        for row in (ratio.x.astype(bool) | ratio.n.astype(bool)).nonzero()[0]:
            x, n = int(ratio.x[row]), int(ratio.n[row])
            found[row][name] = x / SCORE_SCALE if score else [x, n]
    for name, levels in batch.levels.items():
        for row in (levels >= 0).nonzero()[0]:
            found[row][name] = int(levels[row]) / catalogue.signal(name).scale
    for name, mix in batch.mixes.items():
        for row, code in zip(mix.row.tolist(), mix.code.tolist(), strict=True):
            if name == CATEGORY_PREFIX[:-1]:
                found[row][CATEGORY_PREFIX + mix.values[code]] = [1, 1]
            else:
                names = found[row].setdefault(name, [])
                assert isinstance(names, list), "a mix has a name of its own"
                names.append(mix.values[code])
    if batch.scores is not None:
        scores = batch.scores
        for row, code, x in zip(scores.row.tolist(), scores.code.tolist(), scores.x.tolist(), strict=True):
            found[row][EVALUATION_PREFIX + scores.values[code]] = x / SCORE_SCALE
    return found
