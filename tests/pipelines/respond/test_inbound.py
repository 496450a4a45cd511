"""What Alertmanager and PagerDuty tell us is read strictly, signatures first, and never raises."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.respond.inbound import BODY_BYTES_MAX, Acted, Unread, act_of, alerts_of
from pipelines.respond.notifiers.alertmanager_webhook import payload
from tests.support.messages import message, over

SECRET, OTHER = "s3cret", "0ther"
EVENT = {
    "event": {
        "id": "01A", "event_type": "incident.acknowledged", "resource_type": "incident",
        "occurred_at": "2026-01-05T00:05:00.250Z", "agent": {"id": "P1", "type": "user_reference", "summary": "Ana"},
        "client": None, "data": {"id": "Q1", "type": "incident", "incident_key": "i1", "title": "x"},
    }
}  # fmt: skip


def signature(body, secret):
    """Sign as PagerDuty does."""
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def event(**changes):
    """Give the bytes of an event."""
    return json.dumps({"event": EVENT["event"] | changes}).encode()


def test_what_we_send_as_alertmanager_we_can_read():
    """Firing and resolved, with labels, times and address."""
    (firing,), (resolved,) = alerts_of(payload(message(), "r")), alerts_of(payload(over(), "r"))
    assert (firing.name, firing.severity, firing.ended_ms) == ("LimenRefusalRateAnomaly", "critical", -1)
    assert (resolved.id, resolved.begun_ms) == (firing.id, firing.begun_ms)
    assert resolved.ended_ms == 1_767_571_440_000
    assert firing.labels["cohort"] == "region eu"
    assert firing.url == "https://limen.example/incidents/i1"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not_json"),
        (b"[]", "invalid_field"),
        (b'{"version":"3","alerts":[]}', "wrong_version"),
        (b'{"version":"4","alerts":[{"status":"firing"}]}', "invalid_field"),
        (b'{"version":"4","alerts":[{"status":"firing","labels":{"a":1},"startsAt":"x"}]}', "invalid_field"),
        (b"[" * 100_000, "invalid_field"),
        (b" " * (BODY_BYTES_MAX + 1), "too_large"),
    ],
)
def test_a_payload_that_is_none_has_its_reason(body, why):
    """A value from a closed list."""
    assert alerts_of(body) == Unread(why)


def test_unknown_and_missing_fields_are_no_error():
    """Newer ones have more fields, and other programs have fewer."""
    alert = {"status": "firing", "labels": {"a": "b"}, "startsAt": "2026-01-05T00:00:00Z", "new": 1}
    (told,) = alerts_of(json.dumps({"version": "4", "alerts": [alert], "notification_reason": "x"}).encode())
    assert (told.id, told.name, told.summary, told.url) == ("a=b", "alert", "alert", "")


@pytest.mark.parametrize(
    ("type_", "verb"),
    [
        ("incident.acknowledged", "acknowledged"),
        ("incident.unacknowledged", "released"),
        ("incident.resolved", "resolved"),
        ("incident.reopened", "reopened"),
    ],
)
def test_what_people_do_in_pagerduty_is_read(type_, verb):
    """Who did it, when, to which of our incidents."""
    body = event(event_type=type_)
    assert act_of(body, signature(body, SECRET), [SECRET]) == Acted("01A", "i1", verb, "Ana", 1_767_571_500_250)


def test_either_of_two_secrets_counts_while_they_are_exchanged():
    """The header holds one signature for each."""
    body = event()
    both = f"{signature(body, OTHER)},{signature(body, SECRET)}"
    assert isinstance(act_of(body, both, [SECRET]), Acted)
    assert isinstance(act_of(body, signature(body, SECRET), [OTHER, SECRET]), Acted)


@pytest.mark.parametrize(
    "header", ["", "v1=", "v1=00", "v0=x", "ü", signature(event(), OTHER), signature(b"x", SECRET)]
)
def test_nothing_is_read_that_is_not_signed(header):
    """Another secret, another body, no signature; an empty secret signs nothing."""
    assert act_of(event(), header, [SECRET]) == Unread("wrong_signature")
    assert act_of(event(), signature(event(), ""), [""]) == Unread("wrong_signature")


@pytest.mark.parametrize(
    "changes",
    [
        {"event_type": "incident.annotated"},
        {"data": {"id": "Q1"}},
        {"event_type": "incident.resolved", "agent": {"type": "inbound_integration_reference", "summary": "Limen"}},
    ],
)
def test_other_events_are_not_meant_for_us(changes):
    """A note there, an incident that is not ours, and the echo of what we told it ourselves."""
    body = event(**changes)
    assert act_of(body, signature(body, SECRET), [SECRET]) == Unread("not_meant_for_us")


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)), st.text(max_size=80))
def test_reading_never_raises(body, header):
    """Whatever comes is a value."""
    assert isinstance(alerts_of(body), tuple | Unread)
    assert isinstance(act_of(body, header, [SECRET]), Unread)
    assert isinstance(act_of(body, signature(body, SECRET), [SECRET]), Acted | Unread)
