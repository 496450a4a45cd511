"""Case 21 of the fault table on a real file system: a small disk fills up under a running Limen, and is freed again."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.ingest.simulate import Simulator

MINUTE = 29_459_520
MINUTES = 12
DISK = "24m"
"""Room for a store with some snapshots, and for its log, once the filler is gone."""
ON_THE_DISK = """
import subprocess, sys
from pathlib import Path

disk, config = Path(sys.argv[1]), sys.argv[2]
filler = disk / "filler"
filler.write_bytes(bytes(24 * 2**20 - 1_200_000))
command = [sys.executable, "-m", "pipelines.cli", "run", "-c", config]
process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
full = 0
for line in process.stderr:
    if "the disk is full: free some space" in line:
        full += 1
        filler.unlink(missing_ok=True)
process.wait()
assert full, "the disk never filled up"
assert process.returncode == 0, process.returncode
check = [sys.executable, "-m", "pipelines.cli", "store", "check", "-c", config, "-o", "jsonl"]
sys.stdout.write(subprocess.run(check, capture_output=True, text=True, check=True).stdout)
"""
"""What runs where the small disk is mounted: fills it, starts Limen, frees it when Limen says so, and looks through."""


@pytest.fixture
def own_mounts(skip_or_fail) -> str:
    """Give the program that lets us mount without being root, or skip."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode:
        skip_or_fail("a small disk cannot be mounted: unshare -rm is not there, or not allowed")
    return unshare


def test_a_disk_that_fills_up_under_a_run_loses_nothing(own_mounts, tmp_path, soak_count):
    """Limen says that the disk is full, waits, and goes on when there is room: every record is counted once."""
    simulator = Simulator(5)
    lines = [text for minute in range(MINUTE, MINUTE + MINUTES) for text in simulator.lines(minute)]
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    disk = tmp_path / "disk"
    disk.mkdir()
    config = tmp_path / "limen.yaml"
    config.write_text(
        f"source: {{kind: files, files: {{paths: ['{tmp_path}/events.jsonl']}}}}\n"
        f"storage: {{url: 'sqlite:///{disk}/limen.db', checkpoint_events: 500}}\n"
        "detection: {snapshot_minutes: 1}\n"
        "serve: {port: 0}\n"
    )
    mounted = f'mount -t tmpfs -o size={DISK} tmpfs "$1" && exec "$2" -c "$3" "$1" "$4"'
    done = subprocess.run(
        [own_mounts, "-rm", "sh", "-c", mounted, "sh", str(disk), sys.executable, ON_THE_DISK, str(config)],
        capture_output=True, text=True, timeout=240, check=False, cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"fail"' not in done.stdout
    assert f"each of {len(lines):,} records read has one outcome" in done.stdout
    soak_count(21, 1, "full disks (tmpfs)")
