"""The pages of the documentation that are made from the code: `make docs` writes them, and a stale one fails a test.

Signals come from the table of signals, settings from their structs and the comments of `config/limen.example.yaml`,
commands from their own help, metrics from the table of metric families, benchmarks from the results in
`benchmarks/results`. Each page is text made from values, so writing it twice changes nothing.
"""  # noqa: INP001 - a script of the documentation, no package

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from benchmarks import (
    attribution,
    back_page,
    delay_page,
    drift_page,
    memory,
    minute,
    nab,
    null,
    null_page,
    recovery,
    soak_page,
    tcpd,
    throughput_page,
)
from benchmarks.scenario_tables import COLUMNS, RIVAL_COLUMNS, cells, earlier_lines, rival_lines
from benchmarks.scenarios import Board, Result
from detectors import DETECTORS
from docs.generate_limits import limits_page
from docs.generate_operations import operations_page
from docs.generate_playbook import playbook_data, playbook_page
from docs.generate_settings import settings_page
from docs.generate_triggers import triggers_page
from docs.generate_words import generated, table
from pipelines.aggregate.signals import Row, rows
from pipelines.cli import main as limen
from pipelines.serve import metrics_page
from schemas.operations import OPERATIONAL
from schemas.signal import CATEGORIES

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
HELP_COLUMNS = 100
"""Width of the help texts on the page."""


# Signals

_KINDS = {
    "rate": "hits of trials, such as refusals of turns",
    "count": "events per turn, such as tool calls",
    "level": "a positive quantity with a long tail, such as latency, judged by its logarithm",
    "score": "a bounded quantity, such as an evaluation",
    "mix": "counts by category, such as which tools are called",
    "traffic": "events a minute, judged only for silence",
    "distinct": "different ids a minute, estimated",
}
_DIRECTIONS = {"up": "rises", "down": "falls", "both": "both"}


def signals_page() -> str:
    """Give the page of signals: the kinds, every row of the table, and the categories."""
    names = {row.signal.kind for row in rows()}
    kinds = table(("kind", "what is counted"), [(f"`{kind}`", text) for kind, text in _KINDS.items() if kind in names])
    head = ("signal", "meaning", "kind", "unit", "judged", "least n", "category", "folds with")
    operational = [(f"`{name}`", signal.summary, f"`{signal.category}`") for name, signal in OPERATIONAL.items()]
    families = table(("category", "family"), [(f"`{name}`", family) for name, family in CATEGORIES.items()])
    return (
        f"# Signals\n\n{generated('`pipelines/aggregate/signals.py`')}\n"
        "A signal is something measured on every event that carries it; a field that is absent is not counted as\n"
        "zero. A series is one signal of one cohort, such as the refusal rate of region eu. Signals of your own come\n"
        "from the configuration: see `signals.custom` in [settings](settings.md).\n\n"
        f"## Kinds\n\n{kinds}\n"
        "## All signals\n\n"
        "A minute with fewer than *least n* trials is not charted. *Judged* says which changes count, *hourly* that\n"
        "shares are held against their past by the hour; *charted only* means that no detector judges the signal yet.\n"
        "Signals that fold together tend to move together, so that one\n"
        "cause becomes one incident. A name in angle brackets stands for names that events bring along.\n\n"
        f"{table(head, [_signal(row) for row in rows()])}\n"
        "## Trouble with the input\n\n"
        "These are no measures of what applications do. When they show is in\n"
        "[decision 0015](decisions/0015-trouble-with-the-input.md).\n\n"
        f"{table(('signal', 'meaning', 'category'), operational)}\n"
        f"## Categories\n\n"
        "The category of a signal is the category of the incidents it opens; the family decides how grave they are.\n\n"
        f"{families}"
    )


def _signal(row: Row) -> tuple[str, ...]:
    signal = row.signal
    category = f"`{signal.category}`" + (f", a fall `{signal.category_down}`" if signal.category_down else "")
    able = any(signal.kind in detector.kinds for detector in DETECTORS.values())
    judged = _DIRECTIONS[signal.direction] if able else "hourly" if signal.kind == "mix" else "charted only"
    if not signal.page:
        judged = "charted only"
    return (
        *(f"`{signal.name}`", signal.summary, signal.kind, signal.unit, judged, str(signal.minimum_n), category),
        signal.group,
    )


# Commands


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Yield the full name, the command and the context of `limen` and of every command below it."""
    yield from _commands(limen, click.Context(limen, info_name="limen", terminal_width=HELP_COLUMNS))


def _commands(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    yield context.command_path, command, context
    if isinstance(command, click.Group):
        for name in sorted(command.list_commands(context)):
            below = command.get_command(context, name)
            assert below is not None, name
            yield from _commands(below, click.Context(below, info_name=name, parent=context))


def commands_page() -> str:
    """Give the page of commands: the help of each."""
    parts = [f"# Commands\n\n{generated('the help of the commands in `pipelines/cli*.py`')}"]
    for name, command, context in commands():
        parts.append(f"## {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


# Benchmarks


def benchmarks_page() -> str:
    """Give the page of benchmarks from the results of the last full run."""
    result = msgspec.json.decode((RESULTS / "scenarios.json").read_bytes(), type=Result)
    head = _BENCHMARKS.format(source=generated("`benchmarks/results`"), command=result.command)
    notes = {row.scenario: row.note for board in result.boards for row in board.rows}
    changes = "### What changes\n\n" + table(("scenario", "change"), notes.items())
    earlier = _EARLIER.format(table=table(RIVAL_COLUMNS, earlier_lines()))
    return "\n".join(
        [
            head,
            *map(_board, result.boards),
            earlier,
            changes,
            *(_section(*board) for board in _BOARDS if (RESULTS / board[0]).exists()),
        ]
    )


_BOARDS: tuple[tuple[str, type[Any], Callable[[Any], str]], ...] = (
    ("null.json", null.Result, null_page.page),
    ("delay.json", delay_page.Result, delay_page.page),
    ("drift.json", drift_page.Result, drift_page.page),
    ("attribution.json", attribution.Result, attribution.page),
    ("nab.json", nab.Result, nab.page),
    ("tcpd.json", tcpd.Result, tcpd.page),
    ("back.json", back_page.Result, back_page.page),
    ("minute.json", minute.Result, minute.page),
    ("throughput.json", throughput_page.Result, throughput_page.page),
    ("recovery.json", recovery.Result, recovery.page),
    ("memory.json", memory.Result, memory.page),
    ("soak.json", soak_page.Result, soak_page.page),
)
"""File of a board's result, what is in it, and what makes its section; a board that was not run has none."""


