"""`assay automations`: looking at workflows and agents, who may start them, and their limits."""

from enum import StrEnum
from typing import Annotated, Literal

import typer

from assay.cli import alerts, output
from assay.cli.answers import Json, part
from assay.cli.automation_health import health
from assay.cli.automation_lifecycle import lifecycle
from assay.cli.automation_operations import operations
from assay.cli.connection import automation_ref, connect
from assay.cli.options import AsJson, AutomationName, BaseUrl
from assay.cli.output import Value
from assay.cli.paging import Offset, PageSize, print_page
from assay.cli.required_repeats import proof
from assay_client import Limits


class Trigger(StrEnum):
    """What a person can switch."""

    API = "api"
    MANUAL = "manual"


app = typer.Typer(help="Look at automations and how they fare; switch triggers, set limits, watch them.")
app.add_typer(alerts.app, name="alerts")
app.command("health")(health)
app.command("operations")(operations)
app.command("lifecycle")(lifecycle)
app.command("proof")(proof)

Search = Annotated[str | None, typer.Option("--search", help="Part of the name or the description.")]


@app.command("list")
def list_automations(
    *,
    search: Search = None,
    kind: Annotated[Literal["workflow", "agent"] | None, typer.Option("--type", help="Only these.")] = None,
    limit: PageSize = 50,
    offset: Offset = 0,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List automations, newest first."""
    print_automations(search=search, kind=kind, limit=limit, offset=offset, base_url=base_url, as_json=as_json)


@app.command("show")
def show(automation: AutomationName, *, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Show an automation: its current version, triggers, limits and inputs."""
    with connect(base_url) as client:
        found = client.automations.get(automation_ref(automation))
    if as_json:
        output.print_json(found)
        return
    output.print_fields(
        {
            "id": found["id"],
            "target": f"{found['type']}s.{found['slug']}",
            "description": found["description"],
            "version": found["version"],
            **{f"{name} trigger": on for name, on in found["triggers"].items() if name in {"api", "manual"}},
            "runs at once": found.get("concurrencyLimit") or "no limit",
            "days runs are kept": found.get("retentionDays") or "no limit",
            "inputs": _inputs(part(found, "inputSchema")),
            "created": output.moment_cell(found["createdAt"]),
            "updated": output.moment_cell(found["updatedAt"]),
        }
    )


@app.command("triggers")
def triggers(
    automation: AutomationName,
    *,
    enable: Annotated[list[Trigger] | None, typer.Option("--enable", help="Switch on. Repeat it for more.")] = None,
    disable: Annotated[list[Trigger] | None, typer.Option("--disable", help="Switch off.")] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show which triggers are on, or switch them; what was switched survives later pushes."""
    switched: dict[str, bool] = {**dict.fromkeys(enable or (), True), **dict.fromkeys(disable or (), False)}
    if set(enable or ()) & set(disable or ()):
        raise typer.BadParameter("a trigger cannot be switched on and off at once.")
    name = automation_ref(automation)
    with connect(base_url) as client:
        if switched:
            found = client.automations.set_triggers(name, api=switched.get("api"), manual=switched.get("manual"))
        else:
            found = client.automations.triggers(name)
    if as_json:
        output.print_json(found)
        return
    output.print_fields(found["triggers"])


@app.command("archive")
def archive(
    automation: AutomationName,
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Take it back into use.")] = False,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Archive an automation: it keeps everything and starts no runs."""
    with connect(base_url) as client:
        found = client.automations.set_archived(automation_ref(automation), archived=not undo)
    if as_json:
        output.print_json(found)
        return
    output.print_fields({"automation": found["slug"], "status": found["status"]})


@app.command("limits")
def limits(
    automation: AutomationName,
    *,
    concurrency: Annotated[
        str | None, typer.Option("--concurrency", metavar="N|none", help="How many runs are worked on at once.")
    ] = None,
    retention_days: Annotated[
        str | None, typer.Option("--retention-days", metavar="N|none", help="After how many days runs are deleted.")
    ] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show or set how many runs go on at once, and how long finished ones are kept."""
    changes: Limits = {}
    if concurrency is not None:
        changes["concurrencyLimit"] = _limit("--concurrency", concurrency)
    if retention_days is not None:
        changes["retentionDays"] = _limit("--retention-days", retention_days)
    name = automation_ref(automation)
    with connect(base_url) as client:
        found = client.automations.set_limits(name, changes) if changes else client.automations.get(name)
    shown = {limit: found.get(limit) for limit in ("concurrencyLimit", "retentionDays")}
    if as_json:
        output.print_json(shown)
        return
    output.print_fields(shown)


def print_automations(
    *,
    search: str | None,
    kind: Literal["workflow", "agent"] | None,
    limit: int,
    offset: int,
    base_url: str | None,
    as_json: bool,
) -> None:
    """Print a page of automations, and say if there are more."""
    with connect(base_url) as client:
        page = client.automations.list(search=search, kind=kind, limit=limit, offset=offset)
    titles = ("id", "type", "name", "version", "api", "manual", "updated", "description")
    print_page(page, titles, _row, offset=offset, as_json=as_json)


def _row(found: Json) -> tuple[Value, ...]:
    return (
        found["id"],
        found["type"],
        found["slug"],
        found["version"],
        found["triggers"]["api"],
        found["triggers"]["manual"],
        output.moment_cell(found["updatedAt"]),
        found["description"],
    )


def _inputs(schema: Json) -> str:
    required = set(schema.get("required") or [])
    names = part(schema, "properties")
    return ", ".join(name if name in required else f"{name}?" for name in names)


def _limit(option: str, text: str) -> int | None:
    if text == "none":
        return None
    if not text.isdecimal() or int(text) == 0:
        raise typer.BadParameter(f"{option} is a number from 1 on, or none.")
    return int(text)
