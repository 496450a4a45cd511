"""What a closed minute says of every cohort: sums, distinct counts, guardrails, mixes, signatures and caps."""

import numpy as np
import pytest

from pipelines.aggregate import rollup, windows
from pipelines.aggregate.cells import REGISTERS
from pipelines.aggregate.sums import estimate
from schemas.event import Evaluation, Event, SafetyHit, ToolCall
from schemas.settings import Cohorts, Settings
from schemas.signal import OTHER, cohort_key
from tests.support.windows import Line, turn, whole

EU = (("region", "eu"),)
US = (("region", "us"),)


def minutes(items, settings=None):
    """Give all closed minutes of the items."""
    line = Line(settings)
    line.add(items)
    line.finish()
    return line.closed


def of(minute, signal, cohort=()):
    """Give (x, n) of one signal and cohort."""
    at = minute.cohorts.index(cohort)
    cells = minute.signals[signal]
    return int(cells.x[at]), int(cells.n[at])


def test_a_minute_holds_every_configured_cohort():
    """A leaf takes part in each set whose dimensions it all has; cohorts are sorted by key."""
    settings = Settings(cohorts=Cohorts(sets=((), ("region",), ("tenant", "region"), ("region", "tenant"))))
    minute = minutes([turn(1, "a", region="eu", tenant="t"), turn(2, "b", region="us"), turn(3, "c")], settings)[0]
    assert minute.cohorts == ((("region", "eu"), ("tenant", "t")), (("region", "eu"),), (("region", "us"),), ())
    assert minute.events.tolist() == [1, 1, 1, 3]
    assert [cohort_key(c) for c in minute.cohorts] == sorted(cohort_key(c) for c in minute.cohorts)
    assert [dict(leaf) for leaf in minute.leaves] == [
        {"model": "m", "region": "eu", "tenant": "t"},
        {"model": "m", "region": "us"},
        {"model": "m"},
    ]
    assert minute.leaf_events.tolist() == [1, 1, 1]


def test_no_cohort_fits():
    """Without a fitting set the leaves are counted, and no signal has a cohort."""
    minute = minutes([turn(1, "a")], Settings(cohorts=Cohorts(sets=(("tenant",),))))[0]
    assert (minute.cohorts, minute.events.tolist(), minute.leaf_events.tolist()) == ((), [], [1])


def test_rates_levels_and_traffic_add_up():
    """Sums are exact integers in fixed units; a level has its logarithms and its histogram."""
    minute = minutes(
        [
            turn(1, "a", region="eu", refusal=True, latency_ms=1.0),
            turn(2, "b", region="eu", refusal=False, latency_ms=2.0),
            turn(3, "c", region="us", refusal=False, cost_usd=0.0),
            turn(4, "d", region="us"),
        ]
    )[0]
    assert (of(minute, "refusal_rate"), of(minute, "refusal_rate", EU), of(minute, "refusal_rate", US)) == (
        *((1, 3), (1, 2), (0, 1)),
    )
    assert (of(minute, "traffic"), of(minute, "traffic", US)) == ((4, 4), (2, 2))
    assert (of(minute, "latency_ms", EU), of(minute, "latency_ms", US)) == ((3_000, 2), (0, 0))
    assert of(minute, "cost_usd", US) == (0, 1)
    latency, eu = minute.signals["latency_ms"], minute.cohorts.index(EU)
    assert latency.log_sum[eu] == round(1024 * np.log2(1_001)) + round(1024 * np.log2(2_001))
    mine = latency.row == eu
    assert list(zip(latency.bin[mine].tolist(), latency.count[mine].tolist(), strict=True)) == [(80, 1), (88, 1)]
    assert "ttft_ms" not in minute.signals


def test_equal_signatures_mean_equal_events():
    """A model and its only version have one signature, until another version comes."""
    items = [turn(1, "a", region="eu", model_version="v1"), turn(2, "b", region="us", model_version="v1")]
    one = minutes(items)[0]
    two = minutes([*items, turn(3, "c", region="us", model_version="v2")])[0]
    model, version = ((("model", "m"),), (("model_version", "v1"),))
    for minute, equal in ((one, True), (two, False)):
        signature = dict(zip(minute.cohorts, minute.signature.tolist(), strict=True))
        assert (signature[model] == signature[version]) is equal
        assert signature[EU] != signature[US]


