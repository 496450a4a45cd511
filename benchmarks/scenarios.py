"""The scenario board: whole streams with a known change, replayed under the default configuration.

`python -m benchmarks.scenarios [--quick | --development | --others] [--only NAME] [--json FILE] [--data DIR]` makes
streams by the generators of the shared data folder, runs `limen replay` on each, and says what was found, when and
where, and what was said for nothing; beside it what plain rules, dummies and an oracle make of the same stream
(`benchmarks.scenario_beside`). The folder is no part of a checkout: without it the board says so and ends with
exit code 0. Where FILE holds the board of the other seeds already, it is kept.

The first board is made with the generators' own seeds; constants of the detectors were looked at on these very streams.
The second has seeds that nobody looked at: between the two boards one sees how much was fitted.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.scenario_beside import Beside
from benchmarks.scenario_tables import COLUMNS, RIVAL_COLUMNS, against_oracle, cells, rival_lines
from benchmarks.verdicts import Row, Truth, summary, verdict

ROOT = Path(__file__).resolve().parents[1]
PROCESSES = 2
"""Replays at the same time: one takes a core and about half a gigabyte."""
REPLAY_SECONDS_MAX = 900
"""A replay takes about a minute, the others half of one; what takes fifteen hangs."""
CHAT, AGENT = "make_streams.py", "make_agent_streams.py"
SEEDS = {CHAT: 7, AGENT: 11}
"""The generators' own seeds: the streams that development looks at."""
UNSEEN = {CHAT: 1007, AGENT: 1011}
"""Other seeds: no constant of a detector was chosen on their streams."""
SCENARIOS: dict[str, tuple[str, ...]] = {
    CHAT: (
        *("null", "refusal_spike_version", "guardrail_silently_off", "attack_wave_tenant", "output_shape_version"),
        *("tool_loop_region", "mix_shift_only", "latency_region", "region_silent"),
    ),
    AGENT: (
        *("r_null", "r_hour_null", "r_injection", "r_injection_as_found", "r_guardrail_overblocks"),
        *("r_prompt_version", "r_agent_model_swap", "r_silent_concise", "r_version_canary", "r_version_near"),
        "r_provider_latency",
    ),
}
"""What each generator makes."""
QUICK = ("r_hour_null", "r_provider_latency", "output_shape_version")
"""A quick look: two streams of one hour and one of three days."""


class Stream(msgspec.Struct, frozen=True):
    """One stream to make: which generator, which scenario, which seed."""

    generator: str
    scenario: str
    seed: int


class Board(msgspec.Struct, frozen=True):
    """The verdicts on all streams of one set of seeds, in the order of SCENARIOS; `unanswered` are failed replays.

    `besides` holds what rivals and the oracle made of each stream that has a row.
    """

    looked_at: bool
    seeds: dict[str, int]
    rows: tuple[Row, ...]
    besides: dict[str, Beside]
    unanswered: dict[str, str]
    summary: str


class Result(msgspec.Struct, frozen=True):
    """What the benchmark writes as JSON, and `docs/benchmarks.md` is made from."""

    command: str
    boards: tuple[Board, ...]


class UnansweredError(Exception):
    """A stream could not be made or replayed; the message says why, without a word of the stream's texts."""


