"""The cells of a cohort: its parts in the finest set of dimensions that is watched, numbered for a scan over slices."""

import numpy as np

from pipelines.detect.mix import cell_set
from pipelines.detect.series import Roster
from schemas.arrays import Ints
from schemas.signal import Cohort


def finer_set(sets: tuple[tuple[str, ...], ...], cohort: Cohort) -> tuple[str, ...]:
    """Choose the set whose cohorts are the parts of a cohort: the lasting cells, else the finest that names more.

    >>> sets = ((), ("tenant",), ("model",), ("region", "model"), ("region", "tenant"))
    >>> finer_set(sets, (("tenant", "acme"),)), finer_set(sets, (("model", "m1"),))
    (('region', 'tenant'), ('region', 'model'))
    >>> finer_set(sets, (("model", "m1"), ("region", "eu")))
    ()
    """
    named = {name for name, _ in cohort}
    finer = [names for names in sets if named < set(names)]
    cells = cell_set(sets)
    return cells if cells in finer else max(finer, key=len, default=())


class Cells:
    """Which cohorts of the roster belong to which set; looked up once for each cohort."""

    def __init__(self, sets: tuple[tuple[str, ...], ...]) -> None:
        """Begin without cohorts."""
        self._sets = sets
        self._places: dict[frozenset[str], list[int]] = {}
        self._looked = 0

    def is_cell(self, cohort: Cohort) -> bool:
        """Say whether a cohort is a cell of the mix, or a part of one."""
        cell = cell_set(self._sets)
        return bool(cell) and set(cell) <= {name for name, _ in cohort}

    def within(self, roster: Roster, cohort: Cohort) -> tuple[tuple[str, ...], Ints]:
        """Give the dimensions in which the parts of a cohort differ, and the places of these parts."""
        for place in range(self._looked, len(roster.cohorts)):
            self._places.setdefault(frozenset(name for name, _ in roster.cohorts[place]), []).append(place)
        self._looked = len(roster.cohorts)
        names = finer_set(self._sets, cohort)
        wanted = set(cohort)
        places = self._places.get(frozenset(names), []) if names else []
        free = tuple(name for name in names if name not in dict(cohort))
        return free, np.array([p for p in places if wanted <= set(roster.cohorts[p])], dtype=np.int64)


def coded(cohorts: list[Cohort], names: tuple[str, ...]) -> tuple[Ints, list[list[str]]]:
    """Number the values of some dimensions, each by the order of its names; codes [cohorts x dimensions].

    >>> codes, values = coded([(("region", "us"),), (("region", "eu"),)], ("region",))
    >>> codes.tolist(), values
    ([[1], [0]], [['eu', 'us']])
    """
    dims = [dict(cohort) for cohort in cohorts]
    values = [sorted({each[name] for each in dims}) for name in names]
    at = [{value: code for code, value in enumerate(known)} for known in values]
    rows = [[at[k][each[name]] for k, name in enumerate(names)] for each in dims]
    return np.array(rows, dtype=np.int64).reshape(len(cohorts), len(names)), values
