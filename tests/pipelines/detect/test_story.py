"""Whole small stories: what is found, where first and when, what is learned meanwhile, and what a restart changes."""

import msgspec
import numpy as np
import pytest

from detectors import DETECTORS, calibration
from detectors.base import nothing
from detectors.filtered import HALF_LIFE_MINUTES
from pipelines.detect.detect import Detect
from pipelines.detect.watch import LAG_MAX, Watch
from schemas.panel import Panel
from schemas.score import Level, Reason, Scores
from tests.pipelines.detect.by_hand import DAY, EU, KNOWN, US, Story, announced, levels, minute_of, settings

QUIET = {EU: (60, 0.03), US: (60, 0.03)}
TRIPLED = {EU: (60, 0.09), US: (60, 0.03)}
REGIONS = settings(((), ("region",)))


@pytest.mark.playbook("T2")
def test_the_region_whose_refusals_triple_is_the_first_ticket():
    """After a day without a page, within 20 minutes of the change the right region is a ticket, and leads."""
    story = Story(REGIONS)
    assert levels(story.run(DAY, QUIET), Level.PAGE) == []
    after = story.run(30, TRIPLED)
    tickets = levels(after, Level.TICKET)
    assert tickets[0][1:] == ("refusal_rate", EU, "up")
    assert tickets[0][0] < DAY + 20
    found = next(f for each in after for f in each.findings if f.level >= Level.TICKET)
    assert found.onset_ms == DAY * 60_000
    assert found.detector == "rate"
    assert found.expected == pytest.approx(0.03, abs=0.003)
    assert found.observed == pytest.approx(0.09, abs=0.02)
    assert found.detected_ms == (tickets[0][0] + 1) * 60_000 + 120_000
    assert US not in {place for _, _, place, _ in tickets}


@pytest.mark.playbook("T3")
def test_a_fall_is_found_as_well():
    """Refusals that stop are found, as a fall, in the region where they stopped."""
    story = Story(REGIONS)
    story.run(DAY, QUIET)
    tickets = levels(story.run(60, {EU: (60, 0.0), US: (60, 0.03)}), Level.TICKET)
    assert tickets[0][1:] == ("refusal_rate", EU, "down")


def test_a_region_that_stops_speaking_is_found():
    """A region without events is no evidence about its refusals, and soon a silence."""
    story = Story(REGIONS)
    story.run(DAY, QUIET)
    tickets = levels(story.run(30, {US: (60, 0.03)}), Level.TICKET)
    assert {(signal, place) for _, signal, place, _ in tickets} == {("traffic", EU)}


@pytest.mark.playbook("R7")
def test_nothing_is_learned_while_suspicious():
    """Hours after a change the region is still held against what was normal before it."""
    story = Story(REGIONS)
    before = story.expected(story.run(DAY, QUIET)[-1], EU)
    after = story.run(6 * 60, TRIPLED)
    assert before == pytest.approx(0.03, abs=0.003)
    assert story.expected(after[-1], EU) == pytest.approx(before, rel=0.05)
    assert levels(after[-1:], Level.PAGE)


def test_what_stays_is_accepted_in_the_end():
    """With `accept_after_hours` of two, what has lasted for more is normal: the findings end, and it is expected."""
    story = Story(settings(((), ("region",)), detection={"accept_after_hours": 2.0}))
    story.run(DAY, QUIET)
    after = story.run(6 * 60, TRIPLED)
    eu = [(minute, place) for minute, _, place, _ in levels(after, Level.NOTE) if place == EU]
    assert 2 * 60 <= eu[-1][0] - DAY <= 2 * 60 + 30
    assert story.expected(after[-1], EU) == pytest.approx(0.09, abs=0.01)


def test_learning_is_lagged():
    """Each minute is learned once, five minutes later at first and an hour later in the end."""
    story = Story(REGIONS)
    minutes = []
    for _ in range(400):
        story.run(1, QUIET)
        minutes.append(float(story.detect.watches["rate"].baselines[0].rows["minutes"][0]))
    assert [round(value) for value in minutes[:8]] == [0, 0, 0, 0, 0, 1, 2, 3]
    # The number of minutes decays like the sums that it goes with.
    learned = 400 - LAG_MAX
    assert minutes[-1] == pytest.approx(sum(2.0 ** (-age / HALF_LIFE_MINUTES) for age in range(learned)))


def _stepped(story, minutes, restart):
    """Judge minutes, if asked with a restart from a snapshot before each tenth; give everything that was said."""
    said = []
    for made in minutes:
        if restart and made.minute % 10 == 3:
            body = story.detect.snapshot()
            story.detect = Detect(story.settings, KNOWN.signal)
            story.detect.restore(body)
            assert story.detect.snapshot() == body
        judged = story.detect.step(made)
        said.append(msgspec.msgpack.encode(judged))
    return said


