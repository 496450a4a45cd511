"""Metrics are complete, capped, well-formed, and documented."""

import dataclasses
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pipelines.respond.acts import after
from pipelines.respond.times import added
from pipelines.serve.limits import limits
from pipelines.serve.metrics_families import FAMILIES
from pipelines.serve.metrics_page import page
from schemas.act import Act
from schemas.effects import Commit, Effects
from schemas.history import SeriesInfo
from schemas.settings import Cohorts, Settings
from schemas.status import Exemplar, Histogram, Loss
from tests.pipelines.serve.made_up import EVIL, FIRST_MINUTE, FIRST_MS, alert, history_row

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs" / "metrics.md"


def samples(text: str) -> dict[str, float]:
    """Give the samples of an exposition by name and labels."""
    rows = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in rows}


def test_every_fact_of_the_status_and_the_store_is_a_metric(client):
    """The tiny world gives exactly these samples, apart from versions and series."""
    found = samples(client.get("/metrics").text)
    assert {
        name: value for name, value in found.items() if not re.match("limen_(build|signal_|store_bytes|limit)", name)
    } == {
        'limen_config_info{hash="c0ffee"}': 1,
        "limen_ready": 1,
        "limen_standby": 0,
        "limen_start_timestamp_seconds": 1767571200,
        "limen_heartbeat_timestamp_seconds": 1767571207.25,
        'limen_process_resident_bytes{process="main"}': 104857600,
        'limen_process_cpu_seconds_total{process="main"}': 12.5,
        'limen_process_open_files{process="main"}': 31,
        "limen_config_last_reload_successful": 1,
        "limen_config_last_reload_success_timestamp_seconds": 1_767_571_200.5,
        'limen_heartbeats_total{result="failed"}': 1,
        'limen_heartbeats_total{result="sent"}': 60,
        "limen_source_failing": 0,
        "limen_store_failing": 0,
        "limen_source_polls_total": 90,
        "limen_source_opens_total": 2,
        "limen_source_failures_total": 1,
        "limen_source_stalls_total": 0,
        "limen_staged_bytes": 1200,
        "limen_events_read_total": 1000,
        'limen_events_total{outcome="aggregated"}': 980,
        'limen_events_total{outcome="late"}': 3,
        'limen_events_total{outcome="out_of_range"}': 2,
        'limen_events_total{outcome="duplicate"}': 10,
        'limen_events_total{outcome="rejected"}': 5,
        'limen_rejects_total{reason="empty"}': 1,
        'limen_rejects_total{reason="invalid_field"}': 0,
        'limen_rejects_total{reason="missing_field"}': 0,
        'limen_rejects_total{reason="missing_model"}': 0,
        'limen_rejects_total{reason="not_json"}': 4,
        'limen_rejects_total{reason="not_utf8"}': 0,
        'limen_rejects_total{reason="too_deep"}': 0,
        'limen_rejects_total{reason="too_large"}': 0,
        'limen_consumer_lag_records{partition="0",source="kafka:events"}': 12,
        'limen_partition_position{partition="0",source="kafka:events"}': 700,
        'limen_partition_position{partition="0",source="stdin"}': 300,
        'limen_partition_idle{partition="0",source="kafka:events"}': 0,
        'limen_partition_idle{partition="0",source="stdin"}': 1,
        'limen_watermark_timestamp_seconds{partition="0",source="kafka:events"}': 1767571920,
        'limen_watermark_delay_seconds{partition="0",source="kafka:events"}': -712.75,
        "limen_closed_delay_seconds": -592.75,
        'limen_event_delay_seconds_bucket{le="0.0"}': 1,
        'limen_event_delay_seconds_bucket{le="2.5"}': 900,
        'limen_event_delay_seconds_bucket{le="+Inf"}': 1000,
        "limen_event_delay_seconds_count": 1000,
        "limen_event_delay_seconds_sum": 5000.5,
        'limen_detection_latency_seconds_bucket{le="120.0"}': 0,
        'limen_detection_latency_seconds_bucket{le="125.0"}': 2,
        'limen_detection_latency_seconds_bucket{le="+Inf"}': 3,
        "limen_detection_latency_seconds_count": 3,
        "limen_detection_latency_seconds_sum": 543.5,
        "limen_closed_timestamp_seconds": 1767571800,
        "limen_minute_closes_total": 10,
        "limen_series": 3,
        "limen_series_learning": 1,
        "limen_cohorts": 3,
        "limen_cohorts_exposed": 3,
        "limen_cohorts_left_out": 0,
        'limen_cap_hits_total{cap="values",dimension="tenant"}': 7,
        "limen_incidents_flapping": 0,
        'limen_incidents_muted{reason="explained"}': 0,
        'limen_incidents_muted{reason="in_a_window"}': 0,
        'limen_incidents_muted{reason="silenced"}': 0,
        "limen_silences": 0,
        'limen_incidents_open{severity="sev1"}': 0,
        'limen_incidents_open{severity="sev2"}': 1,
        'limen_incidents_open{severity="sev3"}': 0,
        'limen_incidents_open{severity="sev4"}': 0,
        'limen_incidents_found{by="alert"}': 2,
        'limen_incidents_found{by="declared"}': 0,
        'limen_incidents_found{by="report"}': 0,
        'limen_alerts{state="pending"}': 0,
        'limen_alerts{state="firing"}': 1,
        'limen_notifications{sink="log",state="waiting"}': 1,
        'limen_notifications_oldest_seconds{sink="log"}': 7.25,
        "limen_dead_letters_waiting": 0,
        'limen_dead_letters_total{result="sent"}': 0,
        'limen_dead_letters_total{result="refused"}': 0,
        'limen_dead_letters_total{result="dropped"}': 0,
        'limen_stage_seconds_total{step="read"}': 1.5,
        'limen_stage_seconds_total{step="decode"}': 2.5,
        'limen_stage_seconds_total{step="aggregate"}': 0,
        'limen_stage_seconds_total{step="detect"}': 0,
        'limen_stage_seconds_total{step="respond"}': 0,
        'limen_stage_seconds_total{step="commit"}': 0,
        "limen_commits_total": 42,
        "limen_commit_bytes_total": 4096,
        'limen_checkpoint_seconds_bucket{le="0.1"}': 40,
        'limen_checkpoint_seconds_bucket{le="1.0"}': 42,
        'limen_checkpoint_seconds_bucket{le="+Inf"}': 42,
        "limen_checkpoint_seconds_count": 42,
        "limen_checkpoint_seconds_sum": 3.25,
        "limen_snapshot_bytes": 2048,
        "limen_snapshot_age_seconds": 240,
        "limen_workers": 2,
        "limen_worker_restarts_total": 3,
        "limen_workers_staged_bytes": 5120,
        "limen_audit_expected_total": 10,
        "limen_audit_observed_total": 9,
    }


