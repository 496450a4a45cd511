"""Webhooks come in by signature or token, within a size, and what became of them is answered and audited."""

import json
from dataclasses import replace

import pytest

from pipelines.respond.notifiers.alertmanager_webhook import payload
from pipelines.serve.inbound_routes import NO_SECRET
from schemas.inbound import Inbound
from schemas.settings import Serve, Settings
from tests.pipelines.respond.test_inbound import SECRET, event, signature
from tests.pipelines.serve.made_up import FIRST_MS
from tests.pipelines.serve.test_doors import ANA, CY, TOKENS, audited, by, signed_in
from tests.support.messages import message

PAGERDUTY, ALERTMANAGER = "/api/v1/inbound/pagerduty", "/api/v1/inbound/alertmanager"
JSON = {"content-type": "application/json"}
BODY = event(occurred_at="1970-01-01T00:00:00Z")
ALERT = {"status": "firing", "labels": {"alertname": "DiskFull"}, "startsAt": "2026-01-05T00:03:00Z"}


@pytest.fixture
def told(world, tmp_path):
    """Give the tiny world with tokens and a secret of PagerDuty."""
    (tmp_path / "pagerduty.secret").write_text(SECRET)
    files = (str(tmp_path / "pagerduty.secret"),)
    return replace(world, settings=Settings(serve=Serve(tokens=TOKENS), inbound=Inbound(pagerduty_secret_files=files)))


def test_what_pagerduty_signs_is_done_under_the_name_of_who_did_it(told, ask):
    """No token is needed; told again it changes nothing, and both are answered 200."""
    client, signed = ask(told), JSON | {"x-pagerduty-signature": signature(BODY, SECRET)}
    first, again = (client.post(PAGERDUTY, content=BODY, headers=signed) for _ in range(2))
    assert (first.status_code, first.json()) == (
        200,
        {"taken": True, "incident": "i1", "who": "Ana in PagerDuty", "why": ""},
    )
    assert (again.status_code, again.json()["why"]) == (200, "the event was told before")
    (act,) = told.store.acts.of("i1")
    assert (act.who, act.verb, act.via) == ("Ana in PagerDuty", "acknowledged", "pagerduty")
    assert "acknowledged (PagerDuty event 01A)" in signed_in(client, CY).get("/incidents/i1").text


@pytest.mark.parametrize(
    ("body", "given", "code"),
    [
        (BODY, "", 401),
        (BODY, signature(BODY, "other"), 401),
        (BODY + b" ", signature(BODY, SECRET), 401),
        (b"{", signature(b"{", SECRET), 422),
        (b" " * 70_000, "", 413),
    ],
)
def test_what_is_not_signed_is_refused_and_audited(told, ask, body, given, code):
    """Nothing is written but the refusal, and no body is read beyond a size."""
    answer = ask(told).post(PAGERDUTY, content=body, headers=JSON | {"x-pagerduty-signature": given})
    assert answer.status_code == code
    assert told.store.acts.of("i1") == []
    assert [what for _, what in audited(told)] == (
        [f"POST {PAGERDUTY} refused: 401 the signature is not of any secret that is known"] if code == 401 else []
    )


def test_without_a_secret_nothing_of_pagerduty_is_taken(told, ask, tmp_path):
    """Off by default, and 503 while the file cannot be read, so that it is sent again."""
    off = ask(replace(told, settings=Settings())).post(PAGERDUTY, content=BODY, headers=JSON)
    assert (off.status_code, off.json()["error"]) == (403, NO_SECRET)
    (tmp_path / "pagerduty.secret").unlink()
    assert ask(told).post(PAGERDUTY, content=BODY, headers=JSON).status_code == 503


def test_alertmanager_shows_a_token_and_its_alerts_are_noted(told, ask):
    """Under the name of its token; without the role it is refused, and a browser's cookie is no token."""
    client, body = ask(told), json.dumps({"version": "4", "alerts": [ALERT]}).encode()
    assert client.post(ALERTMANAGER, content=body, headers=JSON).status_code == 401
    assert client.post(ALERTMANAGER, content=body, headers=JSON | by(CY)).status_code == 403
    answer = client.post(ALERTMANAGER, content=body, headers=JSON | by(ANA))
    assert (answer.status_code, answer.json()) == (200, {"alerts": 1, "ours": 0, "notes": 1, "incidents": ["i1"]})
    (act,) = told.store.acts.of("i1")
    assert (act.who, act.verb, act.at_ms <= FIRST_MS) == ("Ana", "noted", True)
    assert signed_in(client, ANA).post(ALERTMANAGER, content=body, headers=JSON).status_code == 403


def test_what_we_told_alertmanager_does_not_come_back(told, ask):
    """Our own alerts are counted and left."""
    answer = ask(told).post(ALERTMANAGER, content=payload(message(), "limen"), headers=JSON | by(ANA))
    assert answer.json() == {"alerts": 1, "ours": 1, "notes": 0, "incidents": []}


@pytest.mark.parametrize(("body", "words"), [(b"{", "no JSON"), (b'{"version":"3","alerts":[]}', "not of version 4")])
def test_another_payload_is_refused_with_its_reason(told, ask, body, words):
    """In one line that says what to send."""
    answer = ask(told).post(ALERTMANAGER, content=body, headers=JSON | by(ANA))
    assert (answer.status_code, words in answer.json()["error"]) == (422, True)
    big = b'"' + b"x" * 1_000_001
    assert ask(told).post(ALERTMANAGER, content=big, headers=JSON | by(ANA)).status_code == 413
