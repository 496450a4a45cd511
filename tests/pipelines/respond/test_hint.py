"""Likelihood times reach speaks for a severity, and changes none."""

import msgspec
import pytest

from pipelines.respond.hint import hint_of
from schemas.act import Heard
from tests.pipelines.respond.test_orders import INCIDENT, done

BYPASS = "safety bypass that"
WIDE = msgspec.structs.replace(INCIDENT, category="safety_bypass", family="safety", severity="sev1", scope={})


@pytest.mark.playbook("C5")
@pytest.mark.parametrize(
    ("answers", "severity", "why"),
    [
        ({}, "sev1", f"{BYPASS} reaches several or all"),
        ({"extent": "cohort"}, "sev2", f"{BYPASS} reaches one cohort"),
        ({"extent": "one", "effort": "ordinary_use"}, "sev3", f"{BYPASS} reaches one case"),
        (
            {"effort": "elaborate_attack"},
            "sev2",
            f"{BYPASS} reaches several or all, only by an elaborate attack",
        ),
        ({"frequency": "0.5"}, "sev2", f"{BYPASS} reaches several or all, 0.5 times in 10,000 turns"),
        (
            {"effort": "elaborate_attack", "frequency": "250"},
            "sev1",
            f"{BYPASS} reaches several or all, only by an elaborate attack, 250 times in 10,000 turns",
        ),
        (
            {"extent": "one", "frequency": "250"},
            "sev2",
            f"{BYPASS} reaches one case, 250 times in 10,000 turns",
        ),
    ],
)
def test_what_was_answered_moves_the_matrix_by_one_step_at_most(answers, severity, why):
    """Reach picks the column; effort and frequency weigh against each other."""
    heard = done(Heard(WIDE), *(("Ana", "assessed", answer, about) for about, answer in answers.items()))
    hint = hint_of(heard.incident, heard.response, {})
    assert (hint.severity, hint.why) == (severity, why)


@pytest.mark.playbook("C5")
def test_where_one_case_is_as_grave_as_many_nothing_makes_it_less():
    """A leak is a leak, however seldom; and the scope that was found stands where nobody said another."""
    leak = msgspec.structs.replace(WIDE, category="data_leak", scope={"tenant": "acme"})
    heard = done(Heard(leak), ("Ana", "assessed", "elaborate_attack", "effort"), ("Ana", "assessed", "0", "frequency"))
    assert hint_of(heard.incident, heard.response, {}).severity == "sev1"
    cohort = msgspec.structs.replace(WIDE, scope={"tenant": "acme"})
    assert hint_of(cohort, None, {}).severity == "sev2"
