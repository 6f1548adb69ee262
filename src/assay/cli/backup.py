"""`assay backup` and `assay restore`: database and files together, to one archive and back."""

from pathlib import Path
from typing import Annotated

import typer
from rich.status import Status

from assay import db
from assay.cli import backup_archive, formats, output
from assay.cli.backup_archive import Progress
from assay.cli.failure import Failure
from assay.cli.local import on_database
from assay.cli.options import DataDir, Yes
from assay.db import Database, SchemaTooNewError
from assay.db import dump as dumps
from assay.settings import Settings


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The archive to write.", show_default=False)],
    *,
    yes: Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Write database and files to one archive.

    The server may go on. Keep the archive well: it holds all documents, and the key that opens stored secrets.
    """
    if file.exists():
        output.confirm(f"Replace {file}?", yes=yes)

    async def write(database: Database, settings: Settings) -> int:
        with output.working("Writing …") as shown:
            return await backup_archive.write(database, settings, file, _progress(shown))

    count = on_database(data_dir, write, migrate=False)
    output.say(f"{file}: the database and {formats.count(count, 'file')}, {formats.size(file.stat().st_size)}.")


def restore(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The archive.", exists=True, dir_okay=False, show_default=False)
    ],
    *,
    yes: Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Put back what a backup holds.

    Stop all servers and workers first. A database that is not empty is replaced, if you say so.
    """
    manifest = backup_archive.manifest_of(file)

    async def read(database: Database, settings: Settings) -> int:
        await _check(database, manifest, yes=yes)
        with output.working("Restoring …") as shown:
            return await backup_archive.read(database, settings, file, _progress(shown))

    count = on_database(data_dir, read, create=True, migrate=False)
    output.say(f"Restored the backup of {formats.moment(manifest.created_at)}: {formats.count(count, 'file')}.")


async def _check(database: Database, manifest: backup_archive.Manifest, *, yes: bool) -> None:
    newest = (await db.status(database.dsn)).newest
    if manifest.schema > newest:
        raise SchemaTooNewError(f"The backup has schema {manifest.schema}, this assay knows schemas up to {newest}.")
    async with database.transaction() as tx:
        others, has_tables = await dumps.other_sessions(tx), await dumps.has_tables(tx)
    if others:
        raise Failure(
            f"The database is in use by {formats.count(others, 'other connection')}.",
            hint="Stop all servers and workers first.",
        )
    if has_tables:
        output.confirm("The database is not empty. Replace everything in it?", yes=yes)


def _progress(shown: Status | None) -> Progress:
    def tell(count: int) -> None:
        if shown is not None:
            shown.update(formats.count(count, "file"))

    return tell
