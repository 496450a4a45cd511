"""The roll-up turns the cells of one closed minute into the signals of every configured cohort."""

from collections.abc import Sequence

import msgspec
import numpy as np

from pipelines.aggregate.cells import BIN_PART, COUNT_PART, EVENTS, MIX_PART, OVERFLOW_PREFIX, REGISTER_PART, Table
from pipelines.aggregate.leaves import Leaves
from pipelines.aggregate.signals import (
    CATEGORY_PREFIX,
    EVALUATION_PREFIX,
    GUARDRAIL_SIGNALS,
    NAMED_MAX,
    Catalogue,
)
from pipelines.aggregate.sums import Joined, Sums
from schemas.arrays import Ints
from schemas.partial import Cells
from schemas.signal import OTHER, Cohort

LEAVES_KEPT_MAX = 50_000
"""Most leaves whose cohorts are remembered between minutes; over it the table starts anew."""
COVERAGE = "guardrail_coverage_rate"
GUARDRAIL = "safety_trigger_rate"
USERS = "users_per_min"

_NONE = np.zeros(0, dtype=np.int64)


class Rolled(msgspec.Struct, frozen=True):
    """What a minute's cells are for every cohort; the fields are those of `Minute`."""

    cohorts: tuple[Cohort, ...]
    events: Ints
    signature: Ints
    signals: dict[str, Cells]
    categories: tuple[str, ...]
    leaves: tuple[Cohort, ...]
    leaf_events: Ints
    overflow: dict[str, int]
    leaf_rates: dict[str, tuple[Ints, Ints]]


class Rollup:
    """Rolls minutes up; made once for a catalogue. `known` is what it has learned of the stream, and must be kept."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Begin knowing nothing of the stream."""
        self._catalogue = catalogue
        self._leaves = Leaves(catalogue.dimensions, catalogue.sets)
        self._plan = [(row.signal.name, row.signal.kind, row.measure is None) for row in catalogue.rows]
        self.known: tuple[str, ...] = ()

    def roll(self, tables: Sequence[Table]) -> Rolled:
        """Sum the tables of one minute for every cohort."""
        if not tables:
            return Rolled((), _NONE, _NONE, {}, (), (), _NONE, {}, {})
        if len(self._leaves) > LEAVES_KEPT_MAX:
            self._leaves.clear()
        numbered = [self._leaves.numbers(table.leaves) for table in tables]
        leaf = np.unique(np.concatenate(numbered))
        cohorts, position, order, starts = self._places(leaf)
        rows = Joined(tables, [np.searchsorted(leaf, numbers) for numbers in numbered])
        dense = rows.dense(len(leaf))
        events = dense[:, rows.fields[EVENTS]]
        signature = self._leaves.hashes[leaf] * events  # wraps around on purpose: it only has to be equal or not
        sums = Sums(
            cohorts=len(cohorts),
            zeros=np.zeros(len(cohorts), dtype=np.int64),
            totals={name: _by_cohort(dense[:, at], order, starts) for name, at in rows.fields.items()},
            keyed=rows.keyed(position, len(cohorts)),
            distinct=rows.distinct(position, len(cohorts)),
        )
        names = [self._leaves.names[number] for number in leaf.tolist()]
        by_key = sorted(range(len(leaf)), key=[self._leaves.name_keys[number] for number in leaf.tolist()].__getitem__)
        return Rolled(
            cohorts=cohorts,
            events=sums.total(EVENTS),
            signature=_by_cohort(signature, order, starts),
            signals=self._signals(sums, rows.names),
            categories=rows.names,
            leaves=tuple(names[k] for k in by_key),
            leaf_events=events[by_key],
            leaf_rates=self._leaf_rates(dense[by_key], rows.fields),
            overflow={
                name.removeprefix(OVERFLOW_PREFIX).removesuffix(COUNT_PART): int(dense[:, at].sum())
                for name, at in sorted(rows.fields.items())
                if name.startswith(OVERFLOW_PREFIX)
            },
        )

    def _leaf_rates(self, dense: Ints, fields: dict[str, int]) -> dict[str, tuple[Ints, Ints]]:
        """Give the trials and hits of each leaf for every rate that is counted as such."""
        rates = [name for name, kind, _ in self._plan if kind == "rate" and f"{name}.n" in fields]
        silent = set() if COVERAGE in self.known else GUARDRAIL_SIGNALS
        return {
            name: (dense[:, fields[f"{name}.n"]], dense[:, fields[f"{name}.x"]])
            for name in rates
            if name not in silent and f"{name}.x" in fields
        }

    def _places(self, leaf: Ints) -> tuple[tuple[Cohort, ...], Ints, Ints, Ints]:
        """Give the cohorts sorted by key, the place of each leaf's cohorts, and how to sum leaves by cohort."""
        member = self._leaves.member[leaf]
        numbers, inverse = np.unique(member, return_inverse=True)
        none = int(numbers[0] < 0) if len(numbers) else 0
        keys = [self._leaves.keys[number] for number in numbers[none:].tolist()]
        by_key = sorted(range(len(keys)), key=keys.__getitem__)
        place = np.full(len(numbers), -1, dtype=np.int64)
        place[np.array(by_key, dtype=np.int64) + none] = np.arange(len(by_key))
        position = place[inverse].reshape(member.shape)
        flat = position.ravel()
        order = np.argsort(flat, kind="stable")
        order = order[np.searchsorted(flat[order], 0) :]
        starts = np.searchsorted(flat[order], np.arange(len(by_key)))
        cohorts = tuple(self._leaves.cohorts[int(numbers[none + k])] for k in by_key)
        return cohorts, position, order // max(1, member.shape[1]), starts

    def _signals(self, sums: Sums, names: tuple[str, ...]) -> dict[str, Cells]:
        """Give the cells of every signal that has any, in order of name."""
        self._learn(sums, names)
        found: dict[str, Cells] = {}
        for name, kind, derived in self._plan:
            if name in GUARDRAIL_SIGNALS and COVERAGE not in self.known:
                continue
            if kind == "traffic":
                if EVENTS in sums.totals:
                    found[name] = _plain(sums, sums.total(EVENTS), sums.total(EVENTS))
            elif kind == "mix":
                if f"{name}{MIX_PART}" in sums.keyed:
                    found[name] = _mix(sums, name)
            elif kind == "distinct" or derived:
                source = USERS if derived else name
                if f"{source}{REGISTER_PART}" in sums.distinct:
                    found[name] = _plain(sums, sums.distinct[f"{source}{REGISTER_PART}"], sums.total(f"{source}.n"))
            elif f"{name}.n" in sums.totals:
                found[name] = _cells(sums, name)
        self._categories(sums, names, found)
        self._evaluations(sums, found)
        return dict(sorted(found.items()))

    def _learn(self, sums: Sums, names: tuple[str, ...]) -> None:
        """Remember what the stream has shown: that guardrails speak, their categories, and evaluations by name."""
        known = set(self.known)
        if COVERAGE not in self._catalogue.signals or sums.total(f"{COVERAGE}.x").any():
            known.add(COVERAGE)
        _, codes, _ = sums.keyed.get(f"{GUARDRAIL}{MIX_PART}", (_NONE, _NONE, _NONE))
        _admit(known, CATEGORY_PREFIX, sorted(names[code] for code in np.unique(codes).tolist()))
        _admit(known, EVALUATION_PREFIX, sorted(_evaluations_in(sums)))
        self.known = tuple(sorted(known))

    def _categories(self, sums: Sums, names: tuple[str, ...], found: dict[str, Cells]) -> None:
        """Add the rate of every known guardrail category: its hits among all turns that could have had one."""
        trials = found.get(GUARDRAIL)
        mine = [name for name in self.known if name.startswith(CATEGORY_PREFIX)]
        if trials is None or not mine:
            return
        hits = {name: np.zeros(sums.cohorts, dtype=np.int64) for name in mine}
        cohort, code, count = sums.keyed.get(f"{GUARDRAIL}{MIX_PART}", (_NONE, _NONE, _NONE))
        for one in np.unique(code).tolist():
            name = CATEGORY_PREFIX + names[one]
            into = hits[name if name in hits else CATEGORY_PREFIX + OTHER]
            np.add.at(into, cohort[code == one], count[code == one])
        # An event that hits several of the categories in __other__ counts more than once there, but no rate exceeds 1.
        found.update({name: _plain(sums, trials.n, np.minimum(x, trials.n)) for name, x in hits.items()})

    def _evaluations(self, sums: Sums, found: dict[str, Cells]) -> None:
        """Add the score of every evaluation; those without a signal of their own share one."""
        for name in _evaluations_in(sums):
            signal = EVALUATION_PREFIX + name
            if signal not in self.known:
                signal = EVALUATION_PREFIX + OTHER
            cells = _cells(sums, EVALUATION_PREFIX + name)
            found[signal] = _added(found[signal], cells) if signal in found else cells


