"""People report and declare over HTTP: with a token or a form of ours, in words that steer nothing, at a pace."""

import re
from dataclasses import replace

import msgspec
import pytest

from pipelines.serve.found import counted
from pipelines.serve.reporting import PACE, TOO_FAST
from pipelines.serve.tokens import hash_of
from schemas.act import Heard, Response
from schemas.people import May, Owners
from schemas.settings import Serve, Settings, Token
from tests.pipelines.respond.test_orders import INCIDENT
from tests.pipelines.serve.test_doors import ANA, CY, ORIGIN, audited, by, signed_in

REPORTS, DECLARATIONS = "/api/v1/reports", "/api/v1/declarations"
HOSTILE = "<script>alert(1)</script> <!channel> {{ 7*7 }}"


@pytest.fixture
def world(world):
    """Give the tiny world with two tokens, where Ana may use a switch and Cy may only read."""
    tokens = (Token("Ana", hash_of(ANA), "respond"), Token("Cy", hash_of(CY), "read"))
    owners = Owners(may=May(declare=("lead",), switches={"fallback-model": ("Ana",)}), teams={"on-call": ("Ana",)})
    return replace(world, settings=Settings(serve=Serve(tokens=tokens), owners=owners))


@pytest.mark.playbook("S5")
def test_a_report_is_answered_with_its_incident_and_what_was_measured(world, ask):
    """The prevalence of its signals where it says it happened, against normal, and the version that it names."""
    body = {"reporter": "press", "category": "capability_loss", "cohort": {"region": "eu", "model_version": "none"}}
    told = ask(world).post(REPORTS, json=body, headers=by(ANA)).json()
    match = told.pop("match")
    assert (told["joined"], told["severity"]) == (True, "sev2")
    assert match["cohort"] == {"region": "eu"}
    (refusals,) = (each for each in match["prevalence"] if each["signal"] == "refusal_rate")
    assert refusals == {
        "signal": "refusal_rate", "observed": 0.1, "expected": 0.05, "n": 200.0,
        "said": "10 % where 5 % is usual",
    }  # fmt: skip
    assert (match["version"], match["minutes"]) == ("unseen", 360)


@pytest.mark.playbook("S5")
def test_an_open_incident_is_joined_and_news_opens_one(world, ask):
    """What it tells of is found by category and cohort; the page of a new one says that nothing was measured for it."""
    client = ask(world)
    first = client.post(REPORTS, json={"reporter": "analyst", "category": "bias"}, headers=by(ANA)).json()
    again = client.post(REPORTS, json={"reporter": "regulator", "category": "bias"}, headers=by(ANA)).json()
    assert (first["joined"], again["joined"], again["incident"]) == (False, True, first["incident"])
    page = client.get(f"/incidents/{first['incident']}", headers=by(ANA)).text
    assert "Somebody reported this; nothing was measured for it." in page
    assert client.get("/", headers=by(ANA)).text.count("said by people, not measured") == 1


@pytest.mark.playbook("C7")
def test_a_form_declares_an_incident_and_lists_the_switches(world, ask):
    """The page names what may be used without asking; what is declared is acted on like everything else."""
    client = signed_in(ask(world), ANA)
    page = client.get("/report").text
    assert "<li>fallback-model</li>" in page
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
    fields = {"what": HOSTILE, "category": "cost", "extent": "", "cohort": "tenant=acme", "severity": "", "csrf": csrf}
    answer = client.post("/declarations", data=fields, headers=ORIGIN, follow_redirects=False)
    assert answer.status_code == 303
    shown = client.get(answer.headers["location"]).text
    assert "<script>alert" not in shown
    assert "Switches you may use without asking: <b>fallback-model</b>" in shown
    (incident,) = (each for each in world.store.incidents(None, 9) if each.level == "declared")
    assert (incident.scope, incident.severity, incident.title) == ({"tenant": "acme"}, "sev2", HOSTILE)
    acts = f"/api/v1/incidents/{incident.id}/acts"
    assert client.post(acts, json={"verb": "acknowledged"}, headers=by(ANA)).json()["who"] == "Ana"


def test_a_form_takes_a_report_and_leads_to_it(world, ask):
    """What is left open is not known; a cohort that cannot be read is refused with how it is written."""
    client = signed_in(ask(world), ANA)
    csrf = re.search(r'name="csrf" value="([^"]+)"', client.get("/report").text)[1]
    fields = {"reporter": "staff", "category": "", "cohort": "", "what": "odd answers", "how": "", "csrf": csrf}
    answer = client.post("/reports", data=fields, headers=ORIGIN, follow_redirects=False)
    incident = world.store.incident(answer.headers["location"].rpartition("/")[2])
    assert (incident.title, incident.severity) == ("Report by the staff: quality degradation in all traffic", "sev3")
    wrong = client.post("/reports", data={**fields, "cohort": "acme"}, headers=ORIGIN)
    assert (wrong.status_code, "dimension=value" in wrong.text) == (422, True)


