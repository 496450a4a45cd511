"""What each service gets: the exact fields, inside its limits whatever the names from outside hold, and told apart.

Each sink runs against a stub that enforces the limits of the real service (tests/support/sinks.py).
"""

import base64
import json

import httpx2
import msgspec
import pytest

from pipelines.respond.notices import TOLD
from pipelines.respond.notifiers import NOTIFIERS
from pipelines.respond.notifiers.text import said_of
from schemas.incident import Outcome
from schemas.settings import Notifier
from tests.support.messages import NOW_MS, URL, large, message, over
from tests.support.sinks import JUDGES, KEY, Stub

KINDS = sorted(JUDGES)
KEYED = ("incident_io", "jsm", "pagerduty")
TYPES = sorted({"incident.opened", "incident.quiet", "incident.raised", *TOLD.values()})


@pytest.fixture
def sink(tmp_path):
    """Return a function that gives the notifier of a kind and its stub."""

    def made(kind, **more):
        (tmp_path / "key").write_text(KEY)
        (tmp_path / "secret").write_text("whsec_" + base64.b64encode(bytes(32)).decode())
        given = {"url": "https://sink.example/v2/alerts"}
        if kind in KEYED:
            given["key_file"] = str(tmp_path / "key")
        if kind == "webhook":
            given["secret_file"] = str(tmp_path / "secret")
        if kind == "alertmanager":
            given = {"urls": ("https://a.example", "https://b.example/")}
        stub = Stub(JUDGES[kind])
        config = Notifier(name="sink", kind=kind, **given, **more)
        transport = httpx2.MockTransport(stub)
        return NOTIFIERS[kind](config, transport=transport, resolve=lambda *_: ["93.184.215.14"]), stub

    return made


@pytest.mark.playbook("S4")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("type_", TYPES)
def test_every_type_of_message_is_taken(kind, type_, sink):
    """Opened to closed, clocks and escalations: the service takes each."""
    notifier, stub = sink(kind)
    state = "resolved" if type_ in {"incident.resolved", "incident.closed", "incident.merged"} else "triage"
    assert notifier.send(message(type_, state=state), NOW_MS) == Outcome("done")
    assert stub.got


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("type_", ["incident.opened", "incident.updated", "incident.acknowledged"])
@pytest.mark.parametrize("times", [1, 30, 2_000])
def test_names_from_outside_break_no_limit(kind, type_, times, sink):
    """However long and wide they are, the message arrives, cut between two runes, and says which incident it is."""
    notifier, stub = sink(kind)
    assert notifier.send(large(type_, times), NOW_MS) == Outcome("done")
    sent = json.dumps(stub.got[0], ensure_ascii=False)
    assert "\ufffd" not in sent
    assert "\u202e" not in sent or kind in {"pagerduty", "incident_io", "webhook"}, "only programs read it as it came"
    assert "i1" in sent + "".join(stub.alerts)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_answer_is_sent_again_under_the_same_key(kind, sink, soak_count):
    """The service has it, the answer is lost: the next attempt has the same key, and there is one alert."""
    notifier, stub = sink(kind)
    stub.lose = 2 if kind == "alertmanager" else 1
    first = notifier.send(message(), NOW_MS)
    assert (first.result, first.perhaps) == ("retry", True)
    assert notifier.send(message(), NOW_MS + 5_000) == Outcome("done")
    assert len(set(stub.keys)) <= 1
    assert len(stub.alerts) <= 1
    soak_count(20, 1, "answers lost after receipt, by kind of sink")


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_is_tried_again_when_the_service_says(kind, sink, soak_count):
    """429 with Retry-After holds the message back for so long, on every sink."""
    notifier, stub = sink(kind)
    stub.limit_after = 0
    outcome = notifier.send(message(), NOW_MS)
    assert (outcome.result, outcome.retry_after_seconds, outcome.detail) == ("retry", 30.0, "status 429")
    soak_count(19, 1, "answers 429 with Retry-After, by kind of sink")


