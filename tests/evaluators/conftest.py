"""A sandbox for scripts, and a scripted model."""

from collections.abc import AsyncGenerator

import pytest
from tests.fakes.grading_context import FakeGradingContext
from tests.fakes.model import server_model
from tests.fakes.openai_server import OpenAiServer

from assay import sandbox


@pytest.fixture(scope="module")
async def scripts() -> AsyncGenerator[sandbox.Sandbox]:
    box = sandbox.Sandbox(concurrency=2)
    yield box
    await box.close()


@pytest.fixture
async def judge() -> AsyncGenerator[tuple[OpenAiServer, FakeGradingContext]]:
    """A model server, and a context whose model asks it."""
    async with server_model() as (script, model):
        yield script, FakeGradingContext(answering=model)
