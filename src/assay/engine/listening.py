"""Hearing PostgreSQL's notifications for as long as the process lives, through every loss of the connection."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncpg

from assay.db import CONNECTION_ERRORS, DatabaseUnavailableError

log = logging.getLogger(__name__)

PING_SECONDS = 10.0
FIRST_DELAY_SECONDS = 0.05
_DATABASE_AWAY = (*CONNECTION_ERRORS, DatabaseUnavailableError, OSError, TimeoutError, asyncpg.PostgresError)


class Listener:
    """One connection that listens on some channels.

    After every connect, the first one included, `resume` is awaited: what was said while nobody
    listened has to be read from the tables.
    """

    def __init__(
        self, dsn: str, channels: Mapping[str, Callable[[str], None]], resume: Callable[[], Awaitable[None]]
    ) -> None:
        """Prepare; nothing is connected before `run`."""
        self._dsn = dsn
        self._channels = channels
        self._resume = resume
        self._delay = FIRST_DELAY_SECONDS
        self._away = False

    async def run(self) -> None:
        """Listen until cancelled; an outage is logged at its begin and its end."""
        while True:
            try:
                await self._listen()
            except _DATABASE_AWAY as error:
                if not self._away:
                    log.warning("Lost the database's notifications (%s); connecting again.", type(error).__name__)
                self._away = True
            await asyncio.sleep(self._delay)
            self._delay = min(self._delay * 2, 1.0)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=10)
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            for channel, callback in self._channels.items():
                await connection.add_listener(channel, _payload_only(callback))
            await self._resume()
            self._delay = FIRST_DELAY_SECONDS
            if self._away:
                log.info("The database's notifications are heard again.")
            self._away = False
            while not lost.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(lost.wait(), timeout=PING_SECONDS)
                    return
                await connection.execute("SELECT 1", timeout=PING_SECONDS)
        finally:
            connection.terminate()


def _payload_only(callback: Callable[[str], None]) -> Callable[..., None]:
    def received(_connection: object, _pid: int, _channel: str, payload: Any) -> None:
        callback(str(payload))

    return received
