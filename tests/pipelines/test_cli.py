"""The command itself is quick, finds its commands by name, and ends well when nobody reads on."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from pipelines.cli import COMMANDS, main

LIMEN = [sys.executable, "-m", "pipelines.cli"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_found_under_its_name(name):
    """The table leads to a command that bears the name under which it is called."""
    command = main.get_command(click.Context(main), name)
    assert command.name == name


def test_the_version_is_told_without_the_libraries_that_take_seconds():
    """Neither numpy nor any command is imported for it."""
    look = (
        "import sys\n"
        "from pipelines.cli import main\n"
        "main(['--version'], standalone_mode=False)\n"
        "sys.exit(' '.join({'numpy', 'scipy', 'pandas', 'pipelines.build'} & set(sys.modules)) or 0)"
    )
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, timeout=60, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("limen, version ")


def test_an_unknown_command_is_misuse():
    """Exit code 2, and the word is named."""
    result = CliRunner().invoke(main, ["replya"])
    assert result.exit_code == 2
    assert "replya" in result.stderr


def test_a_reader_that_has_enough_is_no_error():
    """As with `| head -1`: the command ends with code 0 and says nothing."""
    with subprocess.Popen(
        [*LIMEN, "simulate", "--start", "2026-01-05T00:00Z", "--minutes", "60"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
