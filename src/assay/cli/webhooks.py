"""`assay webhooks`: who is told of what happens, and whether it reached them."""

import time
from typing import Annotated, Any, Literal

import typer

from assay.cli import output
from assay.cli.answers import Json
from assay.cli.connection import connect
from assay.cli.failure import ExitCode, Failure
from assay.cli.options import AsJson, BaseUrl, Yes
from assay_client import Client

app = typer.Typer(help="Tell other servers what happens: list, add, change, remove, test, deliveries, rotate.")

WebhookId = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Id of the endpoint (whep_…).", show_default=False)]
DeliveryId = Annotated[str, typer.Argument(metavar="DELIVERY", help="Id of the delivery (whdl_…).", show_default=False)]
Events = Annotated[
    list[str] | None,
    typer.Option("--event", metavar="EVENT", help="run.created, feedback.*, …; repeat it for more. Default: all."),
]
TEST_SECONDS = 20.0


@app.command("list")
def list_webhooks(*, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """List webhook endpoints, the oldest first."""
    with connect(base_url) as client:
        found = client.webhooks.list()
    if as_json:
        output.print_json(found)
        return
    rows = [(one["id"], one["url"], ", ".join(one["events"]), _state(one), one["failures"]) for one in found["data"]]
    output.print_rows(("id", "url", "events", "state", "failures"), rows)
    if not rows:
        output.say("There is none: assay webhooks add URL")


@app.command("add")
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are posted to.", show_default=False)],
    *,
    event: Events = None,
    automation: Annotated[
        str | None, typer.Option("--automation", help="Only of this one: its id or workflows.<name>.")
    ] = None,
    description: Annotated[str | None, typer.Option("--description", help="What it is for.")] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add a webhook endpoint and print its signing secret; it is never shown again."""
    settings: dict[str, Any] = {"events": event or ["*"], "automationId": automation, "description": description}
    with connect(base_url) as client:
        added = client.webhooks.add(url, **settings)
    _show_secret(added, as_json=as_json)
    output.say(f"Try it: assay webhooks test {added['id']}")


@app.command("change")
def change(
    webhook: WebhookId,
    *,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Where events are posted to.")] = None,
    event: Events = None,
    automation: Annotated[
        str | None, typer.Option("--automation", help="Only of this one: its id or workflows.<name>; none: of all.")
    ] = None,
    description: Annotated[str | None, typer.Option("--description", help="What it is for.")] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change an endpoint: what no option names stays, and so does its secret."""
    given = {"url": url, "events": event, "automationId": automation, "description": description}
    settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not settings:
        raise typer.BadParameter("say what to change.")
    if automation == "none":
        settings["automationId"] = None
    _change(webhook, base_url, as_json=as_json, **settings)


@app.command("enable")
def enable(webhook: WebhookId, *, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Send to an endpoint again, also what was left waiting."""
    _change(webhook, base_url, as_json=as_json, enabled=True)


@app.command("disable")
def disable(webhook: WebhookId, *, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Send nothing to an endpoint; what waits for it is kept for 30 days."""
    _change(webhook, base_url, as_json=as_json, enabled=False)


@app.command("remove")
def remove(webhook: WebhookId, *, yes: Yes = False, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Remove an endpoint with its deliveries."""
    output.confirm(f"Remove {webhook} and its deliveries?", yes=yes)
    with connect(base_url) as client:
        removed = client.webhooks.remove(webhook)
    if as_json:
        output.print_json(removed)
        return
    output.say(f"{removed['id']} is removed; {removed['url']} is told nothing more.")


@app.command("rotate")
def rotate(
    webhook: WebhookId,
    *,
    overlap: Annotated[
        int | None,
        typer.Option("--overlap", metavar="SECONDS", help="How long the old secret signs too. Default: a day."),
    ] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a new signing secret and print it; the old one signs too for some time."""
    with connect(base_url) as client:
        rotated = client.webhooks.rotate(webhook, overlap)
    _show_secret(rotated, as_json=as_json)


@app.command("test")
def try_out(webhook: WebhookId, *, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Send an event made up for the purpose, and say what the endpoint answered."""
    with connect(base_url) as client, output.working("Sending …"):
        delivery = _until_over(client, webhook, client.webhooks.test(webhook)["id"])
    if as_json:
        output.print_json(delivery)
    if delivery["state"] == "pending":
        message = "No worker has sent it yet."
        raise Failure(message, hint=f"assay webhooks deliveries {webhook}", exit_code=ExitCode.CANNOT_TELL)
    if delivery["state"] == "failed":
        raise Failure(f"It did not arrive: {delivery['lastError']}")
    output.say(f"It arrived; the endpoint answered {delivery['lastStatus']}.")


@app.command("deliveries")
def deliveries(
    webhook: WebhookId,
    delivery: Annotated[
        str | None, typer.Argument(metavar="[DELIVERY]", help="Show this one, with its attempts.")
    ] = None,
    *,
    state: Annotated[
        Literal["pending", "delivered", "failed"] | None, typer.Option("--state", help="Only these.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="How many, the newest first.")] = 50,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List what was sent to an endpoint, or show one delivery."""
    with connect(base_url) as client:
        if delivery is not None:
            _show_delivery(client.webhooks.delivery(webhook, delivery), as_json=as_json)
            return
        wanted = {"limit": limit} if state is None else {"limit": limit, "state": state}
        found = client.webhooks.deliveries(webhook, **wanted)
    if as_json:
        output.print_json(found)
        return
    rows = [
        (
            one["id"],
            one["type"],
            one["state"],
            one["attemptCount"],
            output.moment_cell(one["createdAt"]),
            output.moment_cell(one["nextAttemptAt"]),
            one["lastError"],
        )
        for one in found["data"]
    ]
    output.print_rows(("id", "event", "state", "attempts", "created", "next", "last error"), rows)


@app.command("redeliver")
def redeliver(webhook: WebhookId, delivery: DeliveryId, *, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Send an event again, with its own id, whatever came of it."""
    with connect(base_url) as client:
        found = client.webhooks.redeliver(webhook, delivery)
    if as_json:
        output.print_json(found)
        return
    output.say(f"{delivery} is sent again: assay webhooks deliveries {webhook} {delivery}")


def _change(webhook: str, base_url: str | None, *, as_json: bool, **settings: Any) -> None:
    with connect(base_url) as client:
        changed = client.webhooks.change(webhook, **settings)
    if as_json:
        output.print_json(changed)
        return
    output.say(f"{changed['id']} is {_state(changed)}.")


def _until_over(client: Client, webhook: str, delivery_id: str) -> Json:
    deadline = time.monotonic() + TEST_SECONDS
    while True:
        delivery = client.webhooks.delivery(webhook, delivery_id)
        if delivery["state"] != "pending" or time.monotonic() > deadline:
            return delivery
        time.sleep(0.1)


def _show_secret(made: Json, *, as_json: bool) -> None:
    if as_json:
        output.print_json(made)
        return
    output.print_value(made["secret"])
    output.say(f"{made['id']}: keep the secret well, it is never shown again.")


def _show_delivery(delivery: Json, *, as_json: bool) -> None:
    if as_json:
        output.print_json(delivery)
        return
    output.print_fields(
        {
            "event": f"{delivery['type']} {delivery['eventId']}",
            "state": delivery["state"],
            "created": output.moment_cell(delivery["createdAt"]),
            "next attempt": output.moment_cell(delivery["nextAttemptAt"]),
        }
    )
    rows = [
        (
            one["number"],
            output.moment_cell(one["startedAt"]),
            output.duration_cell(one["durationMs"]),
            one["status"],
            one["error"],
        )
        for one in delivery["attempts"]
    ]
    output.print_rows(("attempt", "started", "took", "status", "error"), rows)


def _state(endpoint: Json) -> str:
    if endpoint["enabled"]:
        return "enabled"
    return f"disabled: {endpoint['disabledReason']}" if endpoint["disabledReason"] else "disabled"
