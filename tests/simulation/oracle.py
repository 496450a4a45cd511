"""The oracle counts the truth of a whole log by plain rules, without the product: what each record is, and n and x.

Per partition in the order of the log: what is no event is rejected, a time of next week is out of range, what comes
later than the lateness behind the newest time before it is late, an id again in the same minute is a duplicate.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass

from schemas.partial import Minute
from schemas.record import Partition
from schemas.signal import OTHER
from tests.simulation.log import MINUTE_MS, Entry, Log
from tests.simulation.settings import LEAVES_MAX, VALUES_MAX

LATENESS_MS = 120_000

Key = tuple[int, str, str]  # minute, region, tenant; "" where it does not matter


@dataclass(frozen=True)
class Truth:
    """What became of the records of each partition, and the events, refusals, tool calls and errors of each cohort."""

    verdicts: dict[Partition, Counter[str]]
    sums: dict[Key, Counter[str]]


def truth_of(log: Log, values_max: int = VALUES_MAX, leaves_max: int = LEAVES_MAX) -> Truth:
    """Count the whole log under these caps on values and leaves."""
    sums: dict[Key, Counter[str]] = defaultdict(Counter)
    verdicts = {}
    for partition in log.entries:
        verdicts[partition] = Counter()
        newest, names, leaves = 0, defaultdict(set), defaultdict(set)
        for _, entry in log.kept(partition):
            minute = entry.ts_ms // MINUTE_MS
            verdict = _verdict(entry, newest, names[minute])
            verdicts[partition][verdict] += 1
            if entry.kind not in ("poison", "future"):
                newest = max(newest, entry.ts_ms)
            if verdict == "aggregated":
                names[minute].add(entry.name)
                if entry.kind == "turn":
                    region, tenant = _place(leaves[minute], (entry.region, entry.tenant), values_max, leaves_max)
                    for key in ((minute, "", ""), (minute, region, ""), (minute, region, tenant)):
                        sums[key] += _counted(entry)
    return Truth(verdicts, sums)


def _verdict(entry: Entry, newest_ms: int, names: set[str]) -> str:
    if entry.kind == "poison":
        return "rejected"
    if entry.kind == "future":
        return "out_of_range"
    if (entry.ts_ms // MINUTE_MS + 1) * MINUTE_MS + LATENESS_MS <= newest_ms or entry.kind == "late":
        return "late"
    return "duplicate" if entry.name in names else "aggregated"


def _place(leaves: set[tuple[str, str]], leaf: tuple[str, str], values_max: int, leaves_max: int) -> tuple[str, str]:
    """Give what a leaf is counted as under the caps: who comes first in a partition's minute has the places."""
    if leaf in leaves:
        return leaf
    values = [{value for value in column if value != OTHER} for column in zip(*leaves, strict=True)] or [set(), set()]
    fits = [value in seen or len(seen) < values_max for value, seen in zip(leaf, values, strict=True)]
    region, tenant = (value if fit else OTHER for value, fit in zip(leaf, fits, strict=True))
    if (region, tenant) not in leaves and len(leaves) >= leaves_max:
        return OTHER, OTHER
    leaves.add((region, tenant))
    return region, tenant


def _counted(entry: Entry) -> Counter[str]:
    errors = entry.calls.count("error")
    return Counter(events=1, refused=int(entry.refused), calls=len(entry.calls), errors=errors)


def sums_of(minutes: list[Minute]) -> dict[Key, Counter[str]]:
    """Give the same sums of closed minutes as the product keeps them."""
    found = {}
    for minute in minutes:
        refusals, calls = minute.signals.get("refusal_rate"), minute.signals.get("tool_error_rate")
        for at, cohort in enumerate(minute.cohorts):
            named = dict(cohort)
            key = (minute.minute, named.get("region", ""), named.get("tenant", ""))
            found[key] = Counter(
                events=int(minute.events[at]),
                refused=int(refusals.x[at]),
                calls=int(calls.n[at]) if calls else 0,
                errors=int(calls.x[at]) if calls else 0,
            )
            assert refusals.n[at] == minute.events[at], f"{key}: every turn says whether it was a refusal"
    return found
