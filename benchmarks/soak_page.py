"""The result of the soak, and the section of the benchmarks that is made from it."""

from itertools import groupby

import msgspec

from benchmarks.tables import markdown

CASES = {
    1: "kill -9",
    2: "the broker restarts or goes away",
    3: "a storm of rebalances",
    4: "duplicates",
    5: "disorder",
    6: "late events",
    7: "times out of range",
    8: "our clock jumps",
    9: "records that are no events",
    10: "records of 10 MB",
    11: "a bomb of cohorts",
    12: "deep nesting",
    13: "numbers that are none",
    14: "absurd numbers",
    15: "broken text",
    16: "injected markup",
    17: "a sink that is down",
    18: "a sink that is slow",
    19: "a sink that refuses",
    20: "an answer lost after receipt",
    21: "a full disk",
    22: "a locked database",
    23: "a damaged database",
    24: "a wrong configuration",
    25: "little memory",
    26: "secrets",
    27: "a webhook turned inside",
    28: "requests without a right",
    29: "expressions that never end",
    30: "a client that is stuck",
    31: "a topic made anew, or deleted unread",
    32: "fields that change",
}
"""Number of a fault case -> what happens in it."""


class Count(msgspec.Struct, frozen=True):
    """What all tests counted of a case in one unit; with `most` it is the highest value that one measured."""

    case: int
    unit: str
    most: bool
    value: float


class Result(msgspec.Struct, frozen=True):
    """What the soak writes as JSON."""

    command: str
    commit: str
    minutes: float
    finished: bool
    passed: int
    skipped: int
    failed: tuple[str, ...]
    counts: tuple[Count, ...]


def page(result: Result) -> str:
    """Give the section of `docs/benchmarks.md` as Markdown."""
    failed = "".join(f"* failed: `{name}`\n" for name in result.failed)
    lines = [
        (str(case), CASES.get(case, ""), ", ".join(map(_said, counts)))
        for case, counts in groupby(sorted(result.counts, key=_place), key=lambda count: count.case)
    ]
    others = ", ".join(str(case) for case in CASES if case not in {count.case for count in result.counts})
    early = "" if result.finished else "It was ended before it was over, so what came last was not run. "
    return f"""## Soak: faults that were met

    {result.command}

Every test of a fault, quick or long, at commit `{result.commit}`, in {result.minutes:.0f} minutes: {result.passed:,}
passed, {len(result.failed)} failed, {result.skipped} skipped. {early}The tests say how often they went through each
case of the fault table and what they measured; each of them asserts what is expected there. What is simulated happens
in the worlds of `tests/simulation`, the rest to real processes or to the real line. Not counted here, because the suite
goes through them once or they cannot happen to a process that takes no part in groups: {others or "none"}.

{failed}{markdown(("case", "what happens", "met"), lines)}"""


def _place(count: Count) -> tuple[int, bool, str]:
    return count.case, count.most, count.unit


def _said(count: Count) -> str:
    return f"at most {count.value:,.3g} {count.unit}" if count.most else f"{count.value:,.0f} {count.unit}"
