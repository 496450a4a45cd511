"""A minute without some of its cohorts."""

import msgspec
import numpy as np

from schemas.arrays import Bools
from schemas.partial import Cells, Minute


def only(minute: Minute, kept: Bools) -> Minute:
    """Give a minute with those of its cohorts [C] that are kept; its leaves and totals stay whole."""
    cohorts = tuple(cohort for cohort, stays in zip(minute.cohorts, kept.tolist(), strict=True) if stays)
    return msgspec.structs.replace(
        minute,
        cohorts=cohorts,
        events=minute.events[kept],
        signature=minute.signature[kept],
        signals={name: _only(cells, kept) for name, cells in minute.signals.items()},
    )


def _only(cells: Cells, kept: Bools) -> Cells:
    """Give the cells of the kept cohorts, whose rows move up."""
    row = np.cumsum(kept) - 1
    mine = kept[cells.row]
    return Cells(
        cells.n[kept], cells.x[kept], cells.log_sum[kept], row[cells.row[mine]], cells.bin[mine], cells.count[mine]
    )
