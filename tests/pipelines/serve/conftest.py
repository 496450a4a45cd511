"""What the serving tests ask for: a world, and a client that asks as a browser on this machine would."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pipelines.serve.http import app
from tests.pipelines.serve.made_up import World, small


def client_of(world: World) -> TestClient:
    """Give a client of the application of a world."""
    application = app(world.store, lambda: world.status, lambda: world.settings, world.signal_of, Future, lambda: 0)
    return TestClient(application, base_url="http://127.0.0.1:8321")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return the tiny world."""
    return small(tmp_path)


@pytest.fixture
def client(world: World) -> TestClient:
    """Return a client of the tiny world."""
    return client_of(world)


@pytest.fixture
def ask() -> Callable[[World], TestClient]:
    """Return the function that gives a client of any world."""
    return client_of
