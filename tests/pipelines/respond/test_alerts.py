"""The alert's state machine, minute by minute."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.respond.alerts import Policy, advance, key_of, strongest
from schemas.minutes import MINUTE_MS
from schemas.signal import Cohort
from tests.scenarios.stage import START_MINUTE, cohort, detected_at_ms, finding

EU: Cohort = cohort(region="eu")


def play(levels, for_minutes=0, keep_minutes=3, **more):
    """Play one letter a minute, give states and ids: P page, T ticket, N note, n less, d page downwards, . nothing."""
    names = {"P": "page", "T": "ticket", "N": "note", "n": "none", "d": "page"}
    policy = Policy(for_minutes * MINUTE_MS, keep_minutes * MINUTE_MS)
    alert, states, ids = None, [], []
    for minute, letter in enumerate(levels):
        way = "down" if letter == "d" else "up"
        found = None if letter == "." else finding(minute, "latency_ms", EU, names[letter], direction=way, **more)
        for moved in advance(alert, found, policy, START_MINUTE + minute, detected_at_ms(minute)):
            states.append((minute, moved.state))
            ids.append(moved.id)
            alert = None if moved.state == "resolved" else moved
    return states, ids


@pytest.mark.parametrize(
    ("levels", "for_minutes", "states"),
    [
        ("n.n", 0, []),  # below note nothing begins
        ("N", 0, [(0, "firing")]),
        ("Nn.", 0, [(0, "firing"), (1, "firing")]),  # a weaker finding keeps it
        ("N..P", 0, [(0, "firing"), (3, "firing")]),  # seen again just in time
        ("N...N", 0, [(0, "firing"), (3, "resolved"), (4, "firing")]),
        ("NNN", 2, [(0, "pending"), (1, "pending"), (2, "firing")]),
        ("NnN", 2, [(0, "pending"), (1, "resolved"), (2, "pending")]),  # a waiting one must hold every minute
        ("N.N", 1, [(0, "pending"), (1, "resolved"), (2, "pending")]),
        ("Pd", 0, [(0, "firing"), (1, "resolved"), (1, "firing")]),
    ],
)
def test_an_alert_moves_as_its_rule_says(levels, for_minutes, states):
    """Each row is a story of one series, one letter a minute, with the states that are new or changed."""
    assert play(levels, for_minutes)[0] == states


def test_an_id_is_that_of_rule_series_and_first_minute():
    """The id is the same in every run, the same for all of an alert's life, and another for the next alert."""
    _, ids = play("NNN...N")
    assert ids[:4] == [ids[0]] * 4
    assert ids[4] != ids[0]
    assert ids[0] == play("P")[1][0] == "80474e058b700875"


def test_a_weak_finding_of_the_other_direction_keeps_nothing():
    """What points the other way below note level counts as absence."""
    policy = Policy(0, MINUTE_MS)
    (alert,) = advance(None, finding(0, "latency_ms", EU, "note"), policy, START_MINUTE, detected_at_ms(0))
    down = finding(1, "latency_ms", EU, "none", direction="down")
    (after,) = advance(alert, down, policy, START_MINUTE + 1, detected_at_ms(1))
    assert (after.state, after.resolved_ms, after.last_seen_ms) == ("resolved", detected_at_ms(1), detected_at_ms(0))


def test_the_peak_is_the_strongest_and_the_latest_the_last():
    """An alert keeps its strongest finding, so its level never falls."""
    policy = Policy(0, MINUTE_MS)
    alert = None
    for minute, level in enumerate(["note", "page", "none"]):
        found = finding(minute, "latency_ms", EU, level)
        (alert,) = advance(alert, found, policy, START_MINUTE + minute, detected_at_ms(minute))
    assert (alert.peak.level.name, alert.latest.level.name) == ("PAGE", "NONE")


def test_a_limit_keeps_the_onset_of_its_first_breach():
    """The window of a limit moves on, the minute since which it is broken does not."""
    policy = Policy(0, MINUTE_MS)
    alert = None
    for minute in range(3):
        found = finding(minute, "latency_ms", EU, "page", rule="slow", onset=minute - 5, observed=1.0 + minute)
        (alert,) = advance(alert, found, policy, START_MINUTE + minute, detected_at_ms(minute))
    assert (alert.rule, alert.peak.observed) == ("slow", 3.0)
    assert alert.peak.onset_ms == finding(0, "latency_ms", EU, "page", onset=-5).onset_ms


def test_of_two_findings_of_one_series_the_stronger_counts():
    """Budgeted findings share one rule whatever detector made them; limits have rules of their own."""
    weak, strong = finding(0, "latency_ms", EU, "note"), finding(0, "latency_ms", EU, "ticket")
    limit = finding(0, "latency_ms", EU, "page", rule="slow")
    other = msgspec.structs.replace(weak, detector="level")
    assert strongest((weak, strong, limit, other)) == {key_of(weak): strong, ("slow", "latency_ms", EU): limit}


@given(st.text("PTNnd.", max_size=60), st.integers(0, 3), st.integers(1, 4))
def test_whatever_comes_an_alert_ends_once_and_times_are_ordered(levels, for_minutes, keep_minutes):
    """Pending comes before firing before resolved, and nothing follows resolved under the same id."""
    states, ids = play(levels, for_minutes, keep_minutes)
    rank = {"pending": 0, "firing": 1, "resolved": 2}
    for one in set(ids):
        life = [rank[state] for (_, state), known in zip(states, ids, strict=True) if known == one]
        assert life == sorted(life)
        assert life.count(2) <= 1
