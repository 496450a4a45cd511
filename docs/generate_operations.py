"""The page of operations: what an operator does, the runbook of Limen's own alerts, and sizes from measurements."""  # noqa: INP001 - a script of the documentation, no package

from pathlib import Path
from typing import Any

import msgspec
import yaml

from benchmarks import minute, throughput_page
from docs.generate_words import generated, table
from schemas.history import HistoryRow
from schemas.settings import Notifier, Storage

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "deploy/prometheus/rules/limen.yml"
RESULTS = ROOT / "benchmarks" / "results"
EVENTS_A_SECOND = (100, 1_000, 5_000, 10_000)
"""Rates for which the cores are told: a team, a product, a large product, and more than one core can read."""
FLOAT_BYTES = 4
"""History is kept as float32."""

RUNBOOK = {
    "LimenWatchdog": "Nothing: it always fires. It must reach a service outside that calls you when it stops.",
    "LimenDown": (
        "`limen doctor` on its machine; then start it. It goes on where it stopped, and nothing is lost "
        "while the topic keeps it."
    ),
    "LimenNoHeartbeat": "The log of the last minutes, and the disk: `limen doctor`. A restart costs a few seconds.",
    "LimenNobodyTakesOver": "Find who holds the lock of the store (`fuser limen.db.lock`), and end that process.",
    "LimenHeartbeatFailing": (
        "`limen doctor` tries the address without calling the switch; then see the network between."
    ),
    "LimenNotReady": (
        "`curl 127.0.0.1:8321/-/ready` says what it waits for; `limen doctor` asks the broker step by step."
    ),
    "LimenSourceFailing": (
        "`limen doctor`: no broker, a wrong port, a password, a topic or a right that is missing, each in words."
    ),
    "LimenRecordsGone": (
        "Compare the topic's retention with how long Limen stood still. What was deleted is not watched "
        "any more; `source.kafka.on_gap` says whether reading went on."
    ),
    "LimenRecordsCorrupt": (
        "Check the disk of the broker, and have the senders write again what is broken. `limen incidents list` names "
        "the offsets."
    ),
    "LimenStoreFailing": (
        "The disk first (`df`), then `limen store check`. Damage: stop Limen, `limen store restore FILE`."
    ),
    "LimenMinutesNotClosing": "The table of partitions on the overview: one stands at an early time and is not idle.",
    "LimenWatermarkStalled": "That partition's senders: a clock that stands still, or one that replays old events.",
    "LimenLagging": (
        "`rate(limen_stage_seconds_total[5m])` shows which step takes the time. Compare with the sizes "
        "below; then fewer cohort sets, `signals.text_sample`, or `limen run --workers`."
    ),
    "LimenDetectionLate": "LimenLagging beside it: too slow. Alone: events come late, see the watermarks.",
    "LimenSinkFailing": "`limen doctor` asks the sink without a message; the log holds its last answer.",
    "LimenNotificationsDead": (
        "Read the open incidents now: `limen incidents list`. Mend the sink; `limen notify replay` sends them again."
    ),
    "LimenRejectsHigh": "`limen rejects list` shows the newest and why; `limen decode FILE` the field, on a sample.",
    "LimenDeadLettersWaiting": (
        "`limen doctor` asks whether the topic is there and may be written to; the log holds its last answer."
    ),
    "LimenDeadLettersLost": (
        "The records lie where they came from: `limen rejects list` names the places. Raise `storage.rejects_max` "
        "where they were dropped, the topic's `max.message.bytes` where they were refused."
    ),
    "LimenLateHigh": "Which sender holds events back; if it must, raise `detection.lateness_seconds`.",
    "LimenCapReached": "The cap is named: raise it in `cohorts`, or send fewer different values.",
    "LimenCalibrationOff": "Something new varies. Look at the most unusual series; after some days it is learned.",
    "LimenReloadRefused": (
        "`limen check config`; the log has the reasons too. Put back what needs a restart, or restart Limen."
    ),
    "LimenEventsUnaccounted": "`limen store backup`, keep the log, and report it: this must never happen.",
    "LimenReadyBurnsFast": "As LimenNotReady. Silence it only when somebody works on it.",
    "LimenReadyBurnsSlowly": (
        "How often it restarted (`limen_start_timestamp_seconds`), and what the log said before."
    ),
    "LimenFreshBurnsFast": (
        "As LimenLagging and LimenSourceFailing: behind because it is slow, or because nothing comes."
    ),
    "LimenAlertsLate": "As LimenDetectionLate, at the times that the exemplars name.",
    "LimenFreshBurnsSlowly": "At which hours it falls behind: peaks call for more cores, pauses for the broker.",
}
"""Alert -> what to look at first; what it means stands in the rule itself."""

