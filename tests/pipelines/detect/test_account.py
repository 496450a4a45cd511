"""The account of a finding: which parts hold it, what the rest did, what a change of mix explains, and its bounds."""

import msgspec
import numpy as np
import pytest

from pipelines.detect.account import accounts
from pipelines.detect.cells import Cells
from pipelines.detect.detect import Detect, Judged
from pipelines.detect.panels import panels
from pipelines.detect.telling import ACCOUNTS_MAX
from schemas.account import Account
from schemas.account_words import said_of
from schemas.score import Finding, Level, Reason
from schemas.signal import Cohort
from tests.pipelines.detect.by_hand import DAY, EU, KNOWN, US, Story, cohort, levels, settings

TENANTS = ("a", "b", "c", "d")
QUIET = {cohort(region=r, tenant=t): (40, 0.04) for r in ("eu", "us") for t in TENANTS}


def told_of(said: list[Judged], place: Cohort, signal: str = "refusal_rate") -> list[Account]:
    """Give the accounts of one series."""
    return [f.account for j in said for f in j.findings if (f.signal, f.cohort) == (signal, place) and f.account]


def asked(story: Story, place: Cohort, onset: int) -> Account:
    """Ask for the account of refusals since a minute, whether or not anything was found."""
    detect, last = story.detect, story.draw({})
    finding = Finding(
        signal="refusal_rate", cohort=place, detector="rate", level=Level.NONE, log_return_period=0.0, log_fleet=0.0,
        direction="up", observed=0.0, expected=0.0, lower=0.0, upper=0.0, effect=1.0, n=0, excess=0.0,
        onset_ms=onset * 60_000, detected_ms=last.detected_ms, reason=Reason.NORMAL,
    )  # fmt: skip
    panel = panels(detect.roster, last, detect.roster.place(last)[0])["rate"]
    found = accounts(detect.roster, Cells(story.settings.cohorts.sets), detect.watches["rate"], None, panel, [finding])[
        0
    ]
    assert found is not None
    return found


@pytest.mark.playbook("T9")
def test_the_account_of_a_region_names_it_and_rules_out_the_rest():
    """Refusals of eu triple: it holds nearly all of the whole's excess, the rest stands at 1, and so does its mix."""
    story = Story()
    story.run(DAY, QUIET)
    said = story.run(30, {leaf: (40, 0.12 if ("region", "eu") in leaf else 0.04) for leaf in QUIET})
    account = told_of(said, EU)[-1]
    assert account.share == pytest.approx(1.0, abs=0.1)
    assert account.observed / account.expected == pytest.approx(3.0, abs=0.6)
    assert account.rest.lower < 1.0 < account.rest.upper < 2.0
    told = said_of(account, KNOWN.signal("refusal_rate"), "up")
    assert (len(told.ruled_out), told.not_ruled_out) == (3, ())
    assert account.rest.n == pytest.approx(account.n, rel=0.1)
    assert abs(account.mix.today - account.mix.usual) < 0.005
    assert (account.cells, account.largest.share < 0.5) == (4, True)
    whole = told_of(said, ())[-1]
    assert (whole.share, whole.rest) == (None, None)
    assert whole.parts[0].cohort == {"region": "eu"}
    assert whole.parts[0].share > 0.9
    assert whole.parts[0].observed == pytest.approx(0.12, abs=0.03)
    assert whole.parts[0].expected == pytest.approx(0.04, abs=0.005)


def test_two_tenants_are_named_with_their_shares():
    """Refusals of two tenants change, one twice as far: they are the parts, the larger first, and all that there is."""
    story = Story()
    story.run(DAY, QUIET)
    changed = {"a": 0.2, "b": 0.12}
    said = story.run(30, {leaf: (40, changed.get(dict(leaf)["tenant"], 0.04)) for leaf in QUIET})
    parts = told_of(said, ())[-1].parts
    assert [part.cohort for part in parts] == [{"tenant": "a"}, {"tenant": "b"}]
    assert [part.share for part in parts] == pytest.approx([2 / 3, 1 / 3], abs=0.08)


def test_a_change_of_mix_alone_is_accounted_for_when_asked():
    """Two tenants swap their traffic: nothing is found, and whoever asks is told that the mix explains the rise."""
    story = Story(settings(((), ("tenant",))))
    a, b = cohort(tenant="a"), cohort(tenant="b")
    story.run(DAY, {a: (90, 0.02), b: (10, 0.2)})
    said = story.run(30, {a: (10, 0.02), b: (90, 0.2)})
    assert [found for found in levels(said, Level.NOTE) if found[1] == "refusal_rate"] == []
    account = asked(story, (), DAY)
    assert account.mix.today - account.mix.usual == pytest.approx(0.144, abs=0.03)
    assert account.observed - account.expected == pytest.approx(0.0, abs=0.02)
    assert account.parts == ()
    assert asked(story, a, DAY).mix is None


