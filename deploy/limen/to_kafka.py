"""Sends each line of standard input to a Kafka topic: `limen simulate --speed 1 | python to_kafka.py HOST:PORT TOPIC`.

Exit codes: 0 all lines were sent; 2 the command is wrong; 3 the broker cannot be reached, or did not take a line.
"""

import sys

from kafka import KafkaProducer
from kafka.errors import KafkaError

LINGER_MS = 20
"""Lines that come together travel together; nobody notices a fiftieth of a second."""
FIRST_CONTACT_MS = 5_000
"""How long the first contact with the broker may take."""
FLUSH_SECONDS = 30
"""How long the last lines may take."""


def main(arguments: list[str]) -> int:
    """Send all lines and give the exit code."""
    if len(arguments) != 2:
        sys.stderr.write("usage: to_kafka.py HOST:PORT TOPIC < LINES\n")
        return 2
    bootstrap, topic = arguments
    failures: list[BaseException] = []
    try:
        producer = KafkaProducer(
            bootstrap_servers=bootstrap.split(","),
            bootstrap_timeout_ms=FIRST_CONTACT_MS,
            acks="all",
            linger_ms=LINGER_MS,
        )
        for line in sys.stdin.buffer:
            # The first failure ends it: whoever starts this script starts it again.
            producer.send(topic, line.rstrip(b"\n")).add_errback(failures.append)
            if failures:
                break
        producer.flush(FLUSH_SECONDS)
    except KafkaError as error:
        failures.append(error)
    if failures:
        sys.stderr.write(f"{bootstrap}, topic {topic}: {type(failures[0]).__name__}: see whether the broker is up\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
