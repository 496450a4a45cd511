"""The settings that the simulated world is read with: caps that bite, two rules, a window of work, two sinks."""

from pipelines.aggregate.signals import catalogue
from schemas.quiet import Matcher, Quiet, Window
from schemas.rule import Rule
from schemas.settings import Cohorts, Notifier, Settings, Signals

SINKS = ("pager", "chat")
VALUES_MAX, LEAVES_MAX = 4, 7
WINDOW_REGION, WINDOW_MS = "us", (8 * 60_000, 16 * 60_000)
"""Where work is planned, and from and until when of each day (UTC): a log begins at midnight."""
RULES = ("refusals", "tools")
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
        # Of a coin that is thrown some times a minute: it comes and goes, so that incidents are opened again.
        Rule(
            name="tools", signal="tool_error_rate", above=0.6, window_minutes=2, minimum_n=3,
            for_minutes=0, keep_firing_minutes=1, severity="sev3",
        ),
    ),
    quiet=Quiet(windows=(Window("work", "00:08", "00:16", which=Matcher(match={"region": WINDOW_REGION})),)),
    notifiers=tuple(Notifier(name=name) for name in SINKS),
)  # fmt: skip
KNOWN = catalogue(SETTINGS.signals, SETTINGS.cohorts)
