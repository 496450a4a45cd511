"""The doors open to those who may come in, keep a record of those who may not, and no act is anonymous."""

import re
import threading
from concurrent.futures import Future
from dataclasses import replace

import pytest
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from pipelines.respond.orders import HANDS
from pipelines.serve.access import NO_TOKENS
from pipelines.serve.audited import REFUSALS_MAX
from pipelines.serve.http import app
from pipelines.serve.index import INDEX, PAGES, needed_role
from pipelines.serve.sessions import SESSION_SECONDS, SESSIONS_MAX, Sessions
from pipelines.serve.tokens import ROLES, allows, hash_of, new_token
from schemas.settings import Serve, Settings, Token

ANA, BO, CY, EVE = (f"limen_planted-token-of-{name}" for name in ("ana", "bo", "cy", "eve"))
HOSTILE = "<b>Bo</b>"
TOKENS = (
    Token("Ana", hash_of(ANA), "respond"),
    Token(HOSTILE, hash_of(BO), "respond"),
    Token("Cy", hash_of(CY), "read"),
    Token("Eve", hash_of(EVE), "evidence"),
)
ORIGIN = {"origin": "http://127.0.0.1:8321"}
OPEN_TO_ALL = {"/-/healthy", "/-/ready", "/sign-in", "/sign-out", "/api/v1/inbound/pagerduty"}
"""What asks for no token: probes, the way in and out, and what is signed."""
OFF = {"/-/reload", "/sign-in", "/sign-out", "/api/v1/inbound/pagerduty"}
"""What refuses for a reason of its own: it is off by default, or wants a form of ours."""
ACTS = "/api/v1/incidents/i1/acts"


@pytest.fixture
def guarded(world):
    """Give the tiny world with tokens."""
    return replace(world, settings=Settings(serve=Serve(tokens=TOKENS)))


@pytest.fixture
def door(guarded, ask):
    """Give a client of it, who has no token."""
    return ask(guarded)


def by(token: str) -> dict[str, str]:
    """Give the header that shows a token."""
    return {"authorization": f"Bearer {token}"}


def signed_in(client: TestClient, token: str, onward: str = "") -> TestClient:
    """Sign a browser in."""
    csrf = re.search(r'name="csrf" value="([^"]+)"', client.get("/sign-in").text)[1]
    fields = {"token": token, "csrf": csrf, "next": onward}
    answer = client.post("/sign-in", data=fields, headers=ORIGIN, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return client


def csrf_of(client: TestClient) -> str:
    """Give what the forms of the incident's page bring along."""
    return re.search(r'name="csrf" value="([^"]+)"', client.get("/incidents/i1").text)[1]


def audited(world) -> list[tuple[str, str]]:
    """Give who and what of the audit log, the oldest first."""
    return [(line.who, line.what) for line in reversed(world.store.audit.lines(1_000))]


def routed(world) -> set[tuple[str, str]]:
    """Give method and path of everything that the application answers, from its routes themselves."""

    def flat(routes, before=""):
        for route in routes:
            if isinstance(route, Mount) and route.routes:
                yield from flat(route.routes, before + route.path)
            elif isinstance(route, Mount):
                yield "GET", f"{before}{route.path}/{{path}}"
            elif isinstance(route, Route):
                for method in route.methods:
                    yield method, before + re.sub(r":\w+}", "}", route.path)

    made = app(world.store, lambda: world.status, lambda: world.settings, world.signal_of, Future, lambda: 0)
    return set(flat(made.routes))


def test_every_route_is_in_the_table(world):
    """What is routed has a row that says whom it opens to, and each row is routed."""
    found = {(method, re.sub(r"{.*?}", "{}", path)) for method, path in routed(world) if method not in {"HEAD", "PUT"}}
    listed = {(each.method, re.sub(r"{.*?}", "{}", each.path)) for each in (*INDEX.endpoints, *PAGES)}
    assert found - {("GET", "/static/plotly.min.js")} == listed


@pytest.mark.parametrize("role", [None, *ROLES])
def test_a_token_without_the_role_is_refused_everywhere(world, ask, role):
    """All routes of the application: 401 without a token, 403 with too small a role, neither with enough."""
    tokens = (Token("Ana", hash_of(ANA), role or "read"),)
    client = ask(replace(world, settings=Settings(serve=Serve(tokens=tokens, metrics_open=False))))
    known = {"{number}": "1", "series/{id}": "series/1", "{id}": "i1", "{path}": "limen.css"}
    for method, path in sorted(routed(world)):
        for name, value in known.items():
            path = path.replace(name, value)  # noqa: PLW2901 - filled in
        needed = needed_role(method, path)
        asks_nobody = path in OPEN_TO_ALL or path.startswith("/static/")
        assert (needed is None) == asks_nobody, f"{method} {path} asks who comes, unless it is meant for all"
        assert asks_nobody or method in {"GET", "HEAD"} or allows(needed, "respond"), f"{method} {path} changes things"
        answer = client.request(method, path, headers=by(ANA) if role else {})
        refused = needed is not None and (401 if role is None else 0 if allows(role, needed) else 403)
        assert (answer.status_code in {401, 403, 404, 405, 500}) <= bool(refused or path in OFF), f"{method} {path}"
        if refused:
            assert answer.status_code == refused, f"{method} {path}"
            said = "token is needed" if role is None else f"has the role {role}, and this needs {needed}"
            assert method == "HEAD" or said in answer.text or (role is None and "Sign in first" in answer.text)
            assert (answer.headers.get("WWW-Authenticate") == "Bearer") == (role is None)


def test_what_is_not_in_the_table_needs_a_role_too(door):
    """No path is open because nobody thought of it."""
    assert door.get("/nothing").status_code == 401
    assert door.request("DELETE", "/api/v1/incidents/i1", headers=by(ANA)).status_code == 403
    assert needed_role("GET", "/api/v1/audit") == "evidence"


def test_metrics_are_open_by_default(door):
    """A scraper needs no token unless the settings say so; probes never do."""
    assert door.get("/metrics").status_code == 200
    assert door.get("/-/healthy").status_code == 200


def test_without_tokens_reading_is_open_and_acting_is_explained(client):
    """403 says how to make a token, and the page does too."""
    assert client.get("/api/v1/overview").status_code == 200
    answer = client.post(ACTS, json={"verb": "acknowledged"})
    assert (answer.status_code, answer.json()) == (403, {"error": NO_TOKENS})
    assert "limen token new NAME respond" in client.get("/incidents/i1").text


def test_an_act_over_the_api_stands_under_the_name_of_its_token(guarded, door):
    """200 with the act; the incident shows it, with the number that the next act may name."""
    answer = door.post(ACTS, json={"verb": "acknowledged", "note": "on it", "known": 0}, headers=by(ANA))
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "incident": "i1", "number": 1, "at": "1970-01-01T00:00:00Z", "who": "Ana", "verb": "acknowledged",
            "subject": "", "role": "", "note": "on it", "via": "api", "said": "acknowledged (on it)",
        },
    )  # fmt: skip
    detail = door.get("/api/v1/incidents/i1", headers=by(CY)).json()
    assert (detail["incident"]["state"], detail["incident"]["owner"]) == ("acknowledged", "Ana")
    assert (detail["response"]["number"], detail["response"]["acknowledged_at"]) == (1, "1970-01-01T00:00:00Z")


