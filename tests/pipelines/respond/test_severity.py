"""Severity by category and level."""

import pytest

from pipelines.respond.severity import MATRIX, severity_at, severity_in
from schemas.score import Level
from schemas.signal import CATEGORIES


@pytest.mark.playbook("S7")
@pytest.mark.parametrize(
    ("category", "page", "ticket"),
    [
        ("harmful_output", "sev1", "sev3"),
        ("data_leak", "sev1", "sev3"),
        ("misinformation", "sev2", "sev3"),
        ("unauthorised_action", "sev1", "sev3"),
        ("quality_degradation", "sev2", "sev3"),
        ("capability_loss", "sev2", "sev3"),
        ("safety_bypass", "sev1", "sev3"),
        ("prompt_injection", "sev1", "sev3"),
        ("bias", "sev2", "sev3"),
        ("data_poisoning", "sev1", "sev3"),
        ("model_extraction", "sev1", "sev3"),
        ("distribution_shift", "sev2", "sev3"),
        ("narrative", "sev2", "sev3"),
        ("performance", "sev2", "sev3"),
        ("silence", "sev2", "sev3"),
        ("cost", "sev2", "sev3"),
        ("ingest", "sev2", "sev3"),
    ],
)
def test_the_level_caps_the_severity_and_the_stricter_column_holds(category, page, ticket):
    """A page opens sev1 or sev2 by the wide column, a ticket at most sev3, a note sev4."""
    assert severity_at(Level.PAGE, category, {}) == page
    assert severity_at(Level.TICKET, category, {}) == ticket
    assert severity_at(Level.NOTE, category, {}) == "sev4"


@pytest.mark.playbook("C1")
def test_every_category_has_its_row():
    """The matrix knows the closed list of categories, and no other."""
    assert MATRIX.keys() == CATEGORIES.keys()


@pytest.mark.playbook("C1")
@pytest.mark.parametrize("category", MATRIX)
def test_what_reaches_further_is_no_less_grave(category):
    """From one case over one cohort to several or all; and what pages is worth it everywhere."""
    one, cohort, wide = (severity_in(category, extent, {}) for extent in ("one", "cohort", "wide"))
    assert one >= cohort >= wide
    assert wide in ("sev1", "sev2")


@pytest.mark.playbook("S7")
@pytest.mark.parametrize("category", MATRIX)
def test_the_reach_that_is_found_later_takes_nothing_back(category):
    """What a page opens with is at least what any reach speaks for, so the scope has nothing left to raise."""
    page = severity_at(Level.PAGE, category, {})
    assert all(page <= severity_in(category, extent, {}) for extent in ("one", "cohort", "wide"))


def test_a_house_may_change_the_matrix():
    """The settings replace cohort and wide of a category; the cap of a ticket stays."""
    overrides = {"performance": ("sev4", "sev3"), "cost": ("sev1", "sev1")}
    assert severity_at(Level.PAGE, "performance", overrides) == "sev3"
    assert severity_at(Level.TICKET, "performance", overrides) == "sev4"
    assert severity_at(Level.TICKET, "cost", overrides) == "sev3"
