"""What an incident says: its JSON, its words, its category, its changes, its bounded timeline."""

import msgspec
import pytest

from pipelines.respond.wording import GREEN, explain
from schemas.account import Account, Beside, Composition, Moved, Part, Rest, Shape
from schemas.people import Owners
from schemas.settings import Notifier, Settings
from schemas.views import alert_json, incident_json
from tests.scenarios.stage import SIGNALS, Stage, at_ms, cohort

EU = cohort(region="eu")
PROMISED = {
    *("id", "kind", "state", "level", "severity", "category", "family", "owner", "title", "signals", "scope", "onset"),
    *("detected_at", "effect", "log_return_period", "changes", "runbook"),
}


def test_the_json_has_the_promised_keys():
    """The object of the command line has the keys of the design, and the effect its five."""
    stage = Stage()
    stage.push(60, "refusal_rate", EU, "page")
    told = incident_json(stage.play(61).the_incident())
    assert told.keys() >= PROMISED
    assert {"observed", "expected", "lower", "upper", "unit"} <= told["effect"].keys()
    assert told["timeline"][0]["at"] == told["detected_at"] == "2026-01-05T01:03:00Z"
    (alert,) = stage.alerts.values()
    assert alert_json(alert)["incident"] == told["id"]
    assert told["alerts"] == [alert.id]


def test_what_is_not_known_is_null():
    """Infinite and missing figures become null, never an invalid number."""
    stage = Stage()
    stage.push(60, "refusal_rate", EU, "page", effect=float("inf"), observed=0.1, expected=0.0, lower=float("nan"))
    told = incident_json(stage.play(61).the_incident())
    assert (told["effect"]["ratio"], told["effect"]["lower"], told["effect"]["expected"]) == (None, None, 0.0)
    assert told["title"] == "Refusal rate up in region eu (0 % -> 10 %)"


def test_an_explanation_says_figures_odds_and_what_changed():
    """Observed, expected, band, n, since when, odds for series and fleet, and the changes without blame."""
    stage = Stage()
    stage.change(58, "model_version", "0613", region="eu")
    stage.change(59, "prompt_version", "p2", region="us")  # elsewhere
    stage.push(65, "refusal_rate", EU, "page", onset=60, log_fleet=9.6, log_return_period=14.3)
    stage.push(65, "latency_ms", EU, "note", onset=60)
    incident = stage.play(66).the_incident()
    assert explain(incident, SIGNALS["refusal_rate"]) == (
        "Refusal rate in region eu: 9 % where 3 % was expected (usually 2 to 4 %), n = 400, "
        "since 2026-01-05 01:00 UTC. "
        "By chance about once in 3.1 years on this series, once in 10 days in the whole fleet. "
        "Also moved: latency_ms. "
        "Changed near the onset (which does not prove a cause): "
        "model_version old -> 0613 in region eu, first seen 2026-01-05 00:58."
    )


def test_a_new_version_is_told_against_the_rest_of_its_parent():
    """The title says so, the explanation has what the rest shows and how many events that is, the JSON the figures."""
    beside = Beside({"model": "orion"}, 0.029, 4_210)
    account = Account({"model_version": "v2"}, "canary", 0, 60_000, 0.09, 0.03, 400, 24.0, beside=beside)
    stage = Stage()
    stage.push(60, "refusal_rate", cohort(model_version="v2"), "ticket", account=account, detector="canary")
    incident = stage.play(61).the_incident()
    assert incident.title == "Refusal rate up x3 in model_version v2 against the rest of model orion (3 % -> 9 %)"
    told = "Found by canary: a new version, against what all others of its parent show in the same minutes. "
    assert told in explain(incident, SIGNALS["refusal_rate"])
    told = "It was held against the 4,210 other events of model orion in the same minutes: 2.9 % there."
    assert told in explain(incident, SIGNALS["refusal_rate"])
    assert incident_json(incident)["account"]["beside"] == {"cohort": {"model": "orion"}, "observed": 0.029, "n": 4210}


