"""Prometheus' own linter has nothing to say about our metrics."""

import subprocess
from concurrent.futures import Future

import pytest
from starlette.testclient import TestClient

from pipelines.serve.http import app
from tests.pipelines.serve.made_up_days import busy

pytestmark = pytest.mark.stack


def check(promtool, text):
    """Run promtool over an exposition and return its exit code and what it says."""
    command = [str(promtool), "check", "metrics"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_promtool_finds_nothing_to_mend(program, tmp_path):
    """`promtool check metrics` is clean on a world with incidents, hostile names and unknown values."""
    world = busy(tmp_path)
    application = app(world.store, lambda: world.status, lambda: world.settings, world.signal_of, Future, lambda: 0)
    text = TestClient(application, base_url="http://localhost").get("/metrics").text
    assert check(program("promtool"), text) == (0, "")


def test_promtool_can_fail(program):
    """A metric that breaks the conventions is named by the same check."""
    code, said = check(program("promtool"), "# TYPE limen_minutes_total gauge\nlimen_minutes_total 1\n")
    assert code != 0
    assert "limen_minutes_total" in said