def _by_cohort(values: Ints, order: Ints, starts: Ints) -> Ints:
    """Sum rows of leaves by cohort; there may be no cohort at all, when no set fits any leaf."""
    return np.add.reduceat(values[order], starts) if len(starts) else np.zeros((0, *values.shape[1:]), dtype=np.int64)


def _admit(known: set[str], prefix: str, names: Sequence[str]) -> None:
    """Give names a signal of their own while there is room; the first that finds none opens `__other__`."""
    for name in names:
        taken = sum(one.startswith(prefix) and one != prefix + OTHER for one in known)
        known.add(prefix + (name if prefix + name in known or taken < NAMED_MAX else OTHER))


def _evaluations_in(sums: Sums) -> list[str]:
    """Name the evaluations of this minute."""
    ends = [name for name in sums.totals if name.startswith(EVALUATION_PREFIX) and name.endswith(".n")]
    return [name[len(EVALUATION_PREFIX) : -2] for name in ends if sums.totals[name].any()]


def _plain(sums: Sums, n: Ints, x: Ints) -> Cells:
    """Give cells of n and x alone."""
    return Cells(n, x, sums.zeros, _NONE, _NONE, _NONE)


def _cells(sums: Sums, name: str) -> Cells:
    """Give the cells of a signal with fields of its own."""
    row, key, count = sums.keyed.get(f"{name}{BIN_PART}", (_NONE, _NONE, _NONE))
    return Cells(sums.total(f"{name}.n"), sums.total(f"{name}.x"), sums.total(f"{name}.log"), row, key, count)


def _mix(sums: Sums, name: str) -> Cells:
    """Give the cells of a mix: n counts the names."""
    row, key, count = sums.keyed.get(f"{name}{MIX_PART}", (_NONE, _NONE, _NONE))
    n = np.zeros(sums.cohorts, dtype=np.int64)
    np.add.at(n, row, count)
    return Cells(n, sums.zeros, sums.zeros, row, key, count)


def _added(one: Cells, two: Cells) -> Cells:
    """Add two cells of scores."""
    parts = (np.concatenate(pair) for pair in ((one.row, two.row), (one.bin, two.bin), (one.count, two.count)))
    return Cells(one.n + two.n, one.x + two.x, one.log_sum + two.log_sum, *parts)
