"""The compose file and the image: pinned, closed to the outside, healthy by their own account, and whole.

What a container engine would find out first is looked for here without one.
"""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.config import load
from schemas.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
LIMEN = load(str(ROOT / "deploy/limen/limen.yaml"), {})

# The names that the compose specification knows, as far as a file of ours may use them.
TOP = {"name", "services", "volumes", "x-limen"}
SERVICE = {
    *("build", "cap_drop", "command", "depends_on", "entrypoint", "environment", "healthcheck", "image", "init"),
    *("ports", "read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "volumes"),
}
HEALTHCHECK = {"test", "interval", "timeout", "retries", "start_period", "disable"}


def test_the_file_uses_names_of_the_compose_specification():
    """No name is misspelt, at the top, in a service, or in a health check."""
    assert COMPOSE.keys() <= TOP
    for name, service in SERVICES.items():
        assert service.keys() <= SERVICE, name
        assert service.get("healthcheck", {}).keys() <= HEALTHCHECK, name


def test_the_stack_has_its_parts():
    """A broker, traffic, Limen, and what watches and draws it."""
    assert sorted(SERVICES) == ["alertmanager", "grafana", "kafka", "limen", "prometheus", "traffic"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_image_is_pinned(name):
    """An image has a tag of numbers, and never the tag `latest`."""
    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", SERVICES[name]["image"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_port_is_published_on_this_machine_only(name):
    """A port is open on 127.0.0.1 and on no other address."""
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_ports_do_not_meet():
    """No two services want the same port of the machine."""
    published = [port.rsplit(":", 1)[0] for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == len(set(published)) == 5


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_says_whether_it_is_well(name):
    """A service has a health check, or says that it cannot have one; it is started again when it ends."""
    check = SERVICES[name]["healthcheck"]
    assert check.get("disable") is True or check["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_volumes_are_declared_and_used_and_mounted_files_exist():
    """Every named volume is declared, none is left over, and every file that is mounted is in the checkout."""
    mounts = [volume.split(":") for service in SERVICES.values() for volume in service.get("volumes", [])]
    assert {mount[0] for mount in mounts if not mount[0].startswith(".")} == COMPOSE["volumes"].keys()
    for mount in mounts:
        if mount[0].startswith("."):
            assert (ROOT / mount[0]).exists(), mount[0]
            assert mount[2] == "ro"


def test_services_depend_on_services_that_exist():
    """What is waited for is part of the stack, and has a health check where it must be healthy."""
    for service in SERVICES.values():
        wanted = service.get("depends_on", [])
        for name in wanted:
            assert name in SERVICES
            if isinstance(wanted, dict) and wanted[name]["condition"] == "service_healthy":
                assert SERVICES[name]["healthcheck"]["test"]


def test_limen_reads_where_the_traffic_goes():
    """The traffic is sent to the broker and the topic that Limen reads, inside the network of the stack."""
    kafka = LIMEN.source.kafka
    listeners = dict(
        part.split("://") for part in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    )
    assert kafka.bootstrap == listeners["INSIDE"]
    line = " ".join(SERVICES["traffic"]["command"])
    assert kafka.bootstrap in line
    assert kafka.topic in line


def test_the_configuration_fits_the_compose_file():
    """Limen serves on the published port and keeps its state on its volume."""
    _, outside, inside = SERVICES["limen"]["ports"][0].split(":")
    assert LIMEN.serve.port == int(inside)
    assert LIMEN.serve.public_url == f"http://127.0.0.1:{outside}"
    assert LIMEN.storage.url == "sqlite:////var/lib/limen/limen.db"
    assert "limen:/var/lib/limen" in SERVICES["limen"]["volumes"]
    assert LIMEN.detection == Settings().detection


@pytest.mark.parametrize("name", ["limen", "traffic"])
def test_commands_of_the_stack_are_commands_of_limen(name):
    """Every command and option that the stack uses is one of `limen`."""
    words = shlex.split(" ".join(SERVICES[name]["command"]))
    if name == "traffic":  # a pipe in a shell: the words of its first command
        assert words[0] == "limen"
        words = words[1 : words.index("|")]
    shown = CliRunner().invoke(main, [words[0], "--help"])
    assert shown.exit_code == 0
    assert not [word for word in words if word.startswith("--") and word not in shown.output]


def test_the_image_holds_what_is_locked_and_runs_as_nobody_special():
    """Packages come from the lock with their hashes, stages are pinned, and the process is not root."""
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE)
    assert len(stages) == 2
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-\w+", stage) for stage in stages)
    assert "--require-hashes -r requirements/runtime.txt" in DOCKERFILE
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, flags=re.MULTILINE)
    assert re.search(r"^HEALTHCHECK .*\n? .*/-/healthy", DOCKERFILE, flags=re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["limen"\]$', DOCKERFILE, flags=re.MULTILINE)


def test_everything_the_image_copies_is_let_through():
    """What the Dockerfile copies from the checkout exists, and .dockerignore lets it through."""
    let_through = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sources = [
        part
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, flags=re.MULTILINE)
        for part in line.split()
    ]
    assert sources
    for source in sources:
        assert f"!{source}" in let_through