def test_users_are_counted_once():
    """Distinct users are estimated, and calls per user are turns with a user by that estimate."""
    items = [turn(k / 100, f"e{k}", user_hash=f"u{k % 50}", region="eu" if k % 2 else "us") for k in range(500)]
    minute = minutes([*items, turn(1, "nobody")])[0]
    turns, users = of(minute, "users_per_min")
    assert turns == 500
    assert users == pytest.approx(50, rel=0.06)
    assert of(minute, "calls_per_user") == (500, users)
    assert of(minute, "users_per_min", EU)[1] == pytest.approx(25, rel=0.08)


@pytest.mark.parametrize("users", [0, 1, 10, 200, 1_000, 30_000, 1_000_000])
def test_the_distinct_estimate_is_within_its_error(users):
    """Over seeded samples the mean error stays within three standard errors of HyperLogLog with 256 registers."""
    rng = np.random.default_rng(5)
    found = np.zeros((40, REGISTERS), dtype=np.int64)
    for sample in found:
        np.maximum.at(sample, rng.integers(0, REGISTERS, users), rng.geometric(0.5, users))
    error = np.abs(estimate(found) / max(users, 1) - (users > 0))
    assert error.mean() <= 1.04 / 16
    assert error.max() <= 3.5 * 1.04 / 16


def test_mixes_count_names():
    """A mix counts names by cohort; n is the number of names."""
    calls = [ToolCall(name="mail"), ToolCall(name="search"), ToolCall(name="mail")]
    minute = minutes([turn(1, "a", tool_calls=calls, region="eu"), turn(2, "b", tool_calls=calls[:1])])[0]
    mix, everyone = minute.signals["tool_mix"], minute.cohorts.index(())
    mine = mix.row == everyone
    assert {minute.categories[b]: c for b, c in zip(mix.bin[mine].tolist(), mix.count[mine].tolist(), strict=True)} == {
        "mail": 3,
        "search": 1,
    }
    assert mix.n.tolist() == [{(): 4, (("model", "m"),): 4}.get(c, 3) for c in minute.cohorts]


def test_guardrail_rates_begin_when_a_guardrail_has_spoken():
    """Before the first verdict there may be no guardrail; after it a silent one counts as no hit in any category."""
    hit = [SafetyHit(category="harm"), SafetyHit(category="leak")]
    first, second, third = minutes([turn(1, "a"), turn(61, "b", safety=hit), turn(62, "c"), turn(121, "d")])
    assert "safety_trigger_rate" not in first.signals
    assert of(second, "safety_trigger_rate") == (1, 2)
    assert of(second, "safety_trigger_rate:harm") == (1, 2)
    assert of(third, "safety_trigger_rate") == (0, 1)
    assert of(third, "safety_trigger_rate:leak") == (0, 1)
    assert third.known == ("guardrail_coverage_rate", "safety_trigger_rate:harm", "safety_trigger_rate:leak")


def test_only_the_first_categories_and_evaluations_get_a_signal_of_their_own():
    """From the thirty-third name on they share one signal, whose rate never exceeds one."""
    many = [SafetyHit(category=f"c{k:02}") for k in range(34)]
    scores = [Evaluation(name=f"e{k:02}", score=0.5) for k in range(34)]
    minute = minutes([turn(1, "a", safety=many, evaluations=scores), turn(2, "b", safety=many[:1])])[0]
    assert len([name for name in minute.signals if name.startswith("safety_trigger_rate:")]) == 33
    assert of(minute, f"safety_trigger_rate:{OTHER}") == (2, 2)
    assert of(minute, "safety_trigger_rate:c31") == (1, 2)
    assert of(minute, f"evaluation:{OTHER}") == (1_000_000, 2)
    assert of(minute, "evaluation:e00") == (500_000, 1)


def test_scores_may_be_negative():
    """A score is summed in millionths with its sign, and its bins are signed."""
    items = [turn(k, f"e{k}", confidence=value) for k, value in enumerate((-0.5, 0.25, 0.0))]
    minute = minutes(items)[0]
    assert of(minute, "confidence") == (-250_000, 3)
    cells, everyone = minute.signals["confidence"], minute.cohorts.index(())
    assert cells.bin[cells.row == everyone].tolist() == [-152, 0, 144]


CAPS = Settings(cohorts=Cohorts(values_max=2, leaves_max=3, sets=((), ("tenant",), ("region",))))


