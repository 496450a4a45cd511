"""Which settings may change while Limen runs: every one has a row, and a change that needs a restart is named."""

import pytest

from docs.generate_settings import settings as every_setting
from pipelines.config import load
from pipelines.config_live import ROWS, changed, config_hash, row_of
from pipelines.config_yaml import ConfigError
from schemas.settings import Settings

NAMES = [name for name, _, _ in every_setting()]
LIVE = {
    "cohorts.metrics_max",
    "detection.false_pages_per_week",
    "detection.false_tickets_per_week",
    "detection.false_notes_per_week",
    "cohorts.sensitive_surfaces",
    "rule_packs",
    "rules",
    "severities",
    "owners",
    "surfaces",
    "quiet",
    "notifiers",
    "heartbeat",
    "serve.public_url",
    "serve.lifecycle",
    "serve.tokens",
    "serve.metrics_open",
    "inbound",
}


def reloaded(tmp_path, before: str, after: str) -> Settings:
    """Load one file beside the settings of another."""
    file = tmp_path / "limen.yaml"
    file.write_text(before, encoding="utf-8")
    running = load(str(file), {}, files=True)
    file.write_text(after, encoding="utf-8")
    return load(str(file), {}, files=True, running=running)


def test_every_setting_has_a_row_and_every_row_a_setting():
    """The table decides about each setting, and names none that is not there."""
    assert {row.name for row in ROWS} <= set(NAMES)
    assert {name for name in NAMES if row_of(name).when == "reload"} == {
        name for name in NAMES if any(name == live or name.startswith(f"{live}.") for live in LIVE)
    }


def test_what_workers_and_readers_are_made_of_needs_a_restart():
    """A worker process is told nothing at a reload, so nothing that it uses may change."""
    for name in ("source", "signals", "cohorts.sets", "detection.lateness_seconds", "storage.checkpoint_seconds"):
        assert row_of(name).when == "restart"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("{}", "owners: {default: a}\nsource:\n  kafka:\n    topic: other\n", [(4, "source.kafka.topic")]),
        ("source: {kafka: {topic: other}}", "owners: {default: a}\n", [(1, "source.kafka.topic")]),
        ("{}", "storage: {history_hours: 1}\nserve: {port: 1,\n host: 127.0.0.2}", [
            (1, "storage.history_hours"), (2, "serve.port"), (3, "serve.host"),
        ]),
        ("{}", "cohorts: {sets: [[]]}", [(1, "cohorts.sets")]),
        ("{}", "signals: {off: [latency_ms]}", [(1, "signals.off")]),
        ("{}", "detection: {lateness_seconds: 60}", [(1, "detection.lateness_seconds")]),
        ("{}", "privacy: {capture: true}", [(1, "privacy.capture")]),
    ],
)  # fmt: skip
def test_a_change_that_needs_a_restart_is_refused_by_name_and_line(tmp_path, before, after, said):
    """One line for each, all at once, in the order of the file."""
    with pytest.raises(ConfigError) as caught:
        reloaded(tmp_path, before, after)
    words = "needs a restart; leave it as it was, or start Limen anew"
    assert str(caught.value).splitlines() == [f"{tmp_path}/limen.yaml:{line}: {name}: {words}" for line, name in said]


def test_what_is_wrong_is_told_beside_what_needs_a_restart(tmp_path):
    """A section with a mistake is not compared as well, because defaults stand in for what is wrong there."""
    with pytest.raises(ConfigError) as caught:
        reloaded(tmp_path, "serve: {port: 9000}", "storage: {history_hours: 1}\nserve: {port: x}")
    assert [problem.message.split(" ", 1)[0] for problem in caught.value.problems] == [
        "storage.history_hours:",
        "serve.port",
    ]


def test_all_that_may_change_may_change_at_once(tmp_path):
    """Nothing is reported, and the settings are those of the new file."""
    after = (
        "rules: [{name: slow, signal: latency_ms, above: 5}]\nseverities: {fold_minutes: 30}\nowners: {default: a}\n"
        "notifiers: []\nheartbeat: {seconds: 5}\ndetection: {false_notes_per_week: 200}\n"
        "serve: {public_url: 'https://limen.example', lifecycle: true}\ncohorts: {metrics_max: 7}\n"
    )
    taken = reloaded(tmp_path, "{}", after)
    assert changed(Settings(), taken) == (
        "cohorts.metrics_max",
        "detection.false_notes_per_week",
        "rules",
        "severities.fold_minutes",
        "owners.default",
        "notifiers",
        "heartbeat.seconds",
        "serve.public_url",
        "serve.lifecycle",
    )


def test_the_hash_is_of_what_the_file_means(tmp_path):
    """Comments and order do not change it, a value does."""
    file = tmp_path / "limen.yaml"
    hashes = []
    for text in ("", "# words\nowners: {default: on-call}\n", "owners: {default: team-ai}\n"):
        file.write_text(text, encoding="utf-8")
        hashes.append(config_hash(load(str(file), {})))
    assert hashes[0] == hashes[1] != hashes[2]
    assert config_hash(Settings()) == hashes[0]