def test_of_two_who_act_at_once_the_second_is_told_by_whom(guarded, door):
    """409 names who was faster, whether both acknowledge or the second had not seen the first act."""
    door.post(ACTS, json={"verb": "acknowledged", "known": 0}, headers=by(ANA))
    second = door.post(ACTS, json={"verb": "acknowledged"}, headers=by(BO))
    assert second.status_code == 409
    assert second.json()["error"].startswith("Ana has it; assign it to take it over")
    unseen = door.post(ACTS, json={"verb": "mitigated", "known": 0}, headers=by(BO))
    assert unseen.json() == {
        "error": "1 more was done since you looked: look again; the latest is by Ana: acknowledged"
    }
    assert [who for who, what in audited(guarded) if "refused: 409" in what] == [HOSTILE, HOSTILE]


def test_of_many_who_acknowledge_in_the_same_moment_one_wins(guarded, ask):
    """One 200; every other is told 409 and who has it, and the store holds one act."""
    answers, gate = [], threading.Barrier(6)

    def acknowledge(token: str) -> None:
        client = ask(guarded)
        gate.wait()
        answers.append(client.post(ACTS, json={"verb": "acknowledged"}, headers=by(token)))

    people = [threading.Thread(target=acknowledge, args=(token,)) for token in (ANA, BO, EVE) * 2]
    for person in people:
        person.start()
    for person in people:
        person.join()
    (act,) = guarded.store.acts.of("i1")
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    assert all(
        answer.json()["error"].startswith(f"{act.who} has it") for answer in answers if answer.status_code == 409
    )


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"verb": "closed", "subject": "true"}, 422, "a true incident is resolved before it is closed"),
        ({"verb": "escalated", "subject": "x"}, 422, "'escalated' - at `$.verb`; verbs are acknowledged, released"),
        ({"verb": "noted", "text": "x"}, 422, "the body is no order: Object contains unknown field `text`"),
        ({}, 422, "missing required field `verb`"),
        ({"verb": "noted", "note": "x" * 70_000}, 413, "more than 65,536 bytes"),
    ],
)
def test_what_is_no_order_is_refused_with_its_reason(guarded, door, body, code, words):
    """In one line, and nothing is written."""
    answer = door.post(ACTS, json=body, headers=by(ANA))
    assert (answer.status_code, words in answer.json()["error"]) == (code, True), answer.text
    assert guarded.store.acts.of("i1") == []


