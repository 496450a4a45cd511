#!/usr/bin/env python3
"""Starts and stops one real Apache Kafka broker on loopback, without a container engine.

The broker is a single KRaft node (broker and controller in one process) run from the jars that pom.xml names.
Maven fetches them once to .cache/kafka/. It needs Linux, Python 3.11, Java 17 and Maven, and nothing of the project.

    deploy/kafka/broker.py start --port 9092 --data .cache/kafka/data [--properties FILE]
    deploy/kafka/broker.py status --data .cache/kafka/data
    deploy/kafka/broker.py stop --data .cache/kafka/data
"""

import argparse
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".cache" / "kafka"
LOOPBACK = "127.0.0.1"

JARS_SECONDS_MAX = 600  # a first download over a slow line; later starts download nothing
READY_SECONDS_MAX = 240  # a start takes some 5 s; two cores with twenty processes have needed more than 90
STOP_SECONDS_MAX = 30  # a controlled shutdown takes 2 s; after this the process is killed
SEGMENT_BYTES_MIN = 1 << 20  # Kafka 4 accepts no smaller segment

# Bytes alone limit a topic: simulated events may be of any time, and would be deleted as too old within seconds.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
log.dirs={data}/log
auto.create.topics.enable={auto_create}
num.partitions={partitions}
log.retention.bytes={topic_limit}
log.retention.ms=-1
log.segment.bytes={segment}
log.retention.check.interval.ms=10000
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=2
"""


class BrokerError(Exception):
    """The broker could not be started or stopped; the text is one line for a person."""


def jars() -> Path:
    """Return the folder with the broker's jars; fetch them by Maven when this pom.xml has not been fetched yet."""
    pom = HERE / "pom.xml"
    folder = CACHE / f"jars-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerError("mvn is not on the PATH: install Maven to fetch the jars of Apache Kafka")
    CACHE.mkdir(parents=True, exist_ok=True)
    fetched = Path(tempfile.mkdtemp(prefix="jars-", dir=CACHE))
    command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={fetched}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=JARS_SECONDS_MAX, check=False)
    if done.returncode != 0:
        shutil.rmtree(fetched)
        raise BrokerError(f"Maven could not fetch the jars of {pom}: {(done.stdout or done.stderr).strip()[-400:]}")
    try:
        fetched.rename(folder)  # whole or not at all, also when two starts fetch at once
    except OSError:
        shutil.rmtree(fetched)  # the other start was first
    return folder


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def java() -> str:
    """Return the path of the Java program."""
    found = shutil.which("java")
    if found is None:
        raise BrokerError("java is not on the PATH: Apache Kafka 4 needs Java 17 or newer")
    return found