def test_alerts_are_counted_however_many_there_are(world, ask):
    """Fifteen hundred firing alerts are 1,501, on the page and in the metric."""
    many = tuple(alert(f"m{i}", "refusal_rate", (("tenant", f"t{i}"),), FIRST_MS, "i1") for i in range(1_500))
    world.store.commit(Commit(positions=(), effects=Effects(alerts=many)))
    client = ask(world)
    assert samples(client.get("/metrics").text)['limen_alerts{state="firing"}'] == 1_501
    assert client.get("/api/v1/overview").json()["alerts"] == {"pending": 0, "firing": 1_501}


def test_a_store_that_cannot_be_written_and_lost_records_are_metrics(world, ask):
    """The engine's own trouble with the store counts as much as the scrape's, and so do records that were gone."""
    troubled = world.with_status(
        store_failure="limen.db: the disk is full", gaps={"kafka:a/b/3": Loss(4, 10), "stdin/0": Loss(-1)}
    )
    found = samples(ask(troubled).get("/metrics").text)
    assert found["limen_store_failing"] == 1
    assert found['limen_records_gone{partition="3",source="kafka:a/b"}'] == 4
    assert found['limen_records_gone{partition="0",source="stdin"}'] == -1
    assert found['limen_records_corrupt{partition="3",source="kafka:a/b"}'] == 10
    assert found['limen_records_corrupt{partition="0",source="stdin"}'] == 0


def test_series_carry_value_expectation_band_and_return_period(client):
    """Each series has five gauges; what is not known is absent, and a hostile name is a label like any other."""
    found = samples(client.get("/metrics").text)
    labels = '{cohort="region=eu",signal="refusal_rate"}'
    values = {name: found[f"limen_signal_{name}{labels}"] for name in ("value", "expected", "lower", "upper")}
    assert values == pytest.approx({"value": 0.1, "expected": 0.05, "lower": 0.01, "upper": 0.09})
    assert found[f"limen_signal_log_return_period{labels}"] == 8.0
    assert 'limen_signal_value{cohort="all",signal="refusal_rate"}' in found
    assert not [name for name in found if EVIL in name]


