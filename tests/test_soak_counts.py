"""What tests count of the fault cases is told at the end of a run, added up by case and unit."""

import json
import shutil
import subprocess
import sys

from tests import conftest

TESTS = """
import pytest

@pytest.mark.parametrize("n", [1, 2])
def test_counted(n, soak_count):
    soak_count(21, n, "full disks")
    soak_count.most(21, n / 4, "s to ready")

def test_failed(soak_count):
    soak_count(21, 100, "full disks")
    assert False

def test_of_something_else():
    pass
"""


def test_counts_of_tests_that_passed_add_up_and_the_highest_value_stays(tmp_path):
    """1 + 2 disks and at most half a second; what the failed test counted is left out, and its name is written.

    The mark `fault` chooses them by itself, and leaves out what counts nothing.
    """
    shutil.copy(conftest.__file__, tmp_path / "conftest.py")
    (tmp_path / "test_some.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-m", "fault", "--soak-json", "soak.json", "test_some.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert [line for line in done.stdout.split("\n") if line.startswith("case ")] == [
        "case 21: 3 full disks",
        "case 21: at most 0.5 s to ready",
    ]
    assert json.loads((tmp_path / "soak.json").read_text()) == {
        "passed": 2,
        "skipped": [],
        "failed": ["test_some.py::test_failed"],
        "counts": [[21, "full disks", "sum", 3], [21, "s to ready", "most", 0.5]],
    }
