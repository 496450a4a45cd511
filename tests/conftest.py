"""What every test may ask for: seeded property tests, real programs, a real broker, the shared data, soak counts.

A real part that is missing skips its tests with a printed reason. Under CI=true it fails them instead, because there a
skipped test would look like a passed one. The shared data is the exception: it is no part of a checkout.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import settings

from tests.support.broker_security import Security, make

ROOT = Path(__file__).resolve().parents[1]

# The same examples every time, and none that fails because the machine is busy.
settings.register_profile("limen", derandomize=True, deadline=None, database=None)
settings.load_profile("limen")

ONE_AT_A_TIME = ("kafka", "stack", "browser")  # their programs are heavy: one worker runs all tests of such a mark


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups, and before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share a heavy program on one worker, so that it is started once; mark what counts faults."""
    for item in items:
        if "soak_count" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.fault)
        for name in ONE_AT_A_TIME:
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.xdist_group(name))


class SoakCount:
    """Says how much of a case of the fault table (its number) a test went through; the end of the run tells it all.

    Called, it counts: what tests say of the same case in the same unit adds up. `most` keeps the highest value.
    """

    def __init__(self, said: list[tuple[str, Any]]) -> None:
        self._said = said

    def __call__(self, case: int, count: int, unit: str) -> None:
        """Count something, such as 100 "kills" of case 1."""
        self._said.append(("soak", ["sum", case, unit, int(count)]))

    def most(self, case: int, value: float, unit: str) -> None:
        """Tell a measured value, such as 2.5 "s to ready" of case 1."""
        self._said.append(("soak", ["most", case, unit, float(value)]))


@pytest.fixture
def soak_count(request: pytest.FixtureRequest) -> SoakCount:
    """Return what counts the fault cases that a test went through; see `SoakCount`."""
    return SoakCount(request.node.user_properties)  # they come along from the workers of xdist


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes what tests counted."""
    parser.addoption("--soak-json", metavar="FILE", help="write what tests counted of the fault cases")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Tell what all tests counted of each fault case, and write it where asked; a failed test's counts are left out."""
    found: dict[tuple[int, str, str], float] = {}
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == "soak":
                how, case, unit, count = value
                known = found.get((case, unit, how), 0)
                found[case, unit, how] = known + count if how == "sum" else max(known, count)
    if found:
        terminalreporter.section("fault cases")
    for (case, unit, how), count in sorted(found.items()):
        said = f"{count:,}" if how == "sum" else f"at most {count:,.3g}"
        terminalreporter.write_line(f"case {case}: {said} {unit}")
    if path := config.getoption("--soak-json"):
        told = terminalreporter.stats
        Path(path).write_text(
            json.dumps({
                "passed": len(told.get("passed", [])),
                "skipped": [each.nodeid for each in told.get("skipped", [])],
                "failed": [each.nodeid for name in ("failed", "error") for each in told.get(name, [])],
                "counts": [[*key, count] for key, count in sorted(found.items())],
            }),
            encoding="utf-8",
        )  # fmt: skip


def _skip_or_fail(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"under CI=true a real part may not be missing: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def skip_or_fail() -> Callable[[str], NoReturn]:
    """Return the function that ends a test whose real part is missing: a skip, and under CI=true a failure."""
    return _skip_or_fail


@pytest.fixture(scope="session")
def program() -> Callable[[str], Path]:
    """Return a function that finds a real program by name, or skips the test (fails it under CI=true)."""

    def find(name: str) -> Path:
        found = shutil.which(name)
        if found is None:
            _skip_or_fail(f"{name} is not on the PATH; make programs installs it on Debian")
        return Path(found)

    return find


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of the shared data sets: LIMEN_SHARED_DATA, or ../shared/data beside the checkout."""
    folder = Path(os.environ.get("LIMEN_SHARED_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("the shared data is not here; LIMEN_SHARED_DATA names its folder")
    return folder


@dataclass(frozen=True)
class Broker:
    """A real Apache Kafka with one node, for one test session."""

    data: Path
    bootstrap: str
    security: Security

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic and wait until it can be written to."""
        from kafka import KafkaAdminClient
        from kafka.admin import NewTopic

        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            admin.create_topics(
                [NewTopic(name=name, num_partitions=partitions, replication_factor=1)], wait_for_metadata=True
            )
        finally:
            admin.close()

    def start(self) -> None:
        """Start the broker where it was, with all that it held; nothing happens when it runs."""
        broker_command("start", "--port", self.bootstrap.rpartition(":")[2], "--data", str(self.data))

    def stop(self) -> None:
        """Stop the broker in good order; nothing happens when it does not run."""
        broker_command("stop", "--data", str(self.data))

    def restart(self) -> None:
        """Stop the broker and start it again on the same port."""
        self.stop()
        self.start()


def broker_command(*arguments: str) -> str:
    """Run deploy/kafka/broker.py and return what it printed; its one-line error fails the test."""
    command = [sys.executable, str(ROOT / "deploy" / "kafka" / "broker.py"), *arguments]
    # A broker of a test lives for seconds between two restarts: its code is compiled once and quickly.
    quick = {**os.environ, "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, env=quick)
    if done.returncode != 0:
        pytest.fail(done.stderr.strip(), pytrace=False)
    return done.stdout.strip()


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Start a real broker on a free loopback port, with a folder of its own, and stop it at the end of the session.

    Topics are not created by being written to: `create_topic` makes them. Give each test topics of its own name. Who
    comes by `bootstrap` may do everything; `security` has the other listeners, which ask who one is.
    """
    for needed in ("java", "mvn"):
        if shutil.which(needed) is None:
            _skip_or_fail(f"{needed} is not on the PATH; a real Apache Kafka needs Java 17 and Maven")
    data = tmp_path_factory.mktemp("kafka")
    security = make(tmp_path_factory.mktemp("kafka-security"))
    properties = str(security.properties)
    bootstrap = broker_command("start", "--port", "0", "--data", str(data), "--properties", properties)
    broker = Broker(data=data, bootstrap=bootstrap, security=security)
    yield broker
    broker.stop()
