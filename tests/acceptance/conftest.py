"""A server with a worker on a database of the module's own, and clients for it."""

from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from eigenpal import EigenpalClient
from tests.acceptance import serving
from tests.runs.step_types import Gate

from assay import db
from assay.settings import Settings


@pytest.fixture(scope="module")
def served(database: db.Database, tmp_path_factory: pytest.TempPathFactory) -> Generator[serving.Served]:
    folder: Path = tmp_path_factory.mktemp("data")
    settings = Settings(data_dir=folder, database_url=database.dsn, max_wait_seconds=20, worker_grace_seconds=0.1)
    with serving.test_step_types(), serving.serving(settings) as running:
        yield running


@pytest.fixture(scope="module")
def http(served: serving.Served) -> Generator[httpx.Client]:
    with served.http() as client:
        yield client


@pytest.fixture(scope="module")
def client(served: serving.Served) -> EigenpalClient:
    return EigenpalClient(api_key=served.key(), base_url=served.base_url, timeout_seconds=30)


@pytest.fixture
def gate(request: pytest.FixtureRequest) -> Generator[tuple[str, Gate]]:
    name = request.node.name
    with serving.gate(name) as made:
        yield name, made
