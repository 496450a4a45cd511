"""Every row of the signal table has a sample event with the literal value that is read from it."""

import msgspec
import pytest

from pipelines.aggregate.columns import Columns
from pipelines.aggregate.derived import derived
from pipelines.aggregate.rollup import USERS
from pipelines.aggregate.signals import GUARDRAIL_SIGNALS, SIGNALS, TEMPLATES, catalogue, rows
from schemas.event import Event
from schemas.record import Partition
from schemas.settings import Cohorts, CustomSignal, Signals
from schemas.signal import CATEGORIES

CALLS = [
    {"name": "search", "status": "ok", "authorised": True, "fabricated": False},
    {"name": "search", "status": "error", "authorised": False},
    {"name": "mail", "status": "blocked", "fabricated": True},
    {"name": "mail"},
]
HITS = [
    {"category": "data_leak", "direction": "output", "action": "flag"},
    {"category": "prompt_leak", "direction": "input", "action": "block"},
    {"category": "data_leak"},
]
LIST = "Here:\n- one\n- two\n```sh\nls\n```"

# signal, fields of the event, the value read from it
SAMPLES = [
    ("refusal_rate", {"refusal": True}, [1, 1]),
    ("refusal_rate", {"response": "I'm sorry, I can't help with that."}, [1, 1]),
    ("refusal_rate", {"refusal": False, "response": "I'm sorry, I can't help with that."}, [0, 1]),
    ("refusal_rate", {"finish_reason": "refusal"}, [1, 1]),
    ("safety_trigger_rate", {"safety": HITS}, [1, 1]),
    ("safety_trigger_rate", {"safety": []}, [0, 1]),
    ("safety_trigger_rate", {"tool_calls": CALLS}, [1, 1]),
    ("guardrail_coverage_rate", {"safety": []}, [1, 1]),
    ("guardrail_coverage_rate", {}, [0, 1]),
    ("leak_hit_rate", {"safety": HITS}, [1, 1]),
    ("instruction_disclosure_rate", {"safety": HITS}, [1, 1]),
    ("unsafe_escape_rate", {"safety": HITS}, [1, 1]),
    ("unsafe_escape_rate", {"safety": [{"category": "harm", "direction": "output", "action": "block"}]}, [0, 1]),
    ("tool_calls_per_turn", {"tool_calls": CALLS}, [4, 1]),
    ("tool_calls_per_turn", {"tool_calls": []}, [0, 1]),
    ("tool_error_rate", {"tool_calls": CALLS}, [1, 3]),
    ("tool_mix", {"tool_calls": CALLS}, ["search", "search", "mail", "mail"]),
    ("unauthorised_tool_rate", {"tool_calls": CALLS}, [1, 2]),
    ("fabricated_tool_result_rate", {"tool_calls": CALLS}, [1, 2]),
    ("memory_writes_per_turn", {"memory_writes": 3}, [3, 1]),
    ("retry_rate", {"retry_of": "e0"}, [1, 1]),
    ("retry_rate", {}, [0, 1]),
    ("error_rate", {"status": "ok"}, [0, 1]),
    ("error_rate", {"status": "503"}, [1, 1]),
    ("error_rate", {"error_type": "timeout"}, [1, 1]),
    ("error_rate", {"finish_reason": "max_tokens"}, [0, 1]),
    ("empty_response_rate", {"response": "  "}, [1, 1]),
    ("empty_response_rate", {"response": "", "tool_calls": CALLS}, [0, 1]),
    ("truncation_rate", {"finish_reason": "length"}, [1, 1]),
    ("schema_violation_rate", {"evaluations": [{"name": "schema_valid", "score": 0}]}, [1, 1]),
    ("schema_violation_rate", {"evaluations": [{"name": "tone", "score": 0}]}, None),
    ("latency_ms", {"latency_ms": 12.5}, 12.5),
    ("ttft_ms", {"ttft_ms": 0}, 0.0),
    ("input_tokens", {"input_tokens": 7}, 7.0),
    ("output_tokens", {"output_tokens": 8}, 8.0),
    ("cost_usd", {"cost_usd": 0.006035}, 0.006035),
    ("prompt_chars", {"prompt": "héllo"}, 5.0),
    ("response_chars", {"response": ""}, 0.0),
    ("response_lines", {"response": LIST}, 6.0),
    ("response_shape_code", {"response": LIST}, [1, 1]),
    ("response_shape_list", {"response": LIST}, [1, 1]),
    ("response_shape_json", {"response": '{"a": 1}'}, [1, 1]),
    ("char_entropy", {"response": "abcd"}, 2.0),
    ("repetition", {"response": "one two three four five one two three four five"}, 0.285714),
    ("confidence", {"confidence": -0.25}, -0.25),
    ("task_success_rate", {"task_success": False}, [0, 1]),
    ("override_rate", {"override": True}, [1, 1]),
    ("escalation_rate", {"escalation": True}, [1, 1]),
    ("thumbs_down_rate", {"kind": "feedback", "feedback": "down"}, [1, 1]),
    ("thumbs_down_rate", {"kind": "feedback", "feedback": "up"}, [0, 1]),
    ("complaint_rate", {"kind": "report"}, [1, 0]),
    ("complaint_rate", {}, [0, 1]),
    ("language_mix", {"language": "en"}, ["en"]),
    ("finish_reason_mix", {"finish_reason": "stop"}, ["stop"]),
    ("route_mix", {"route": "canary"}, ["canary"]),
    ("safety_trigger_rate:data_leak", {"safety": HITS}, [1, 1]),
    ("safety_trigger_rate:tool_blocked", {"tool_calls": CALLS}, [1, 1]),
    ("evaluation:tone", {"evaluations": [{"name": "tone", "score": 0.5}, {"name": "tone", "label": "warm"}]}, 0.5),
]
# They follow from counting events and users; tests/pipelines/aggregate/test_rollup.py holds them.
COUNTED = {"traffic", "calls_per_user", USERS}
# Said of every turn, with or without a field.
ALWAYS = GUARDRAIL_SIGNALS | {"retry_rate", "complaint_rate"}

