"""From settings to running objects: opens the database, the blob store and the parser, and closes them again."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from assay import db
from assay.db import embedded
from assay.settings import Settings


def settings_for(data_dir: Path | None) -> Settings:
    """Read the settings; a data folder given on the command line wins over `ASSAY_DATA_DIR`."""
    settings = Settings() if data_dir is None else Settings(data_dir=data_dir)
    return settings.model_copy(update={"data_dir": settings.data_dir.absolute()})


@asynccontextmanager
async def open_database(settings: Settings, *, migrate: bool = True) -> AsyncGenerator[db.Database]:
    """Open your own database, or join or start the embedded one and keep it running meanwhile.

    Raises:
        DatabaseUnavailableError: it cannot be reached.
        SchemaTooNewError: it was written by a newer assay.
    """
    async with contextlib.AsyncExitStack() as stack:
        dsn = settings.database_url or await stack.enter_async_context(_embedded_server(settings.data_dir))
        if migrate:
            await db.upgrade(dsn)
        database = await db.Database.connect(dsn, size=settings.database_connections)
        stack.push_async_callback(database.close)
        yield database


@asynccontextmanager
async def _embedded_server(data_dir: Path) -> AsyncGenerator[str]:
    lease = await asyncio.to_thread(embedded.acquire, data_dir)
    keeper = asyncio.create_task(_keep_running(lease))
    try:
        yield lease.dsn
    finally:
        keeper.cancel()
        await asyncio.to_thread(lease.release)


async def _keep_running(lease: embedded.Lease) -> None:
    """Start the server again whenever it died, whoever killed it."""
    while True:
        await asyncio.sleep(1)
        with contextlib.suppress(embedded.EmbeddedServerError):
            await asyncio.to_thread(lease.ensure_running)
