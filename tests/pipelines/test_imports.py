"""What a process imports: what it does not need costs memory as long as it runs, and time whenever it starts."""

import subprocess
import sys

import pytest

FORBIDDEN = {
    "pipelines.cli": ("numpy", "msgspec"),
    "pipelines.cli_run": ("pandas", "plotly", "scipy.stats"),
    "pipelines.build_worker": (
        *("asyncio", "detectors", "httpx2", "jinja2", "prometheus_client", "rich", "scipy", "sqlalchemy"),
        *("starlette", "structlog", "uvicorn", "pipelines.detect.detect", "pipelines.store", "pipelines.engine"),
    ),
}
"""Module -> what must not come with it: a line of help needs no arrays, scipy.stats alone takes 45 MB, and a worker,
whose process imports build_worker, reads and counts but neither judges nor stores nor serves."""


def imported(module: str) -> set[str]:
    """Give the modules that a fresh interpreter holds after importing one."""
    told = "import sys, importlib; importlib.import_module(sys.argv[1]); sys.stdout.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", told, module], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", FORBIDDEN)
def test_what_is_not_needed_is_not_imported(module):
    """A module brings only what it works with."""
    found = imported(module)
    assert module in found
    assert found.isdisjoint(FORBIDDEN[module])
