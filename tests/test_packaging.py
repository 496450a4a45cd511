"""Limen ships as an application: one wheel, an environment of its own, one command.

The names of its packages are generic on purpose, so it must never lie beside other people's code. These tests build the
wheel, install it into an empty environment away from the checkout, and run the command from there.
"""

import json
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
UV = Path(sys.executable).with_name("uv")


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program and return what it printed; its errors fail the test."""
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from the checkout, without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("limen-*.whl")
    return built


@pytest.fixture(scope="module")
def application(wheel, tmp_path_factory):
    """Install the wheel into an environment of its own that borrows only the dependencies."""
    folder = tmp_path_factory.mktemp("application")
    run(UV, "venv", "--quiet", "--offline", "--python", sys.executable, folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    run(UV, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel, cwd=folder)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    # A path file adds this folder but reads no path files in it: the editable install of the checkout stays unseen.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder


def files_below(folder: str) -> set[str]:
    """Name the files of a folder that belong to the project, relative to it."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", folder]
    names = run(*command, cwd=ROOT).splitlines()
    return {name.removeprefix(f"{folder}/") for name in names if (ROOT / name).is_file()}


def test_the_wheel_holds_the_three_packages_and_the_configuration_and_nothing_else(wheel):
    """Templates, static files and config/ travel in the wheel; tests, benchmarks and deployment files do not."""
    expected = {f"pipelines/_config/{name}" for name in files_below("config")}
    for package in ("schemas", "detectors", "pipelines"):
        expected |= {f"{package}/{name}" for name in files_below(package)}
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if ".dist-info/" not in name} == expected


def test_the_installed_command_runs_away_from_the_checkout(application):
    """`limen --version` names the version of pyproject.toml, and its code is the wheel's own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    binaries = application / "venv" / "bin"
    assert project["version"] in run(binaries / "limen", "--version", cwd=application)
    where = "import detectors, pipelines, schemas; print(detectors.__file__, pipelines.__file__, schemas.__file__)"
    for path in run(binaries / "python", "-c", where, cwd=application).split():
        assert Path(path).is_relative_to(application)


def test_the_installed_command_prints_the_schema_of_an_event(application):
    """`limen schema event` prints a JSON Schema in which event_id and ts are required."""
    schema = json.loads(run(application / "venv" / "bin" / "limen", "schema", "event", cwd=application))
    structs = [schema, *schema.get("$defs", {}).values()]
    assert any({"event_id", "ts"} <= set(struct.get("required", ())) for struct in structs)


def test_the_installed_command_knows_its_whole_configuration(application):
    """`limen check config` accepts the example that travels in the wheel."""
    (example,) = (application / "venv" / "lib").glob("python*/site-packages/pipelines/_config/limen.example.yaml")
    run(application / "venv" / "bin" / "limen", "check", "config", example, cwd=application)
