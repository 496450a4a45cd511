"""Faults of records: cases 9, 11 to 15 and 32 of the fault table.

What is counted is told at the end of the run; `-m soak` runs the cases as often as the table says.
"""

import json
import resource
from hashlib import sha256
from random import Random

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipelines.serve.reading import floats
from schemas.event import NAME_CHARS_MAX
from schemas.settings import Settings
from schemas.signal import OTHER
from tests.support.whole import START_MS, Read, Whole, client, log, refusals, same, settings_with, steady, turn, whole

SHORT, LONG = 3, 200
"""How often a case runs in the suite, and in the soak."""


def poison(seed: int, soak_count) -> None:
    """Spoil one record in a hundred."""
    random = Random(f"poison {seed}")
    values = log(random, 2_000)
    sent = list(values)
    for _ in range(20):
        sent.insert(random.randrange(len(sent)), random.choice(POISON))
    read = whole(sent, piece=random.randint(1, 700))
    assert read.counters.aggregated == len(values)
    assert read.counters.rejected == 20
    same(read, _without_rejects(read, whole(values)))
    kept = {reject.offset: reject for _, reject in read.store.rejects(100)}
    assert kept.keys() == {offset for offset, value in enumerate(sent) if value in POISON}
    for offset, reject in kept.items():
        assert reject.sha256 == sha256(sent[offset]).hexdigest()
        assert len(reject.sample) <= 256
        assert "quince" not in reject.sample + reject.detail
    soak_count(9, 20, "bad records among good ones")


POISON = [
    b'{"event_id":"a","prompt":"quince', b"quince", b"\xff\xfe quince", b"", b"[" * 5_000, b"null",
    b'{"event_id":"a","ts":1767571200000,"prompt":"quince"}', b'{"quince":1}',
]  # fmt: skip
"""Records that are no events, with a word that must not be kept."""


def _without_rejects(read: Read, clean: Read) -> Read:
    """Give the clean reading with the rejects of the other in its minutes; everything else must be equal by itself."""
    minutes = {
        at: msgspec.structs.replace(minute, rejects=read.minutes[at].rejects) for at, minute in clean.minutes.items()
    }
    return Read(clean.engine, clean.store, minutes)


@pytest.mark.parametrize("seed", range(SHORT))
def test_one_bad_record_in_a_hundred_is_kept_and_harms_nothing(seed, soak_count):
    """Case 9: place, reason, hash and a redacted shape of each are kept; the minutes are those of the good ones."""
    poison(seed, soak_count)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_much_poison(soak_count):
    """Case 9 in the soak."""
    for seed in range(LONG):
        poison(1_000 + seed, soak_count)


@pytest.mark.parametrize("bad", POISON, ids=lambda bad: repr(bad[:40]))
def test_nothing_but_bad_records_is_an_incident_that_ends(bad, soak_count):
    """Case 9: all bad is "ingest broken", told once; the line lives, and resolves it when good ones come again."""
    line = Whole()
    line.feed([*steady(60), *[bad] * 1_000], piece=70)
    (incident,) = line.seen().incidents
    assert (incident.lead_signal, incident.category, incident.severity) == ("ingest_broken", "ingest", "sev2")
    assert (incident.breach.first, incident.state) == (60, "triage")
    line.feed(steady(3_600, begin=60))
    page = client(line.seen(), line.settings).get(f"/incidents/{incident.id}")
    assert "Ingest broken: none of 100 records in a row of kafka:t/0 is of use" in page.text
    (again,) = [each for each in line.end().incidents if each.lead_signal == "ingest_broken"]
    assert (again.id, again.state) == (incident.id, "resolved")
    types = [json.loads(each.notification.body)["type"] for each in line.store.deliveries(100)]
    assert sorted(types) == ["incident.opened", "incident.resolved"]
    assert line.engine.counters.aggregated == 3_660
    soak_count(9, 1_000, "bad records in a row")


