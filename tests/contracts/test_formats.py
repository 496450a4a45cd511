"""What every input format owes, found by its row in FORMATS: samples with expected events, and never an exception."""

import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ingest.decode import Decoder
from schemas import settings
from schemas.event import Change, Evaluation, Event, Reject, RejectReason, Report, SafetyHit, ToolCall, event_time_ms
from schemas.formats import FORMATS
from tests.strategies import json_values

SAMPLES: dict[str, list[tuple[bytes, Event | Reject]]] = {
    "native": [
        (
            (
                b'{"event_id":"e1","ts":1767571200250,"model":"m1","tenant":"acme","region":"eu","refusal":true,'
                b'"response":"No.","latency_ms":812.5,"input_tokens":12,"cost_usd":0.002,"labels":{"plan":"pro"},'
                b'"tool_calls":[{"name":"search","status":"error","duration_ms":30,"authorised":false}],'
                b'"safety":[{"category":"violence","action":"block","direction":"output","score":0.9}],'
                b'"evaluations":[{"name":"helpful","score":0.25}],"a_field_of_tomorrow":{"x":[1]}}'
            ),
            Event(
                event_id="e1",
                ts=1767571200250.0,
                model="m1",
                tenant="acme",
                region="eu",
                refusal=True,
                response="No.",
                latency_ms=812.5,
                input_tokens=12,
                cost_usd=0.002,
                labels={"plan": "pro"},
                tool_calls=[ToolCall(name="search", status="error", duration_ms=30.0, authorised=False)],
                safety=[SafetyHit(category="violence", action="block", direction="output", score=0.9)],
                evaluations=[Evaluation(name="helpful", score=0.25)],
            ),
        ),
        (
            (
                b'{"event_id":"e2","ts":1767571200000,"kind":"change","region":"eu",'
                b'"change":{"what":"prompt_version","from":"p7","to":"p8","actor":"deploy"}}'
            ),
            Event(
                event_id="e2",
                ts=1767571200000.0,
                kind="change",
                region="eu",
                change=Change(what="prompt_version", from_="p7", to="p8", actor="deploy"),
            ),
        ),
        (
            b'{"event_id":"e3","ts":1767571200000,"kind":"report","report":{"reporter":"press","authentic":"unknown"}}',
            Event(
                event_id="e3",
                ts=1767571200000.0,
                kind="report",
                report=Report(reporter="press", authentic="unknown"),
            ),
        ),
        (
            b'{"event_id":"e4","ts":1767571200000,"kind":"feedback","trace_id":"t","feedback":"down"}',
            Event(event_id="e4", ts=1767571200000.0, kind="feedback", trace_id="t", feedback="down"),
        ),
        (
            b'{"event_id":"e5","ts":1767571200000}',
            Reject(RejectReason.MISSING_MODEL, "a turn names its model - at `$.model`"),
        ),
    ],
}


def test_every_format_has_samples_and_a_setting():
    """A new row of FORMATS comes with samples here, and can be chosen in the settings."""
    choices = typing.get_args(typing.get_type_hints(settings.Source)["format"])
    assert SAMPLES.keys() == FORMATS.keys()
    assert {"auto", *FORMATS} == set(choices)


@pytest.mark.parametrize("name", FORMATS)
def test_samples_become_the_expected_events(name):
    """What is documented as a format's records is read as the events it means, also when the format must be guessed."""
    for value, expected in SAMPLES[name]:
        assert FORMATS[name](value) == expected
        if isinstance(expected, Event):
            assert Decoder("auto", 1_000_000).decode(value) == expected


@pytest.mark.parametrize("name", FORMATS)
@given(value=st.binary() | json_values().map(msgspec.json.encode))
def test_a_format_never_raises(name, value):
    """Any bytes and any JSON give an event with a time or a reject with a listed reason."""
    result = FORMATS[name](value)
    if isinstance(result, Event):
        assert isinstance(event_time_ms(result), int)
    else:
        assert result.reason in RejectReason


@pytest.mark.parametrize("name", FORMATS)
@given(field=st.sampled_from(Event.__struct_encode_fields__), inner=json_values())
def test_a_format_never_raises_on_one_wrong_field(name, field, inner):
    """A valid event with any JSON value in any field gives an event or a reject."""
    record = {"event_id": "a", "ts": 1767571200000, "model": "m"} | {field: inner}
    assert isinstance(FORMATS[name](msgspec.json.encode(record)), Event | Reject)