def test_an_explanation_says_where_it_comes_from_and_what_is_ruled_out():
    """The account of the lead's finding is told in short sentences, and the JSON has its numbers."""
    rest, mix = Rest(1.01, 0.94, 1.08, 12_400), Composition(0.03, 0.032)
    part = Part({"region": "eu", "tenant": "acme"}, 0.3, 0.03, 90, 0.71)
    account = Account(dict(EU), "rate", at_ms(60), at_ms(66), 0.09, 0.032, 400, 23.2, 0.96, rest, mix, (part,), 9, part)
    stage = Stage()
    stage.push(65, "refusal_rate", EU, "page", onset=60, account=account)
    incident = stage.play(66).the_incident()
    assert (
        "Found by rate: minutes of hits among trials, "
        "against what past, parent, siblings and today's mix make expected. "
        "In region eu from 2026-01-05 01:00 to 2026-01-05 01:06 UTC it was 9 % where 3.2 % was expected, n = 400. "
        "Most of it is region eu, tenant acme (71 %; 30 % instead of 3 %). "
        "Region eu holds 96 % of the change in all traffic. "
        "Ruled out: A change of mix explains 0.2 of 6 points. "
        "All other traffic stands at x1.01 of its normal (95 %: 0.94 to 1.08, n = 12,400). "
        "Not ruled out: The largest of its 9 cells, region eu, tenant acme, holds 71 % of the change."
    ) in explain(incident, SIGNALS["refusal_rate"])
    told = incident_json(incident)["account"]
    assert (told["share"], told["rest"]["upper"]) == (0.96, 1.08)
    assert alert_json(next(iter(stage.alerts.values())))["account"] == told


def test_an_incident_keeps_the_last_account_of_its_lead():
    """Few findings have one: the one of a weaker minute stays until the next, across restarts."""
    first, second = (Account(dict(EU), "rate", 0, minute, 0.09, 0.03, 400, 24.0) for minute in (1, 2))
    stage = Stage(restarts=True)
    stage.push(60, "refusal_rate", EU, "note")
    stage.push(61, "refusal_rate", EU, "ticket", account=first)
    stage.push(62, "refusal_rate", EU, "page")
    assert stage.play(63).the_incident().account == first
    stage.push(63, "refusal_rate", EU, "page", log_fleet=14.0, account=second)
    stage.push(64, "refusal_rate", EU, "note")
    assert stage.play(65).the_incident().account == second


def test_incidents_of_before_accounts_are_read():
    """A stored incident or alert without the field is one without an account."""
    stage = Stage()
    stage.push(60, "refusal_rate", EU, "page")
    incident = stage.play(61).the_incident()
    (alert,) = stage.alerts.values()
    for value in (incident, alert):
        stored = msgspec.to_builtins(value)
        stored.pop("account", None)
        for finding in ("peak", "latest"):
            stored.get(finding, {}).pop("account", None)
        assert msgspec.json.decode(msgspec.json.encode(stored), type=type(value)) == value


def test_the_strictest_category_decides_and_the_lead_keeps_the_title():
    """A page of a safety category makes the incident sev1 with its runbook and owner, whoever leads."""
    owners = Owners(default="on-call", by_category={"data_leak": "privacy"})
    stage = Stage(Settings(owners=owners, notifiers=(Notifier(name="log"),)))
    stage.push(60, "latency_ms", EU, "page", until=70, log_fleet=30.0)
    stage.push(61, "leak_hit_rate", EU, "page", until=70, log_fleet=12.0)
    stage.play(65)
    stage.expect("opened", between=(60, 60), severity="sev2", category="performance", owner="on-call")
    told = stage.expect("raised", between=(61, 61), severity="sev1", category="data_leak", owner="privacy")
    assert (told["lead_signal"], told["runbook"], told["family"]) == ("latency_ms", "runbook:data_leak", "safety")


