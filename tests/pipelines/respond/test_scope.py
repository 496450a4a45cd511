"""Which cohort explains the alerts of one signal."""

import pytest

from pipelines.respond.alerts import Policy, advance
from pipelines.respond.scope import explaining
from schemas.score import Candidate
from tests.scenarios.stage import START_MINUTE, at_ms, cohort, detected_at_ms, finding

ALL = ()
EU, US = cohort(region="eu"), cohort(region="us")
ACME, EU_ACME, EU_HOOLI = cohort(tenant="acme"), cohort(region="eu", tenant="acme"), cohort(region="eu", tenant="hooli")
EU_GPT4, EU_0613 = cohort(region="eu", model="gpt-4"), cohort(region="eu", model_version="0613")


GPT4, INITECH, UMBRELLA = cohort(model="gpt-4"), cohort(tenant="initech"), cohort(tenant="umbrella")


def alert(where, strength, excess, trials=400, inside=()):
    """Make an alert with this log return period and this excess over ten minutes."""
    found = finding(10, "refusal_rate", where, "page", log_return_period=strength, excess=excess, onset=0,
                    n=trials, log_fleet=strength - 5, inside=inside)  # fmt: skip
    (made,) = advance(None, found, Policy(0, 0), START_MINUTE + 10, detected_at_ms(10))
    return made


@pytest.mark.parametrize(
    ("alerts", "scope"),
    [
        ([(EU, 20.0, 30.0)], EU),
        # diluted in the parents, split in the children: the node itself has the most evidence
        ([(ALL, 12.0, 33.0), (EU, 25.0, 31.0), (EU_ACME, 14.0, 12.0)], EU),
        # the parent is as good within a tenth
        ([(EU, 24.0, 30.0, 420), (EU_GPT4, 26.0, 30.0)], EU),
        ([(EU, 22.0, 30.0, 420), (EU_GPT4, 26.0, 30.0)], EU_GPT4),
        # what is in the parent but outside the child did not move: its trials show no excess
        ([(EU, 26.0, 30.0, 1000), (EU_GPT4, 26.0, 30.0, 300)], EU_GPT4),
        ([(EU, 26.0, 30.0, 1000), (EU_GPT4, 24.0, 29.0, 950)], EU),
        ([(EU, 26.0, 30.0, 1000), (EU_GPT4, 24.0, 25.0, 700)], EU),
        # every trial of the parent is the child's, so the child names where the signal lives
        ([(EU, 26.0, 30.0), (EU_GPT4, 26.0, 30.0)], EU_GPT4),
        ([(EU, 26.0, 30.0, 10), (EU_GPT4, 26.0, 30.0, 10)], EU_GPT4),
        ([(EU, 26.0, 30.0, 10), (EU_GPT4, 26.1, 30.0, 10)], EU),
        # the child has the better odds, but a third of what happened is outside it
        ([(EU, 20.0, 30.0), (EU_ACME, 23.0, 20.0)], EU),
        # a weak ancestor says nothing against it: its excess is noise
        ([(ALL, 8.0, 90.0), (EU, 23.0, 20.0)], EU),
        # siblings alike, in fleet terms: the cause is wider than either
        ([(EU_ACME, 20.0, 10.0), (EU_HOOLI, 14.0, 8.0)], EU),
        ([(EU_ACME, 30.0, 10.0), (EU_HOOLI, 14.0, 8.0)], EU_ACME),
        ([(EU, 20.0, 10.0), (US, 20.0, 10.0)], ALL),
        # crossing cohorts are no siblings
        ([(EU, 20.0, 10.0), (ACME, 19.0, 10.0)], EU),
        # the first hits ever: the larger node has the longer past without them, but they are all the child's
        ([(EU, 27.0, 11.0, 500), (EU_ACME, 20.0, 11.0, 60)], EU_ACME),
        ([(EU, 27.0, 11.0, 500), (EU_ACME, 12.0, 11.0, 60)], EU),
        # a model contains its version
        ([(EU_0613, 20.0, 10.0), (EU_GPT4, 19.0, 10.0, 410)], EU_GPT4),
    ],
)
def test_the_highest_node_that_explains_the_alerts_is_the_scope(alerts, scope):
    """Each row lists cohort, log return period and excess of what alerts, and the cohort that explains it."""
    assert explaining([alert(*one) for one in alerts], ()) == scope
    assert explaining([alert(*one) for one in reversed(alerts)], ()) == scope


