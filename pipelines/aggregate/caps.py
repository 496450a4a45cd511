"""The caps bound what one partition may open in one minute; what is over them is counted in `__other__`.

Who gets a place goes by first appearance in offset order, so it does not depend on how batches are cut; totals stay
exact. A value over its cap is replaced in its own dimension only; a leaf over the cap becomes the leaf that is
`__other__` in every dimension.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from schemas.arrays import Bools, Ints
from schemas.settings import Cohorts
from schemas.signal import OTHER

NAMES_MAX = 256
"""Most names a mix or the evaluations may open in one minute and partition; tools and languages are far fewer."""

Leaf = tuple[str, ...]


class Open:
    """What one minute has opened: leaves, the values of each dimension once they matter, and names by signal."""

    def __init__(self) -> None:
        """Begin empty."""
        self.leaves: set[Leaf] = set()
        self.values: list[set[str]] | None = None
        self.names: dict[str, set[str]] = {}


class Caps:
    """The open minutes of one partition."""

    def __init__(self, cohorts: Cohorts, dimensions: int) -> None:
        """Take the caps of the settings, and the number of dimensions."""
        self._values_max = cohorts.values_max
        self._leaves_max = cohorts.leaves_max
        self._catch_all: Leaf = (OTHER,) * dimensions
        self._open: dict[int, Open] = {}

    def forget_before(self, minute: int) -> None:
        """Drop the minutes before this one."""
        for old in [known for known in self._open if known < minute]:
            del self._open[old]

    def recall(self, minute: int, leaves: Iterable[Leaf], names: dict[str, set[str]]) -> None:
        """Take up what a stored partial had opened."""
        opened = self._open.setdefault(minute, Open())
        opened.leaves.update(leaf for leaf in leaves if leaf != self._catch_all)
        for signal, some in names.items():
            opened.names.setdefault(signal, set()).update(name for name in some if name != OTHER)

    def fit(self, minute: Ints, leaf: Ints, first: Ints, leaves: Sequence[Leaf]) -> tuple[Ints, list[Leaf], Bools]:
        """Give each group (a leaf in a minute, ordered by minute) the leaf it is counted in.

        `first` [G] is when the group first appears. Returns codes [G] into the leaves, the leaves (those that were
        asked for, and new ones behind), and which dimensions were replaced [G x D + 1], the last one for whole leaves.
        """
        fitted, known = leaf.copy(), list(leaves)
        replaced = np.zeros((len(leaf), len(self._catch_all) + 1), dtype=np.bool_)
        minutes, starts = np.unique(minute, return_index=True)
        bounds = [*starts.tolist(), len(minute)]
        for k, one in enumerate(minutes.tolist()):
            a, b = bounds[k], bounds[k + 1]
            opened = self._open.setdefault(one, Open())
            # A minute with few leaves has few values in every dimension, so no cap can be met.
            few = len(opened.leaves) + b - a <= min(self._leaves_max, self._values_max)
            if few and opened.values is None:
                opened.leaves.update(leaves[code] for code in leaf[a:b].tolist())
                continue
            for group in (np.argsort(first[a:b], kind="stable") + a).tolist():
                asked = leaves[int(leaf[group])]
                given = self._place(opened, asked)
                if given != asked:
                    whole = given == self._catch_all
                    replaced[group] = [
                        *(was != now and not whole for was, now in zip(asked, given, strict=True)),
                        whole,
                    ]
                    fitted[group] = len(known)
                    known.append(given)
        return fitted, known, replaced

    def _place(self, opened: Open, leaf: Leaf) -> Leaf:
        """Give the leaf that this one is counted in, opening it if there is room."""
        if leaf in opened.leaves:
            return leaf
        if opened.values is None:
            opened.values = [
                {v for v in column if v and v != OTHER} for column in zip(*opened.leaves, strict=True)
            ] or [set() for _ in leaf]
        given = tuple(
            value if not value or value in seen or len(seen) < self._values_max else OTHER
            for value, seen in zip(leaf, opened.values, strict=True)
        )
        if given in opened.leaves or given == self._catch_all:
            return given
        if len(opened.leaves) >= self._leaves_max:
            return self._catch_all
        opened.leaves.add(given)
        for value, seen in zip(given, opened.values, strict=True):
            if value and value != OTHER:
                seen.add(value)
        return given

    def names(self, signal: str, minute: Ints, code: Ints, values: Sequence[str]) -> Bools:
        """Say which of these names [K] are over the cap; they are in order of appearance, `code` indexes `values`."""
        over = np.zeros(len(code), dtype=np.bool_)
        pairs, first, inverse = np.unique(minute * max(1, len(values)) + code, return_index=True, return_inverse=True)
        refused = np.zeros(len(pairs), dtype=np.bool_)
        for pair in np.argsort(first, kind="stable").tolist():
            one, which = divmod(int(pairs[pair]), len(values))
            seen = self._open.setdefault(one, Open()).names.setdefault(signal, set())
            name = values[which]
            if len(seen) < NAMES_MAX and name != OTHER:
                seen.add(name)
            else:
                refused[pair] = name not in seen
        return refused[inverse] if len(pairs) else over