@pytest.mark.parametrize("path", ["/reports", "/declarations"])
def test_a_form_of_another_site_is_refused(world, ask, path):
    """Without the secret of the session, and from another origin, nothing is written."""
    client = signed_in(ask(world), ANA)
    csrf = re.search(r'name="csrf" value="([^"]+)"', client.get("/report").text)[1]
    fields = {"reporter": "press", "what": "x", "category": "cost"}
    assert client.post(path, data=fields, headers=ORIGIN).status_code == 403
    foreign = {"origin": "https://elsewhere.example"}
    assert client.post(path, data={**fields, "csrf": csrf}, headers=foreign).status_code == 403
    assert [each for each in world.store.incidents(None, 9) if each.level == "declared"] == []


def test_who_may_not_declare_is_refused_and_audited(world, ask):
    """Whoever is not on call and not named is told so, and the log has it."""
    tokens = (Token("Eve", hash_of(ANA), "respond"),)
    other = replace(world, settings=msgspec.structs.replace(world.settings, serve=Serve(tokens=tokens)))
    answer = ask(other).post(DECLARATIONS, json={"what": "fire", "category": "cost"}, headers=by(ANA))
    assert (answer.status_code, answer.json()["error"]) == (403, "Eve may not declare an incident")
    assert audited(world)[-1] == ("Eve", f"POST {DECLARATIONS} refused: 403 Eve may not declare an incident")


@pytest.mark.parametrize(
    "body",
    [
        {"reporter": "neighbour"},
        {"reporter": "press", "mood": "bad"},
        {"reporter": "press", "category": HOSTILE},
        {"reporter": "press", "cohort": {"planet": "x"}},
        {},
    ],
)
def test_what_cannot_be_read_is_refused_without_being_repeated(world, ask, body):
    """422 with what is allowed; no mark-up comes back."""
    answer = ask(world).post(REPORTS, json=body, headers=by(ANA))
    assert (answer.status_code, "<script>" in answer.json()["error"]) == (422, "category" in body)
    assert answer.headers["content-type"] == "application/json"


def test_reports_come_at_a_pace(world, ask):
    """More than twenty at one time are refused with when to come again; the next names are not held up."""
    client = ask(world)
    codes = [client.post(REPORTS, json={"reporter": "user"}, headers=by(ANA)).status_code for _ in range(PACE.burst)]
    assert set(codes) == {200}
    late = client.post(REPORTS, json={"reporter": "user"}, headers=by(ANA))
    assert (late.status_code, late.json()["error"], late.headers["retry-after"]) == (429, TOO_FAST, "2")


@pytest.mark.playbook("C1")
@pytest.mark.playbook("C2")
def test_the_ladder_and_the_matrix_are_shown(world, ask):
    """Criteria, clocks, and the three questions that each severity answers; the severity of every category by reach."""
    told = ask(world).get("/api/v1/severities", headers=by(CY)).json()
    assert [
        (each["severity"], each["pages"], each["freeze_releases"], each["tell_customers"], each["page_leadership"])
        for each in told["ladder"]
    ] == [
        ("sev1", True, "yes", "yes", "yes"),
        ("sev2", True, "yes", "if_visible", "inform"),
        ("sev3", False, "that_release", "no", "no"),
        ("sev4", False, "no", "no", "no"),
    ]
    assert all(each["criteria"] and each["led_by"] for each in told["ladder"])
    rows = {each["category"]: (each["family"], each["one"], each["cohort"], each["wide"]) for each in told["matrix"]}
    assert rows["data_leak"] == ("safety", "sev1", "sev1", "sev1")
    assert rows["narrative"] == ("narrative", "sev3", "sev3", "sev2")
    page = ask(world).get("/severities", headers=by(CY)).text
    assert "data is exposed" in page
    assert "Freeze releases: that release." in page


@pytest.mark.playbook("C2")
@pytest.mark.playbook("S8")
def test_an_incidents_page_says_what_its_severity_asks_for(world, ask):
    """Freeze, customers and leadership, and that green infrastructure makes it no less grave."""
    page = ask(world).get("/incidents/i1", headers=by(CY)).text
    assert "Freeze releases: <b>yes</b>. Tell customers: <b>if visible</b>. Page leadership: <b>inform</b>." in page
    assert "infrastructure that is green makes it no less grave" in page


@pytest.mark.playbook("S5")
def test_the_share_that_we_found_first():
    """By alert or by declaring; what a report was merged into counts as reported where the report came first."""

    def each(name: str, found: str, **more) -> Heard:
        into = more.pop("into", "")
        response = Response(name, state="merged" if into else "triage", merged_into=into)
        return Heard(msgspec.structs.replace(INCIDENT, id=name, found=found, **more), response)

    known = [
        each("a", "alert", detected_ms=10),
        each("b", "alert", detected_ms=20),
        each("c", "declared"),
        each("d", "report"),
        each("e", "report", detected_ms=5, into="a"),
        each("f", "report", detected_ms=30, into="b"),
        each("g", "alert", severity="sev4"),
        each("h", "alert", kind="drill"),
    ]
    told = counted(known)
    assert (told.alert, told.declared, told.report, told.first) == (1, 1, 2, 0.5)
    assert counted([]).first is None
