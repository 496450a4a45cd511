"""New versions beside the rest of their parents: which they are, when they are told, and how evidence joins."""

import math

import msgspec
import numpy as np
import pytest

from detectors.base import nothing
from detectors.budget import Budget
from pipelines.detect.account import accounts
from pipelines.detect.canary import averaged
from pipelines.detect.cells import Cells
from pipelines.detect.detect import Detect
from pipelines.detect.findings import weigh
from pipelines.detect.panels import panels
from schemas.score import Finding, Level, Reason
from tests.detectors.made_up import panel
from tests.pipelines.detect.by_hand import KNOWN, cohort, minute_of, settings
from tests.pipelines.detect.rollouts import SETS, Behaviour, Fleet

PAST = 120
V2 = cohort(model_version="v2")


@pytest.fixture(autouse=True)
def _short_past(monkeypatch):
    """Let a parent of some hours have a past, so that tests are fast."""
    monkeypatch.setattr("pipelines.detect.canary.PAST_MINUTES", float(PAST))


def first(said, signal, level):
    """Give the minute of the first finding of the version on a signal at a level, and its direction."""
    for minute, judged in enumerate(said):
        for finding in judged.findings:
            if (finding.signal, finding.cohort) == (signal, V2) and finding.level >= level:
                return minute, finding.direction
    return None


@pytest.mark.playbook("T4")
def test_a_version_that_answers_shorter_is_told_of():
    """A fifth of 40 turns a minute are 40 % shorter: within 90 minutes the version is named, downwards."""
    fleet = Fleet({"acme": 40.0}, seed=5)
    fleet.run(PAST + 10)
    said = fleet.run(90, {("acme", "v2"): Behaviour(share=0.2, tokens=0.6)})
    assert first(said, "output_tokens", Level.TICKET)[1] == "down"
    assert first(said, "latency_ms", Level.NOTE) is None


@pytest.mark.playbook("T6")
def test_a_version_is_told_of_beside_the_rest_of_its_parent():
    """The account counts the rest of all traffic in the same minutes and what it shows there; the mix is no excuse."""
    fleet = Fleet({"acme": 40.0}, seed=5)
    fleet.run(PAST + 10)
    said = fleet.run(90, {("acme", "v2"): Behaviour(share=0.2, tokens=0.6)})
    told = [f.account for j in said for f in j.findings if f.detector == "canary" and f.signal == "output_tokens"]
    account = [each for each in told if each is not None][-1]
    assert (account.detector, account.cohort, account.beside.cohort) == ("canary", dict(V2), {})
    assert account.observed / account.beside.observed == pytest.approx(0.6, abs=0.08)
    assert account.beside.n / account.n == pytest.approx(4.0, rel=0.25)
    # One tenant has one mix: what is expected is what the rest shows.
    assert account.expected == pytest.approx(account.beside.observed, rel=0.01)
    assert account.mix.usual == account.beside.observed
    assert account.excess == pytest.approx(account.n * math.log2(0.6), rel=0.2)


def test_the_rest_is_taken_to_the_mix_of_the_version():
    """A version that only the tenant with four times the refusals uses is expected to refuse as often as that one."""
    fleet = Fleet({"acme": 30.0, "globex": 30.0}, seed=5, refuses={"globex": 4.0})
    fleet.run(PAST + 30)
    fleet.run(60, {("globex", "v2"): Behaviour(share=0.4)})
    account = asked(fleet, "refusal_rate")
    assert (account.beside.cohort, account.mix.usual) == ({}, account.beside.observed)
    assert account.beside.observed == pytest.approx(0.1, abs=0.03)
    assert account.expected == account.mix.today == pytest.approx(0.17, abs=0.03)
    assert account.observed == pytest.approx(account.expected, abs=0.05)


