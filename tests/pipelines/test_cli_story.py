"""A story says when an incident was detected and when it came to page somebody, which may be later or never."""

from pipelines.cli_story import story
from tests.scenarios.stage import SIGNALS, Stage, cohort


def since(stage: Stage) -> str:
    """Give the line about the times of the only incident."""
    (line,) = [line for line in story(stage.the_incident(), SIGNALS.__getitem__) if line.startswith("  since")]
    return line


def test_a_page_from_the_start_is_paged_when_it_is_detected():
    """Both times are the same."""
    stage = Stage()
    stage.push(60, "latency_ms", cohort(region="eu"), "page", until=80, onset=50)
    assert since(stage.play(80)) == (
        "  since     2026-01-05 00:50, detected 2026-01-05 01:03, paged 2026-01-05 01:03 (event time, UTC)"
    )


def test_a_ticket_that_grows_is_paged_later():
    """The page has a time of its own."""
    stage = Stage()
    stage.push(60, "latency_ms", cohort(region="eu"), "ticket", until=75, onset=50)
    stage.push(75, "latency_ms", cohort(region="eu"), "page", until=90, onset=50)
    assert since(stage.play(90)) == (
        "  since     2026-01-05 00:50, detected 2026-01-05 01:03, paged 2026-01-05 01:18 (event time, UTC)"
    )


def test_a_ticket_pages_nobody():
    """It says so."""
    stage = Stage()
    stage.push(60, "latency_ms", cohort(region="eu"), "ticket", until=80, onset=50)
    assert since(stage.play(80)).endswith("detected 2026-01-05 01:03, paged nobody (event time, UTC)")