def test_a_rest_that_moved_too_is_not_called_normal():
    """Refusals of both regions triple: seen from eu, the rest moved as well, and eu holds half."""
    story = Story()
    story.run(DAY, QUIET)
    account = told_of(story.run(30, dict.fromkeys(QUIET, (40, 0.12))), EU)[-1]
    assert account.share == pytest.approx(0.5, abs=0.1)
    assert account.rest.lower > 2.0


def test_a_silence_says_whether_others_spoke():
    """Region eu stops: its account counts the events of all other traffic in the same minutes."""
    story = Story(settings(((), ("region",))))
    story.run(DAY, {EU: (60, 0.03), US: (60, 0.03)})
    account = told_of(story.run(30, {US: (60, 0.03)}), EU, "traffic")[0]
    minutes = (account.until_ms - account.from_ms) / 60_000
    assert (account.n, account.observed) == (0, 0.0)
    assert account.elsewhere == pytest.approx(60 * minutes, rel=0.1)


def test_a_finding_is_told_of_when_it_begins_and_when_it_grows():
    """An alert of an hour has a handful of accounts, the last of a window that began at the onset."""
    story = Story(settings(((), ("region",))))
    story.run(DAY, {EU: (60, 0.03), US: (60, 0.03)})
    said = story.run(60, {EU: (60, 0.09), US: (60, 0.03)})
    made = told_of(said, EU)
    assert 2 <= len(made) <= 20
    assert {account.from_ms for account in made} == {DAY * 60_000}
    first = next(f for j in said for f in j.findings if f.cohort == EU and f.level >= Level.NOTE)
    assert first.account is not None


def test_the_accounts_of_one_minute_are_bounded():
    """However many series change at once, the strongest few get an account in any one minute."""
    leaves = {cohort(tenant=f"t{k}"): (40, 0.03) for k in range(60)}
    story = Story(settings(((), ("tenant",))))
    story.run(DAY // 2, leaves)
    said = story.run(20, dict.fromkeys(leaves, (40, 0.4)))
    counts = [sum(f.account is not None for f in j.findings) for j in said]
    assert max(counts) == ACCOUNTS_MAX
    assert sum(counts[:10]) > ACCOUNTS_MAX


def test_a_limit_has_an_account_too():
    """A broken limit is held against what was normal, not against the limit."""
    rule = {"name": "many", "signal": "refusal_rate", "above": 0.1, "by": ("region",), "minimum_n": 20}
    story = Story(settings(rules=(rule,)))
    story.run(DAY // 2, QUIET)
    said = story.run(10, {leaf: (40, 0.3 if ("region", "eu") in leaf else 0.04) for leaf in QUIET})
    found = next(f for j in said for f in j.findings if f.detector == "limit:many" and f.cohort == EU)
    assert found.account.detector == "limit:many"
    assert found.account.expected == pytest.approx(0.04, abs=0.01)


def test_a_limit_broken_by_something_new_has_no_account():
    """Nothing is expected yet of a region in its first minutes, so nothing is said of where its change comes from."""
    rule = {"name": "many", "signal": "refusal_rate", "above": 0.1, "by": ("region",), "minimum_n": 20}
    story = Story(settings(((), ("region",)), rules=(rule,)))
    said = story.run(10, {EU: (40, 0.3)})
    assert {f.account for j in said for f in j.findings if f.detector == "limit:many"} == {None}


def test_a_restart_changes_no_account():
    """A wing that is saved and restored tells of the same findings, to the byte."""
    story = Story()
    story.run(DAY // 2, QUIET)
    minutes = [story.draw(dict.fromkeys(QUIET, (40, 0.12))) for _ in range(20)]
    restored = Detect(story.settings, KNOWN.signal)
    restored.restore(story.detect.snapshot())
    one = [story.detect.step(made) for made in minutes]
    other = []
    for made in minutes:
        other.append(restored.step(made))
        body = restored.snapshot()
        restored = Detect(story.settings, KNOWN.signal)
        restored.restore(body)
    assert [msgspec.msgpack.encode(each) for each in one] == [msgspec.msgpack.encode(each) for each in other]
    assert told_of(one, ())
    assert np.isfinite([account.observed for account in told_of(one, ())]).all()
