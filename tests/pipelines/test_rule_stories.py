"""Tests of rules are files that anybody can write, and they run through the real detection and the real alerts."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli_rules import try_out
from pipelines.config import config_folder
from pipelines.config_yaml import ConfigError
from pipelines.rule_series import points
from pipelines.rule_stories import play, read
from schemas.settings import Settings
from schemas.story import Difference, StoryAlert

RUNNER = CliRunner()
RULES = """rules:
- {name: errors, signal: error_rate, above: 0.2, for_minutes: 2, window_minutes: 1, severity: sev2, match: {region: eu}}
- {name: slow, signal: latency_ms, above: 500, for_minutes: 0, window_minutes: 1, by: [region], severity: sev3}
tests:
- name: a story
  series:
  - {signal: error_rate, cohort: {region: eu}, values: 5/100x5 50/100x10}
  - {signal: error_rate, cohort: {region: us}, values: 50/100x15}
  - {signal: latency_ms, cohort: {region: us}, values: 100@40x5 900@40 _ 900@40x8}
"""


def run(folder: Path, expect: str, *more: str):
    """Run the story with what is expected of it."""
    (folder / "t.yaml").write_text(f"{RULES}  expect:\n{expect}", encoding="utf-8")
    return RUNNER.invoke(try_out, ["rules", "t.yaml", *more])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder without settings."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.playbook("S1", "S3")
def test_the_shipped_triggers_do_as_their_stories_say():
    """Calm traffic breaks none of them, and each is broken by its trouble, at its severity, within its minutes."""
    script = read(str(config_folder() / "rules" / "tests" / "triggers.yaml"), {}, Settings())
    told = play(script)
    assert [(each.name, each.differences) for each in told if each.differences] == []
    meant = {alert.rule for story in script.stories for moment in story.expect for alert in moment.alerts}
    assert {rule.name for rule in script.settings.rules if not rule.name.endswith("_sensitive")} <= meant


def test_what_is_as_expected_passes(folder):
    """The third broken minute in a row fires; of all traffic, which is broken as well, no rule asks."""
    moments = (
        "  - {at: 6, alerts: [{rule: slow, cohort: {region: us}}]}\n"
        "  - at: 7\n    alerts:\n    - {rule: slow, cohort: {region: us}}\n"
        "    - {rule: errors, cohort: {region: eu}, severity: sev2}\n"
    )
    result = run(folder, moments)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "t.yaml: passed: a story\n", "")


def test_what_differs_is_told_as_a_diff_with_its_line(folder):
    """What is missing says how far it has come, and what nobody expects is named in full."""
    moments = (
        "  - at: 6\n    alerts: [{rule: errors, cohort: {region: eu}}, {rule: slow, cohort: {region: eu}}]\n"
        "  - at: 8\n    alerts:\n    - {rule: errors, cohort: {region: eu}, severity: sev1}\n"
        "    - {rule: slow, cohort: {region: us}}\n"
    )
    result = run(folder, moments)
    assert (result.exit_code, result.stderr) == (1, "limen: 1 of 1 tests failed\n")
    assert result.stdout.splitlines() == [
        "t.yaml: failed: a story",
        "  t.yaml:11: minute 6 (00:06)",
        "    - errors, region eu: expected, and does not fire; it is pending since minute 5",
        "    - slow, region eu: expected, and does not fire",
        "    + slow, region us, latency_ms, sev3: fires, and is not expected",
        "  t.yaml:13: minute 8 (00:08)",
        "    - errors, region eu, sev1: expected, and does not fire; it fires at sev2",
        "    + errors, region eu, error_rate, sev2: fires, and is not expected",
    ]


def test_a_program_reads_the_same(folder):
    """With -o json each story is an object with its differences."""
    result = run(folder, "  - {at: 7}\n", "-o", "json")
    (told,) = json.loads(result.stdout)
    assert (told["name"], told["moments"], [one["alert"]["rule"] for one in told["differences"]]) == (
        "a story", 1, ["errors", "slow"]
    )  # fmt: skip


def test_the_rules_of_the_configuration_are_tested_where_the_file_names_none(folder):
    """So a team tests its own limen.yaml."""
    rule = "{name: errors, signal: error_rate, above: 0.2, for_minutes: 0, severity: sev2}"
    Path("limen.yaml").write_text(f"rules: [{rule}]", encoding="utf-8")
    story = "series: [{signal: error_rate, values: 50/100x9}], expect: [{at: 8, alerts: [{rule: errors}]}]"
    Path("t.yaml").write_text(f"tests: [{{name: own, {story}}}]", encoding="utf-8")
    assert RUNNER.invoke(try_out, ["rules", "t.yaml"]).stdout == "t.yaml: passed: own\n"


def test_every_mistake_in_a_file_is_told_at_once_with_its_line(folder):
    """Unknown names, series that are none, and rules that do not hold together; nothing is played."""
    Path("t.yaml").write_text(
        "rules: [{name: a, signal: error_rat, above: 1}]\ntests:\n- name: s\n  series:\n"
        "  - {signal: error_rates, values: '1'}\n  - {signal: error_rate, values: 5/4}\n"
        "  - {signal: latency_ms, values: 5/9x3}\n  - {signal: tool_mix, values: '3'}\n"
        "  - {signal: traffic, cohort: {regoin: a}, values: 5x99999}\n  expect: [{at: 1, alerts: [{rule: b}]}]\n",
        encoding="utf-8",
    )
    result = RUNNER.invoke(try_out, ["rules", "t.yaml", "gone.yaml"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        'limen: t.yaml:1: rule "a" names the unknown signal "error_rat"; did you mean "error_rate"?',
        'limen: t.yaml:5: the series names the unknown signal "error_rates"; did you mean "error_rate"?',
        "limen: t.yaml:6: values holds '5/4', which has more hits than trials",
        (
            "limen: t.yaml:7: values holds '5/9x3'; a level is written as 250@40, the value of each of 40 events, with "
            "x60 behind for sixty minutes"
        ),
        "limen: t.yaml:8: the series shows tool_mix, a mix, which has no one value",
        'limen: t.yaml:9: the series names the unknown dimension "regoin"; did you mean "region"?',
        "limen: t.yaml:9: values has more than 10080 minutes",
        'limen: t.yaml:10: there is no rule "b"; known are a',
        "limen: gone.yaml: cannot be read (No such file or directory); name a readable file",
    ]


def test_the_notation_of_series():
    """Hits of trials, values of events, plain events, nothing; each may be repeated."""
    assert [(one.n, one.x) for one in points("0/10x2 _ 3/4", "rate")] == [(10, 0), (10, 0), (0, 0), (4, 3)]
    assert [(one.n, one.value) for one in points("1.5@3 2@1", "level")] == [(3, 1.5), (1, 2.0)]
    assert [one.n for one in points("7x3", "traffic")] == [7, 7, 7]
    assert points("", "rate") == ()


@pytest.mark.parametrize(
    "text", ["1/2x99999999", "9999999999/9999999999", "-1/2", "1/2x", "nan@3", "1e9@1", "x" * 9_999]
)
def test_hostile_series_are_refused(text):
    """None is expanded, and none is an error of another kind."""
    with pytest.raises(ValueError, match=r"holds|has more than"):
        points(text, "level" if "@" in text else "rate")


def test_a_broken_file_is_refused(folder):
    """As a configuration would be."""
    Path("t.yaml").write_bytes(b"tests: [" + b"[" * 9_999)
    with pytest.raises(ConfigError):
        read("t.yaml", {}, Settings())


def test_a_story_without_events_breaks_nothing(folder):
    """One that expects nothing of it passes, and one that expects what nothing can show does not."""
    Path("t.yaml").write_text(
        "rules: [{name: a, signal: error_rate, above: 0.1}]\ntests:\n- {name: empty, expect: [{at: 3}]}\n"
        "- {name: silent, expect: [{at: 3, alerts: [{rule: a}]}]}\n",
        encoding="utf-8",
    )
    empty, silent = play(read("t.yaml", {}, Settings()))
    assert empty.differences == ()
    assert silent.differences == (Difference(4, 3, missing=True, alert=StoryAlert("a")),)


def test_a_story_that_can_only_pass_is_refused(folder):
    """One without any expectation shows nothing, and of a series that is written twice one was meant otherwise."""
    Path("t.yaml").write_text(
        "tests:\n- {name: empty, series: [{signal: error_rate, values: 9/9}]}\n- name: twice\n  expect: [{at: 0}]\n"
        "  series:\n  - {signal: error_rate, cohort: {region: eu, model: m}, values: 9/9}\n"
        "  - {signal: error_rate, cohort: {model: m, region: eu}, values: 0/9}\n",
        encoding="utf-8",
    )
    assert RUNNER.invoke(try_out, ["rules", "t.yaml"]).stderr.splitlines() == [
        'limen: t.yaml:2: the test "empty" expects nothing; name a moment under expect, and its alerts',
        "limen: t.yaml:7: error_rate is shown twice in the same cohort; write one series of it",
    ]


def test_the_examples_of_the_page_do_as_it_says(folder):
    """The rule of docs/rules.md is a pack, and the story beside it passes with it."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    rule, _, story = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    Path("ours.yaml").write_text(rule, encoding="utf-8")
    Path("t.yaml").write_text(story, encoding="utf-8")
    result = RUNNER.invoke(try_out, ["rules", "t.yaml"])
    assert (result.exit_code, result.stdout) == (
        0,
        "t.yaml: passed: three times the errors are told within ten minutes\n",
    )


def test_files_without_a_test_show_nothing_and_fail(folder):
    """Whoever names the wrong file in a pipeline of checks hears of it."""
    (folder / "t.yaml").write_text("", encoding="utf-8")
    result = RUNNER.invoke(try_out, ["rules", "t.yaml"])
    assert (result.exit_code, result.stderr) == (1, "limen: there are no tests in these files: nothing was shown\n")
