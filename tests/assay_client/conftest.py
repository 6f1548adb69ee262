"""A client, and the server whose answers a test writes down beforehand."""

from collections.abc import Generator

import pytest
from tests.fakes.scripted_server import Script, scripted_server

from assay_client import Client


@pytest.fixture
def script() -> Generator[Script]:
    with scripted_server() as script:
        yield script


@pytest.fixture
def client(script: Script) -> Generator[Client]:
    with Client(script.base_url, "asy_secret") as client:
        yield client


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the client wanted to wait, which nobody waits for."""
    waited: list[float] = []
    monkeypatch.setattr("assay_client.transport.time.sleep", waited.append)
    return waited
