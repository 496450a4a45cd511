"""Case 25 of the fault table: a flood under a hard limit of memory is read to its end, and never ends in a crash."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.ingest.simulate import Simulator
from pipelines.run_spare import OPTIONS

MINUTE = 29_459_520
LIMIT_BYTES = 512 * 2**20
CONFIG = """
source: {{kind: files, files: {{paths: ['{folder}/events.jsonl']}}}}
storage: {{url: 'sqlite:///{folder}/limen.db'}}
serve: {{port: 0}}
"""
"""Every bound is as it is by default."""
LIMEN = [sys.executable, "-m", "pipelines.cli"]


def flood(folder: Path, copies: int) -> int:
    """Write three minutes of traffic so many times over, each event with an id of its own; gives their number."""
    simulator = Simulator(5)
    events = [json.loads(text) for minute in range(MINUTE, MINUTE + 3) for text in simulator.lines(minute)]
    events = [event for event in events if "event_id" in event]
    events.sort(key=lambda event: event["ts"])
    with (folder / "events.jsonl").open("w") as file:
        for event in events:
            for copy in range(copies):
                file.write(json.dumps({**event, "event_id": f"{event['event_id']}-{copy}"}) + "\n")
    return copies * len(events)


def limited() -> None:
    """Give this process, and what it becomes, no more address space than the limit."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))


def read_under_the_limit(folder: Path, copies: int, soak_count) -> None:
    """Let a run read the flood, and find every record accounted for."""
    total = flood(folder, copies)
    config = folder / "limen.yaml"
    config.write_text(CONFIG.format(folder=folder))
    set_here = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", *OPTIONS}
    env = {name: value for name, value in os.environ.items() if name not in set_here}  # nor does a person set them
    done = subprocess.run(
        [*LIMEN, "run", "-c", str(config)], preexec_fn=limited, env=env,
        capture_output=True, text=True, timeout=1_700, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    check = [*LIMEN, "store", "check", "-c", str(config)]
    checked = subprocess.run(check, capture_output=True, text=True, timeout=120, check=False)
    assert f"each of {total:,} records read has one outcome" in checked.stdout
    soak_count(25, total, "events under RLIMIT_AS 512 MB")


def test_a_flood_under_a_limit_is_read_to_its_end(tmp_path, soak_count):
    """What is staged is bounded by count, so that thousands of events need no more than hundreds do."""
    read_under_the_limit(tmp_path, 12, soak_count)


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_a_great_flood_under_a_limit(tmp_path, soak_count):
    """As many events as come in four seconds at 50,000 a second."""
    read_under_the_limit(tmp_path, 500, soak_count)


def test_memory_that_is_not_enough_is_told_in_words(tmp_path):
    """Where the bounds are too wide for the machine, the run ends with a line that names them, and nothing is lost."""
    flood(tmp_path, 1)
    config = tmp_path / "limen.yaml"
    config.write_text(CONFIG.format(folder=tmp_path))
    broken = (
        "from pipelines import cli, engine\n"
        "def feed(self, records):\n    raise MemoryError\n"
        "engine.Engine.feed = feed\n"
        "cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", broken, "run", "-c", str(config)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "limen: memory: there is not enough for the bounds in the settings: give it more, or lower "
        "storage.checkpoint_events, source.kafka.poll_records_max or cohorts.leaves_max; what is committed is safe"
    )
    assert "Traceback" not in done.stderr
