"""No detector sees the future: what is said of a minute depends on nothing that comes after it, nor on restarts."""

import msgspec
import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.detect.detect import Detect, Judged
from schemas.partial import Minute
from schemas.score import Level
from schemas.signal import Cohort
from tests.pipelines.detect.by_hand import KNOWN, announced, cohort, levels, minute_of
from tests.pipelines.detect.by_hand import settings as told

SETS = ((), ("region",), ("model_version",))
RULE = {"name": "many", "signal": "refusal_rate", "above": 0.2, "by": ("region",)}
SETTINGS = told(SETS, rules=(RULE,), detection={"accept_after_hours": 1.0})
LEAVES: tuple[Cohort, ...] = tuple(
    cohort(region=region, model_version=version) for region, version in (("eu", "1"), ("us", "1"), ("eu", "2"))
)
LIVES = ((0, 0.0), (1, 0.5), (40, 0.0), (40, 0.03), (40, 0.12), (400, 0.03), (400, 0.6))
"""Turns a minute and refusal rate of a leaf: silent, thin, quiet, tripled, a burst, and a burst of refusals."""
QUIET, TRIPLED = (3, 3, 0), (4, 3, 0)

Part = tuple[int, tuple[int, ...], bool, bool]
"""Minutes, the life of each leaf, and whether the first minute is left unjudged and has an announced change."""
PARTS = st.tuples(
    st.integers(5, 60),
    st.tuples(*[st.integers(0, len(LIVES) - 1)] * len(LEAVES)),
    st.booleans(),
    st.booleans(),
)


def told_of(parts: list[Part], seed: int, start: int = 0) -> list[Minute]:
    """Draw the minutes of some parts, from a minute on."""
    rng, minutes = np.random.default_rng((seed, start)), []
    for length, lives, blind, change in parts:
        for k in range(length):
            at = start + len(minutes)
            turns = {}
            for leaf, life in zip(LEAVES, lives, strict=True):
                n = int(rng.poisson(LIVES[life][0]))
                if n:
                    turns[leaf] = (n, int(rng.binomial(n, LIVES[life][1])))
            changes = (announced("flag", f"f{at}", at),) if change and k == 0 else ()
            minutes.append(minute_of(at, turns, sets=SETS, changes=changes, scored=not (blind and k == 0)))
    return minutes


def judged_alone(minutes: list[Minute], restarts: frozenset[int] = frozenset()) -> list[Judged]:
    """Judge minutes in order; before some of them the wing is saved, thrown away and restored."""
    detect, said = Detect(SETTINGS, KNOWN.signal), []
    for made in minutes:
        if made.minute in restarts:
            body = detect.snapshot()
            detect = Detect(SETTINGS, KNOWN.signal)
            detect.restore(body)
        said.append(detect.step(made))
    return said


def bodies(said: list[Judged]) -> list[bytes]:
    """Give everything that was said of each minute as bytes."""
    return [msgspec.msgpack.encode(each) for each in said]


@settings(max_examples=12)
@given(
    past=st.lists(PARTS, min_size=1, max_size=4),
    futures=st.tuples(st.lists(PARTS, max_size=2), st.lists(PARTS, max_size=2)),
    restarts=st.frozensets(st.integers(0, 299), max_size=4),
    seed=st.integers(0, 2**16),
)
@example(
    past=[(90, QUIET, False, False), (60, TRIPLED, True, True)],
    futures=([(60, QUIET, False, False)], [(30, (2, 6, 1), False, True)]),
    restarts=frozenset({0, 1, 59, 60, 95, 151}),
    seed=3,
)
def test_verdicts_of_a_minute_are_the_same_whatever_follows_it(past, futures, restarts, seed):
    """The same past with another future, restarted at other places, gets the same verdicts minute by minute.

    Verdicts are read once all minutes are judged, so that one that changes after it was given would show as well.
    """
    shared = told_of(past, seed)
    one, other = (shared + told_of(future, seed + 1, len(shared)) for future in futures)
    assert bodies(judged_alone(one))[: len(shared)] == bodies(judged_alone(other, restarts))[: len(shared)]


def test_the_example_has_something_to_say():
    """The example above is no empty one: its past holds a page, and a broken limit, that a future could have moved."""
    said = judged_alone(told_of([(90, QUIET, False, False), (60, TRIPLED, True, True)], 3))
    assert levels(said, Level.TICKET)
