"""Promises of the traffic simulator's event face: reproducible, valid, and changed only where a scenario says so."""

from collections import Counter, defaultdict

import msgspec
import pytest

from pipelines.ingest.simulate import Simulator
from pipelines.ingest.simulate_model import Shift
from schemas.event import Event, event_time_ms

MONDAY = 29_459_520  # Monday 2026-01-05, 00:00 UTC, in minutes since the epoch
NEW_VERSION = Shift(
    MONDAY + 2, region="eu", model_version={"from": "orion-2026-07", "to": "orion-2026-09"}, announced=True
)


def only_turns(events: list[Event]) -> list[Event]:
    """Keep the turns."""
    return [event for event in events if event.kind == "turn"]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others():
    """A seed fixes every byte."""
    assert Simulator(7).lines(MONDAY) == Simulator(7).lines(MONDAY)
    assert Simulator(7).lines(MONDAY) != Simulator(8).lines(MONDAY)


def test_a_minute_is_the_same_whatever_was_made_before_it():
    """Any minute can be made on its own."""
    simulator = Simulator(7)
    in_sequence = [simulator.lines(MONDAY + minute) for minute in range(5)]
    assert Simulator(7).lines(MONDAY + 4) == in_sequence[4]
    assert simulator.lines(MONDAY + 1) == in_sequence[1]


def test_events_are_valid_and_in_order_of_time_within_their_minute():
    """Lines decode to the very events, ids are unique, and time stays inside the minute and moves forward."""
    simulator = Simulator(7)
    events = simulator.events(MONDAY)
    assert [msgspec.json.decode(line, type=Event) for line in simulator.lines(MONDAY)] == events
    assert len({event.event_id for event in events}) == len(events) >= 100
    times = [event_time_ms(event) for event in events]
    assert times == sorted(times)
    assert MONDAY * 60_000 <= times[0] < times[-1] < (MONDAY + 1) * 60_000


def test_a_session_has_several_turns_of_one_user_in_one_place():
    """Turns of a session share user, tenant, region, surface, model and language, and there are about three of them."""
    simulator = Simulator(7)
    sessions = defaultdict(list)
    for minute in range(60):
        for event in simulator.events(MONDAY + minute):
            place = (event.user_hash, event.tenant, event.region, event.surface, event.model, event.language)
            sessions[event.session_id].append(place)
    assert all(len(set(places)) == 1 for places in sessions.values())
    assert 2.0 < sum(map(len, sessions.values())) / len(sessions) < 5.0


def test_outcomes_fit_together():
    """A failed turn has no response and no tokens, a refusal calls no tools, and only agents have tools at all."""
    simulator = Simulator(7)
    turns = only_turns([event for minute in range(120) for event in simulator.events(MONDAY + minute)])
    failed = [turn for turn in turns if turn.status == "error"]
    refused = [turn for turn in turns if turn.refusal]
    assert len(failed) > 100
    assert all(turn.response is None and turn.output_tokens is None and turn.error_type for turn in failed)
    assert len(refused) > 300
    assert not any(turn.tool_calls for turn in refused)
    assert {turn.surface for turn in turns if turn.tool_calls is not None} == {"agent"}
    assert all(turn.ttft_ms <= turn.latency_ms for turn in turns if turn.ttft_ms is not None)
    assert {language for language, _ in Counter(turn.language for turn in turns).items()} == {"en", "de", "es", "ja"}


