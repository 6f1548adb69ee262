"""Who listens goes on through an outage, and says of it only what a reader of the log needs."""

import asyncio
import contextlib
import logging

import pytest

from assay.engine.listening import Listener


async def test_an_outage_is_logged_once_however_often_connecting_fails(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "assay.engine.listening")
    attempts = asyncio.Semaphore(0)

    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        attempts.release()

    async def resume() -> None:
        pass

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        dsn = f"postgresql://nobody@127.0.0.1:{port}/none?sslmode=disable"
        listening = asyncio.create_task(Listener(dsn, {}, resume).run())
        for _ in range(4):
            await attempts.acquire()
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening

    assert [record.levelname for record in caplog.records] == ["WARNING"]
