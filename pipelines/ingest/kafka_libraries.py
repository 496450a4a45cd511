"""The client libraries by the name of their setting; one that is optional is imported only when it is asked for."""

import importlib
from typing import Any

from pipelines.ingest.kafka_client import Library, UnusableError
from schemas.settings import KafkaSource

_ADAPTERS = {"kafka-python": "pipelines.ingest.kafka_python", "confluent": "pipelines.ingest.kafka_confluent"}


def library(config: KafkaSource) -> Library:
    """Give the adapter that the settings name; raises `UnusableError` where its library is not installed."""
    try:
        adapter: Any = importlib.import_module(_ADAPTERS[config.client])
    except ImportError:
        what = f"source.kafka.client is {config.client}, whose package cannot be imported"
        raise UnusableError(f"{what}: install limen[fast], or set it to kafka-python") from None
    found: Library = adapter
    return found