def asked(fleet, signal):
    """Ask for the account of the version on a signal over the last hour, whether or not anything was found."""
    finding = Finding(
        signal=signal, cohort=V2, detector="canary", level=Level.NONE, log_return_period=0.0, log_fleet=0.0,
        direction="up", observed=0.0, expected=0.0, lower=0.0, upper=0.0, effect=1.0, n=0, excess=0.0,
        onset_ms=(fleet.at - 60) * 60_000, detected_ms=fleet.at * 60_000, reason=Reason.CANARY,
    )  # fmt: skip
    detect, kind = fleet.detect, KNOWN.signal(signal).kind
    empty = minute_of(fleet.at, {}, sets=SETS)
    shown = panels(detect.roster, empty, detect.roster.place(empty)[0])[kind]
    return accounts(detect.roster, Cells(SETS), detect.watches[kind], detect._canaries[kind], shown, [finding])[0]


def test_only_a_version_born_beside_others_is_a_canary():
    """Versions of the first minutes are none, one that comes later is, and after two days it is one no longer."""
    fleet = Fleet({"acme": 10.0}, seed=3)
    fleet.run(PAST + 10, {("acme", "old"): Behaviour(share=0.3)})
    assert [len(each.rows) for each in fleet.detect._canaries.values()] == [0, 0, 0]
    fleet.run(30, {("acme", "old"): Behaviour(share=0.3), ("acme", "v2"): Behaviour(share=0.3)})
    rows = fleet.detect._canaries["level"].rows
    columns = fleet.detect.roster.kinds["level"].columns
    assert {fleet.detect.roster.cohorts[columns.cohort[row]] for row in rows} == {V2}
    for each in fleet.detect._canaries.values():
        each._age = 20.0
    fleet.run(1, {})
    assert len(fleet.detect._canaries["level"].rows) == 0


def test_canaries_are_capped(monkeypatch):
    """Over the cap a new version is judged by itself alone."""
    monkeypatch.setattr("pipelines.detect.canary.CANARIES_MAX", 1)
    fleet = Fleet({"acme": 10.0}, seed=3)
    fleet.run(PAST + 10)
    fleet.run(30, {("acme", "v2"): Behaviour(share=0.3)})
    assert len(fleet.detect._canaries["level"].rows) == 1


def test_a_restored_wing_goes_on_bit_for_bit():
    """A snapshot in the middle of a rollout changes nothing of what is said afterwards."""
    rollout = {("acme", "v2"): Behaviour(share=0.3, tokens=0.6)}
    fleet, other = Fleet({"acme": 20.0}, seed=3), Fleet({"acme": 20.0}, seed=3)
    fleet.run(PAST + 10)
    other.run(PAST + 10)
    fleet.run(20, rollout)
    other.run(20, rollout)
    restored = Detect(settings(SETS), KNOWN.signal)
    restored.restore(other.detect.snapshot())
    other.detect = restored
    said, again = fleet.run(40, rollout), other.run(40, rollout)
    assert any(finding.detector == "canary" for judged in said for finding in judged.findings)
    assert [msgspec.json.encode(j.findings) for j in said] == [msgspec.json.encode(j.findings) for j in again]
    assert fleet.detect.snapshot() == other.detect.snapshot()


def scores(log_r, direction, reason):
    """Give the scores of two rows, the second no canary."""
    made = nothing(2, reason)
    made.log_r[:], made.direction[:], made.effect[:] = log_r, direction, 2.0
    return made


def test_what_only_differs_from_the_rest_is_a_ticket_and_what_moved_itself_may_page():
    """The evidence is the mean of both; it wakes somebody only where the series itself has moved the same way."""
    beside = scores(30.0, 1, Reason.CANARY)
    alone = averaged(scores(2.0, 1, Reason.NORMAL), beside, np.array([0]))
    agreed = averaged(scores(6.0, 1, Reason.NORMAL), beside, np.array([0]))
    assert alone.log_r.round(3).tolist() == [round(30.0 - math.log(2.0), 3), 2.0]
    assert (alone.reason.tolist(), agreed.reason.tolist()) == ([Reason.CANARY, Reason.NORMAL], [Reason.NORMAL] * 2)
    fleet = Fleet({"acme": 10.0}, seed=3)
    fleet.run(2)
    budget, two = Budget.of(1.0, 10.0, 100.0), panel("level", 5, np.ones(2), np.ones(2))
    levels = [weigh(fleet.detect.roster, budget, two, each, np.zeros(2)).level.tolist() for each in (alone, agreed)]
    assert levels == [[Level.TICKET, Level.NONE], [Level.PAGE, Level.NOTE]]
