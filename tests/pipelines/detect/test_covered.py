"""What an open incident covers is not taken for normal by itself: only these series, only as long, restarts or not."""

import msgspec
import numpy as np
import pytest

from pipelines.detect.covered import Covered
from pipelines.detect.detect import Detect
from pipelines.respond.respond import Respond
from schemas.score import Level
from schemas.signal import series_key
from tests.pipelines.detect.by_hand import DAY, EU, KNOWN, US, Story, levels, settings

QUIET = {EU: (60, 0.03), US: (60, 0.03)}
BOTH = {EU: (60, 0.09), US: (60, 0.12)}
SETTINGS = settings(((), ("region",)), detection={"accept_after_hours": 2.0})
COVERED = frozenset({series_key("refusal_rate", EU)})


def test_only_the_covered_series_is_held_and_only_as_long():
    """Both regions stay changed: after two hours the other one is normal, the covered one once nothing covers it."""
    story = Story(SETTINGS)
    story.run(DAY, QUIET)
    held = story.run(5 * 60, BOTH, COVERED)
    assert {place for _, _, place, _ in levels(held[-60:], Level.NOTE)} == {EU}
    assert story.expected(held[-1], EU) == pytest.approx(0.03, abs=0.006)
    assert story.expected(held[-1], US) == pytest.approx(0.12, abs=0.015)
    free = story.run(2 * 60, BOTH)
    assert [place for _, _, place, _ in levels(free[5:], Level.NOTE) if place == EU] == []
    assert story.expected(free[-1], EU) == pytest.approx(0.09, abs=0.015)


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.playbook("R7")
def test_an_open_page_is_not_taken_for_normal_until_it_is_resolved(restarts):
    """Detection and response in turn, as in the engine: after five hours of an incident that pages it is still told.

    Somebody resolves it in the store: with the next minutes the shift is normal. Restarts change nothing.
    """
    story, respond = Story(SETTINGS), Respond(SETTINGS, KNOWN.signal)
    said, alerts, incidents = [], {}, {}

    def run(minutes, rates):
        nonlocal respond
        for _ in range(minutes):
            if restarts and story.at % 45 == 0:
                story.detect, snapshot = Detect(SETTINGS, KNOWN.signal), story.detect.snapshot()
                story.detect.restore(snapshot)
                respond = Respond(SETTINGS, KNOWN.signal)
                respond.restore([*alerts.values()], [*incidents.values()])
            made = story.draw(rates)
            judged = story.detect.step(made, respond.covered)
            said.append(judged)
            effects = respond.step(made.minute, made.detected_ms, judged.findings, judged.candidates, judged.recovered)
            alerts.update({alert.id: alert for alert in effects.alerts})
            incidents.update({incident.id: incident for incident in effects.incidents})

    run(DAY, QUIET)
    run(5 * 60, {**QUIET, EU: (60, 0.09)})
    (page,) = [incident for incident in incidents.values() if incident.state == "triage"]
    assert (page.severity, page.lead_signal, page.scope) == ("sev2", "refusal_rate", {"region": "eu"})
    assert levels(said[-5:], Level.PAGE)
    incidents = {name: msgspec.structs.replace(one, state="resolved") for name, one in incidents.items()}
    respond.restore([], [*incidents.values()])
    alerts.clear()
    run(2 * 60, {**QUIET, EU: (60, 0.09)})
    assert levels(said[-60:], Level.NOTE) == []
    assert story.expected(said[-1], EU) == pytest.approx(0.09, abs=0.015)


def test_restarts_change_nothing_of_what_is_said():
    """The same minutes with the same covered series say the same, snapshot or not."""
    plain, other = Story(SETTINGS), Story(SETTINGS)
    plain.run(DAY // 2, QUIET)
    other.run(DAY // 2, QUIET)
    said = plain.run(4 * 60, BOTH, COVERED)
    again = []
    for _ in range(8):
        again += other.run(30, BOTH, COVERED)
        other.detect, snapshot = Detect(SETTINGS, KNOWN.signal), other.detect.snapshot()
        other.detect.restore(snapshot)
    assert [msgspec.json.encode(each.findings) for each in said] == [msgspec.json.encode(e.findings) for e in again]


def test_a_series_that_is_not_watched_is_passed_over():
    """A signal or a cohort of earlier settings covers nothing; the others are found in the rows of their kind."""
    story = Story(SETTINGS)
    story.run(2, QUIET)
    covered = Covered(story.detect.roster)
    names = ('gone_rate{"region":"eu"}', 'refusal_rate{"region":"mars"}', "refusal_rate{}")
    covered.step(frozenset(names))
    table = story.detect.roster.kinds["rate"]
    free = covered.free("rate", len(table))
    columns = table.columns
    held = [story.detect.roster.cohorts[columns.cohort[row]] for row in np.flatnonzero(~free)]
    assert held == [()]
    assert covered.free("traffic", 3).all()
