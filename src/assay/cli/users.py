"""`assay users`: who may sign in to the dashboard, on the server's own data."""

from typing import Annotated, Any

import typer

from assay import access
from assay.cli import output
from assay.cli.failure import Failure
from assay.cli.local import on_database
from assay.cli.options import AsJson, DataDir
from assay.clock import iso
from assay.db import Database, Transaction
from assay.settings import Settings

app = typer.Typer(help="Add people, list them, and print links that sign them in once.")

Email = Annotated[str, typer.Option("--email", help="Address of the person.", show_default=False)]
BaseUrl = Annotated[str, typer.Option("--url", help="Where the server is, for the link.")]


@app.command("add")
def add(
    *,
    email: Email,
    role: Annotated[str, typer.Option("--role", help="owner, admin, member or reviewer.")] = "member",
    name: Annotated[str | None, typer.Option("--name", help="What to call the person.")] = None,
    url: BaseUrl = "http://127.0.0.1:8321",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add a person and print the link that invites them; it is good for a week, and once."""
    roles: dict[str, access.Role] = {"owner": "owner", "admin": "admin", "member": "member", "reviewer": "reviewer"}
    if role not in roles:
        message = f"There is no role {role!r}."
        raise Failure(message, hint=f"Roles are {', '.join(roles)}.")

    async def make(database: Database, _settings: Settings) -> tuple[access.User, str]:
        async with database.transaction() as tx:
            organization, _ = await access.ensure_default_organization(tx)
            user = await access.create_user(
                tx, organization_id=organization.id, email=email, name=name, role=roles[role]
            )
            return user, await access.make_link(tx, user, "invitation")

    user, token = on_database(data_dir, make, create=True)
    _print_link(user, f"{url}/sign-in/link/{token}", as_json=as_json)


@app.command("link")
def link(
    *, email: Email, url: BaseUrl = "http://127.0.0.1:8321", data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Print a link that signs a person in; it is good for an hour, and once."""

    async def make(database: Database, _settings: Settings) -> tuple[access.User, str]:
        async with database.transaction() as tx:
            user = await _user(tx, email)
            return user, await access.make_link(tx, user, "link")

    user, token = on_database(data_dir, make, create=True)
    _print_link(user, f"{url}/sign-in/link/{token}", as_json=as_json)


@app.command("list")
def list_users(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List everybody, with roles, and when they were last seen."""

    async def read(database: Database, _settings: Settings) -> list[access.Member]:
        async with database.transaction() as tx:
            organization, _ = await access.ensure_default_organization(tx)
            return await access.list_members(tx, organization.id)

    found = on_database(data_dir, read)
    if as_json:
        output.print_json([_as_json(member) for member in found])
        return
    rows = [
        (
            member.user.email,
            member.user.name or "",
            member.user.role,
            "disabled" if member.disabled_at else "active",
            output.moment_cell(member.last_seen_at and iso(member.last_seen_at)),
        )
        for member in found
    ]
    output.print_rows(("E-mail", "Name", "Role", "State", "Last seen"), rows)


async def _user(tx: Transaction, email: str) -> access.User:
    organization, _ = await access.ensure_default_organization(tx)
    for member in await access.list_members(tx, organization.id):
        if member.user.email.lower() == email.lower() and member.disabled_at is None:
            return member.user
    message = f"There is no user {email}."
    raise Failure(message, hint=f"assay users add --email {email} makes one.")


def _print_link(user: access.User, url: str, *, as_json: bool) -> None:
    if as_json:
        output.print_json({"email": user.email, "role": user.role, "url": url})
        return
    output.print_value(url)
    output.say(f"Signs in {user.email} ({user.role}), once.")


def _as_json(member: access.Member) -> dict[str, Any]:
    return {
        "id": member.user.id,
        "email": member.user.email,
        "name": member.user.name,
        "role": member.user.role,
        "disabled": member.disabled_at is not None,
        "lastSeenAt": member.last_seen_at and iso(member.last_seen_at),
    }
