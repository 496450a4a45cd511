"""Shape drift hour by hour: what is noted and when, what a mix, a level, a burst or a session does not set off."""

import msgspec
import numpy as np
import pytest

from detectors.base import SignalTable
from detectors.budget import Budget
from pipelines.detect import windows
from pipelines.detect.covered import Covered
from pipelines.detect.detect import Detect
from pipelines.detect.hours import Hours
from pipelines.detect.panels import panels
from pipelines.detect.series import Roster
from pipelines.detect.weights import Weights
from schemas.partial import Cells, Minute
from schemas.score import Level, Reason
from schemas.signal import cohort_key, series_key
from tests.pipelines.detect.by_hand import KNOWN, LATENESS_MS, cohort, settings

SETS = ((), ("tenant",))
A, B = cohort(tenant="a"), cohort(tenant="b")
TOOLS = ("book", "find", "pay", "read", "wire")
USUAL = (0.3, 0.3, 0.2, 0.2, 0.0)
OTHER_HABITS = (0.05, 0.1, 0.25, 0.6, 0.0)
WIRED = (0.29, 0.29, 0.2, 0.2, 0.02)
"""Two calls in a hundred go to a tool that nobody has ever called."""
BUDGET = Budget.of(pages=1.0, tickets=10.0, notes=100.0)