def test_a_restored_wing_goes_on_bit_for_bit():
    """Restarts at any minute change no finding, no change, no new series and no number of the charts.

    The story has all that a snapshot must hold: a shift, a limit, a new version, an announced change, a version that
    is a twin of its region and parts from it, a minute that is not judged, and a series that appears late.
    """
    rule = {"name": "many", "signal": "refusal_rate", "above": 0.06, "by": ("region",)}
    told = settings(((), ("region",), ("model_version",)), rules=(rule,))
    one, two = dict(EU) | {"model_version": "1"}, dict(US) | {"model_version": "2"}
    new = dict(EU) | {"model_version": "3"}
    source = Story(told)
    minutes = []
    for at in range(400):
        rates = {tuple(sorted(one.items())): (60, 0.09 if at > 300 else 0.03), tuple(sorted(two.items())): (30, 0.03)}
        if at >= 200:
            rates[tuple(sorted(new.items()))] = (20, 0.05)
        minutes.append(source.draw(rates))
    minutes[150] = msgspec.structs.replace(minutes[150], scored=False)
    minutes[201] = msgspec.structs.replace(minutes[201], changes=(announced("flag", "on", 201),))
    undisturbed = _stepped(Story(told), minutes, restart=False)
    assert _stepped(Story(told), minutes, restart=True) == undisturbed
    last = msgspec.msgpack.decode(undisturbed[-1])
    assert {finding["detector"] for finding in last["findings"]} == {"rate", "limit:many"}
    assert {candidate["what"] for candidate in last["candidates"]} == {"flag", "model_version"}


def test_series_that_first_appear_in_a_minute_that_is_not_judged_are_judged_afterwards():
    """A minute known to be incomplete is registered and not judged; what it showed first is judged from the next on."""
    story = Story(REGIONS)
    story.run(40, {US: (60, 0.03)})
    partial = story.detect.step(minute_of(40, {EU: (5, 5), US: (5, 5)}, sets=REGIONS.cohorts.sets, scored=False))
    assert partial.findings == ()
    assert [info.cohort for info in partial.new_series] == [EU, EU]
    story.at = 41
    assert len(story.run(2, QUIET)[-1].history.n) == 4 * len(story.detect.roster)


def test_a_snapshot_that_cannot_be_read_as_meant_is_refused():
    """Another version of the snapshot, of a detector's state, or another kind of signal is an error in words."""
    story = Story(REGIONS)
    story.run(3, QUIET)
    body = story.detect.snapshot()

    def other_kind(name):
        return msgspec.structs.replace(KNOWN.signal(name), kind="count")

    with pytest.raises(ValueError, match="refusal_rate was of kind rate when its past was saved and is count now"):
        Detect(REGIONS, other_kind).restore(body)
    story.detect.watches["rate"].baselines[0].version = 99
    with pytest.raises(ValueError, match=r"RateDetector state of version 99, this Limen reads \d"):
        Detect(REGIONS, KNOWN.signal).restore(story.detect.snapshot())


def test_a_signal_that_is_no_longer_measured_leaves_the_others_their_past():
    """A signal that was switched off keeps its rows without a voice; the others go on from their past."""
    story = Story(REGIONS)
    story.run(120, QUIET)

    def without(name):
        if name == "traffic":
            raise KeyError(name)
        return KNOWN.signal(name)

    fewer = Detect(REGIONS, without)
    fewer.restore(story.detect.snapshot())
    made = story.draw(QUIET)
    judged = fewer.step(msgspec.structs.replace(made, signals={"refusal_rate": made.signals["refusal_rate"]}))
    story.detect.step(made)
    assert story.expected(judged, EU) == pytest.approx(0.03, abs=0.005)
    assert judged.findings == ()


def test_several_detectors_of_a_series_are_averaged():
    """The evidence is averaged as return periods; the strongest detector gives direction, effect and onset."""

    def scores(log_r, onset):
        plain = dict.fromkeys(Scores.__struct_fields__, np.array([1.0]))
        return Scores(**plain | {"log_r": np.log([log_r]), "onset": np.array([onset])})

    both = Detect._average([scores(100.0, 7), scores(300.0, 9)])
    assert np.exp(both.log_r).round(6).tolist() == [200.0]
    assert both.onset.tolist() == [9]


def blank_panel(size: int) -> Panel:
    """Make a minute in which rates of one signal show nothing."""
    zero = np.zeros(size)
    return Panel(
        kind="rate", minute=0, n=zero, x=zero, mean_log=zero, var_log=zero, parent=np.full(size, -1),
        signal=np.zeros(size, dtype=np.int64), mix=zero, within=zero,
    )  # fmt: skip


