from collections.abc import AsyncIterator

import pytest

from assay.sandbox import Sandbox


@pytest.fixture(scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    """One sandbox for all tests of a session: what one script leaves behind, the next would find."""
    started = Sandbox(concurrency=2)
    yield started
    await started.close()