def test_pagerduty_gets_an_event_with_every_field(sink):
    """A trigger holds the figures, the facts and the links; acknowledge and resolve their three keys."""
    notifier, stub = sink("pagerduty")
    for each in (message(), message("incident.acknowledged", 2, state="acknowledged"), over()):
        assert notifier.send(each, NOW_MS).result == "done"
    trigger, acknowledge, resolve = stub.got
    details = trigger["payload"].pop("custom_details")
    assert trigger == {
        "routing_key": KEY,
        "event_action": "trigger",
        "dedup_key": "i1",
        "payload": {
            "summary": "[sev2] New: Refusal rate up x3.06 in region eu (3.2 % -> 9.8 %)",
            "source": "limen, region eu",
            "severity": "error",
            "component": "refusal_rate",
            "group": "functional",
            "class": "capability_loss",
            "timestamp": "2026-01-05T00:00:00Z",
        },
        "client": "Limen",
        "client_url": URL,
        "links": [
            {"href": URL, "text": "Incident"},
            {"href": "https://runbooks.example/capability_loss", "text": "Runbook"},
        ],
    }
    assert (details["Observed"], details["Next deadline"]) == ("9.8 %", "acknowledge by 2026-01-05 00:18 UTC")
    assert details["effect"]["n"] == 420
    assert acknowledge == {"routing_key": KEY, "event_action": "acknowledge", "dedup_key": "i1"}
    assert resolve == {"routing_key": KEY, "event_action": "resolve", "dedup_key": "i1"}
    assert stub.alerts == {}


@pytest.mark.parametrize("kind", KEYED)
@pytest.mark.parametrize("key", ["", "clé" * 11, "a\nb", "東京", "a\x00b"])
def test_a_file_that_holds_no_key_is_a_value(kind, key, sink, tmp_path):
    """It may be changed while Limen runs: the message waits until it is mended, and nothing of it is told."""
    notifier, stub = sink(kind)
    (tmp_path / "key").write_text(key)
    outcome = notifier.send(message(), NOW_MS)
    assert outcome == Outcome("retry", f"key_file {tmp_path / 'key'} must hold one key on one line")
    assert stub.got == []


@pytest.mark.parametrize("url", ["https://ü.example/ä", "https://x.example/\x01", "https://[::1/", "https://x:99999/"])
def test_an_address_that_cannot_be_called_is_a_value(url, sink, tmp_path):
    """It may be changed while Limen runs, and nothing of it is told."""
    notifier, stub = sink("slack")
    notifier.config = msgspec.structs.replace(notifier.config, url=url)
    outcome = notifier.send(message(), NOW_MS)
    assert outcome.result in {"retry", "give_up"}
    assert not {"example", "99999"} & set(outcome.detail.replace("/", " ").split())
    assert stub.got == []


def test_pagerduty_loses_samples_first_and_figures_last(sink):
    """An event above 512 KB does without its samples; with them gone all else is there."""
    notifier, stub = sink("pagerduty")
    assert notifier.send(message(samples=["東" * 1_000] * 300), NOW_MS).result == "done"
    (event,) = stub.got
    details = event["payload"]["custom_details"]
    assert "samples" not in details
    assert details["effect"]["observed"] == 0.098
    assert details["explanation"]


def test_pagerduty_cuts_a_summary_at_1024_runes(sink):
    """Runes count, not bytes, and a mark shows that something is missing."""
    notifier, stub = sink("pagerduty")
    notifier.send(message(title="東" * 2_000), NOW_MS)
    summary = stub.got[0]["payload"]["summary"]
    assert (len(summary), summary[-2:]) == (1_024, "東…")


def test_jsm_walks_an_alert_from_open_to_closed(sink):
    """Created, given another priority, acknowledged, noted, closed, all under the alias."""
    notifier, stub = sink("jsm")
    for type_, state in (
        ("incident.opened", "triage"), ("incident.raised", "triage"), ("incident.acknowledged", "acknowledged"),
        ("sla.breached", "acknowledged"), ("incident.resolved", "resolved"),
    ):  # fmt: skip
        assert notifier.send(message(type_, state=state, severity="sev1"), NOW_MS).result == "done"
    created, priority, acknowledged, noted, closed = stub.got
    assert (created["alias"], created["priority"], created["entity"]) == ("i1", "P1", "refusal_rate")
    assert created["message"].startswith("[sev1] New: Refusal rate up")
    assert created["details"]["Where"] == "region eu"
    assert priority == {"priority": "P1"}
    assert acknowledged["note"].startswith("[sev1] Acknowledged:")
    assert noted["note"].startswith("[sev1] Deadline passed:")
    assert closed["note"].startswith("[sev1] Resolved:")
    assert stub.alerts == {"i1": "closed"}


def test_incident_io_gets_firing_and_resolved(sink):
    """One key from the first to the last, and the address of the incident's page."""
    notifier, stub = sink("incident_io")
    notifier.send(message(), NOW_MS)
    notifier.send(over(), NOW_MS)
    firing, resolved = stub.got
    assert (firing["status"], resolved["status"]) == ("firing", "resolved")
    assert firing["deduplication_key"] == resolved["deduplication_key"] == "i1"
    assert firing["source_url"] == URL
    assert firing["metadata"]["severity"] == "sev2"


