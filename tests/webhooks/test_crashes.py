"""A worker that is killed between its request and the writing down of what came of it."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.fakes.raw_server import Asked, response
from tests.webhooks.conftest import SECRET, Organization, receiver, verified

PROGRAM = str(Path(__file__).parent / "one_worker.py")


async def test_what_a_killed_worker_sent_is_sent_again_with_the_same_id(organization: Organization):
    killed = asyncio.Event()

    async def kill_the_first(_asked: Asked) -> AsyncIterator[bytes]:
        if not killed.is_set():
            worker.kill()
            await asyncio.to_thread(worker.wait)
            killed.set()
        async for piece in response():
            yield piece

    async with receiver(organization, kill_the_first) as served:
        made = await organization.add(served.url())
        await organization.emit(runId="exec_1")
        worker = subprocess.Popen([sys.executable, PROGRAM, organization.database.dsn, SECRET])
        try:
            await asyncio.wait_for(killed.wait(), 60)
        finally:
            worker.kill()
        [lost] = (await organization.detail(made.endpoint)).attempts
        assert (lost.duration_ms, lost.status, lost.error) == (None, None, None)
        async with organization.delivering():
            [delivery] = await organization.until_all_over(made.endpoint)
    assert (delivery.state, delivery.attempts) == ("delivered", 2)
    first, second = served.asked
    assert verified(first, made.secret) == verified(second, made.secret)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