def test_a_new_version_changes_what_it_says_and_nothing_else():
    """Before the shift and elsewhere every event is equal; within, only the version and what refusals entail."""
    plain, shifted = Simulator(7), Simulator(7, shifts=(NEW_VERSION,))
    assert shifted.lines(MONDAY + 1) == plain.lines(MONDAY + 1)
    newly_refused = refused_before = moved = 0
    for minute in range(2, 120):
        announced, *after = shifted.events(MONDAY + minute) if minute == 2 else [None, *shifted.events(MONDAY + minute)]
        before = plain.events(MONDAY + minute)
        assert announced is None or (announced.kind, announced.change.to) == ("change", "orion-2026-09")
        assert len(before) == len(after)
        for old, new in zip(before, after, strict=True):
            if (old.region, old.model) != ("eu", "orion"):
                assert new == old
                continue
            moved += 1
            assert (old.model_version, new.model_version) == ("orion-2026-07", "orion-2026-09")
            refused_before += bool(old.refusal)
            if old.refusal == new.refusal:
                assert msgspec.structs.replace(new, model_version=old.model_version) == old
            else:
                newly_refused += 1
                assert (old.event_id, old.ts, old.user_hash) == (new.event_id, new.ts, new.user_hash)
    assert moved > 3_000
    assert newly_refused / refused_before == pytest.approx(2.0, abs=0.5)


def test_a_shift_ends():
    """From `until_minute` on everything is as if it had never been."""
    shift = Shift(MONDAY, until_minute=MONDAY + 2, region="eu", signal="traffic", factor=0.0)
    shifted = Simulator(7, shifts=(shift,))
    assert "eu" not in {event.region for event in shifted.events(MONDAY + 1)}
    assert shifted.lines(MONDAY + 2) == Simulator(7).lines(MONDAY + 2)


def test_silence_takes_away_a_region_and_leaves_the_others_alone():
    """A traffic factor of 0 silences what it matches."""
    plain = Simulator(7).events(MONDAY)
    shifted = Simulator(7, shifts=(Shift(MONDAY, region="ap", signal="traffic", factor=0.0),)).events(MONDAY)
    assert shifted == [event for event in plain if event.region != "ap"]


def test_a_tool_loop_triples_the_calls_of_its_region_only():
    """A factor on tool calls multiplies their mean."""
    shift = Shift(MONDAY, region="us", signal="tool_calls", factor=3.0)
    calls = Counter()
    for name, simulator in (("plain", Simulator(7)), ("loop", Simulator(7, shifts=(shift,)))):
        for minute in range(240):
            for event in simulator.events(MONDAY + minute):
                calls[name, event.region] += len(event.tool_calls or [])
    assert calls["loop", "us"] / calls["plain", "us"] == pytest.approx(3.0, abs=0.4)
    assert calls["loop", "eu"] == calls["plain", "eu"]


def test_latency_and_guardrail_can_be_changed():
    """A latency factor stretches every time; a safety factor of 0 is a guardrail that says nothing any more."""
    slow = Shift(MONDAY, tenant="willow", signal="latency", factor=2.0)
    silent = Shift(MONDAY, signal="safety", factor=0.0)
    plain = [event for minute in range(20) for event in Simulator(7).events(MONDAY + minute)]
    changed = [event for minute in range(20) for event in Simulator(7, shifts=(slow, silent)).events(MONDAY + minute)]
    assert any(event.safety for event in plain)
    assert not any(event.safety for event in changed)
    for old, new in zip(only_turns(plain), only_turns(changed), strict=True):
        factor = 2.0 if old.tenant == "willow" else 1.0
        assert new.latency_ms == pytest.approx(min(factor * old.latency_ms, 600_000.0), abs=0.002)


def test_a_scenario_that_means_nothing_is_refused():
    """Half a version change, unknown names and added traffic are mistakes of the programmer."""
    with pytest.raises(AssertionError, match="both from and to"):
        Shift(MONDAY, model_version={"to": "orion-2026-09"})
    with pytest.raises(AssertionError, match="no model has the version orion-1"):
        Simulator(7, shifts=(Shift(MONDAY, model_version={"from": "orion-1", "to": "orion-2"}),))
    with pytest.raises(AssertionError, match="the model has no mars"):
        Shift(MONDAY, region="mars")
    with pytest.raises(AssertionError, match="take traffic away"):
        Shift(MONDAY, signal="traffic", factor=2.0)
