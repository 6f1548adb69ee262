"""`assay users`: who may sign in to the dashboard, on the server's own data."""

from pathlib import Path
from typing import Annotated, Any

import typer

from assay import access
from assay.cli import formats, output
from assay.cli.failure import Failure
from assay.cli.local import on_database
from assay.cli.options import AsJson, DataDir, Yes
from assay.clock import iso
from assay.db import Database, Transaction
from assay.settings import Settings, client_environment
from assay_client import DEFAULT_BASE_URL

app = typer.Typer(help="Add people, list them, change what they may, and print links that sign them in once.")

Email = Annotated[str, typer.Option("--email", help="Address of the person.", show_default=False)]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="Where the server is, for the link.",
        show_default="ASSAY_PUBLIC_URL, else ASSAY_BASE_URL, else http://127.0.0.1:8321",
    ),
]


@app.command("add")
def add(
    *,
    email: Email,
    role: Annotated[access.Role, typer.Option("--role", help="What the person may do.")] = "member",
    name: Annotated[str | None, typer.Option("--name", help="What to call the person.")] = None,
    url: BaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add a person and print the link that invites them; it is good for a week, and once."""

    async def make(database: Database, settings: Settings) -> tuple[access.User, str]:
        async with database.transaction() as tx:
            organization, _ = await access.ensure_default_organization(tx)
            user = await access.create_user(tx, organization_id=organization.id, email=email, name=name, role=role)
            return user, _link(url, settings, await access.make_link(tx, user, "invitation"))

    _print_link(*on_database(data_dir, make, create=True), as_json=as_json)


@app.command("link")
def link(*, email: Email, url: BaseUrl = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Print a link that signs a person in; it is good for an hour, and once."""

    async def make(database: Database, settings: Settings) -> tuple[access.User, str]:
        async with database.transaction() as tx:
            user = await _user(tx, email)
            return user, _link(url, settings, await access.make_link(tx, user, "link"))

    _print_link(*on_database(data_dir, make, create=True), as_json=as_json)


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


@app.command("role")
def role(
    *,
    email: Email,
    to: Annotated[access.Role, typer.Option("--role", help="What the person may do.", show_default=False)],
    data_dir: DataDir = None,
) -> None:
    """Give a person another role. Somebody has to stay owner."""

    async def change(database: Database, _settings: Settings) -> access.User:
        async with database.transaction() as tx:
            user = await _user(tx, email)
            return (await access.change_member(tx, user.organization_id, user.id, role=to)).user

    user = on_database(data_dir, change)
    output.say(f"{user.email} is {user.role} now.")


@app.command("disable")
def disable(*, email: Email, yes: Yes = False, data_dir: DataDir = None) -> None:
    """Let a person sign in no more; their sessions end, their keys and links are refused."""
    output.confirm(f"Disable {email}?", yes=yes)
    _set_disabled(data_dir, email, disabled=True)
    output.say(f"{email} is disabled: assay users enable --email {email} takes it back.")


@app.command("enable")
def enable(*, email: Email, data_dir: DataDir = None) -> None:
    """Let a person who was disabled sign in again."""
    _set_disabled(data_dir, email, disabled=False)
    output.say(f"{email} may sign in again.")


@app.command("sign-out")
def sign_out(*, email: Email, data_dir: DataDir = None) -> None:
    """End everything that a person is signed in with."""

    async def end(database: Database, _settings: Settings) -> int:
        async with database.transaction() as tx:
            user = await _user(tx, email)
            return await access.sign_out_member(tx, user.organization_id, user.id)

    output.say(f"Ended: {formats.count(on_database(data_dir, end), 'session')}.")


@app.command("unlink")
def unlink(*, email: Email, data_dir: DataDir = None) -> None:
    """Forget which account of the sign-in provider is a person's; the next with their address is linked."""

    async def forget(database: Database, _settings: Settings) -> int:
        async with database.transaction() as tx:
            user = await _user(tx, email, also_disabled=True)
            return await access.unlink_member(tx, user.organization_id, user.id)

    output.say(f"{email} is linked no more." if on_database(data_dir, forget) else f"{email} was not linked.")


def _set_disabled(data_dir: Path | None, email: str, *, disabled: bool) -> None:
    async def change(database: Database, _settings: Settings) -> None:
        async with database.transaction() as tx:
            user = await _user(tx, email, also_disabled=True)
            await access.change_member(tx, user.organization_id, user.id, disabled=disabled)

    on_database(data_dir, change)


async def _user(tx: Transaction, email: str, *, also_disabled: bool = False) -> access.User:
    organization, _ = await access.ensure_default_organization(tx)
    for member in await access.list_members(tx, organization.id):
        if member.user.email.lower() == email.lower() and (also_disabled or member.disabled_at is None):
            return member.user
    message = f"There is no user {email}."
    raise Failure(message, hint=f"assay users add --email {email} makes one.")


def _link(url: str | None, settings: Settings, token: str) -> str:
    return f"{url or settings.public_url or client_environment()[0] or DEFAULT_BASE_URL}/sign-in/link/{token}"


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
        "linked": member.is_linked,
        "lastSeenAt": member.last_seen_at and iso(member.last_seen_at),
    }