def judged(stream: Stream, data: Path) -> tuple[Row, Beside]:
    """Make a stream in a folder that is gone afterwards, replay it, compare with its truth, and ask the others."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    # The data folder may be read-only; the command of the rivals is found from any folder.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": path}
    with tempfile.TemporaryDirectory(prefix="limen-board-") as folder:
        make = [sys.executable, str(data / stream.generator), folder]
        _run([*make, "--only", stream.scenario, "--seed", str(stream.seed)], folder, environment)
        made = Path(folder) / stream.scenario
        truth = msgspec.json.decode((made / "truth.json").read_bytes(), type=Truth)
        # In the temporary folder there is no limen.yaml, so these are the defaults.
        replay = [sys.executable, "-m", "pipelines.cli", "replay", str(made / "events.jsonl"), "-o", "json"]
        row = verdict(truth, json.loads(_run(replay, folder, environment)))
        ask = [sys.executable, "-m", "benchmarks.scenario_beside", str(made)]
        return row, msgspec.json.decode(_run(ask, folder, environment), type=Beside)


def _run(command: list[str], folder: str, environment: dict[str, str]) -> str:
    """Run a command in a folder and give what it wrote."""
    limit = REPLAY_SECONDS_MAX
    try:
        ended = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        raise UnansweredError(f"no answer in {limit} s") from None
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["it said nothing"])[-1]
        crashed = (
            "Traceback" in ended.stderr
        )  # then the last line may quote a text of the stream: only its kind is told
        raise UnansweredError(f"exit code {ended.returncode}: {last.partition(':')[0] if crashed else last}")
    return ended.stdout


def board(names: Sequence[str], seeds: dict[str, int], data: Path, *, looked_at: bool) -> Board:
    """Judge the named scenarios with these seeds, two at a time, and tell the progress on standard error."""
    streams = [Stream(g, s, seeds[g]) for g, scenarios in SCENARIOS.items() for s in scenarios if s in names]
    rows: dict[str, Row] = {}
    besides: dict[str, Beside] = {}
    unanswered: dict[str, str] = {}
    with ThreadPoolExecutor(PROCESSES) as pool:
        futures = {pool.submit(judged, stream, data): stream for stream in streams}
        for done, future in enumerate(as_completed(futures), 1):
            stream = futures[future]
            try:
                rows[stream.scenario], besides[stream.scenario] = future.result()
                said = in_short(rows[stream.scenario])
            except UnansweredError as error:
                said = unanswered[stream.scenario] = str(error)
            click.echo(f"{done}/{len(streams)} {stream.scenario} (seed {stream.seed}): {said}", err=True)
    ordered = tuple(rows[stream.scenario] for stream in streams if stream.scenario in rows)
    said = summary(ordered) + (f", no answer: {' '.join(unanswered)}" if unanswered else "")
    said += f", {against_oracle(ordered, besides)}"
    return Board(looked_at, seeds, ordered, besides, unanswered, said)


def in_short(row: Row) -> str:
    """Give a verdict in a few words."""
    noise = f"false pages {row.false_pages}, false tickets {row.false_tickets}"
    if row.found is None:
        return noise
    if not row.found:
        return f"MISSED{' (hard)' if row.hard else ''}, {row.missed_because}; {noise}"
    return f"found after {row.delay_minutes:.0f} min as {row.severity}, scope {row.scope_match}; {noise}"


def show(found: Board) -> None:
    """Print a board as a table and a line that sums it up."""
    seeds = ", ".join(f"{generator} --seed {seed}" for generator, seed in found.seeds.items())
    looked = "looked at during development" if found.looked_at else "seeds nobody looked at"
    table = Table(*COLUMNS, title=f"{seeds} ({looked})", title_justify="left", box=None)
    for row in found.rows:
        table.add_row(*cells(row, found.besides[row.scenario].oracle))
    rivals = Table(*RIVAL_COLUMNS, box=None)
    for line in rival_lines(found.rows, found.besides):
        rivals.add_row(*line)
    console = Console(width=300, markup=False, highlight=False)
    console.print(table)
    console.print(rivals)
    for scenario, why in found.unanswered.items():
        click.echo(f"{scenario}: no answer: {why}")
    click.echo(found.summary)


def data_folder(named: str | None) -> Path | None:
    """Give the shared data folder: the one that is named, LIMEN_SHARED_DATA, or the one beside the checkout."""
    folder = Path(named or os.environ.get("LIMEN_SHARED_DATA") or ROOT.parent / "shared" / "data").resolve()
    return folder if all((folder / generator).is_file() for generator in SCENARIOS) else None


def save(file: Path, boards: Sequence[Board], *, quick: bool, only: Sequence[str]) -> None:
    """Write boards as JSON; a board of the other seeds that the file already has is kept."""
    old = msgspec.json.decode(file.read_bytes(), type=Result).boards if file.exists() else ()
    kept = [each for each in old if each.looked_at not in {new.looked_at for new in boards}]
    options = [*(["--quick"] if quick else []), *(f"--only {name}" for name in only), f"--json {file}"]
    every = tuple(sorted([*boards, *kept], key=lambda each: not each.looked_at))
    result = Result(" ".join(["python -m benchmarks.scenarios", *options]), every)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")


@click.command()
@click.option("--quick", is_flag=True, help="Three scenarios, and only the seeds of development.")
@click.option("--development", is_flag=True, help="All scenarios, and only the seeds of development.")
@click.option("--others", is_flag=True, help="All scenarios, and only the other seeds.")
@click.option("--only", multiple=True, metavar="NAME", help="This scenario; may be given again.")
@click.option("--json", "file", type=click.Path(dir_okay=False), help="Write the verdicts to this file too.")
@click.option("--data", metavar="DIR", help="The shared data folder; without it LIMEN_SHARED_DATA, or ../shared/data.")
def main(
    *, quick: bool, development: bool, others: bool, only: tuple[str, ...], file: str | None, data: str | None
) -> None:
    """Replay streams with a known change and say what was found of it; exit code 1 if a replay gave no answer."""
    if sum((quick, development, others)) > 1:
        raise click.UsageError("--quick, --development and --others exclude each other")
    folder = data_folder(data)
    if folder is None:
        click.echo("skipped: no shared data folder: name it with --data or LIMEN_SHARED_DATA")
        return
    names = only or (QUICK if quick else tuple(name for each in SCENARIOS.values() for name in each))
    boards: list[Board] = []
    if not others:
        boards.append(board(names, SEEDS, folder, looked_at=True))
    if not quick and not development:
        boards.append(board(names, UNSEEN, folder, looked_at=False))
    for each in boards:
        show(each)
    if file:
        save(Path(file), boards, quick=quick, only=only)
    sys.exit(1 if any(each.unanswered for each in boards) else 0)


if __name__ == "__main__":
    main()
