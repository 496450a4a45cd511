"""What rivals and the oracle say of one stream, in one pass over it.

`python -m benchmarks.scenario_beside FOLDER` reads `events.jsonl` and `truth.json` there and writes JSON; the scenario
board starts it for each of its streams, a process each.
"""

from pathlib import Path

import click
import msgspec

from benchmarks.scenario_cells import Stream, gathered
from benchmarks.scenario_oracle import Oracle, oracle
from benchmarks.scenario_rivals import SIGNALS, Heard, heard
from benchmarks.verdicts import Truth


class Beside(msgspec.Struct, frozen=True):
    """What the rivals and the oracle made of one stream; no oracle where nothing changed or nothing can be known."""

    rivals: tuple[Heard, ...]
    oracle: Oracle | None


def beside(stream: Stream, truth: Truth) -> Beside:
    """Ask all of them."""
    return Beside(heard(stream, truth), oracle(stream, truth))


def read(folder: Path) -> tuple[Stream, Truth]:
    """Read a stream and its truth from the folder that a generator made."""
    truth = msgspec.json.decode((folder / "truth.json").read_bytes(), type=Truth)
    want = truth.expected[0] if truth.expected else None
    scope = tuple(sorted(want.scope.items())) if want else ()
    onset = None if truth.onset is None else int(truth.onset.timestamp() // 60)
    return gathered(folder / "events.jsonl", SIGNALS, want.signals if want else (), scope, onset), truth


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Write what rivals and the oracle say of the stream in a folder, as JSON."""
    click.echo(msgspec.json.encode(beside(*read(folder))).decode())


if __name__ == "__main__":
    main()
