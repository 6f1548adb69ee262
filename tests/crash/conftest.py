"""Installations in folders that the database's account can reach."""

import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from tests.crash.processes import Installation

from assay.db import embedded

SETTINGS = {
    "ASSAY_HEARTBEAT_SECONDS": "1",
    "ASSAY_WORKER_GRACE_SECONDS": "0.2",
    "ASSAY_WORKER_CONCURRENCY": "4",
}


@pytest.fixture
def install() -> Generator[Callable[..., Installation]]:
    """Make an installation; more settings may be given by name."""
    made: list[Installation] = []

    def make(**settings: str) -> Installation:
        folder = Path(tempfile.mkdtemp(prefix="assay-crash-"))
        folder.chmod(0o711)
        made.append(Installation(folder, {**SETTINGS, **settings}))
        return made[-1]

    yield make
    for installation in made:
        installation.close()
        print(installation.logs())
        embedded.remove(installation.data_dir)
        for path in installation.folder.iterdir():
            path.unlink()
        installation.folder.rmdir()