def bomb(tenants: int, settings: Settings, kept: int, soak_count) -> Read:
    """Send an event of each of so many tenants within ten minutes."""
    line = Whole(settings)
    for begin in range(0, tenants, 5_000):
        names = range(begin, min(tenants, begin + 5_000))
        line.feed([turn(f"e{k}", 600 * k / tenants, tenant=f"tenant-{k}", refusal=k % 10 == 0) for k in names], 5_000)
    read = line.end()
    assert sum(read.events.values()) == read.counters.aggregated == tenants
    for minute in read.minutes.values():
        by_tenant = dict(zip(minute.cohorts, minute.events.tolist(), strict=True))
        assert len(by_tenant) <= kept + 2  # all events, the tenants that were first, and the others
        over = by_tenant.pop((("tenant", OTHER),))
        assert by_tenant[()] == over + sum(count for cohort, count in by_tenant.items() if cohort)
    assert sum(count["x"] for count in refusals(read).values()) == -(-tenants // 10)
    soak_count(11, tenants, "tenants")
    return read


def test_a_cardinality_bomb_is_bounded_and_told(soak_count):
    """Case 11: the first of each minute keep their names, the others are one, totals are exact, and it is told once."""
    read = bomb(10_000, settings_with(values_max=200), 200, soak_count)
    (incident,) = [each for each in read.incidents if each.lead_signal == "cohort_caps"]
    assert incident.title.startswith("Caps met: not told apart any more (tenant ")
    assert incident.severity == "sev3"


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_million_tenants(soak_count):
    """Case 11 in the soak: with the caps of the default, memory stays bounded."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bomb(1_000_000, settings_with(), Settings().cohorts.values_max, soak_count)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1_024
    soak_count.most(11, grown_mb, "MB more memory")
    assert grown_mb < 1_024


NESTED = {
    "a list 100,000 deep": (
        b'{"event_id":"a","ts":1,"model":"m","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "too_deep",
    ),
    "an object 100,000 deep": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too_deep"),
    "a list without end": (b"[" * 100_000, "invalid_field"),  # refused at its first sign
    "a label for every key": (
        b'{"event_id":"a","ts":1,"model":"m","labels":{%s}}' % b",".join(b'"k%d":"v"' % k for k in range(200_000)),
        "invalid_field",
    ),
}


@pytest.mark.parametrize("name", NESTED)
def test_deep_and_wide_records_are_rejected(name, soak_count):
    """Case 12: neither depth nor width ends the process; the records around are counted."""
    value, reason = NESTED[name]
    read = whole([*steady(30), value, *steady(30, begin=30)])
    assert read.counters.rejects == {reason: 1}
    assert read.counters.aggregated == 60
    soak_count(12, 1, "deep or wide records")


def test_a_million_unknown_keys_are_passed_over(soak_count):
    """Case 12: fields that are unknown are ignored, however many; the event counts."""
    value = b'{"event_id":"a","ts":%d,"model":"m",%s}' % (START_MS, b",".join(b'"k%d":1' % k for k in range(250_000)))
    read = whole([*steady(30), value])
    assert (read.counters.aggregated, read.counters.rejected) == (31, 0)
    wider = b'{"event_id":"b","ts":%d,"model":"m",%s}' % (START_MS, b",".join(b'"k%d":1' % k for k in range(1_000_000)))
    assert whole([*steady(30), wider]).counters.rejects == {"too_large": 1}
    soak_count(12, 2, "deep or wide records")


FIELDS = {
    "latency_ms": b'"latency_ms":%s', "ttft_ms": b'"ttft_ms":%s', "input_tokens": b'"input_tokens":%s',
    "output_tokens": b'"output_tokens":%s', "cost_usd": b'"cost_usd":%s', "memory_writes": b'"memory_writes":%s',
    "confidence": b'"confidence":%s', "ts": b'"ts":%s', "sampling.temperature": b'"sampling":{"temperature":%s}',
    "sampling.seed": b'"sampling":{"seed":%s}', "evaluations": b'"evaluations":[{"name":"a","score":%s}]',
    "safety": b'"safety":[{"category":"a","score":%s}]', "retrieval": b'"retrieval":[{"score":%s}]',
    "tool_calls": b'"tool_calls":[{"name":"a","duration_ms":%s}]',
}  # fmt: skip
"""Every field that takes a number."""
NO_NUMBERS = [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"9" * 5_000]
ABSURD = {
    "latency_ms": [b"-1", b"9223372036854775808", b"1e12"],
    "ttft_ms": [b"-1", b"9223372036854775808", b"1e12"],
    "input_tokens": [b"-1", b"9223372036854775808", b"1000000000000"],
    "output_tokens": [b"-1", b"9223372036854775808", b"1000000000000"],
    "cost_usd": [b"-1", b"9223372036854775808", b"1e12"],
    "memory_writes": [b"-1", b"9223372036854775808", b"1000000000000"],
}


def with_number(field: str, number: bytes) -> bytes:
    """Write an event with this number in a field; of two the last counts."""
    return b'{"event_id":"w","model":"m","ts":%d,%s}' % (START_MS, FIELDS[field] % number)


def is_sound(read: Read) -> None:
    """Say that no figure of what is kept of any minute is infinite, and that what is absent is NaN and nothing else."""
    for row in read.store.history(0, 2**40):
        for body in (row.n, row.observed, row.expected, row.lower, row.upper, row.log_r):
            values = floats(body)
            assert not (abs(values) == float("inf")).any()


@pytest.mark.parametrize("number", NO_NUMBERS, ids=lambda number: number[:9].decode())
def test_what_is_no_number_never_gets_in(number, soak_count):
    """Case 13: in every field that takes a number it is rejected at decoding, and the state stays sound."""
    bad = [with_number(field, number) for field in FIELDS]
    read = whole([*steady(120, latency_ms=300.0), *bad, *steady(300, begin=120, latency_ms=300.0)])
    assert read.counters.rejected == len(FIELDS)
    assert read.counters.aggregated == 420
    is_sound(read)
    soak_count(13, len(bad), "values that are no numbers")


@pytest.mark.parametrize("field", ABSURD)
def test_absurd_numbers_are_rejected_by_field(field, soak_count):
    """Case 14: a negative or unbelievable value is rejected, and the detail names the field."""
    bad = [with_number(field, number) for number in ABSURD[field]]
    read = whole([*steady(30), *bad, *steady(30, begin=30)])
    assert read.counters.rejects == {"invalid_field": len(bad)}
    assert read.counters.aggregated == 60
    assert {reject.detail.rpartition(" at ")[2] for _, reject in read.store.rejects(10)} == {f"`$.{field}`"}
    soak_count(14, len(bad), "absurd values")


TEXT_FIELDS = (
    *("event_id", "tenant", "region", "environment", "surface", "model", "model_version", "prompt_version"),
    *("policy_version", "language", "session_id", "trace_id", "user_hash", "prompt", "response", "finish_reason"),
    *("status", "error_type", "route", "provider_fingerprint"),
)
BAD_TEXTS = {
    "invalid UTF-8": (b'"a\xff\xfe"', "not_utf8"),
    "half a sequence": (b'"a\xc3"', "not_utf8"),
    "a lone surrogate": (b'"a\\ud800"', "not_json"),
    "a raw NUL": (b'"a\x00b"', "not_json"),
    "a byte order mark": (b'"\xef\xbb\xbfa"', ""),
    "an escaped NUL": (b'"a\\u0000b"', ""),
    "a reversed text": ('"a\u202eb"'.encode(), ""),
    "a new line": (b'"a\\nb"', ""),
    "the longest name": (b'"%s"' % (b"n" * NAME_CHARS_MAX), ""),
}


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_bad_texts_are_rejected_or_harmless(name, soak_count):
    """Case 15: in every text field; what is taken in is shown by no exporter in a way that breaks it."""
    text, reason = BAD_TEXTS[name]
    bad = []
    for k, field in enumerate(TEXT_FIELDS):
        others = {"event_id": b'"w%d"' % k, "model": b'"m"'} | {field: text}
        inside = b",".join(b'"%s":%s' % (key.encode(), value) for key, value in others.items())
        bad.append(b'{"ts":%d,%s}' % (START_MS, inside))
    line = Whole(settings_with(sets=((), *((field,) for field in TEXT_FIELDS[1:10])), metrics_max=50))
    line.feed([*steady(60), *bad, *steady(300, begin=60)])
    read = line.end()
    assert read.counters.rejects == ({reason: len(bad)} if reason else {})
    assert read.counters.aggregated == 360 + (0 if reason else len(bad))
    shown = client(read, line.settings)
    families = list(text_string_to_metric_families(shown.get("/metrics").text))
    assert len(families) > 20
    assert shown.get("/").status_code == 200
    assert len(shown.get("/api/v1/series").json()) > 0
    assert all(reject.sample.isascii() for _, reject in read.store.rejects(100))
    soak_count(15, len(bad), "bad texts")


def test_a_byte_order_mark_before_a_record_is_rejected(soak_count):
    """Case 15: it is no JSON, and says so."""
    assert whole([*steady(30), b"\xef\xbb\xbf" + turn("w", 31)]).counters.rejects == {"not_json": 1}
    soak_count(15, 1, "bad texts")


def drifted(every: int, spoil) -> Read:
    """Read twenty minutes of a log in which one record in so many is spoiled."""
    values = steady(2_400, step=0.5)
    return whole([spoil(value) if k % every == every - 1 else value for k, value in enumerate(values)])


RENAMED = {
    "renamed": (lambda value: value.replace(b'"ts"', b'"time"'), "missing_field"),
    "left out": (lambda value: value.replace(b'"model":"m",', b""), "missing_model"),
    "retyped": (lambda value: value.replace(b'"tenant":"acme"', b'"tenant":["acme"]'), "invalid_field"),
}


@pytest.mark.parametrize("how", RENAMED)
def test_drift_is_told_from_one_percent_on(how, soak_count):
    """Case 32: fields that are missing or of another type are rejected; over 1 % is an incident, under it is none."""
    spoil, reason = RENAMED[how]
    little, much = drifted(200, spoil), drifted(50, spoil)
    assert (little.counters.rejects, little.incidents) == ({reason: 12}, [])
    (incident,) = much.incidents
    assert incident.title.startswith("Schema drift: ")
    assert incident.title.endswith(f"({reason} {incident.breach.records})")
    assert (incident.category, incident.severity) == ("ingest", "sev3")
    soak_count(32, 60, "records of another schema")


def test_new_fields_are_ignored(soak_count):
    """Case 32: a sender may add fields; what is known is read."""
    read = drifted(2, lambda value: value[:-1] + b',"colour":{"name":"red"}}')
    assert (read.counters.aggregated, read.counters.rejected, read.incidents) == (2_400, 0, [])
    soak_count(32, 1_200, "records with new fields")
