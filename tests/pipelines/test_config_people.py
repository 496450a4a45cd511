"""The settings name people, and what each severity asks of them; what contradicts itself is told in words."""

import pytest

from pipelines.config import parse
from pipelines.config_yaml import ConfigError
from schemas.ladder import Ladder, shown


def wrong(text: str) -> list[str]:
    """Give what is wrong with some settings."""
    with pytest.raises(ConfigError) as caught:
        parse(text.encode(), "f.yaml", {})
    return [problem.message for problem in caught.value.problems]


@pytest.mark.playbook("C2")
def test_each_severity_has_its_times_and_its_words():
    """The defaults are those of the ladder; a house changes single times, and speaks of severities as it does."""
    ladder = Ladder()
    times = [(r.acknowledge_minutes, r.decide_minutes, r.mitigate_minutes, r.update_minutes) for r in rungs(ladder)]
    assert times == [(5, 15, 60, 15), (15, 60, 240, 30), (240, 240, 4_320, 1_440), (0, 1_440, 0, 0)]
    text = b"severities: {names: SEV 1-3, ladder: {sev1: {acknowledge_minutes: 3}}}"
    severities = parse(text, "f.yaml", {}).severities
    assert severities.ladder.sev1.acknowledge_minutes == 3
    assert severities.ladder.sev1.update_minutes == 15
    assert shown("sev1", severities.names) == "SEV 1"


def rungs(ladder):
    """Give the four rungs, the gravest first."""
    return ladder.sev1, ladder.sev2, ladder.sev3, ladder.sev4


@pytest.mark.playbook("C2")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "severities: {ladder: {sev1: {decide_minutes: 3}}}",
            "severities.ladder.sev1: decide_minutes is 3, and acknowledge_minutes 5; give it at least as long",
        ),
        (
            "severities: {ladder: {sev1: {acknowledge_minutes: 0}}}",
            "severities.ladder, acknowledge_minutes: sev1 has none, and sev2 15; the graver must not be the slower",
        ),
        (
            "severities: {ladder: {sev2: {update_minutes: 2000}}}",
            "severities.ladder, update_minutes: sev2 allows 2000, and sev3 1440; the graver must not be the slower",
        ),
    ],
)
def test_times_that_contradict_each_other_are_told(text, message):
    """Within a severity the order holds, and between two of them the graver is never the slower."""
    assert wrong(text) == [message]


@pytest.mark.playbook("C3")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "owners: {chains: [{owner: on-cal, steps: [{name: Ana}]}]}",
            'owners.chains: "on-cal" owns no incident, and is no path of a rule; did you mean "on-call"?',
        ),
        (
            "owners: {chains: [{owner: on-call}]}",
            'owners.chains: the chain of "on-call" calls nobody; name a step',
        ),
        (
            "owners: {chains: [{owner: on-call, steps: [{name: A}]}, {owner: on-call, steps: [{name: B}]}]}",
            'owners.chains: "on-call" has a chain already; make one of the two',
        ),
        (
            "owners: {chains: [{owner: on-call, repeat: 2, steps: [{name: A, after_minutes: 0}]}]}",
            'owners.chains: the chain of "on-call" would call all again at once; set after_minutes',
        ),
        ("owners: {teams: {on-call: []}}", 'owners.teams: nobody is in "on-call"; name its people, or leave it out'),
        ("owners: {roles: {comander: Ana}}", 'unknown setting "comander" in owners.roles; did you mean "commander"?'),
    ],
)
def test_names_that_lead_nowhere_are_told(text, message):
    """A chain belongs to an owner and calls somebody; roles are a closed list."""
    assert wrong(text) == [message]
