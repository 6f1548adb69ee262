"""A process that delivers until it is killed: `one_worker.py DSN SECRET`."""

import asyncio
import sys

from assay import db, webhooks
from assay.outgoing import Outgoing

PATIENCE = webhooks.Patience(attempt_seconds=2, lease_seconds=2.5)


async def _deliver(dsn: str, secret: str) -> None:
    database = await db.Database.connect(dsn)
    await webhooks.Deliverer(database, Outgoing(), secret, PATIENCE).run()


if __name__ == "__main__":
    asyncio.run(_deliver(sys.argv[1], sys.argv[2]))