def test_slack_gets_blocks_that_no_name_can_turn_into_markup(sink):
    """What comes from outside calls no channel and hides no link; our own links are links."""
    notifier, stub = sink("slack")
    notifier.send(message(title="<!channel> & <http://evil.example|safe>"), NOW_MS)
    (sent,) = stub.got
    assert sent["text"] == "[sev2] New: &lt;!channel&gt; &amp; &lt;http://evil.example|safe&gt;"
    kinds = [block["type"] for block in sent["blocks"]]
    assert kinds == ["header", "section", "section", "section", "context"]
    assert sent["blocks"][2]["fields"][0]["text"] == "*Observed*\n9.8 %"
    assert sent["blocks"][3]["text"]["text"].startswith(f"<{URL}|Incident> | <https://runbooks")


def test_slack_stays_below_what_it_takes_in_all(sink):
    """Every text may be at its limit, and together they are 10,000 runes at most."""
    notifier, stub = sink("slack")
    notifier.send(large(), NOW_MS)
    texts = []
    for block in stub.got[0]["blocks"]:
        texts += [part["text"] for part in (*block.get("fields", []), *block.get("elements", []))]
        texts += [block["text"]["text"]] if "text" in block else []
    assert 8_000 < len(stub.got[0]["text"]) + sum(map(len, texts)) <= 10_000


def test_teams_gets_a_card_below_20_kb(sink):
    """A card names the facts; brackets from outside make no link; the longest is cut below the aim."""
    notifier, stub = sink("teams")
    notifier.send(message(title="[click](https://evil.example)"), NOW_MS)
    card = stub.got[0]["attachments"][0]["content"]
    assert card["body"][0]["text"] == "\\[sev2\\] New: \\[click\\](https://evil.example)"
    assert card["body"][2]["facts"][0] == {"title": "Observed", "value": "9.8 %"}
    assert next(action["url"] for action in card["actions"]) == URL
    notifier.send(large(), NOW_MS)
    assert len(json.dumps(stub.got[1], ensure_ascii=False).encode()) <= 20_500


def test_a_webhook_loses_evidence_first_and_figures_never(sink):
    """Below 20 KB whatever is told: evidence goes first, then texts are cut; what is missing is named."""
    notifier, stub = sink("webhook")
    for each in (message(), message(account={"parts": ["東" * 9_000]}), large()):
        assert notifier.send(each, NOW_MS).result == "done"
    whole, without, cut = (body["data"] for body in stub.got)
    assert "left_out" not in whole
    assert (without["left_out"], "account" in without, without["facts"]) == (["account"], False, whole["facts"])
    assert cut["left_out"] == ["signals", "changes", "texts"]
    assert (cut["effect"], cut["url"], cut["runbook"]) == (whole["effect"], whole["url"], whole["runbook"])
    assert cut["title"].endswith("…")


def test_the_payload_of_alertmanager_resolves(sink):
    """Firing has no end; resolved has the end of the incident, never before its beginning."""
    notifier, stub = sink("alertmanager_webhook")
    notifier.send(message(), NOW_MS)
    notifier.send(over(), NOW_MS)
    firing, resolved = (body["alerts"][0] for body in stub.got)
    assert (firing["status"], firing["endsAt"]) == ("firing", "0001-01-01T00:00:00Z")
    assert (resolved["status"], resolved["endsAt"]) == ("resolved", "2026-01-05T00:04:00Z")
    assert firing["fingerprint"] == resolved["fingerprint"]
    assert firing["labels"]["alertname"] == "LimenRefusalRateAnomaly"
    assert firing["labels"]["severity"] == "critical"


@pytest.mark.playbook("C2")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith("alertmanager")])
def test_severities_are_in_the_words_of_the_house(kind, sink):
    """Each sink shows those; what the service itself calls severity or priority is its own."""
    notifier, stub = sink(kind)
    notifier.send(message(severity_shown="P1"), NOW_MS)
    assert "P1" in json.dumps(stub.got[0])
    assert "[sev2]" not in json.dumps(stub.got[0])


def test_all_sinks_say_the_same(sink):
    """Observed, expected, band, n, odds, scope, since, changes and deadline stand in every message to people."""
    said = said_of(message())
    wanted = [text for _, text in said.facts]
    for kind in ("slack", "teams", "jsm", "incident_io", "pagerduty"):
        notifier, stub = sink(kind)
        notifier.send(message(), NOW_MS)
        sent = json.dumps(stub.got[0], ensure_ascii=False).replace("&gt;", ">")
        assert [text for text in wanted if text not in sent] in ([], ["on-call"]), kind
