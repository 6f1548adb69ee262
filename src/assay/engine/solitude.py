"""Letting a run that was lost before have the worker to itself, so that nothing else dies with it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Solitude:
    """Many together, or one alone; whoever wants to be alone is let in before newcomers."""

    def __init__(self) -> None:
        """Start empty."""
        self._changed = asyncio.Condition()
        self._together = 0
        self._alone = False
        self._wanting = 0

    @asynccontextmanager
    async def together(self) -> AsyncGenerator[None]:
        """Enter beside others."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._alone and not self._wanting)
            self._together += 1
        try:
            yield
        finally:
            self._together -= 1
            await self._tell()

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None]:
        """Enter when everybody else has left, and keep others out."""
        self._wanting += 1
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: not self._alone and not self._together)
                self._alone = True
        finally:
            self._wanting -= 1
            await self._tell()
        try:
            yield
        finally:
            self._alone = False
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
