"""`assay db`: the schema of the database, by hand. A server that starts does the same by itself."""

import typer

from assay import db
from assay.cli import output
from assay.cli.failure import ExitCode
from assay.cli.local import on_database
from assay.cli.options import AsJson, DataDir
from assay.db import Database, Figures, SchemaStatus
from assay.settings import Settings

app = typer.Typer(help="Look at the database: its schema, its size; or upgrade it.")


@app.command("status")
def status(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show which schema the database has, and which this assay wants; exits with 1 if they differ."""

    async def read(database: Database, _settings: Settings) -> SchemaStatus:
        return await db.status(database.dsn)

    found = on_database(data_dir, read, migrate=False)
    _print(found, as_json=as_json)
    raise typer.Exit(ExitCode.OK if found.up_to_date else ExitCode.FAILED)


@app.command("upgrade")
def upgrade(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Bring the schema up to date; does nothing where it is."""

    async def apply(database: Database, _settings: Settings) -> SchemaStatus:
        return await db.upgrade(database.dsn)

    _print(on_database(data_dir, apply, create=True, migrate=False), as_json=as_json)


@app.command("size")
def size(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show how large the database is, and its largest tables with their indexes; rows are estimates."""

    async def read(database: Database, _settings: Settings) -> Figures:
        return await db.figures(database)

    found = on_database(data_dir, read, migrate=False)
    if as_json:
        tables = [{"name": one.name, "size": one.size, "rows": one.rows} for one in found.tables]
        output.print_json({"version": found.version, "size": found.size, "tables": tables})
        return
    rows = [(one.name, f"{one.size / 1e6:,.1f} MB", f"{one.rows:,}") for one in found.tables]
    output.print_rows(("table", "size", "rows"), [*rows, ("all", f"{found.size / 1e6:,.1f} MB", "")])


def _print(found: SchemaStatus, *, as_json: bool) -> None:
    shown = {"current": found.current, "newest": found.newest, "upToDate": found.up_to_date}
    if as_json:
        output.print_json(shown)
        return
    output.print_fields({"schema": found.current or "none", "newest": found.newest, "up to date": found.up_to_date})