def test_the_cap_keeps_all_traffic_then_the_firing_then_the_busy(world, ask):
    """A thousand tenants cost no more than the cap: the widest cohort, the one that fires, and the busiest."""
    cohorts = [(), (("region", "eu"),), *((("tenant", f"t{i}"),) for i in range(1_000))]
    series = tuple(SeriesInfo(i, "refusal_rate", cohort, FIRST_MINUTE) for i, cohort in enumerate(cohorts))
    ones = np.ones(len(cohorts))
    n = [5_000, 1, *range(1_000)]
    latest = history_row(FIRST_MINUTE + 9, n, ones, ones, ones, ones, ones)
    capped = world.with_status(series=series, latest=latest, cohorts_total=1_002)
    settings = Settings(cohorts=Cohorts(metrics_max=3))
    text = ask(type(world)(world.store, capped.status, settings)).get("/metrics").text
    # 512 to 999 events count as equal, and the cohort that was seen first comes first.
    assert re.findall(r'limen_signal_value\{cohort="([^"]+)"', text) == ["all", "region=eu", "tenant=t512"]
    assert samples(text)["limen_cohorts_left_out"] == 999


def test_awkward_cohorts_stay_apart_and_well_formed(world, ask):
    """Names with quotes, commas, equals signs and line ends give labels that differ and parse."""
    cohorts = [
        (("tenant", 'a"b\n'),),
        (("tenant", "a,region=eu"),),
        (("region", "eu"), ("tenant", "a")),
        (("tenant", "a\\,region=eu"),),
    ]
    series = tuple(SeriesInfo(i, "refusal_rate", cohort, FIRST_MINUTE) for i, cohort in enumerate(cohorts))
    ones = [1.0] * 4
    status = world.with_status(series=series, latest=history_row(FIRST_MINUTE, ones, ones, ones, ones, ones, ones))
    text = ask(status).get("/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("limen_signal_value{")]
    assert len(set(lines)) == 4
    assert r'limen_signal_value{cohort="tenant=a\"b\n",signal="refusal_rate"} 1.0' in lines


def test_both_formats_are_offered(client):
    """The text format is the default, and OpenMetrics is given to who asks for it."""
    plain = client.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=")
    open_metrics = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert open_metrics.text.endswith("# EOF\n")
    assert 'limen_events_total{outcome="late"} 3' in open_metrics.text


def test_an_exemplar_names_the_alert_in_openmetrics_only(client):
    """The bucket of the latest alert carries its ids and the moment it was stored; the text format has no exemplars."""
    plain = client.get("/metrics").text
    open_metrics = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"}).text
    name = "limen_detection_latency_seconds_bucket"
    assert [line for line in plain.splitlines() if line.startswith(name)] == [
        f'{name}{{le="120.0"}} 0.0',
        f'{name}{{le="125.0"}} 2.0',
        f'{name}{{le="+Inf"}} 3.0',
    ]
    assert [line for line in open_metrics.splitlines() if line.startswith(name)] == [
        f'{name}{{le="120.0"}} 0.0',
        f'{name}{{le="125.0"}} 2.0 # {{alert_id="a1",incident_id="i1"}} 121.5 1767571321.5',
        f'{name}{{le="+Inf"}} 3.0',
    ]
    assert "# TYPE limen_detection_latency_seconds histogram" in open_metrics


@pytest.mark.parametrize(("length", "kept"), [(120, True), (121, False)])
def test_an_exemplar_that_is_too_long_is_left_out(world, ask, length, kept):
    """Names and values of 128 characters are shown, one more costs the exemplar and not the scrape."""
    exemplar = Exemplar(121.5, FIRST_MS, {"alert_id": "x" * length})
    latency = Histogram((120.0, 125.0), (0, 2, 1), 543.5, {1: exemplar})
    client = ask(world.with_status(detection_latency_seconds=latency))
    answer = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.status_code == 200
    assert ("# {alert_id=" in answer.text) is kept
    assert 'limen_detection_latency_seconds_bucket{le="125.0"} 2.0' in answer.text


def test_the_store_says_how_large_its_files_are(client):
    """The database and its log are measured where they are; both hold a page at least."""
    found = samples(client.get("/metrics").text)
    assert found['limen_store_bytes{file="database"}'] + found['limen_store_bytes{file="wal"}'] >= 8_192


def test_caps_are_told_apart(world, ask):
    """A dimension, a label that is used as one, whole leaves and names of a mix are four kinds of caps hit."""
    overflow = {"region": 2, "plan": 3, "leaf": 5, "tool_mix": 7}
    status = world.with_status(overflow=overflow).status
    settings = Settings(cohorts=Cohorts(labels=("plan",)))
    found = samples(ask(type(world)(world.store, status, settings)).get("/metrics").text)
    assert {name: value for name, value in found.items() if name.startswith("limen_cap_hits")} == {
        'limen_cap_hits_total{cap="values",dimension="region"}': 2,
        'limen_cap_hits_total{cap="values",dimension="plan"}': 3,
        'limen_cap_hits_total{cap="leaves",dimension="all"}': 5,
        'limen_cap_hits_total{cap="names",dimension="tool_mix"}': 7,
    }


def test_limits_are_shown_with_what_is_used_of_them(client):
    """A limit of the settings and of each sink is a metric, and so is its use where it is known."""
    found = samples(client.get("/metrics").text)
    assert len([name for name in found if name.startswith("limen_limit{")]) == len(limits(Settings()))
    assert {name: value for name, value in found.items() if name.startswith("limen_limit_used")} == {
        'limen_limit_used{limit="cohorts.leaves_max"}': 12,
        'limen_limit_used{limit="cohorts.metrics_max"}': 3,
        'limen_limit_used{limit="cohorts.series_max"}': 3,
        'limen_limit_used{limit="notifiers.log.waiting_max"}': 1,
        'limen_limit_used{limit="source.staged_bytes_max"}': 5120,
        'limen_limit_used{limit="storage.checkpoint_bytes"}': 1200,
        'limen_limit_used{limit="storage.checkpoint_events"}': 9,
    }
    assert found['limen_limit{limit="cohorts.leaves_max"}'] == 5000
    assert found['limen_limit{limit="notifiers.log.waiting_max"}'] == 1000


def test_two_applications_share_no_registry(world, ask):
    """Each application has metrics of its own."""
    other = world.with_status(commits=7)
    first, second = ask(world), ask(other)
    assert samples(first.get("/metrics").text)["limen_commits_total"] == 42
    assert samples(second.get("/metrics").text)["limen_commits_total"] == 7


def test_each_family_has_help_and_one_name(client):
    """Names begin with limen_, and every family of the table is in the exposition, even without samples."""
    text = client.get("/metrics").text
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    for family in FAMILIES:
        assert family.exposed.startswith("limen_")
        assert f"# HELP {family.exposed} {family.help}" in text
        assert f"# TYPE {family.exposed} {'gauge' if family.kind == 'info' else family.kind}" in text


def test_the_document_is_fresh():
    """docs/metrics.md lists every family; make it again by: python -m pipelines.serve.metrics_page docs/metrics.md."""
    assert DOCUMENT.read_text(encoding="utf-8") == page()


def test_a_status_without_series_gives_metrics(world, ask):
    """A fresh engine has no series, partitions or minutes, and is scraped without error."""
    fresh = world.with_status(series=(), latest=None, closed_minute=-1, partitions=(), overflow={})
    found = samples(ask(fresh).get("/metrics").text)
    assert found["limen_series"] == 0
    assert "limen_closed_timestamp_seconds" not in found
    assert msgspec.json.decode(ask(fresh).get("/api/v1/series").content)["total"] == 0


@pytest.mark.playbook("C2")
def test_the_clocks_of_open_incidents_are_metrics(client, world):
    """By clock and severity: when the next is due, how many are at risk, and how many were not met in time."""
    heard, begun_ms = world.store.acts.found("i1"), world.status.heartbeat_ms - 13 * 60_000
    opened = Act("i1", 1, begun_ms, "limen", "opened", "sev2")
    world.store.acts.put([opened], after(heard, opened))
    found = samples(client.get("/metrics").text)
    due = 'limen_incident_clock_due_timestamp_seconds{clock="acknowledge",severity="sev2"}'
    assert found[due] == begun_ms / 1_000 + 15 * 60
    assert found['limen_incident_clock_at_risk{clock="acknowledge",severity="sev2"}'] == 1
    assert found['limen_incident_clock_at_risk{clock="decide",severity="sev2"}'] == 0
    assert found['limen_incident_clock_breached{clock="acknowledge",severity="sev2"}'] == 0


@pytest.mark.playbook("P5")
def test_how_long_it_took_is_a_histogram_by_severity_and_category(world, ask):
    """What was reached within fifteen minutes is in the bucket of fifteen minutes."""
    took = {("acknowledge", "sev2", "capability_loss"): added(Histogram((300.0, 900.0), (0, 0, 0)), 420.0)}
    timed = dataclasses.replace(world, status=msgspec.structs.replace(world.status, incident_times=took))
    found = samples(ask(timed).get("/metrics").text)
    name = "limen_incident_time_to_acknowledge_seconds"
    assert found[f'{name}_bucket{{category="capability_loss",le="900.0",severity="sev2"}}'] == 1
    assert found[f'{name}_bucket{{category="capability_loss",le="300.0",severity="sev2"}}'] == 0
    assert found[f'{name}_sum{{category="capability_loss",severity="sev2"}}'] == 420
