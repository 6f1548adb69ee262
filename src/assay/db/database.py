"""The unit of work: one transaction, opened here, committed here, and lent to everyone in between.

The transaction is begun on the driver's own connection before anything else uses it, so that
SQLAlchemy Core statements, named SQL and PgQueuer's enqueue all stand and fall together.
Core is used as the language for composed queries only: statements are compiled for PostgreSQL
and run on the same connection.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar, cast

import asyncpg
from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.sql.compiler import SQLCompiler
from typing_extensions import override

from assay.db.errors import DatabaseUnavailableError

Result = TypeVar("Result")
Row = asyncpg.Record
Query = str | Executable
Isolation = Literal["read_committed", "repeatable_read", "serializable"]


class _Connection(asyncpg.Connection):
    """Returns to the pool without a round trip: nobody leaves session state on these connections."""

    @override
    def get_reset_query(self) -> str:
        return ""


async def create_pool(dsn: str, *, least: int, most: int, statement_timeout: float = 60.0) -> asyncpg.Pool:
    """Open a pool of `least` to `most` connections; a statement may take `statement_timeout` seconds."""
    return await asyncpg.create_pool(
        dsn,
        connection_class=_Connection,
        min_size=least,
        max_size=most,
        timeout=10,
        command_timeout=statement_timeout + 5,
        max_inactive_connection_lifetime=300,
        server_settings={
            "application_name": "assay",
            "statement_timeout": str(int(statement_timeout * 1000)),
            "timezone": "UTC",
            # Named statements find their rows by keys, whatever the values: planning the queue's each time costs more
            # than running it. Lists, whose filters differ, ask for plans of their own.
            "plan_cache_mode": "force_generic_plan",
        },
    )


_DIALECT = PGDialect_asyncpg()

CONNECTION_ERRORS: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    ConnectionError,
)
"""What the driver raises when the server is away, restarting or shutting down."""

OPENING_ERRORS: tuple[type[BaseException], ...] = (
    *CONNECTION_ERRORS,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    OSError,
    TimeoutError,
)
"""What it raises when there is no server at an address, or none that lets us in."""


class Transaction:
    """An open transaction. Whoever holds one may read and write, and never commits."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        """Wrap a connection on which a transaction has been begun."""
        self.connection = connection
        self.notifications: list[tuple[str, str]] = []

    def notify_after_commit(self, channel: str, payload: str) -> None:
        """Notify once the transaction has committed; if the process dies in between, nobody hears it.

        Notifying inside would be certain, but PostgreSQL lets such commits wait for each other's writing to the
        disk. So this is for those who would also find out by themselves.
        """
        if (channel, payload) not in self.notifications:  # as PostgreSQL does: the same is said once
            self.notifications.append((channel, payload))

    async def fetch(self, query: Query, *arguments: object) -> list[Row]:
        """Run a Core statement, or SQL text with `$1…` arguments, and return its rows."""
        sql, values = _compiled(query, arguments)
        return await self.connection.fetch(sql, *values)

    async def fetch_one(self, query: Query, *arguments: object) -> Row | None:
        """Run a query and return its first row, or None."""
        sql, values = _compiled(query, arguments)
        return await self.connection.fetchrow(sql, *values)

    async def fetch_value(self, query: Query, *arguments: object) -> Any:
        """Run a query and return the first column of its first row, or None."""
        sql, values = _compiled(query, arguments)
        return await self.connection.fetchval(sql, *values)

    async def execute(self, query: Query, *arguments: object) -> int:
        """Run a statement and return how many rows it touched."""
        sql, values = _compiled(query, arguments)
        tag = await self.connection.execute(sql, *values)
        last_word = tag.rsplit(" ", 1)[-1]
        return int(last_word) if last_word.isdigit() else 0


class Database:
    """A pool of connections to one PostgreSQL database."""

    def __init__(self, pool: asyncpg.Pool, dsn: str) -> None:
        """Use `Database.connect`."""
        self.pool = pool
        self.dsn = dsn

    @classmethod
    async def connect(cls, dsn: str, *, size: int = 10, statement_timeout: float = 60.0) -> "Database":
        """Open a pool of up to `size` connections; a statement may take `statement_timeout` seconds.

        Raises:
            DatabaseUnavailableError: nothing answers at `dsn`.
        """
        try:
            pool = await create_pool(dsn, least=1, most=size, statement_timeout=statement_timeout)
        except (*CONNECTION_ERRORS, OSError, TimeoutError) as error:
            raise DatabaseUnavailableError from error
        return cls(pool, dsn)

    async def close(self) -> None:
        """Close all connections; those still in use after ten seconds are cut."""
        try:
            await asyncio.wait_for(self.pool.close(), timeout=10)
        except TimeoutError:
            self.pool.terminate()

    @asynccontextmanager
    async def transaction(self, isolation: Isolation = "read_committed") -> AsyncGenerator[Transaction]:
        """Begin; commit when the block ends, roll back when it raises.

        Raises:
            DatabaseUnavailableError: the server went away. Nothing was done, except in the one case
                nobody can tell: it went away between the commit and its answer.
        """
        async with self._connection() as connection:
            tx = Transaction(connection)
            async with connection.transaction(isolation=isolation):
                yield tx
            for channel, payload in tx.notifications:
                with contextlib.suppress(*CONNECTION_ERRORS, asyncpg.PostgresError):
                    await connection.execute("SELECT pg_notify($1, $2)", channel, payload)

    @asynccontextmanager
    async def single_statement(self) -> AsyncGenerator[Transaction]:
        """Lend a connection on which each statement is a transaction of its own: for one statement, and faster.

        Raises:
            DatabaseUnavailableError: the server went away.
        """
        async with self._connection() as connection:
            yield Transaction(connection)

    async def when_available(self, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """Run one statement; while the server is away, wait and try again: it must do no harm to run it twice."""
        delay = 0.05
        while True:
            try:
                async with self.single_statement() as tx:
                    return await work(tx)
            except DatabaseUnavailableError:
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[asyncpg.Connection]:
        try:
            proxy = await self.pool.acquire(timeout=10)
        except (*CONNECTION_ERRORS, OSError, TimeoutError) as error:
            raise DatabaseUnavailableError from error
        try:
            yield cast("asyncpg.Connection", proxy)
        except CONNECTION_ERRORS as error:
            # The driver says the same of a connection that was lost and of a query that is called wrongly.
            if isinstance(error, asyncpg.InterfaceError) and not _is_gone(proxy):
                raise
            # A server that crashes says goodbye first. Until the connection closes, the driver only calls it confused,
            # and the pool would lend it again.
            if isinstance(error, asyncpg.InternalClientError):
                proxy.terminate()
            raise DatabaseUnavailableError from error
        finally:
            await self.pool.release(proxy)


def _is_gone(proxy: Any) -> bool:
    try:
        return proxy.is_closed()
    except asyncpg.InterfaceError:  # the pool took it back when it broke
        return True


def _compiled(query: Query, arguments: Sequence[object]) -> tuple[str, Sequence[object]]:
    if isinstance(query, str):
        return query, arguments
    statement = cast("Any", query)
    compiled = cast("SQLCompiler", statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True}))
    parameters = cast("dict[str, object]", compiled.params)
    return compiled.string, [parameters[name] for name in compiled.positiontup or ()]
