"""The verdicts of the board on made-up replays: what is found, what comes too late, and what was said for nothing."""

from datetime import UTC, datetime

import pytest

from benchmarks.scenario_tables import cells
from benchmarks.scenarios import in_short
from benchmarks.verdicts import Truth, Want, summary, verdict

ONSET = datetime(2026, 1, 7, 6, tzinfo=UTC)
WANT = Want(("refusal_rate",), {"region": "eu"}, "up", {"model_version": "m2"})
SPIKE = Truth("spike", 3.0, ONSET, (WANT,), (), "refusals triple in eu")
QUIET = Truth("null", 3.0, None, (), ("*",), "nothing happens")
SHIFT = Truth("shift", 3.0, None, (), ("refusal_rate",), "shares move")


def incident(severity="sev2", signal="refusal_rate", detected="2026-01-07T06:20:00Z", to="m2", **scope):
    """Make an incident as a replay prints it."""
    return {
        "severity": severity, "signals": [signal], "lead_signal": signal, "detected_at": detected,
        "scope": scope or {"region": "eu"}, "changes": [{"what": "model_version", "from": "m1", "to": to}],
    }  # fmt: skip


def replayed(*incidents):
    """Make the result of a replay."""
    return {"incidents": list(incidents), "events": 9, "rejected": 0, "late": 0}


def test_a_change_is_found_with_its_delay_scope_and_cause():
    """The first page on a right signal counts, and the next one is another page."""
    later = incident(detected="2026-01-07T09:00:00Z")
    row = verdict(SPIKE, replayed(later, incident()))
    assert (row.found, row.delay_minutes, row.severity, row.scope_match, row.signal) == (
        *(True, 20.0, "sev2", "exact", "refusal_rate"),
    )
    assert (row.change_named, row.other_pages, row.false_pages, row.quiet_days) == (True, 1, 0, 2.25)
    assert in_short(row) == "found after 20 min as sev2, scope exact; false pages 0, false tickets 0"


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ([], "not seen"),
        ([incident("sev4")], "only as a note"),
        ([incident(signal="latency_ms")], "not seen"),
        ([incident(detected="2026-01-07T18:01:00Z")], "too late: 721 min"),
        ([incident(tenant="acme")], "in another scope: tenant acme"),
    ],
)
def test_a_change_is_missed_for_a_reason(seen, why):
    """A note, another signal, another scope or half a day's delay have not found it."""
    row = verdict(SPIKE, replayed(*seen))
    assert (row.found, row.missed_because) == (False, why)
    assert cells(row, None)[2] == "MISSED"


def test_another_version_is_not_the_change():
    """The change is named only if the incident has the value that it changed to."""
    assert verdict(SPIKE, replayed(incident(to="m3"))).change_named is False


def test_what_comes_before_the_onset_is_false():
    """A page or ticket before anything changed is false, whatever its signal."""
    early = "2026-01-07T05:00:00Z"
    row = verdict(SPIKE, replayed(incident(detected=early), incident("sev3", "latency_ms", early)))
    assert (row.found, row.false_pages, row.false_tickets) == (False, 1, 1)


def test_without_a_change_every_page_is_false_but_those_that_are_fine():
    """In a quiet stream all pages are false; where only the rate must be quiet, a page on traffic is fine."""
    pages = replayed(incident(), incident(signal="traffic"))
    assert (verdict(QUIET, pages).false_pages, verdict(SHIFT, pages).false_pages) == (2, 1)


def test_a_category_of_a_signal_is_the_signal():
    """An incident on one guardrail category finds a change of guardrail hits."""
    want = Want(("safety_trigger_rate",), {"region": "eu"})
    truth = Truth("guard", 3.0, ONSET, (want,), (), "guardrail")
    row = verdict(truth, replayed(incident(signal="safety_trigger_rate:violence")))
    assert (row.found, row.signal, row.change_named) == (True, "safety_trigger_rate:violence", None)


def test_the_summary_counts_what_is_no_fault_neither_way():
    """A hard change that was missed is neither found nor missed; false pages are told by the week."""
    hard = Truth("near", 3.0, ONSET, (WANT,), (), "nearly alike", hard=True)
    rows = [verdict(SPIKE, replayed(incident())), verdict(hard, replayed()), verdict(QUIET, replayed(incident()))]
    assert summary(rows) == (
        "found 1/1, exact scope 1/1, false pages 1 in 8 days (0.93 a week), false tickets 0.0 a week, missed: none"
    )
