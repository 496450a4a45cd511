"""`incidents` and `alerts` show what the store holds, to people and to programs, and say clearly when there is none."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli_incidents import alerts, incidents
from pipelines.respond.acts import after
from pipelines.store import Store
from schemas.act import Act, Heard
from schemas.alert import Alert
from schemas.effects import Commit, Effects
from schemas.history import SeriesInfo
from schemas.incident import Effect, Entry, Incident
from schemas.score import Candidate, Finding, Level, Reason

RUNNER = CliRunner()
DAY_MS = 1_767_571_200_000  # 2026-01-05T00:00:00Z
COHORT = (("region", "eu"),)
SHARED = "capability loss too, refusal_rate moved the same way, region eu in both, both near a change of model_version"
ROLES = ("commander", "model owner", "safety lead", "product owner", "communications", "legal")


def alert(name: str, state: str) -> Alert:
    """Give an alert over refusals in region eu."""
    finding = Finding(
        signal="refusal_rate", cohort=COHORT, detector="rate", level=Level.PAGE, log_return_period=14.0,
        log_fleet=12.5, direction="up", observed=0.125, expected=0.04, lower=0.03, upper=0.06, effect=3.1, n=900,
        excess=76.0, onset_ms=DAY_MS, detected_ms=DAY_MS + 720_000, reason=Reason.SUSPICIOUS,
    )  # fmt: skip
    return Alert(
        id=name, rule="anomaly", signal="refusal_rate", cohort=COHORT, state=state, direction="up",
        pending_ms=DAY_MS + 660_000, firing_ms=DAY_MS + 720_000, resolved_ms=-1, last_seen_ms=DAY_MS + 720_000,
        peak=finding, latest=finding, severity="sev2", incident_id="inc-1",
    )  # fmt: skip


def incident(name: str, state: str, tenant: str = "") -> Incident:
    """Give an incident with a version change near its onset."""
    return Incident(
        id=name, kind="real", state=state, level="page", severity="sev2", category="capability_loss",
        family="functional", owner="on-call", title="Refusals have tripled", signals=("refusal_rate",),
        lead_signal="refusal_rate", direction="up", scope={"region": "eu"} | ({"tenant": tenant} if tenant else {}),
        onset_ms=DAY_MS, detected_ms=DAY_MS + 720_000, updated_ms=DAY_MS, resolved_ms=-1,
        effect=Effect(0.125, 0.04, 0.03, 0.06, "share", 3.1), log_return_period=14.0, log_fleet=12.5,
        changes=(Candidate("model_version", "m-1", "m-2", DAY_MS - 60_000, {"region": "eu"}),),
        alert_ids=("al-1",), alerts_total=1, runbook="runbooks/refusals",
        timeline=(Entry(DAY_MS + 720_000, "limen", "opened at sev2 (page): Refusals have tripled"),),
    )  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Give a configuration whose store holds two incidents and two alerts."""
    url = f"sqlite:///{tmp_path / 'limen.db'}"
    store = Store.open(url)
    effects = Effects(
        (alert("al-1", "firing"), alert("al-2", "resolved")),
        (incident("inc-1", "triage"), incident("inc-2", "closed", "a\x1b[2Jb\u202e")),
    )
    store.commit(Commit(positions=(), series=(SeriesInfo(0, "refusal_rate", COHORT, 1),), effects=effects))
    store.close()
    file = tmp_path / "limen.yaml"
    file.write_text(f"storage: {{url: '{url}'}}\n", encoding="utf-8")
    return str(file)


def test_open_incidents_are_listed_for_people(config):
    """One row an incident with what decides whether to look at it."""
    result = RUNNER.invoke(incidents, ["list", "-c", config])
    title, row = (line.split("   ") for line in result.stdout.splitlines())
    titles = [text.strip() for text in title if text.strip()]
    assert titles == ["id", "severity", "state", "detected", "scope", "title", "owner"]
    shown = [text.strip() for text in row if text.strip()]
    assert shown == ["inc-1", "sev2", "triage", "2026-01-05 00:12", "region eu", "Refusals have tripled", "on-call"]


def test_every_incident_is_listed_for_programs(config):
    """With --all closed ones come too; JSON has the names and times of the API."""
    result = RUNNER.invoke(incidents, ["list", "--all", "-o", "json", "-c", config])
    rows = json.loads(result.stdout)
    assert {row["id"]: row["state"] for row in rows} == {"inc-1": "triage", "inc-2": "closed"}
    assert rows[0]["onset"] == "2026-01-05T00:00:00Z"
    assert rows[0]["changes"][0]["to"] == "m-2"


def test_a_name_from_outside_cannot_steer_the_terminal(config):
    """Neither the table nor the JSON holds the escape sequence of a tenant's name; the JSON still means it."""
    for form in ("table", "json", "jsonl"):
        shown = RUNNER.invoke(incidents, ["list", "--all", "-o", form, "-c", config]).stdout
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    rows = json.loads(RUNNER.invoke(incidents, ["list", "--all", "-o", "json", "-c", config]).stdout)
    assert "a\x1b[2Jb\u202e" in {row["scope"].get("tenant") for row in rows}


