import asyncio
import time
from collections import deque
from typing import Any

import pytest

from assay.providers import Answer, Message, Patience, ProviderError, Question, kinds
from assay.providers.pacing import PacedConnection

QUESTION = Question((Message("user", "Hello"),))


class Scripted:
    """A connection that fails as it is told, then answers."""

    def __init__(self, *failures: ProviderError) -> None:
        self.failures = deque(failures)
        self.asked_at: list[float] = []

    async def ask(self, model: str, question: Question) -> Answer:
        del model, question
        self.asked_at.append(time.monotonic())
        if self.failures:
            raise self.failures.popleft()
        return Answer("Hi", "end")

    async def close(self) -> None:
        """Nothing is open."""


def limited(seconds: float) -> ProviderError:
    return ProviderError("provider_rate_limited", "Slowly.", category="rate_limited", retry_after=seconds)


def paced(connection: Scripted, patience: Patience | None = None, **options: Any) -> PacedConnection:
    kind = kinds()["openai"].model_validate(options)
    return PacedConnection(connection, kind, patience or Patience(first_delay=0.001))


def gaps(connection: Scripted) -> list[float]:
    return [later - sooner for sooner, later in zip(connection.asked_at, connection.asked_at[1:], strict=False)]


async def test_requests_keep_the_distance_that_a_rate_asks_for() -> None:
    connection = Scripted()
    provider = paced(connection, requestsPerMinute=3000)
    await asyncio.gather(*[provider.ask("tiny", QUESTION) for _ in range(5)])
    assert connection.asked_at[-1] - connection.asked_at[0] >= 4 * 0.02 - 0.001


async def test_a_retry_after_holds_everybody_back() -> None:
    connection = Scripted(limited(0.1))
    provider = paced(connection, maxConcurrency=1)
    await asyncio.gather(*[provider.ask("tiny", QUESTION) for _ in range(3)])
    assert len(connection.asked_at) == 4
    assert gaps(connection)[0] >= 0.099


async def test_a_retry_after_beyond_the_patience_ends_it_at_once() -> None:
    connection = Scripted(limited(60))
    with pytest.raises(ProviderError) as failed:
        await paced(connection, Patience(seconds=30)).ask("tiny", QUESTION)
    assert failed.value.retry_after == 60
    assert len(connection.asked_at) == 1