def test_the_audit_counts_excursions_against_what_chance_explains():
    """One excursion over a week counts once, when it ends, however it hovers; not if it paged or has no voice."""
    watch = Story(REGIONS).detect._watch("rate")
    watch.away, watch.audited = np.zeros(4), calibration.pool_fields(1)
    panel = blank_panel(4)
    voice = np.array([True, True, True, False])
    paged = np.array([False, False, True, False])
    high, hovering, low = np.log([20_000.0, 5_000.0, 10.0])
    plain = nothing(4, Reason.NORMAL)
    told = []
    for log_r in (low, high, hovering, high, low, high, low):
        scores = msgspec.structs.replace(plain, log_r=np.array([log_r, -np.inf, log_r, log_r]))
        told.append(watch.audit(panel, scores, voice, paged & (log_r == high))[1])
    assert told == [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0]
    # Two rows had a voice and evidence for seven minutes, one of them paged in three.
    assert watch.audited["promised"].round(6).tolist() == [round(11 / 10_080, 6)]
    # Those that paged are kept apart, as they are hardly chance.
    assert {name: watch.audited[name].round(3).tolist() for name in ("seen", "paged")} == {
        "seen": [2.0],
        "paged": [2.0],
    }


def test_an_excursion_counts_once_however_many_minutes_without_events_lie_in_it():
    """Events every third minute, evidence of two weeks each time, and then none: one excursion, told at its end."""
    watch = Story(REGIONS).detect._watch("rate")
    watch.away, watch.audited = np.zeros(1, np.int8), calibration.pool_fields(1)
    high, low, empty = np.log(20_000.0), np.log(10.0), -np.inf
    told = []
    for log_r in (high, empty, empty, high, empty, empty, high, empty, empty, low):
        scores = msgspec.structs.replace(nothing(1, Reason.NORMAL), log_r=np.array([log_r]))
        told.append(watch.audit(blank_panel(1), scores, np.array([True]), np.array([False]))[1])
    assert told == [0.0] * 9 + [1.0]
    # What is promised is promised of minutes with evidence: four of the ten.
    assert watch.audited["promised"].round(6).tolist() == [round(4 / 10_080, 6)]


def test_evidence_is_corrected_by_what_the_audit_has_seen():
    """A signal that keeps twice the promise with certainty has its return periods halved."""
    watch = Story(REGIONS).detect._watch("rate")
    watch.audited = {"seen": np.array([2e6]), "paged": np.zeros(1), "promised": np.array([1e6])}
    panel = blank_panel(1)
    scores = msgspec.structs.replace(nothing(1, Reason.NORMAL), log_r=np.log([1_000.0]))
    assert np.exp(watch.calibrated(panel, scores).log_r).round().tolist() == [500.0]


def test_what_flaps_for_long_is_accepted_in_the_end():
    """Forty suspicious minutes, twenty quiet ones, and so on: after 120 net of forgiveness the level starts anew."""
    watch = Watch(Story(REGIONS).detect._watch("rate").detectors, accept_after_minutes=120.0)
    accepted = []
    for minute in range(300):
        panel = msgspec.structs.replace(blank_panel(1), minute=minute, n=np.ones(1))
        watch.grow(panel, 1)
        watch.step(panel)
        before = watch.frozen_minutes[0]
        watch.learn(panel, np.array([minute % 60 < 40]))
        accepted += [minute] if before >= 120.0 and watch.frozen_minutes[0] == 0.0 else []
    # Each hour leaves thirty minutes of suspicion: 30, 60, 90, and the fourth reaches 120 after thirty more.
    assert accepted == [210]


def test_every_detector_is_used_by_the_wing():
    """Each row of the detector table judges a kind of which the catalogue has signals."""
    kinds = {signal.kind for signal in KNOWN.signals.values()}
    assert {name for name, detector in DETECTORS.items() if set(detector.kinds) & kinds} == set(DETECTORS)


def test_first_hits_after_hours_without_one_are_no_fall_and_a_small_rise_is_nothing():
    """A guardrail that has blocked nothing for two hours blocks one turn in 3,000: no ticket in ten hours."""
    story = Story(REGIONS)
    story.run(120, {EU: (20, 0.0), US: (20, 0.0)})
    assert levels(story.run(600, {EU: (20, 0.0003), US: (20, 0.0003)}), Level.TICKET) == []


def test_a_rate_that_never_had_a_hit_is_judged():
    """A day without a refusal, and then one turn in eight: a page within a quarter of an hour."""
    story = Story(REGIONS)
    story.run(DAY, {EU: (20, 0.0), US: (20, 0.0)})
    pages = levels(story.run(15, {EU: (20, 0.12), US: (20, 0.0)}), Level.PAGE)
    assert {each[1:] for each in pages} == {("refusal_rate", EU, "up"), ("refusal_rate", (), "up")}