def calls(rng, shares, n, session=1):
    """Draw calls by tool; `session` of them at a time are of one tool."""
    return session * rng.multinomial(n // session, shares)


def sizes(rng, n, octaves=0.7, shift=0.0):
    """Draw the histogram of some lognormal sizes in eighths of a doubling: 400 in the middle, spread in doublings."""
    logs = np.log2(1.0 + np.exp2(rng.normal(np.log2(400.0) + shift, octaves, n)))
    return np.bincount(np.ceil(logs * 8.0).astype(int), minlength=256)


def cells_of(rows):
    """Make the cells of some cohorts from their counts by bin."""
    table = np.array(rows, dtype=np.int64)
    row, at = np.nonzero(table)
    n = table.sum(axis=1)
    return Cells(n=n, x=n, log_sum=np.zeros_like(n), row=row, bin=at, count=table[row, at])


def minute_of(at, told, signal="tool_mix"):
    """Make a minute from counts by bin of each tenant, with all traffic as their sum."""
    cohorts = tuple(sorted(((), *told), key=cohort_key))
    rows = [sum(told.values()) if not place else told[place] for place in cohorts]
    n = np.array([int(row.sum()) for row in rows])
    none = np.zeros(0, dtype=np.int64)
    return Minute(
        minute=at, detected_ms=(at + 1) * 60_000 + LATENESS_MS, scored=True, cohorts=cohorts, events=n,
        signature=n * 7 + np.arange(len(n)) + at, categories=TOOLS, leaves=tuple(told),
        leaf_events=np.array([int(each.sum()) for each in told.values()]),
        signals={signal: cells_of(rows), "traffic": Cells(n, n, np.zeros_like(n), none, none, none)},
    )  # fmt: skip


class Clock:
    """The hourly watch over minutes by hand, one an hour."""

    def __init__(self, signal="tool_mix", accept_after=48 * 60.0, seed=5):
        """Begin before the first hour."""
        self.signal, self.hour, self.rng = signal, 0, np.random.default_rng(seed)
        self.roster = Roster(KNOWN.signal, 1_000)
        self.hours, self.weights = Hours(SETS, accept_after), Weights(self.roster)
        self.covered = Covered(self.roster)

    def step(self, told, noted=()):
        """Judge one more hour; gives what is told at its beginning, which is what the hour before showed."""
        minute = minute_of(60 * self.hour, told, self.signal)
        self.hour += 1
        places, _ = self.roster.place(minute)
        kind = KNOWN.signal(self.signal).kind
        shown = {each: panel for each, panel in panels(self.roster, minute, places).items() if each == kind}
        self.weights.step(shown, (), minute.minute, self.hours.traffic)
        size = len(self.roster.signals)
        table = SignalTable(np.full(size, np.log(1.1)), np.full(size, True), np.full(size, True))
        found = self.hours.step(self.roster, minute, places, BUDGET, self.weights, table, self.covered)
        rows = self.roster.kinds[kind].columns
        self.hours.spoil(kind, np.array([self.roster.cohorts[place] in noted for place in rows.cohort]))
        return found

    def tools(self, hours, a=USUAL, b=None, n=(1000, 1000), session=1):
        """Judge some hours of tool calls of two tenants: the findings of note level, by hour."""
        said = []
        for _ in range(hours):
            drawn = {A: calls(self.rng, a, n[0], session), B: calls(self.rng, a if b is None else b, n[1], session)}
            said.append([f for f in self.step(drawn) if f.level >= Level.NOTE])
        return said

    def lengths(self, hours, noted=(), **how):
        """Judge some hours of sizes of two tenants of which one changes; the findings of note level, by hour."""
        said = []
        for _ in range(hours):
            drawn = {A: sizes(self.rng, 800, **how), B: sizes(self.rng, 800)}
            said.append([f for f in self.step(drawn, noted) if f.level >= Level.NOTE])
        return said


def test_a_tool_never_called_before_is_told_by_name_within_three_hours():
    """Two per cent of one tenant's calls are new; a note comes after three hours, then a ticket, and never a page."""
    clock = Clock()
    assert not any(clock.tools(48))
    said = clock.tools(12, WIRED, USUAL)
    first = next(hour for hour, found in enumerate(said) if any(f.cohort == A for f in found))
    assert first <= 3
    found = next(f for f in said[first] if f.cohort == A)
    assert (found.signal, found.detector, found.reason, found.direction) == ("tool_mix", "shape", Reason.SHAPE, "up")
    assert found.onset_ms == 48 * 3_600_000
    assert found.account.shape.moved[0].what == "wire"
    assert found.account.shape.moved[0].before == 0.0
    assert 0.01 < found.account.shape.moved[0].now < 0.03
    assert {f.level for f in said[-1] if f.cohort == A} == {Level.TICKET}
    assert not any(f.cohort == B for hour in said for f in hour)


@pytest.mark.playbook("T4", "T5")
def test_sizes_that_scatter_twice_as_widely_are_told_though_their_mean_stays():
    """The mean of log2 is the same before and after, the standard deviation doubles: noted in hours, as twice."""
    rng = np.random.default_rng(1)
    before, after = (sizes(rng, 100_000, octaves) for octaves in (0.7, 1.4))
    middle = [float((np.arange(256) * each[:256]).sum() / each.sum()) / 8.0 for each in (before, after)]
    assert middle[0] == pytest.approx(middle[1], abs=0.02)
    clock = Clock("output_tokens")
    assert not any(clock.lengths(48))
    said = clock.lengths(6, octaves=1.4)
    found = next(f for hour in said for f in hour if f.cohort == A)
    assert said[3]
    assert found.account.shape.spread == pytest.approx(2.0, abs=0.15)
    assert found.account.shape.distance > 0.1


def test_a_mere_shift_of_the_level_is_no_change_of_shape():
    """Sizes grow by a seventh, then halve, each as a whole: that is for the detector of levels to tell."""
    clock = Clock("output_tokens")
    clock.lengths(48)
    assert not any(clock.lengths(24, shift=0.2))
    assert not any(clock.lengths(24, shift=-1.0))


def test_another_mix_of_tenants_is_no_drift():
    """A tenant with other habits grows from half of the traffic to nine tenths: nobody behaves differently."""
    clock = Clock()
    clock.tools(48, USUAL, OTHER_HABITS)
    assert not any(clock.tools(48, USUAL, OTHER_HABITS, n=(200, 1800)))


def test_sessions_keep_the_promise():
    """Ten calls of a session are of one tool, and count as one: no ticket in two weeks, in which 20 are allowed.

    Of the 200 notes that are allowed, each of an hour or more, there are not half as many hours with one.
    """
    clock = Clock(seed=6)
    said = clock.tools(336, session=10)
    assert sum(bool(found) for found in said) < 100
    assert not any(f.level >= Level.TICKET for found in said for f in found)
    design = clock.hours._watches["mix"].baseline.pools["design"][:, 0]
    assert 8.0 < design.max() < 12.0


def test_one_hour_like_no_other_is_no_ticket():
    """A single hour of wholly other calls says at most four nats of itself, and is over before it is sure."""
    clock = Clock()
    clock.tools(48)
    said = [*clock.tools(1, OTHER_HABITS, USUAL), *clock.tools(12)]
    assert not any(f.level >= Level.TICKET for found in said for f in found)


def test_a_drift_that_nobody_stops_becomes_normal():
    """After twelve hours of a drift the new shape is taken up, and after seven more it is judged again: quiet."""
    clock = Clock(accept_after=720.0)
    clock.tools(48)
    said = clock.tools(48, OTHER_HABITS, USUAL)
    told = [bool(found) for found in said]
    assert any(told[:12])
    assert not any(told[20:])


@pytest.mark.playbook("R7")
def test_a_drift_that_an_open_incident_covers_does_not_become_normal():
    """For a day and a half beyond the twelve hours it is told of; once nothing covers it, the new shape is taken up."""
    clock = Clock(accept_after=720.0)
    clock.tools(48)
    clock.covered.step(frozenset({series_key("tool_mix", A)}))
    said = clock.tools(48, OTHER_HABITS, USUAL)
    assert all(said[-12:])
    clock.covered.step(frozenset())
    assert not any(clock.tools(36, OTHER_HABITS, USUAL)[20:])


def test_what_the_minutes_tell_of_is_not_told_again():
    """While the minutes note a level, the shape of that cohort and of all that share its cells is left out."""
    clock = Clock("output_tokens")
    clock.lengths(48)
    assert not any(clock.lengths(8, noted=(A,), octaves=1.4))
    assert any(clock.lengths(8, octaves=1.4))


def test_only_the_largest_cells_have_a_shape(monkeypatch):
    """With room for one cell it is the larger one; all traffic, of which it explains half, is not judged."""
    monkeypatch.setattr(windows, "CELLS_MAX", 1)
    clock = Clock()
    clock.tools(48, n=(1000, 2000))
    said = clock.tools(12, WIRED, WIRED, n=(1000, 2000))
    assert {f.cohort for found in said for f in found} == {B}


def test_a_restart_changes_nothing():
    """A watch that is saved and restored before every hour tells the same, byte by byte; another version is refused."""
    one, other, said = Clock(), Clock(), []
    for clock in (one, other):
        found = []
        for hour in range(36):
            if clock is other:
                saved = msgspec.msgpack.decode(msgspec.msgpack.encode(clock.hours.dump()))
                clock.hours = Hours(SETS, 48 * 60.0)
                clock.hours.load(saved)
            found += clock.tools(1, USUAL if hour < 24 else WIRED)
        said.append(msgspec.msgpack.encode(found))
    assert said[0] == said[1]
    assert len(said[0]) > 1_000
    saved["watches"]["mix"]["baseline"]["version"] = 0
    with pytest.raises(ValueError, match="shape state of version 0"):
        Hours(SETS, 48 * 60.0).load(saved)


def test_the_wing_tells_of_a_drift_and_goes_on_after_a_restart():
    """The whole wing notes a new tool with its account once, tells of it every minute, and restarts bit for bit."""
    told = settings(SETS)

    def story(restarts):
        detect, rng, found = Detect(told, KNOWN.signal), np.random.default_rng(8), []
        for hour in range(40):
            shares = USUAL if hour < 30 else WIRED
            drawn = {A: calls(rng, shares, 1000), B: calls(rng, USUAL, 1000)}
            for minute in (60 * hour, 60 * hour + 1):
                if restarts:
                    body = detect.snapshot()
                    detect = Detect(told, KNOWN.signal)
                    detect.restore(body)
                found.append(detect.step(minute_of(minute, drawn)).findings)
        return found

    said = story(restarts=False)
    assert msgspec.msgpack.encode(said) == msgspec.msgpack.encode(story(restarts=True))
    drifts = [[f for f in found if f.detector == "shape" and f.level >= Level.NOTE] for found in said]
    assert not any(drifts[:60])
    first = next(k for k, found in enumerate(drifts) if found)
    assert drifts[first][0].account is not None
    assert [(f.cohort, f.account) for f in drifts[first + 1]] == [(f.cohort, None) for f in drifts[first]]
