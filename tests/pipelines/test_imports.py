"""What a process imports: what it does not need costs memory as long as it runs, and time whenever it starts."""

import subprocess
import sys

import pytest

FORBIDDEN = {
    "pipelines.cli": ("numpy", "msgspec"),
    "pipelines.cli_run": ("pandas", "plotly", "scipy.stats"),
}
"""Module -> what must not come with it: a line of help needs no arrays, and scipy.stats alone takes 45 MB."""


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
