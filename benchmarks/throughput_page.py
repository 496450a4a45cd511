"""The result of the throughput board, and the section of `docs/benchmarks.md` that is made from it."""

from collections.abc import Sequence
from statistics import median

import msgspec

from benchmarks.tables import markdown

BARE, CONFLUENT, QUIX, BYTEWAX, LIMEN = "kafka-python", "confluent-kafka", "Quix Streams", "Bytewax", "limen"
TARGETS = ((BARE, 0.5), (QUIX, 2.0), (BYTEWAX, 2.0))
"""What Limen is to reach, as a multiple of each."""
BAR_PERCENT = 2
"""Percent of the time that one sign of a bar stands for."""


class Round(msgspec.Struct, frozen=True):
    """One reader reading the topic once: `cpu_seconds` are those of all its threads."""

    events: int
    seconds: float
    cpu_seconds: float


class Commits(msgspec.Struct, frozen=True):
    """What the checkpoints of one run of Limen came to; `seconds` is the time in the store, to the disk."""

    events: int
    commits: int
    bytes: int
    seconds: float
    minutes: int
    series: int


class Share(msgspec.Struct, frozen=True):
    """Where a share of the samples was taken; the shares of all stages add up to one."""

    name: str
    share: float


class Result(msgspec.Struct, frozen=True):
    """What the benchmark writes as JSON, and `docs/benchmarks.md` is made from; `rounds` by reader.

    `load` is how many tasks ran or waited for a processor, on average over the last five minutes of the run.
    """

    command: str
    events: int
    event_bytes: float
    compression: str
    batch_bytes: int
    events_per_minute: int
    cohorts: int
    processors: int
    load: float
    versions: dict[str, str]
    rivals_not_run: str
    rounds: dict[str, tuple[Round, ...]]
    commits: Commits | None
    samples: int
    stages: tuple[Share, ...]
    functions: tuple[Share, ...]


def rate(rounds: Sequence[Round]) -> float:
    """Give the median of events a second."""
    return median(each.events / each.seconds for each in rounds)


def cpu_us(rounds: Sequence[Round]) -> float:
    """Give the median of processor microseconds an event."""
    return median(1e6 * each.cpu_seconds / each.events for each in rounds)


def page(result: Result) -> str:
    """Give the section of `docs/benchmarks.md` as Markdown."""
    parts = [_HEAD.format(r=result, versions=", ".join(f"{name} {which}" for name, which in result.versions.items()))]
    names = [name for name in (BARE, CONFLUENT, QUIX, BYTEWAX) if name in result.rounds]
    head = ("reader", "events a second", "range", "processor us an event", *(f"/ {name}" for name in names))
    parts.append(markdown(head, [_line(name, result, names) for name in result.rounds]))
    if result.rivals_not_run:
        parts.append(f"Rivals: not run, {result.rivals_not_run}.\n")
    parts.append(_verdict(result))
    if result.commits:
        parts.append(_checkpoints(result.commits))
    if result.samples:
        parts.append(_WHERE.format(r=result))
        parts.append(markdown(("stage", "share", ""), [_bar(each) for each in result.stages]))
        parts.append(markdown(("function", "share", ""), [_bar(each) for each in result.functions]))
    return "\n".join(parts)


_HEAD = """## Throughput

    {r.command}

One topic of one partition on a real broker on the same machine, read to its end by each reader in a process of its
own, round after round. It holds {r.events:,} native events with every modelled field, {r.event_bytes:,.0f} bytes each
on average, {r.compression}, in batches of up to {r.batch_bytes:,} bytes, {r.events_per_minute:,} events in a minute of
event time, {r.cohorts} cohorts of tenant and region. Nearly every answer is a text of its own, and half of the tenants
leave it to Limen to say whether it is a refusal.

`limen` is what `limen run` does with default settings: all signals, detection, pages, outbox, and durable checkpoints
in a file. `texts of one in ten` has `signals.text_sample: 0.1`, and `on confluent` has `source.kafka.client:
confluent`. Rows with workers are `limen run --workers N`, on a topic of two partitions with the same events: N
processes read and decode, and one more judges and commits, so two workers share two processors with the writer and the
broker. `kafka-python` and `confluent-kafka` poll and drop the records. Quix Streams and Bytewax keep four plain sums
for each cohort and minute of event time, with state they would find again after a crash. Their clock leaves start,
shutdown and the last commit out; that of `limen` begins with its first poll, when the last worker has opened its
source, and ends when the last checkpoint is on the disk. The last columns divide events a second by those of another
reader. Processor time counts all threads, and is steadier than the clock on a machine that does other work as well:
this one has {r.processors} processors, and a load of {r.load:.1f} at the end of the run, of which the board itself
makes about two.
{versions}.
"""

_WHERE = """### Where the time of Limen goes

{r.samples:,} samples of the reading thread in a run of its own. The second table names the functions of which most
samples were taken, with what they call in libraries.
"""


def _line(name: str, result: Result, others: Sequence[str]) -> list[str]:
    rounds = result.rounds[name]
    rates = [each.events / each.seconds for each in rounds]
    ratios = [f"{rate(rounds) / rate(result.rounds[other]):.2f}" for other in others]
    return [name, f"{rate(rounds):,.0f}", f"{min(rates):,.0f} to {max(rates):,.0f}", f"{cpu_us(rounds):.1f}", *ratios]


def _verdict(result: Result) -> str:
    """Say which targets are kept and which are missed."""
    said = []
    for name, least in TARGETS:
        if name in result.rounds and LIMEN in result.rounds:
            ratio = rate(result.rounds[LIMEN]) / rate(result.rounds[name])
            cpu = cpu_us(result.rounds[name]) / cpu_us(result.rounds[LIMEN])
            word = "kept" if ratio >= least else "missed"
            said.append(f"{least:g} x {name} is {word} ({ratio:.2f} by the clock, {cpu:.2f} by processor time)")
    return f"Targets: {'; '.join(said)}.\n" if said else ""


def _checkpoints(commits: Commits) -> str:
    many = max(1, commits.commits)
    return (
        f"A run makes {commits.commits} checkpoints of {commits.bytes / many:,.0f} bytes; the store takes "
        f"{1e3 * commits.seconds / many:.1f} ms for one, to the disk, {1e6 * commits.seconds / commits.events:.2f} us "
        f"an event. It closes {commits.minutes} minutes of {commits.series:,} series.\n"
    )


def _bar(one: Share) -> list[str]:
    return [one.name, f"{one.share:.1%}", "#" * round(100 * one.share / BAR_PERCENT)]