KNOWN = catalogue(Signals(), Cohorts())


def said(fields, known=KNOWN, text_sample=1.0):
    """Give what an event with these fields says; it is a turn unless the fields say otherwise."""
    event = msgspec.convert({"event_id": "e1", "ts": 1_767_571_200_000, "model": "m"} | fields, Event)
    return derived(Columns(known, text_sample).batch(Partition("record"), [0], [event]), known)[0]


@pytest.mark.parametrize(("signal", "fields", "value"), SAMPLES)
@pytest.mark.playbook("T1")
def test_a_signal_is_read_from_its_event(signal, fields, value):
    """The sample event says exactly this about the signal, and None stands for nothing."""
    assert said(fields).get(signal) == value


def test_every_row_has_a_sample():
    """A new row of the table needs a sample here."""
    sampled = {signal for signal, _, _ in SAMPLES}
    missing = [row.signal.name for row in SIGNALS if row.signal.name not in sampled | COUNTED]
    assert missing == []
    for template in TEMPLATES:
        prefix = template.signal.name.partition("<")[0]
        assert any(signal.startswith(prefix) for signal in sampled), prefix


def test_an_event_without_fields_says_nothing_of_them():
    """Absent is not zero: a bare turn speaks only of what is said of every turn."""
    assert set(said({})) == ALWAYS


def test_a_tool_event_of_a_trace_is_no_second_call():
    """A tool event counts when it stands alone, and is a detail of its turn when it names a trace."""
    call = {"kind": "tool", "tool_calls": CALLS[:1]}
    assert said(call)["tool_error_rate"] == [0, 1]
    assert said(call | {"trace_id": "t1"}) == {}


def test_what_is_not_sampled_is_absent():
    """Without a text sample only length and refusal are read from the response."""
    assert set(said({"response": "Here it is."}, text_sample=0.0)) - ALWAYS == {
        *("refusal_rate", "empty_response_rate", "response_chars"),
    }


# One value for every field that an event may bring beside those of a sample.
BESIDE = {
    "tenant": "acme", "language": "de", "finish_reason": "length", "refusal": True, "response": "No.\nNo.",
    "tool_calls": [{"name": "pay", "status": "error"}], "safety": [{"category": "harm", "direction": "output"}],
    "evaluations": [{"name": "schema_valid", "score": 1.0}], "latency_ms": 3.5, "status": "timeout", "retry_of": "e0",
    "memory_writes": 2, "route": "b", "confidence": 0.5, "task_success": True, "override": True, "escalation": True,
}  # fmt: skip