def test_an_incident_is_read_once_for_its_page_and_for_an_order(guarded, door, monkeypatch):
    """Everything of one answer comes from one reading."""
    read, acts = [], guarded.store.acts
    found = acts.found
    monkeypatch.setattr(acts, "found", lambda incident_id: read.append(incident_id) or found(incident_id))
    assert door.get("/incidents/i1", headers=by(ANA)).status_code == 200
    assert door.post(ACTS, json={"verb": "acknowledged"}, headers=by(ANA)).status_code == 200
    assert read == ["i1", "i1"]


def test_an_unknown_incident_and_another_kind_of_body(door):
    """404, and 415 for what is not JSON, which no form of another site can send."""
    assert (
        door.post("/api/v1/incidents/no/acts", json={"verb": "noted", "note": "x"}, headers=by(ANA)).status_code == 404
    )
    assert door.post(ACTS, data={"verb": "noted"}, headers=by(ANA)).status_code == 415


@pytest.mark.playbook("R6")
def test_a_person_signs_in_and_acts_by_forms(guarded, door):
    """The cookie is kept from scripts and other sites; the page has the forms of what is possible, and no others."""
    assert "Sign in" in door.get("/incidents/i1").text
    csrf = re.search(r'name="csrf" value="([^"]+)"', door.get("/sign-in").text)[1]
    fields = {"token": ANA, "csrf": csrf, "next": "/incidents/i1"}
    answer = door.post("/sign-in", data=fields, headers=ORIGIN, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/incidents/i1")
    cookie = answer.headers["set-cookie"]
    assert ("HttpOnly" in cookie, "SameSite=strict" in cookie, ANA in cookie) == (True, True, False)
    page = door.get("/incidents/i1").text
    assert 'value="acknowledged"' in page
    assert 'value="reopened"' not in page
    assert not [role for role in HANDS if f'<option value="{role}">' not in page]
    order = {"csrf": csrf_of(door), "verb": "acknowledged", "note": "mine"}
    done = door.post("/incidents/i1/acts", data=order, headers=ORIGIN, follow_redirects=False)
    assert (done.status_code, done.headers["location"]) == (303, "/incidents/i1")
    (act,) = guarded.store.acts.of("i1")
    assert (act.who, act.verb, act.note, act.via) == ("Ana", "acknowledged", "mine", "web")
    page = door.get("/incidents/i1").text
    assert "acknowledged (mine)" in page
    assert 'value="acknowledged"' not in page
    door.post("/sign-out", data={"csrf": csrf_of(door)}, headers=ORIGIN)
    assert door.get("/incidents/i1").status_code == 401
    assert audited(guarded)[0] == ("", "GET /incidents/i1 refused: 401 " + door.get("/api/v1/").json()["error"])
    assert ("Ana", "signed in with the role respond") in audited(guarded)


@pytest.mark.parametrize(
    ("csrf", "headers"),
    [("", ORIGIN), ("guessed", ORIGIN), (None, {"origin": "https://evil.example"}), (None, {"origin": "null"})],
)
def test_a_form_of_another_site_is_refused(guarded, door, csrf, headers):
    """Without what the page gave along, or from elsewhere, nothing is done; the API takes no cookie at all."""
    signed_in(door, ANA)
    fields = {"csrf": csrf_of(door) if csrf is None else csrf, "verb": "acknowledged"}
    assert door.post("/incidents/i1/acts", data=fields, headers=headers).status_code == 403
    assert door.post(ACTS, json={"verb": "acknowledged"}, headers=headers).status_code == 403
    assert door.post("/sign-out", data={"csrf": fields["csrf"]}, headers=headers).status_code == 403
    assert guarded.store.acts.of("i1") == []


def test_signing_in_needs_the_form_of_this_browser(guarded, door):
    """A page of another site cannot sign somebody in under a name of its choice, and a wrong token opens nothing."""
    assert door.post("/sign-in", data={"token": ANA, "csrf": "x"}, headers=ORIGIN).status_code == 403
    csrf = re.search(r'name="csrf" value="([^"]+)"', door.get("/sign-in").text)[1]
    away = {"origin": "https://evil.example"}
    assert door.post("/sign-in", data={"token": ANA, "csrf": csrf}, headers=away).status_code == 403
    wrong = door.post("/sign-in", data={"token": "limen_planted-wrong", "csrf": csrf}, headers=ORIGIN)
    assert wrong.status_code == 401
    assert [what[:21] for _, what in audited(guarded)] == ["POST /sign-in refused"] * 3


def test_nobody_is_led_away_after_signing_in(door):
    """Only to pages of ours."""
    csrf = re.search(r'name="csrf" value="([^"]+)"', door.get("/sign-in?next=//evil.example").text)[1]
    fields = {"token": ANA, "csrf": csrf, "next": "//evil.example"}
    answer = door.post("/sign-in", data=fields, headers=ORIGIN, follow_redirects=False)
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("onward", ["/incidents", "/incidents/i1", "/silences", "/outcomes", "/severities", "/report"])
def test_signing_in_leads_back_to_the_page_that_asked_for_it(door, onward):
    """Every page that sends somebody to sign in is where they are afterwards."""
    csrf = re.search(r'name="csrf" value="([^"]+)"', door.get(f"/sign-in?next={onward}").text)[1]
    fields = {"token": ANA, "csrf": csrf, "next": onward}
    answer = door.post("/sign-in", data=fields, headers=ORIGIN, follow_redirects=False)
    assert answer.headers["location"] == onward


def test_who_may_only_look_sees_no_forms(door):
    """The page says why."""
    page = signed_in(door, CY).get("/incidents/i1").text
    assert "The token of Cy has the role read" in page
    assert "<button>Acknowledge" not in page


def test_a_token_that_is_taken_out_of_the_settings_ends_its_sessions(guarded):
    """At the next request."""
    in_use = [guarded.settings]
    made = app(guarded.store, lambda: guarded.status, lambda: in_use[0], guarded.signal_of, Future, lambda: 0)
    client = signed_in(TestClient(made, base_url="http://127.0.0.1:8321"), ANA)
    assert client.get("/").status_code == 200
    in_use[0] = Settings(serve=Serve(tokens=TOKENS[1:]))
    assert client.get("/").status_code == 401


def test_hostile_names_are_escaped(guarded, door):
    """A name, a note and a role's holder are text on the page, wherever they come from."""
    order = {"verb": "named", "role": "public", "subject": "<i>Di</i>", "note": "<script>x</script>"}
    assert door.post(ACTS, json=order, headers=by(BO)).status_code == 200
    page = signed_in(door, BO).get("/incidents/i1").text
    for raw in ("<b>Bo", "<i>Di", "<script>x"):
        assert raw not in page
    assert "&lt;b&gt;Bo&lt;/b&gt;" in page


def test_reading_the_audit_log_is_itself_in_it(guarded, door):
    """Who reads who came in is written down first."""
    lines = door.get("/api/v1/audit", headers=by(EVE)).json()["lines"]
    assert [(line["who"], line["what"], line["from"]) for line in lines] == [
        ("Eve", "read /api/v1/audit", "testclient")
    ]


def test_a_planted_token_is_nowhere(guarded, door, capsys, caplog, tmp_path):
    """Not in a page, an answer, metrics, the log or the store, whether it was right or wrong."""
    wrong = "limen_planted-wrong"
    shown = [door.get("/api/v1/incidents/i1", headers=by(token)).text for token in (ANA, CY, wrong)]
    shown += [door.post(ACTS, json={"verb": "acknowledged"}, headers=by(token)).text for token in (ANA, CY, wrong)]
    signed_in(door, ANA)
    shown += [door.get(path).text for path in ("/", "/incidents/i1", "/sign-in", "/metrics", "/api/v1/overview")]
    shown += [str(audited(guarded)), *capsys.readouterr(), caplog.text, *map(str, door.cookies.values())]
    assert "planted" not in "".join(shown)
    guarded.store.close()
    assert not [file for file in tmp_path.iterdir() if b"planted" in file.read_bytes()]


def test_refusals_beyond_a_number_are_counted_in_one_line(guarded):
    """Whoever tries in a loop fills neither the log nor the disk; the count is told with the next line."""
    now = [0]
    made = app(
        guarded.store, lambda: guarded.status, lambda: guarded.settings, guarded.signal_of, Future, lambda: now[0]
    )
    client = TestClient(made, base_url="http://127.0.0.1:8321")
    for _ in range(REFUSALS_MAX + 5):
        client.get("/api/v1/overview")
    assert len(audited(guarded)) == REFUSALS_MAX
    now[0] = 60_000
    client.get("/api/v1/overview")
    assert audited(guarded)[-1][1].endswith("(5 more before)")


def test_sessions_end_and_are_bounded():
    """After a shift, and the oldest where there are too many."""
    sessions = Sessions()
    first = sessions.begin("a", 0)
    assert sessions.find(first.key, SESSION_SECONDS * 1_000 - 1) == first
    assert sessions.find(first.key, SESSION_SECONDS * 1_000) is None
    for _ in range(SESSIONS_MAX):
        sessions.begin("b", 0)
    assert sessions.find(first.key, 0) is None


def test_tokens_are_long_and_never_the_same():
    """And say whose they are to a scanner of secrets."""
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert all(token.startswith("limen_") and len(token) == 49 for token in made)
