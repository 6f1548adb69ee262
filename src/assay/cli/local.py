"""How a command works on the server's own data: beside a running server, or without one."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from assay import bootstrap
from assay.cli.failure import ExitCode, Failure
from assay.db import Database
from assay.settings import Settings

Result = TypeVar("Result")


def on_database(
    data_dir: Path | None,
    work: Callable[[Database, Settings], Awaitable[Result]],
    *,
    create: bool = False,
    migrate: bool = True,
) -> Result:
    """Open the database of a data folder (or your own), do the work, and close it; return its result.

    An embedded server that runs is joined, else one is started meanwhile. Only with `create` is a
    data folder made that is not there, and only with `migrate` the schema brought up to date.

    Raises:
        Failure: there is no such data folder.
        AssayError: the database cannot be opened, or the work failed.
    """
    settings = bootstrap.settings_for(data_dir)
    if not create:
        _check_exists(settings)

    async def do() -> Result:
        async with bootstrap.open_database(settings, migrate=migrate) as database:
            return await work(database, settings)

    return asyncio.run(do())


def _check_exists(settings: Settings) -> None:
    if settings.database_url is None and not (settings.data_dir / "database").is_dir():
        raise Failure(
            f"There is no data folder {settings.data_dir}.",
            hint="--data-dir names the folder that `assay serve` was started with.",
            exit_code=ExitCode.MISUSED,
        )
