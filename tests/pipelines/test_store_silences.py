"""Silences in the store: made and ended with a line of the audit log, at most so many, and gone with their age."""

import pytest

from pipelines.store import Store
from pipelines.store_terms import Retention
from schemas.audit import AuditLine
from schemas.quiet import SILENCES_MAX, Matcher, Silence

LATENCY = Matcher(signals=("latency_ms",))


@pytest.fixture
def store():
    """Give a store in memory."""
    opened = Store.open("sqlite://")
    yield opened
    opened.close()


def silence(number: int = 1, ends_ms: int = 2_000) -> Silence:
    """Make a silence, made at second 1."""
    return Silence(f"s{number}", LATENCY, made_ms=1_000, ends_ms=ends_ms, by="Ana", why="a load test")


def line(at_ms: int, what: str = "x") -> AuditLine:
    """Make a line of the audit log."""
    return AuditLine(at_ms, "Ana", what, "cli")


def test_a_silence_is_written_with_its_line_and_read_back(store):
    """It holds until its end, and both making and ending stand in the audit log."""
    assert store.silences.add(silence(), line(1_000, "made"))
    assert store.silences.held(1_999) == [silence()]
    assert store.silences.held(2_000) == []
    ended = store.silences.end("s1", "Ben", line(1_500, "ended"))
    assert (ended.ends_ms, ended.ended_by) == (1_500, "Ben")
    assert store.silences.held(1_600) == []
    assert store.silences.held(1_400) == []  # a clock that was set back brings it not back
    assert store.silences.latest(9) == [ended]
    assert [each.what for each in store.audit.lines(9)] == ["ended", "made"]


@pytest.mark.parametrize(("which", "at_ms"), [("s2", 1_500), ("s1", 2_000)])
def test_what_is_not_in_force_cannot_be_ended(store, which, at_ms):
    """There is none of this id, or it is over: nothing is written."""
    store.silences.add(silence(), line(1_000))
    assert store.silences.end(which, "Ben", line(at_ms)) is None
    assert len(store.audit.lines(9)) == 1


def test_there_are_no_more_than_somebody_can_remember(store):
    """One more is refused, and takes its place when another is over."""
    for number in range(SILENCES_MAX):
        assert store.silences.add(silence(number), line(1_000))
    assert not store.silences.add(silence(SILENCES_MAX), line(1_000))
    assert len(store.audit.lines(999)) == SILENCES_MAX
    store.silences.end("s0", "Ana", line(1_000))
    assert store.silences.add(silence(SILENCES_MAX), line(1_000))


def test_old_silences_are_dropped(store):
    """They go with the incidents of their time."""
    store.silences.add(silence(1, ends_ms=2_000), line(1_000))
    store.silences.add(silence(2, ends_ms=9_000), line(1_000))
    store.prune(Retention(history_from_minute=0, finished_from_ms=5_000, history_bytes_max=0))
    assert [each.id for each in store.silences.latest(9)] == ["s2"]
