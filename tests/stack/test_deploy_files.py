"""The files under deploy/ are right by the programs that read them, and name only metrics that Limen has."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.serve.metrics_families import FAMILIES

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus/rules/limen.yml"
RULE_TESTS = DEPLOY / "prometheus/tests/limen.yml"
DASHBOARDS = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
LABELS = {name: {*family.labels, "le"} for family in FAMILIES for name in family.sample_names}
EXPOSED = set(LABELS)


def load(path: Path) -> Any:
    """Read a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def recorded_and_rules() -> list[dict[str, Any]]:
    """Give every rule, with those that only record a value for others."""
    return [rule for group in load(RULES)["groups"] for rule in group["rules"]]


def rules() -> list[dict[str, Any]]:
    """Give every rule that raises an alert."""
    return [rule for rule in recorded_and_rules() if "alert" in rule]


def strings(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
    elif isinstance(value, str):
        yield value


def metrics(text: str) -> set[str]:
    """Give the metrics of ours that a query names; `limen_url` is a variable of the dashboard."""
    return set(re.findall(r"\blimen_[a-z_]+", text)) - {"limen_url"}


def run(*command: object) -> str:
    """Run a program and give what it said; its errors fail the test."""
    done = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.stack
def test_prometheus_accepts_its_configuration_and_the_rules(program):
    """`promtool check config` reads the configuration and the rule files that it names."""
    said = run(program("promtool"), "check", "config", DEPLOY / "prometheus/prometheus.yml")
    assert f"SUCCESS: {len(recorded_and_rules())} rules found" in said


@pytest.mark.stack
def test_the_rules_fire_when_they_should_and_only_then(program):
    """`promtool test rules` plays the cases of deploy/prometheus/tests."""
    assert "SUCCESS" in run(program("promtool"), "test", "rules", RULE_TESTS)


@pytest.mark.stack
def test_alertmanager_accepts_its_configuration(program):
    """`amtool check-config` finds nothing."""
    said = run(program("amtool"), "check-config", DEPLOY / "alertmanager/alertmanager.yml")
    assert "SUCCESS" in said


@pytest.mark.stack
def test_the_watchdog_and_the_rest_go_to_their_receivers(program):
    """The dead-man's switch goes to the heartbeat receiver, everything else to whoever is on call."""
    config = f"--config.file={DEPLOY / 'alertmanager/alertmanager.yml'}"
    routes = (program("amtool"), "config", "routes", "test", config)
    assert run(*routes, "alertname=LimenWatchdog").strip() == "heartbeat"
    assert run(*routes, "alertname=LimenDown", "severity=critical").strip() == "on-call"


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_says_what_is_wrong_and_what_to_do(rule):
    """Every rule has a severity, a summary and a description, and is played in the rule tests."""
    assert rule["alert"].startswith("Limen")
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description"}
    assert rule["annotations"]["description"].endswith(".")
    played = "\n".join(strings(load(RULE_TESTS)))
    assert re.search(rf"\b{rule['alert']}\b", played)


def test_every_rule_names_metrics_and_labels_that_limen_has():
    """A misspelt metric would never fire; so would a label that the metric does not have."""
    recorded = {rule["record"] for rule in recorded_and_rules() if "record" in rule}
    for rule in recorded_and_rules():
        assert metrics(rule["expr"]) <= EXPOSED, rule
        assert set(re.findall(r"\blimen:[a-z:]+", rule["expr"])) <= recorded, rule
        for name, matchers in re.findall(r"\b(limen_[a-z_]+)\{([^}]*)\}", rule["expr"]):
            assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)) <= LABELS[name], rule


def test_the_health_of_limen_is_watched_where_it_matters():
    """Heartbeat, lag, a stalled watermark, the source, the store and the sinks each have a rule."""
    watched = set().union(*(metrics(rule["expr"]) for rule in rules()))
    assert {
        "limen_heartbeat_timestamp_seconds",
        "limen_consumer_lag_records",
        "limen_watermark_timestamp_seconds",
        "limen_source_failing",
        "limen_store_failing",
        "limen_notifications",
    } <= watched


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_has_its_line_in_the_runbook(rule):
    """Whoever is called finds the alert on the page of operations, with what to look at first."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| `{rule['alert']}` \| {rule['labels']['severity']} \| .+\. \|$", page, flags=re.MULTILINE)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_names_metrics_and_labels_that_limen_has(path):
    """Every query of a dashboard, its variables and its annotations find something."""
    for text in strings(json.loads(path.read_text(encoding="utf-8"))):
        assert metrics(text) <= EXPOSED, text
        for name, matchers in re.findall(r"\b(limen_[a-z_]+)\{([^}]*)\}", text):
            assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", matchers)) <= LABELS[name], text


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_can_be_provisioned(path):
    """Its ids are its own, its panels do not lie on each other, and every query has its data source."""
    board = json.loads(path.read_text(encoding="utf-8"))
    assert (board["uid"], board["id"]) == ("limen", None)
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"
        assert panel["type"] == "row" or panel["description"].endswith(".")


def test_the_dashboard_draws_observed_expected_and_band_of_a_chosen_series():
    """One panel shows the four lines of the signal and cohort that the reader chose; the band is filled."""
    (path,) = DASHBOARDS
    board = json.loads(path.read_text(encoding="utf-8"))
    assert [variable["name"] for variable in board["templating"]["list"]] == [
        "datasource",
        "signal",
        "cohort",
        "limen_url",
    ]
    panel = next(panel for panel in board["panels"] if panel["type"] == "timeseries")
    queries = {target["legendFormat"]: target["expr"] for target in panel["targets"]}
    chosen = '{signal="$signal",cohort="$cohort"}'
    assert queries == {
        "observed": f"limen_signal_value{chosen}",
        "expected": f"limen_signal_expected{chosen}",
        "lower": f"limen_signal_lower{chosen}",
        "upper": f"limen_signal_upper{chosen}",
    }
    properties = {each["matcher"]["options"]: each["properties"] for each in panel["fieldConfig"]["overrides"]}
    assert {"id": "custom.fillBelowTo", "value": "lower"} in properties["upper"]
    assert metrics(board["annotations"]["list"][0]["expr"]) == {"limen_incidents_open"}


def test_grafana_finds_the_data_source_and_the_dashboards():
    """The provisioned data source has the name that the dashboard asks for, and the folder is the mounted one."""
    (source,) = load(DEPLOY / "grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    (provider,) = load(DEPLOY / "grafana/provisioning/dashboards/limen.yaml")["providers"]
    compose = load(ROOT / "docker-compose.yml")["services"]
    board = json.loads(DASHBOARDS[0].read_text(encoding="utf-8"))
    assert board["templating"]["list"][0]["current"]["value"] == source["uid"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in compose["grafana"]["volumes"]
    assert source["url"] == "http://prometheus:9090"


def test_prometheus_scrapes_services_of_the_stack():
    """Every target is a service of the compose file, on its port inside."""
    config = load(DEPLOY / "prometheus/prometheus.yml")
    compose = load(ROOT / "docker-compose.yml")["services"]
    targets = [t for job in config["scrape_configs"] for each in job["static_configs"] for t in each["targets"]]
    targets += [t for each in config["alerting"]["alertmanagers"][0]["static_configs"] for t in each["targets"]]
    for target in targets:
        host, port = target.split(":")
        service = "prometheus" if host == "127.0.0.1" else host
        assert compose[service]["ports"][0].rsplit(":", 1)[1] == port
