"""What every test may ask for: seeded property tests, real programs, a real broker, the shared data.

A real part that is missing skips its tests with a printed reason. Under CI=true it fails them instead, because there a
skipped test would look like a passed one. The shared data is the exception: it is no part of a checkout.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# The same examples every time, and none that fails because the machine is busy.
settings.register_profile("limen", derandomize=True, deadline=None, database=None)
settings.load_profile("limen")

ONE_AT_A_TIME = ("kafka", "stack", "browser")  # their programs are heavy: one worker runs all tests of such a mark


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share a heavy program on one worker, so that it is started once."""
    for item in items:
        for name in ONE_AT_A_TIME:
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.xdist_group(name))


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
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode != 0:
        pytest.fail(done.stderr.strip(), pytrace=False)
    return done.stdout.strip()


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Start a real broker on a free loopback port, with a folder of its own, and stop it at the end of the session.

    Topics are not created by being written to: `create_topic` makes them. Give each test topics of its own name.
    """
    for needed in ("java", "mvn"):
        if shutil.which(needed) is None:
            _skip_or_fail(f"{needed} is not on the PATH; a real Apache Kafka needs Java 17 and Maven")
    data = tmp_path_factory.mktemp("kafka")
    bootstrap = broker_command("start", "--port", "0", "--data", str(data))
    broker = Broker(data=data, bootstrap=bootstrap)
    yield broker
    broker.stop()
