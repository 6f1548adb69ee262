"""Which version the schema has, and bringing it up to the newest."""

from dataclasses import dataclass
from pathlib import Path

import asyncpg

from assay.db.errors import SchemaTooNewError

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x61737361  # "assa": one upgrade at a time, whoever starts it


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """`current` is None for an empty database; revisions are four digits and sort as text."""

    current: str | None
    newest: str

    @property
    def up_to_date(self) -> bool:
        """Whether there is nothing to do."""
        return self.current == self.newest


async def status(dsn: str) -> SchemaStatus:
    """Read the schema's revision.

    Raises:
        SchemaTooNewError: the database is ahead of this program.
    """
    connection: asyncpg.Connection = await asyncpg.connect(dsn)
    try:
        return await _status(connection)
    finally:
        await connection.close()


async def upgrade(dsn: str) -> SchemaStatus:
    """Apply what is missing, under an advisory lock; quick when nothing is.

    Raises:
        SchemaTooNewError: the database is ahead of this program.
    """
    connection: asyncpg.Connection = await asyncpg.connect(dsn)
    try:
        found = await _status(connection)
        if found.up_to_date:
            return found
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        found = await _status(connection)
        if not found.up_to_date:
            await _apply(dsn)
        return await _status(connection)
    finally:
        await connection.close()


async def _status(connection: asyncpg.Connection) -> SchemaStatus:
    newest = max(path.name[:4] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))
    current: str | None = None
    if await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL"):
        current = await connection.fetchval("SELECT version_num FROM alembic_version")
    if current is not None and current > newest:
        message = f"The database has schema {current}, and this assay knows schemas up to {newest}."
        raise SchemaTooNewError(message)
    return SchemaStatus(current, newest)


async def _apply(dsn: str) -> None:
    # Imported here: a start on an up-to-date database should not pay for Alembic.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy import Connection  # noqa: PLC0415
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(dsn)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()