def test_values_over_the_cap_are_counted_together():
    """The third tenant of a minute is `__other__`; totals are exact, and the overflow is told."""
    minute = minutes([turn(k, f"e{k}", tenant=f"t{k % 4}") for k in range(8)], CAPS)[0]
    by_tenant = {dict(c).get("tenant"): n for c, n in zip(minute.cohorts, minute.events.tolist(), strict=True)}
    assert by_tenant == {"t0": 2, "t1": 2, OTHER: 4, None: 8}
    assert minute.overflow == {"tenant": 4}


def test_leaves_over_the_cap_are_counted_in_one():
    """Three leaves are open; what would be the fourth is `__other__` in every dimension."""
    places = [("t0", "eu"), ("t0", "us"), ("t1", "eu"), ("t1", "us"), ("t0", "eu")]
    minute = minutes([turn(k, f"e{k}", tenant=t, region=r) for k, (t, r) in enumerate(places)], CAPS)[0]
    assert dict(zip(minute.cohorts, minute.events.tolist(), strict=True)) == {
        (("region", "eu"),): 3,
        (("region", "us"),): 1,
        (("region", OTHER),): 1,
        (("tenant", "t0"),): 3,
        (("tenant", "t1"),): 1,
        (("tenant", OTHER),): 1,
        (): 5,
    }
    assert minute.overflow == {"leaf": 1}


def test_names_over_the_cap_are_counted_together():
    """Of three hundred tools in a minute 256 keep their name."""
    items = [turn(k / 10, f"e{k}", tool_calls=[ToolCall(name=f"t{k}")]) for k in range(300)]
    minute = minutes(items)[0]
    mix, everyone = minute.signals["tool_mix"], minute.cohorts.index(())
    mine = mix.row == everyone
    assert (int(mix.n[everyone]), int(mine.sum())) == (300, 257)
    assert int(mix.count[mine][minute.categories.index(OTHER) == mix.bin[mine]][0]) == 44
    assert minute.overflow == {"tool_mix": 44}


def test_any_number_of_values_stays_bounded():
    """Twenty thousand tenants in one minute open 2,000 and one, and every event is counted."""
    items = [turn(k / 1_000, f"e{k}", tenant=f"t{k}", region=f"r{k % 3}") for k in range(20_000)]
    minute = minutes(items)[0]
    assert len([c for c in minute.cohorts if len(c) == 1 and c[0][0] == "tenant"]) == 2_001
    assert len(minute.leaves) <= 5_001
    assert int(minute.leaf_events.sum()) == of(minute, "traffic")[1] == 20_000
    assert minute.overflow == {"tenant": 18_000}


def test_forgotten_leaves_come_back_the_same(monkeypatch):
    """When the table of leaves starts anew, minutes stay the same."""
    items = [turn(40 * k, f"e{k}", tenant=f"t{k % 7}", region=f"r{k % 3}") for k in range(60)]
    before = minutes(items)
    monkeypatch.setattr(rollup, "LEAVES_KEPT_MAX", 3)
    after = minutes(items)
    assert [(m.cohorts, m.events.tolist(), m.signature.tolist()) for m in after] == [
        (m.cohorts, m.events.tolist(), m.signature.tolist()) for m in before
    ]


def test_many_partials_of_one_minute_are_merged(monkeypatch):
    """However many partials an open minute has, few tables are kept, and the sums are the same."""
    monkeypatch.setattr(windows, "TABLES_MAX", 2)
    items = [turn(k / 10, f"e{k}", tenant=f"t{k % 3}", user_hash=f"u{k % 9}", latency_ms=k) for k in range(100)]
    line = Line()
    for k, item in enumerate(items):
        line.add([item], start=k)
        line.cut()
    assert line.finish() == whole(items)


def test_events_of_every_kind_are_traffic():
    """Feedback and reports are events of their cohort; only turns are calls of a user."""
    items = [
        turn(1, "a", user_hash="u"),
        Event(event_id="f", ts=turn(2, "x").ts, kind="feedback", feedback="down", user_hash="u"),
        Event(event_id="r", ts=turn(3, "x").ts, kind="report"),
    ]
    minute = minutes(items)[0]
    assert of(minute, "traffic") == (3, 3)
    assert of(minute, "calls_per_user") == (1, 1)
    assert of(minute, "complaint_rate") == (1, 1)  # a report is no trial
    assert of(minute, "thumbs_down_rate") == (1, 1)
