"""What the settings keep quiet is checked: places, days and names that there are, and nothing that hides everything."""

import pytest

from pipelines.config import parse
from pipelines.config_yaml import ConfigError
from schemas.quiet import Matcher, Quiet, Window

WINDOW = 'quiet: {windows: [{name: w, begins: "22:00", ends: "02:00"%s}]}'
INHIBIT = "quiet: {inhibit: [{name: i, source: {signals: [error_rate]}, target: {signals: [cost_usd]}%s}]}"


def wrong(text: str) -> list[str]:
    """Give what is wrong with some settings."""
    with pytest.raises(ConfigError) as caught:
        parse(text.encode(), "f.yaml", {})
    return [problem.message for problem in caught.value.problems]


def test_a_window_is_read():
    """Its days, its zone and what waits in it; sev1 only where it is named."""
    text = WINDOW % ", zone: Europe/Berlin, days: [mon], which: {match: {tenant: a}}"
    (window,) = parse(text.encode(), "f.yaml", {}).quiet.windows
    assert window == Window("w", "22:00", "02:00", "Europe/Berlin", ("mon",), which=Matcher(match={"tenant": "a"}))
    assert "sev1" not in window.which.severities


def test_the_defaults_explain_only_silence():
    """Few, and only where one is the other by its meaning."""
    assert {each.target.categories for each in Quiet().inhibit} == {("silence",)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            WINDOW % ", zone: Europe/Bärlin",
            'quiet.windows: "Europe/Bärlin" is no time zone of the IANA database; write one such as Europe/Berlin',
        ),
        (WINDOW % ', dates: ["2026-02-30"]', 'quiet.windows: "2026-02-30" is no day; write one such as 2026-12-24'),
        (
            WINDOW % ", which: {match: {regio: eu}}",
            'quiet.windows: there is no dimension "regio"; did you mean "region"?',
        ),
        (
            WINDOW % ", which: {categories: [silenc]}",
            'quiet.windows: there is no category "silenc"; did you mean "silence"?',
        ),
        (
            WINDOW % ", which: {severities: []}",
            "quiet.windows: no severity is named, so nothing matches; name one",
        ),
        (
            "quiet: {inhibit: [{name: i, source: {signals: [error_rate]}}]}",
            'quiet.inhibit: "i" names nothing as its target, and so everything; name signals, say',
        ),
        (INHIBIT % ", equal: [tenan]", 'quiet.inhibit: there is no dimension "tenan"; did you mean "tenant"?'),
    ],
)
def test_what_leads_nowhere_is_told(text, message):
    """Each with what to write instead."""
    assert wrong(text) == [message]


def test_names_are_there_once():
    """An incident that waits names its window."""
    twice = WINDOW.replace("%s}", '}, {name: w, begins: "01:00", ends: "02:00"}')
    assert wrong(twice) == ['quiet.windows: the name "w" is there twice; choose another']
