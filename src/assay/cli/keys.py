"""`assay keys`: API keys, made and revoked on the server's own data, so that there can be a first one."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from assay import access, clock
from assay.cli import output
from assay.cli.local import on_database
from assay.cli.options import AsJson, DataDir, Yes
from assay.clock import iso
from assay.db import Database
from assay.settings import Settings

_FROM_NOW = re.compile(r"(\d{1,5})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}

app = typer.Typer(help="Make, list and revoke API keys, on the server's own data.")


@app.command("create")
def create(
    *,
    name: Annotated[str, typer.Option("--name", help="What the key is for.", show_default=False)],
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help=f"Repeat it for more: {', '.join(access.SCOPES)}.", show_default="full_access"),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(
            "--user",
            metavar="EMAIL",
            help="Whose it is, else the owner's. Somebody new is added: as member, or as reviewer where "
            "that is the only scope. A key does no more than its person may.",
        ),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="WHEN", help="2027-01-31, or 90d, 12h, 4w from now; else never.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key and print it; it is never shown again."""
    expires_at = _moment(expires) if expires else None
    scopes = scope or ["full_access"]

    async def make(database: Database, _settings: Settings) -> access.NewKey:
        async with database.transaction() as tx:
            organization, person = await access.ensure_default_organization(tx)
            if user is not None:
                role: access.Role = "reviewer" if scopes == ["reviews:write"] else "member"
                person = await access.ensure_user(tx, organization_id=organization.id, email=user, role=role)
            return await access.create_key(
                tx,
                organization_id=organization.id,
                user_id=person.id,
                name=name,
                scopes=scopes,
                expires_at=expires_at,
            )

    made = on_database(data_dir, make, create=True)
    if as_json:
        output.print_json({**_as_json(made.key), "key": made.secret})
        return
    output.print_value(made.secret)
    output.say(f"{made.key.id}: keep it well, it is never shown again.")


@app.command("list")
def list_keys(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all keys, newest first, with the revoked and the expired ones."""

    async def read(database: Database, _settings: Settings) -> list[access.ApiKey]:
        async with database.transaction() as tx:
            organization, _owner = await access.ensure_default_organization(tx)
            return await access.list_keys(tx, organization.id)

    found = on_database(data_dir, read)
    if as_json:
        output.print_json([_as_json(key) for key in found])
        return
    rows = [
        (
            key.id,
            key.name,
            _state(key),
            output.moment_cell(iso(key.created_at)),
            output.moment_cell(key.last_used_at and iso(key.last_used_at)),
            output.moment_cell(key.expires_at and iso(key.expires_at)),
            ", ".join(key.scopes),
        )
        for key in found
    ]
    output.print_rows(("id", "name", "state", "created", "last used", "expires", "scopes"), rows)


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="Id of the key (key_…).", show_default=False)],
    *,
    yes: Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Withdraw a key for ever; whoever uses it is refused at once."""
    output.confirm(f"Revoke {key_id} for ever?", yes=yes)

    async def withdraw(database: Database, _settings: Settings) -> access.ApiKey:
        async with database.transaction() as tx:
            organization, _owner = await access.ensure_default_organization(tx)
            return await access.revoke_key(tx, organization.id, key_id)

    found = on_database(data_dir, withdraw)
    output.say(f"{found.id} ({found.name}) is revoked.")


def _state(key: access.ApiKey) -> output.Cell:
    if key.revoked_at:
        return output.Cell("revoked", style="red")
    if key.expires_at and key.expires_at <= clock.now():
        return output.Cell("expired", style="yellow")
    return output.Cell("active", style="green")


def _as_json(key: access.ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "createdAt": iso(key.created_at),
        "expiresAt": key.expires_at and iso(key.expires_at),
        "revokedAt": key.revoked_at and iso(key.revoked_at),
        "lastUsedAt": key.last_used_at and iso(key.last_used_at),
    }


def _moment(text: str) -> datetime:
    ahead = _FROM_NOW.fullmatch(text)
    if ahead:
        return clock.now() + timedelta(**{_UNITS[ahead[2]]: int(ahead[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter("--expires is a moment (2027-01-31) or a time from now (90d, 12h, 4w).") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