def configure(data: Path, port: int, topic_limit: int, auto_create_partitions: int, more: str) -> int:
    """Write server.properties and format the storage, once per folder; return the broker's port.

    A folder that is already formatted keeps its ports and limits, so a stopped broker comes back where it was. `more`
    are lines of properties that add to ours, or take the place of those of the same name; {port} and
    {controller_port} in them are the ports.
    """
    properties = data / "server.properties"
    kept = port_of(data) if properties.exists() else 0
    if kept and port not in (0, kept):
        raise BrokerError(f"{data} belongs to a broker on port {kept}: start it there, or give another --data")
    port = port or kept or free_port()
    if kept:
        return port
    draft = data / "server.properties.draft"
    controller_port = free_port()
    ours = PROPERTIES.format(
        host=LOOPBACK,
        port=port,
        controller_port=controller_port,
        data=data,
        auto_create="true" if auto_create_partitions else "false",
        partitions=max(1, auto_create_partitions),
        topic_limit=topic_limit,
        segment=max(SEGMENT_BYTES_MIN, min(1 << 30, topic_limit // 4)),
    )
    more = more.replace("{port}", str(port)).replace("{controller_port}", str(controller_port))
    lines = {line.partition("=")[0]: line for line in (ours + more).splitlines()}  # the later of two of one name
    draft.write_text("\n".join(lines.values()) + "\n", encoding="utf-8")
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    command = [java(), "-XX:TieredStopAtLevel=1", "-cp", f"{jars()}/*", "kafka.tools.StorageTool"]
    command += ["format", f"--cluster-id={cluster}", f"--config={draft}"]  # with "=": an id may begin with a dash
    done = subprocess.run(command, capture_output=True, text=True, timeout=READY_SECONDS_MAX, check=False)
    if done.returncode != 0:
        raise BrokerError(
            f"the storage in {data} could not be formatted: {(done.stderr or done.stdout).strip()[-400:]}"
        )
    draft.rename(properties)  # its presence says that the storage is formatted
    return port


def port_of(data: Path) -> int:
    """Return the port that a formatted folder's broker listens on."""
    for line in (data / "server.properties").read_text(encoding="utf-8").splitlines():
        if line.startswith("advertised.listeners="):
            return int(line.split(",")[0].rpartition(":")[2])  # the first listener is the plain one
    raise BrokerError(f"{data}/server.properties names no advertised listener: remove the folder and start again")


def running(data: Path) -> int:
    """Return the process id of the folder's broker, or 0 when none runs."""
    try:
        pid = int((data / "broker.pid").read_text(encoding="utf-8"))
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return 0
    return pid if str(data / "server.properties").encode() in arguments else 0  # ids are used again


def start(data: Path, port: int, topic_limit: int, auto_create_partitions: int, more: str) -> int:
    """Start the broker in the background and wait until it serves; return its port."""
    data.mkdir(parents=True, exist_ok=True)
    port = configure(data, port, topic_limit, auto_create_partitions, more)
    if running(data):
        return port
    with socket.socket() as probe:
        if probe.connect_ex((LOOPBACK, port)) == 0:
            raise BrokerError(f"another program listens on {LOOPBACK}:{port}: stop it, or give another --port")
    log = data / "broker.log"
    command = [java(), "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-cp", f"{jars()}/*"]
    command += ["kafka.Kafka", str(data / "server.properties")]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=data, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    (data / "broker.pid").write_text(str(process.pid), encoding="utf-8")
    deadline = time.monotonic() + READY_SECONDS_MAX
    while b"Kafka Server started" not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            stop(data)
            raise BrokerError(f"the broker did not start; the last lines of {log} say why: {log.read_text()[-400:]}")
        time.sleep(0.1)
    return port


def stop(data: Path) -> None:
    """Stop the folder's broker and wait until it is gone; a folder without a running broker is fine."""
    pid = running(data)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    if pid:
        os.kill(pid, signal.SIGTERM)
    while running(data):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    (data / "broker.pid").unlink(missing_ok=True)


def main() -> int:
    """Read the command line and do what it says; print one line and return the exit code."""
    parser = argparse.ArgumentParser(description="One real Apache Kafka broker on loopback.")
    parser.add_argument("action", choices=["start", "stop", "status", "jars"])
    parser.add_argument("--data", type=Path, default=CACHE / "data", help="folder of this broker's log (kept at stop)")
    parser.add_argument("--port", type=int, default=9092, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--topic-limit", type=int, default=1 << 30, metavar="BYTES", help="bytes kept per partition")
    parser.add_argument(
        "--auto-create-partitions",
        type=int,
        default=0,
        metavar="N",
        help="create a topic with N partitions when it is first written to; 0 creates none",
    )
    parser.add_argument(
        "--properties", type=Path, metavar="FILE", help="more lines of server.properties, used at the first start"
    )
    given = parser.parse_args()
    data = given.data.resolve()
    try:
        if given.action == "jars":
            print(jars())
        elif given.action == "start":
            more = given.properties.read_text(encoding="utf-8") if given.properties else ""
            print(f"{LOOPBACK}:{start(data, given.port, given.topic_limit, given.auto_create_partitions, more)}")
        elif given.action == "stop":
            stop(data)
            print(f"stopped; its log stays in {data}")
        else:
            pid = running(data)
            print(f"running on {LOOPBACK}:{port_of(data)} as process {pid}" if pid else "not running")
            return 0 if pid else 1
    except (BrokerError, subprocess.TimeoutExpired) as error:
        print(f"kafka: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