def _section(file: str, kind: type[Any], page: Callable[[Any], str]) -> str:
    """Give the section of one board."""
    return page(msgspec.json.decode((RESULTS / file).read_bytes(), type=kind))


_BENCHMARKS = """# Benchmarks

{source}
Every board is one command, seeded, with dummies and rivals beside ours; what was chosen on which data is said with it.
The rivals' own packages lie in an environment of their own (`make rivals`). Where a board needs data of the shared
folder and it is not there, the command says so and ends.

## Scenarios

Whole streams with a known change, replayed with `limen replay` under the default configuration. The streams are made
from published data: real arrival times, texts, refusal labels and tool calls; invented are tenants, regions, part of
the latencies, and the change itself. The generators lie in a shared data folder that is no part of a checkout;
`LIMEN_SHARED_DATA` or `--data` names it, and without it the command says so and ends. These are the results of

    {command}

A change is found when a page (sev1, sev2) or a ticket (sev3) names one of the right signals within 12 hours of the
onset, and its scope is right, finer, coarser or none. A change marked hard is very small and counts neither way.
*Delay* is in event time and holds the two minutes that a minute waits for late events. *False pages* and *false
tickets* came where nothing had changed: before the onset, or in a stream without a change. *Other pages* came after
the onset beside the one that found it: consequences, or noise.

The *oracle* (`benchmarks/scenario_oracle.py`) is told everything but the moment: for each right signal of the affected
cohort the level and the shift, both measured on the stream itself, the mix of tenants, regions and surfaces in every
minute, how a growing change grows, and the law of the background, fitted to the whole quiet part (wander as an AR(1),
scatter of single events, and how many events count as one because turns of a session repeat each other). It sums the
likelihood ratios of all onsets and alarms at the return period that the fleet's budget asks of that one series, and
waits the same two minutes. Where its law would have given a false ticket in the quiet part, its design effect is raised
until it gives none. Its delay is that of its quickest right signal, also where the product judges only the other
direction of that signal. *Ours / oracle* compares our delay with its ticket. *Shift not known* is the ticket of the
same oracle, level and law known as before, that seeks the shifts which our detectors seek, up and down and there at
once, with equal weights: what anybody pays who is not told what will come.

Rivals (`benchmarks/scenario_rivals.py`) look at ten signals of every cohort of the configured grouping sets: the mean
of a window against the 24 hours before, silent until they have a day (which counts as quiet time all the same). They
find a change with any alarm on a right signal in a right, finer or coarser cohort, in the right direction, within 12
hours; an alarm counts as false where nothing had changed, and again only after a whole window of quiet. The hour means
are looked at every quarter of an hour, the 60-minute windows every hour. Dummies: never, always, in one of a thousand
looks at random, and every six hours; their directions count as right. That the last three find so much says how little
*found* is worth without the column beside it.
"""

_EARLIER = """### The same rules, measured apart

Measured apart from this board, with 7 signals of 9 grouping sets on the nine chat streams (27 days).

{table}"""


def _board(board: Board) -> str:
    seeds = ", ".join(f"`{generator} --seed {seed}`" for generator, seed in board.seeds.items())
    if board.looked_at:
        title = "Streams of development"
        said = "Constants of the detectors were looked at on these very streams, so these verdicts are the kinder ones."
    else:
        title = "Streams of other seeds"
        said = "No constant of a detector was chosen on these streams: other draws, and for the agents another onset."
    unanswered = "".join(f"* `{name}` gave no answer: {why}\n" for name, why in board.unanswered.items())
    lines = table(COLUMNS, [cells(row, board.besides[row.scenario].oracle) for row in board.rows])
    rivals = table(RIVAL_COLUMNS, rival_lines(board.rows, board.besides))
    return (
        f"### {title}\n\n{seeds}. {said}\n\n{lines}\n{unanswered}In short: {board.summary}.\n\n"
        f"On the same streams:\n\n{rivals}"
    )


PAGES = {
    "signals.md": signals_page,
    "settings.md": settings_page,
    "triggers.md": triggers_page,
    "commands.md": commands_page,
    "metrics.md": metrics_page.page,
    "limits.md": limits_page,
    "operations.md": operations_page,
    "playbook.md": playbook_page,
    "benchmarks.md": benchmarks_page,
}
"""Page -> what makes its text."""
DATA = {"playbook.json": playbook_data}
"""File of the shipped configuration -> what makes its text."""


@click.command()
def main() -> None:
    """Write every generated page into docs/, and generated data into config/."""
    for folder, files in (("docs", PAGES), ("config", DATA)):
        for name, text in files.items():
            (ROOT / folder / name).write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