def test_a_tenant_lies_in_the_only_model_that_it_uses():
    """The model explains the tenant though it names another dimension, unless the tenant holds nearly all of it."""
    initech = alert(INITECH, 25.0, 20.0, 300, (GPT4,))
    assert explaining([initech, alert(GPT4, 24.0, 30.0, 450)], ()) == GPT4
    assert explaining([initech, alert(GPT4, 20.0, 21.0, 900)], ()) == INITECH
    # At night hardly anybody else uses the model: it says no less than the tenant, so the narrower claim stands.
    assert explaining([initech, alert(GPT4, 25.0, 21.0, 315)], ()) == INITECH
    assert explaining([initech, alert(UMBRELLA, 20.0, 10.0), alert(GPT4, 24.0, 30.0, 450)], ()) == GPT4


@pytest.mark.parametrize(("excess", "scope"), [(23.0, GPT4), (21.0, INITECH)])
def test_a_change_near_the_onset_shows_where_it_happened(excess, scope):
    """One tenant holds most of the effect; its model is the scope where that changed and the rest moved a little too.

    The rest holds 30 % of the trials and 13 % or 5 % of the excess: more than a quarter of its share, or less.
    """
    alerts = [alert(INITECH, 25.0, 20.0, 300, (GPT4,)), alert(GPT4, 21.0, excess, 429)]
    change = Candidate("model_version", "0613", "1106", at_ms(0), {"model": "gpt-4"})
    assert explaining(alerts, [change]) == scope
    assert explaining(alerts, []) == INITECH


def test_a_new_version_says_what_changed_and_not_where():
    """A cohort made by a change is the scope only if no other has at least half its evidence."""
    change = (Candidate("model_version", "0301", "0613", at_ms(0)),)
    version = cohort(model_version="0613")
    assert explaining([alert(version, 20.0, 10.0), alert(ACME, 12.0, 9.0)], change) == ACME
    assert explaining([alert(version, 20.0, 10.0), alert(ACME, 8.0, 9.0)], change) == version
    assert explaining([alert(version, 20.0, 10.0), alert(ACME, 12.0, 9.0)], ()) == version


def test_broken_limits_of_several_tenants_have_their_parent_as_scope():
    """Limits have no odds; where several siblings break one, the scope is what they have in common."""

    def broken(where):
        found = finding(10, "leak_hit_rate", where, "page", rule="leak")
        return advance(None, found, Policy(0, 0), START_MINUTE + 10, detected_at_ms(10))[0]

    assert explaining([broken(EU_ACME)], ()) == EU_ACME
    assert explaining([broken(EU_ACME), broken(EU_HOOLI)], ()) == EU


def test_silence_climbs_only_to_a_cohort_that_is_silent_itself():
    """Two tenants that go silent together do not make a silent fleet: all traffic must have stopped for that."""

    def silent(where):
        found = finding(10, "traffic", where, "ticket", direction="down", effect=0.0, detector="silence", n=0)
        return advance(None, found, Policy(0, 0), START_MINUTE + 10, detected_at_ms(10))[0]

    hooli = cohort(tenant="hooli")
    assert explaining([silent(ACME)], ()) == ACME
    assert explaining([silent(ACME), silent(hooli)], ()) in (ACME, hooli)
    assert explaining([silent(ACME), silent(hooli), silent(ALL)], ()) == ALL
    assert explaining([silent(EU_ACME), silent(EU_HOOLI)], ()) in (EU_ACME, EU_HOOLI)
    assert explaining([silent(EU_ACME), silent(EU_HOOLI), silent(EU)], ()) == EU