TEMPLATE = ROOT / "docs" / "operations.in"
"""The words of the page; names in braces stand for what is made here."""
_SIZES = """One core, and what detection holds beside the process itself, measured by

    {command}

A minute of charts takes {row_bytes} bytes a series, so {history_hours} hours of them are the largest part of the disk.

{table}
A closed minute must be judged in far less than a minute; the rest of the core reads events."""

_READING = """Reading, from {bytes:,.0f} bytes an event on average to the durable checkpoint, measured by

    {command}

The cores are the measured processor time an event, times the rate; the first row is that of the default settings. Plan
for twice that, so that a backlog shrinks.

{table}"""
_NOT_MEASURED = (
    "How many events a second a core reads is not measured yet: `python -m benchmarks.throughput` does it.\n"
)


def operations_page() -> str:
    """Give the page of operations."""
    rules = [
        rule
        for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    lines = [(f"`{rule['alert']}`", rule["labels"]["severity"], RUNBOOK[rule["alert"]]) for rule in rules]
    storage = Storage()
    return TEMPLATE.read_text(encoding="utf-8").format(
        source=generated("`docs/operations.in`, the rules of Prometheus and `benchmarks/results`"),
        history_hours=storage.history_hours,
        history_bytes=storage.history_bytes_max / 1e9,
        incidents_days=storage.incidents_days,
        rejects_max=storage.rejects_max,
        waiting_max=Notifier(name="").waiting_max,
        runbook=table(("alert", "severity", "look at first"), lines),
        sizes=_sizes(storage),
        reading=_reading(),
    )


def _reading() -> str:
    """Give the table of cores by events a second, once that is measured."""
    file = RESULTS / "throughput.json"
    if not file.exists():
        return _NOT_MEASURED
    result = msgspec.json.decode(file.read_bytes(), type=throughput_page.Result)
    lines = []
    for name, rounds in result.rounds.items():
        if name.startswith(throughput_page.LIMEN):
            us = throughput_page.cpu_us(rounds)
            cores = (f"{us * events / 1e6:.2f}" for events in EVENTS_A_SECOND)
            lines.append((name, f"{throughput_page.rate(rounds):,.0f}", f"{us:.0f}", *cores))
    head = ("run", "events a second, measured", "processor us an event")
    heads = (*head, *(f"cores at {events:,}" for events in EVENTS_A_SECOND))
    return _READING.format(command=result.command, bytes=result.event_bytes, table=table(heads, lines))


def _sizes(storage: Storage) -> str:
    """Give the table of sizes by the number of series."""
    result = msgspec.json.decode((RESULTS / "minute.json").read_bytes(), type=minute.Result)
    row_bytes = FLOAT_BYTES * (len(HistoryRow.__struct_fields__) - 1)
    head = ("series", "traffic", "seconds a minute", "longest", "memory of detection", "snapshot", "charts on disk")
    lines = [_size(cost, row_bytes * 60 * storage.history_hours) for cost in result.costs]
    return _SIZES.format(
        command=result.command, row_bytes=row_bytes, history_hours=storage.history_hours, table=table(head, lines)
    )


def _size(cost: Any, chart_bytes: int) -> tuple[str, ...]:
    return (
        f"{cost.series:,}",
        cost.traffic,
        f"{cost.median_seconds:.3f}",
        f"{cost.max_seconds:.3f}",
        f"{cost.held_bytes / 1e6:,.1f} MB",
        f"{cost.snapshot_bytes / 1e6:,.1f} MB",
        f"{cost.series * chart_bytes / 1e9:,.1f} GB",
    )
