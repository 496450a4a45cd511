"""Nothing in the engine grows without end, whatever names a stream makes up."""

from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest

from pipelines import build
from pipelines.aggregate import caps, rollup
from pipelines.aggregate.signals import catalogue
from pipelines.detect import changes, contrast, mix
from pipelines.engine import Engine
from pipelines.store import Store
from schemas.minutes import MINUTE_MS
from schemas.record import Partition, Record
from schemas.rule import Rule
from schemas.settings import Cohorts, Settings, Signals
from tests.support.growth import sizes

P = Partition("kafka:t", 0)
START = 29_459_520
MINUTES = 360
"""Detectors look back for an hour once they are four hours old: the last of them is full after the second third."""
WATCHED = 30
"""Minutes at the end of a third that are looked at: memories of what was met lately are emptied and fill again."""
MEASURED = {
    *("refusal_rate", "safety_trigger_rate", "tool_error_rate", "tool_mix", "latency_ms", "traffic", "users_per_min"),
}
SETTINGS = Settings(
    signals=Signals(off=tuple(sorted(catalogue(Signals(), Cohorts()).signals.keys() - MEASURED))),
    cohorts=Cohorts(
        sets=((), ("region",), ("tenant", "region"), ("model_version",)), values_max=5, leaves_max=8, series_max=60
    ),
    rules=(
        Rule(name="plain", signal="refusal_rate", by=("region",), above=0.5, minimum_n=1, severity="sev2"),
        Rule(name="burn", signal="refusal_rate", objective=0.99, minimum_n=1, severity="sev3"),
        Rule(name="gap", signal="refusal_rate", gap="region", above=1.5, window_minutes=60, minimum_n=1),
    ),
)


def hostile(minute: int) -> Iterator[bytes]:
    """Give the events of a minute, in each of which every name is new, and an announced change."""
    at_ms = (START + minute) * MINUTE_MS
    for k in range(12):
        new = f"{minute}-{k}"
        names = ("event_id", "model", "model_version", "prompt_version", "policy_version", "tenant", "region")
        names += (
            "environment",
            "surface",
            "language",
            "session_id",
            "user_hash",
            "finish_reason",
            "error_type",
            "route",
        )
        event = {name: f"{name} {new}" for name in names}
        event |= {"ts": at_ms + 4_000 * k, "refusal": (minute // 20 + k) % 3 > 0, "latency_ms": 10 + k, "prompt": new}
        event |= {"tool_calls": [{"name": f"tool {new}", "status": "error"}], "safety": [{"category": new}]}
        yield msgspec.json.encode(event | {"evaluations": [{"name": new, "score": 0.5}]})
    change = {"what": "model_version", "from": "a", "to": f"b{minute}"}
    yield msgspec.json.encode({"event_id": f"c{minute}", "ts": at_ms + 59_000, "kind": "change", "change": change})


@pytest.fixture
def narrow(monkeypatch):
    """Make the limits that are fixed in the code small enough to be met."""
    for room, name in ((rollup, "LEAVES_KEPT_MAX"), (mix, "LEAVES_MAX"), (contrast, "LEAVES_MAX")):
        monkeypatch.setattr(room, name, 40)
    monkeypatch.setattr(contrast, "CONTRASTS_MAX", 50)
    monkeypatch.setattr(changes, "CONTEXTS_MAX", 40)
    monkeypatch.setattr(changes, "CANDIDATES_MAX", 10)
    monkeypatch.setattr(caps, "NAMES_MAX", 5)
    monkeypatch.setattr(rollup, "NAMED_MAX", 5)


@pytest.mark.usefixtures("narrow")
def test_new_names_without_end_cost_a_bounded_memory():
    """After four hours no container of the engine holds more than it ever did at the end of the hours before."""
    store = Store.open("sqlite://")
    known = catalogue(SETTINGS.signals, SETTINGS.cohorts)
    engine = Engine(build.parts(SETTINGS, known, "real"), store.load())
    most: dict[int, Counter[str]] = {1: Counter(), 2: Counter()}
    offset, incidents = 0, 0
    for minute in range(MINUTES):
        records = [Record(value, P, offset + k) for k, value in enumerate(hostile(minute))]
        offset += engine.feed(records)
        commit = engine.checkpoint()
        store.commit(commit)
        incidents += len(commit.effects.incidents)
        third, into = divmod(minute, MINUTES // 3)
        if third in most and into >= MINUTES // 3 - WATCHED:
            most[third] |= Counter(sizes(engine))  # the larger of each
    assert engine.counters.aggregated == offset
    assert incidents
    assert engine.progress.overflow.keys() == {"evaluation", "leaf", "safety_trigger_rate", "series", "tool_mix"}
    assert len(most[2]) > 100
    assert {path: (most[1][path], size) for path, size in most[2].items() if size > most[1][path]} == {}
