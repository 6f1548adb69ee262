"""How fast one provider is asked by one process, and how often again after a failure that passes."""

import asyncio
import random
import time
from dataclasses import dataclass, field

from assay.providers.base import Connection, ProviderKind
from assay.providers.errors import ProviderError
from assay.providers.model import Answer, Question


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a passing failure is put up with: attempts in all, and seconds of waiting between them in all."""

    attempts: int = 5
    seconds: float = 90.0
    first_delay: float = 0.5
    longest_delay: float = 20.0


@dataclass(slots=True)
class PacedConnection:
    """A connection that keeps the provider's limits. One per provider and process."""

    connection: Connection
    kind: ProviderKind
    patience: Patience
    _slots: asyncio.Semaphore = field(init=False)
    _next_start: float = 0.0

    def __post_init__(self) -> None:
        """Make as many slots as requests may be under way."""
        self._slots = asyncio.Semaphore(self.kind.max_concurrency)

    async def ask(self, model: str, question: Question) -> Answer:
        """Ask until there is an answer, the failure is not a passing one, or patience ends.

        A `Retry-After` holds back everybody who asks this provider. One that exceeds what is left of the patience
        ends it at once.

        Raises:
            ProviderError: the last failure.
        """
        waited, delay = 0.0, self.patience.first_delay
        for left in reversed(range(self.patience.attempts)):
            try:
                return await self._ask_once(model, question)
            except ProviderError as error:
                pause = error.retry_after if error.retry_after is not None else delay * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
                if not error.passing or not left or waited + pause > self.patience.seconds:
                    raise
                if error.retry_after is not None:
                    self._next_start = max(self._next_start, time.monotonic() + pause)
            await asyncio.sleep(pause)
            waited += pause
            delay = min(delay * 2, self.patience.longest_delay)
        raise AssertionError

    async def _ask_once(self, model: str, question: Question) -> Answer:
        async with self._slots:
            await self._turn()
            return await self.connection.ask(model, question)

    async def _turn(self) -> None:
        spacing = 60.0 / self.kind.requests_per_minute if self.kind.requests_per_minute else 0.0
        now = time.monotonic()
        start = max(now, self._next_start)
        self._next_start = start + spacing
        if start > now:
            await asyncio.sleep(start - now)