def test_events_say_the_same_together_and_alone():
    """What is measured once for many events is what each of them says alone, whatever its neighbours bring along."""
    some = [fields for _, fields, _ in SAMPLES]
    some += [{name: value} | fields for fields in some for name, value in BESIDE.items()]
    some += [fields | {"kind": kind} for fields in some[:80] for kind in ("tool", "guardrail", "feedback", "report")]
    events = [
        msgspec.convert({"event_id": f"e{k}", "ts": 1_767_571_200_000, "model": "m"} | fields, Event)
        for k, fields in enumerate(some)
    ]
    known = catalogue(Signals(custom=CUSTOM), Cohorts(labels=("plan",)))
    columns = Columns(known, 0.5)
    together = derived(columns.batch(Partition("record"), range(len(events)), events), known)
    for at, event in enumerate(events):
        assert [together[at]] == derived(columns.batch(Partition("record"), [at], [event]), known), some[at]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.signal.name)
def test_a_row_is_complete(row):
    """Every row has a known category and family, a group, a unit, a sentence for people and sane numbers."""
    signal = row.signal
    assert signal.category in CATEGORIES
    assert signal.category_down is None or signal.category_down in CATEGORIES
    assert all((signal.group, signal.unit, signal.summary, signal.family))
    assert signal.scale >= 1
    assert signal.minimum_n >= 1
    assert 0 < signal.tolerance < 1


def test_names_are_unique():
    """No two rows share a name."""
    names = [row.signal.name for row in rows()]
    assert len(names) == len(set(names))


def test_a_template_gives_the_signal_of_any_name():
    """Guardrail categories and evaluations get a signal of their own, with a category that fits the name."""
    assert KNOWN.signal("safety_trigger_rate:pii").category == "data_leak"
    assert KNOWN.signal("safety_trigger_rate:violence").category == "harmful_output"
    assert KNOWN.signal("evaluation:tone").kind == "score"
    assert KNOWN.signal("evaluation:tone").name == "evaluation:tone"
    with pytest.raises(KeyError):
        KNOWN.signal("no_such_signal")


CUSTOM = (
    CustomSignal(name="gold", field="labels.plan", kind="rate", equals="gold"),
    CustomSignal(name="heat", field="sampling.temperature"),
    CustomSignal(name="chunks", field="retrieval", kind="count"),
    CustomSignal(name="beta", field="flags.beta", kind="rate"),
    CustomSignal(name="plan_mix", field="labels.plan", kind="mix"),
)


def test_custom_signals_are_read_by_field_path():
    """A custom signal follows its path, and a value of the wrong type or none at all says nothing."""
    known = catalogue(Signals(custom=CUSTOM), Cohorts())
    own = {signal.name for signal in CUSTOM}
    fields = {
        "labels": {"plan": "gold"},
        "sampling": {"temperature": 0.7},
        "retrieval": [{"id": "a"}, {"id": "b"}],
        "flags": {"beta": True},
    }
    found = {name: value for name, value in said(fields, known).items() if name in own}
    assert found == {"gold": [1, 1], "heat": 0.7, "chunks": [2, 1], "beta": [1, 1], "plan_mix": ["gold"]}
    assert not own & set(said({"flags": {"beta": 1}}, known))


@pytest.mark.parametrize(
    ("custom", "message"),
    [
        (
            CustomSignal(name="refusal_rate", field="status"),
            'custom: "refusal_rate" is the name of another',
        ),
        (CustomSignal(name="events", field="status"), 'custom: "events" is a name that Limen uses itself'),
        (CustomSignal(name="own", field="lable.plan"), '"lable.plan" does not begin with a field of the event'),
    ],
)
def test_a_wrong_custom_signal_is_named(custom, message):
    """A custom signal that cannot be measured is refused with one line."""
    with pytest.raises(ValueError, match=message):
        catalogue(Signals(custom=(custom,)), Cohorts())


def test_a_signal_that_is_off_is_not_measured():
    """What is off in the settings is neither measured nor known."""
    known = catalogue(Signals(off=("latency_ms", "evaluation")), Cohorts())
    assert "latency_ms" not in said({"latency_ms": 1.0, "evaluations": [{"name": "tone", "score": 1}]}, known)
    assert not known.follows("evaluation:")