def test_one_incident_is_told_in_plain_words(config):
    """What, where, how much, how rare, since when, what changed, who owns it; the timeline and the alerts follow."""
    result = RUNNER.invoke(incidents, ["show", "inc-1", "-c", config])
    told = [line.rstrip() for line in result.stdout.splitlines()]
    assert told[:15] == [
        "sev2  Refusals have tripled",
        "  where     region eu",
        "  what      refusal_rate is 12.5 %, and 4 % was expected (usually 3 to 6 %)",
        "  odds      by chance about once in 2.3 years on this series, once in 27 weeks in the whole fleet",
        "  since     2026-01-05 00:00, detected 2026-01-05 00:12, paged 2026-01-05 00:12 (event time, UTC)",
        "  changed   model_version m-1 -> m-2 in region eu, first seen 2026-01-04 23:59",
        "  owner     on-call",
        "  runbook   runbooks/refusals",
        "  incident  inc-1, alerts: 1",
        "  state     triage as sev2, owned by on-call",
        f"  people    {', '.join(f'{role}: nobody' for role in ROLES)}",
        "  signal    refusal_rate: crossed at 2026-01-05 00:11 UTC, the first",
        f"  earlier   inc-2 (closed without a reason): Refusals have tripled; {SHARED}",
        "",
        "2026-01-05 00:12  limen: opened at sev2 (page): Refusals have tripled",
    ]
    assert told[-1].startswith("al-1")


def test_the_beginning_of_an_id_is_enough_and_two_are_refused(config):
    """A unique beginning finds the incident; an ambiguous or unknown one is misuse."""
    shown = RUNNER.invoke(incidents, ["show", "inc-2", "-o", "json", "-c", config])
    assert json.loads(shown.stdout)["id"] == "inc-2"
    both = RUNNER.invoke(incidents, ["show", "inc", "-c", config])
    none = RUNNER.invoke(incidents, ["show", "x", "-c", config])
    assert (both.exit_code, none.exit_code) == (2, 2)
    assert both.stderr == (
        "limen: 2 incidents have an id that begins with inc: `limen incidents list --all` shows the ids\n"
    )
    assert none.stderr.startswith("limen: no incident has an id that begins with x")


def test_an_incident_has_one_form_for_programs(config):
    """What `show` gives is what `list` gives, and alerts and response in full under names of their own."""
    (listed,) = json.loads(RUNNER.invoke(incidents, ["list", "-o", "json", "-c", config]).stdout)
    shown = json.loads(RUNNER.invoke(incidents, ["show", "inc-1", "-o", "json", "-c", config]).stdout)
    assert [alert["id"] for alert in shown.pop("alert_details")] == ["al-1"]
    assert shown.pop("response")["clocks"] == []
    assert [each["signal"] for each in shown.pop("signal_details")] == ["refusal_rate"]
    assert [each["id"] for each in shown.pop("alike")] == ["inc-2"]
    assert shown == listed
    assert listed["alerts"] == ["al-1"]


def test_the_table_of_alerts_says_how_likely_each_is_by_chance(config):
    """The odds are those of the series, in words."""
    title, row = (line.split("   ") for line in RUNNER.invoke(alerts, ["-c", config]).stdout.splitlines())
    shown = dict(zip([text.strip() for text in title if text], [text.strip() for text in row if text], strict=True))
    assert shown["by chance"] == "once in 2.3 years"


def test_active_alerts_are_listed(config):
    """Firing alerts come with their numbers, resolved ones only with --all."""
    (row,) = json.loads(RUNNER.invoke(alerts, ["-o", "json", "-c", config]).stdout)
    assert (row["id"], row["observed"], row["incident"]) == ("al-1", 0.125, "inc-1")
    lines = RUNNER.invoke(alerts, ["--all", "-o", "jsonl", "-c", config]).stdout.splitlines()
    assert sorted(json.loads(line)["id"] for line in lines) == ["al-1", "al-2"]


def test_without_a_database_it_is_unreachable(tmp_path: Path):
    """A store that does not exist ends with exit code 3, and none is made."""
    file = tmp_path / "limen.yaml"
    file.write_text(f"storage: {{url: 'sqlite:///{tmp_path}/no.db'}}\n", encoding="utf-8")
    result = RUNNER.invoke(incidents, ["list", "-c", str(file)])
    assert result.exit_code == 3
    assert result.stderr.startswith(f"limen: {tmp_path}/no.db: does not exist")
    assert not (tmp_path / "no.db").exists()


@pytest.mark.playbook("C2")
def test_who_has_an_incident_and_what_is_due_is_told(config):
    """State, owner, people and clocks stand below the incident; a clock that was met says when."""
    store = Store.open(Path(config).read_text(encoding="utf-8").split("'")[1])
    incident_, opened = store.acts.found("inc-1").incident, Act("inc-1", 1, DAY_MS, "limen", "opened", "sev2")
    heard = Heard(incident_, after(Heard(incident_), opened))
    taken = Act("inc-1", 2, DAY_MS + 60_000, "Ana", "acknowledged", via="web")
    store.acts.put([opened, taken], after(heard, taken))
    store.close()
    told = RUNNER.invoke(incidents, ["show", "inc-1", "-c", config]).stdout.splitlines()
    assert "  state     acknowledged as sev2, owned by Ana" in told
    assert "  clock     acknowledge: met 2026-01-05 00:01 UTC" in told
    assert "  clock     mitigate: breached, due 2026-01-05 04:00 UTC" in told


@pytest.mark.playbook("P2")
def test_past_incidents_are_found_by_words(config):
    """Every word must fit, closed ones come too, and times narrow it; a time without its zone is misuse."""
    found = RUNNER.invoke(incidents, ["search", "refusals", "region=eu", "state=closed", "-o", "json", "-c", config])
    assert [row["id"] for row in json.loads(found.stdout)] == ["inc-2"]
    late = ["search", "refusals", "--from", "2026-01-06T00:00:00Z", "-c", config]
    assert RUNNER.invoke(incidents, late).stdout == "no incident has all these words\n"
    wrong = RUNNER.invoke(incidents, ["search", "a", "--until", "2026-01-06", "-c", config])
    assert (wrong.exit_code, "is no time with its zone" in wrong.stderr) == (2, True)
