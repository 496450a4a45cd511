"""The settings that the simulated world is read with: caps that bite, a rule that fires, two sinks."""

from pipelines.aggregate.signals import catalogue
from schemas.rule import Rule
from schemas.settings import Cohorts, Notifier, Settings, Signals

SINKS = ("pager", "chat")
VALUES_MAX, LEAVES_MAX = 4, 7
MEASURED = {
    *("refusal_rate", "safety_trigger_rate", "tool_error_rate", "tool_mix", "latency_ms", "traffic", "users_per_min"),
}
SETTINGS = Settings(
    signals=Signals(off=tuple(sorted(catalogue(Signals(), Cohorts()).signals.keys() - MEASURED))),
    cohorts=Cohorts(sets=((), ("region",), ("tenant", "region")), values_max=VALUES_MAX, leaves_max=LEAVES_MAX),
    rules=(
        Rule(
            name="refusals", signal="refusal_rate", by=("region",), above=0.5, window_minutes=2, minimum_n=5,
            for_minutes=1, keep_firing_minutes=3, severity="sev2",
        ),
    ),
    notifiers=tuple(Notifier(name=name) for name in SINKS),
)  # fmt: skip
KNOWN = catalogue(SETTINGS.signals, SETTINGS.cohorts)
