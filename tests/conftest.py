"""What every test may stand on: one real PostgreSQL a session, one fresh database a module."""

import json
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from assay import access, db
from assay.db import embedded


@pytest.fixture(scope="session")
def server() -> Generator[embedded.Lease]:
    """The embedded server, started once and shared; do not harm it, start your own for that."""
    folder = Path(tempfile.mkdtemp(prefix="assay-tests-"))
    folder.chmod(0o711)  # as root, the server's account must pass through
    lease = embedded.acquire(folder)
    try:
        yield lease
    finally:
        lease.release()
        _remove(folder)


@pytest.fixture(scope="session")
async def template(server: embedded.Lease) -> str:
    """The name of a migrated database that nobody connects to, so that it can be copied."""
    name = "migrated"
    # Nobody cuts this server's power, and dropping a database waits for a checkpoint.
    await _administer(server, "ALTER SYSTEM SET fsync = off")
    await _administer(server, "SELECT pg_reload_conf()")
    await _administer(server, f"CREATE DATABASE {name}")
    await db.upgrade(_dsn(server, name))
    return name


@pytest.fixture(scope="module")
async def database(server: embedded.Lease, template: str) -> AsyncGenerator[db.Database]:
    """A migrated database that only this test module uses, empty at its start."""
    name = f"module_{secrets.token_hex(8)}"
    await _administer(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    opened = await db.Database.connect(_dsn(server, name))
    try:
        yield opened
    finally:
        await opened.close()
        await _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
async def ownership(database: db.Database) -> tuple[access.Organization, access.User]:
    """What every installation starts with."""
    async with database.transaction() as tx:
        return await access.ensure_default_organization(tx)


@pytest.fixture(scope="module")
def organization(ownership: tuple[access.Organization, access.User]) -> access.Organization:
    """The default organization of this module's database."""
    return ownership[0]


@pytest.fixture(scope="module")
def owner(ownership: tuple[access.Organization, access.User]) -> access.User:
    """The owner of the default organization."""
    return ownership[1]


async def _administer(server: embedded.Lease, statement: str) -> None:
    connection = await asyncpg.connect(server.dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _dsn(server: embedded.Lease, name: str) -> str:
    return urlsplit(server.dsn)._replace(path=f"/{name}").geturl()


def _remove(folder: Path) -> None:
    elsewhere = folder / "database" / "elsewhere.json"
    if elsewhere.exists():
        shutil.rmtree(json.loads(elsewhere.read_text())["home"])
    shutil.rmtree(folder)