def test_changes_are_ranked_by_closeness_to_the_onset_and_bounded():
    """Ten changes from six hours before the onset until the detection, the closest first."""
    stage = Stage()
    for minute in (395, 30, 410, 399, 405):
        stage.change(minute, "prompt_version", f"p{minute}", region="eu")
    for i in range(20):
        stage.change(200 + i, "flag", f"f{i}")
    stage.changes.sort(key=lambda change: change.at_ms)
    stage.push(407, "refusal_rate", EU, "page", onset=400)
    changes = stage.play(408).the_incident().changes
    assert [change.to for change in changes[:4]] == ["p399", "p395", "p405", "f19"]
    assert len(changes) == 10


def test_the_timeline_is_bounded_and_keeps_its_beginning():
    """However much joins, the timeline has at most 200 entries, the first and the latest."""
    stage = Stage()
    stage.push(10, "refusal_rate", EU, "page", until=1000)
    for minute in range(11, 1000, 3):
        where = cohort(region="eu", tenant=f"t{minute}")
        stage.push(minute, "latency_ms", where, "note", onset=10)
        stage.push(minute, "latency_ms", where, "note", onset=10)
    incident = stage.play(1000).the_incident()
    assert len(incident.timeline) == 200
    assert incident.timeline[0].what.startswith("opened at sev2 (page)")
    assert incident.timeline[-1].what == "joined by latency_ms in region eu, tenant t998"


def test_scope_and_figures_settle_after_three_hours():
    """What people have read for three hours is not rewritten by slowly growing evidence elsewhere."""
    stage = Stage()
    stage.push(10, "refusal_rate", EU, "page", until=400, log_fleet=12.0)
    stage.push(250, "refusal_rate", (), "page", until=400, onset=10, log_fleet=40.0, excess=90.0)
    incident = stage.play(400).the_incident()
    assert incident.scope == {"region": "eu"}
    assert incident.log_fleet == 12.0
    assert incident.alerts_total == 2


def test_a_drift_of_shape_is_told_in_shares_of_events():
    """Where sizes have another shape no level is said to have moved: figures are shares, and what moved is named."""
    shape = Shape(0.28, 0.2, 0.5, (Moved("over 2 times the typical size", 0.05, 0.2),), spread=2.0)
    account = Account(dict(EU), "shape", at_ms(0), at_ms(60), 0.25, 0.1, 700, 105.0, shape=shape)
    figures = {"observed": 0.25, "expected": 0.1, "lower": 0.08, "upper": 0.12, "effect": 2.5}
    stage = Stage()
    stage.push(65, "latency_ms", EU, "ticket", onset=60, detector="shape", account=account, **figures)
    incident = stage.play(66).the_incident()
    assert incident.title == "Latency has another shape in region eu (25 % stand where 10 % usually do)"
    assert (incident.effect.unit, incident_json(incident)["account"]["shape"]["spread"]) == ("share of events", 2.0)
    assert (
        "In region eu from 2026-01-05 00:00 to 2026-01-05 01:00 UTC 25 % of 700 stand where 10 % usually do: "
        "over 2 times the typical size (5 % -> 20 %). Sizes scatter x2 as widely as usual. "
        "Jensen-Shannon distance 0.28, KL 0.2, PSI 0.5, each less what chance explains."
    ) in explain(incident, SIGNALS["latency_ms"])


@pytest.mark.playbook("S8")
def test_bad_behaviour_under_green_infrastructure_is_said():
    """Where errors, latency and traffic do not alert with it the text says so, and what they do lowers nothing."""
    stage = Stage()
    stage.push(60, "leak_hit_rate", EU, "page")
    incident = stage.play(61).the_incident()
    assert (GREEN in explain(incident, SIGNALS["leak_hit_rate"]), incident.severity) == (True, "sev1")
    stage.push(62, "latency_ms", EU, "ticket", onset=60)
    incident = stage.play(63).the_incident()
    assert (GREEN in explain(incident, SIGNALS["leak_hit_rate"]), incident.severity) == (False, "sev1")
