"""`assay automations alerts`: being told when an automation does badly."""

from typing import Annotated, Any, Literal

import typer

from assay.cli import formats, output
from assay.cli.answers import Json, items
from assay.cli.connection import automation_ref, connect
from assay.cli.options import AsJson, AutomationName, BaseUrl

app = typer.Typer(help="Watch automations: list, add, preview, remove alerts.")

Metric = Annotated[
    Literal[
        "failure_rate",
        "error_count",
        "latency_p95",
        "open_debt_age",
        "queue_age",
        "miss_rate",
        "drift",
        "unlike_dataset",
    ],
    typer.Option("--metric", help="What is watched.", show_default=False),
]
Threshold = Annotated[float, typer.Option("--above", metavar="N", help="It fires while the value is above this.")]
Window = Annotated[int, typer.Option("--window", metavar="MINUTES", help="Runs that ended in so many minutes.")]
Minimum = Annotated[int, typer.Option("--minimum", metavar="N", help="Fewer runs in the window are no data.")]


@app.command("list")
def list_alerts(automation: AutomationName, *, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """List the alerts of an automation, and how they stand."""
    with connect(base_url) as client:
        found = client.monitoring.alerts(automation_ref(automation))
    if as_json:
        output.print_json(found)
        return
    rows = [
        (one["id"], one["state"], one["metric"], one["value"], one["threshold"], output.moment_cell(one["stateSince"]))
        for one in items(found, "data")
    ]
    output.print_rows(("id", "state", "metric", "value", "above", "since"), rows)


@app.command("add")
def add(  # noqa: PLR0913 (one parameter an option)
    automation: AutomationName,
    *,
    metric: Metric,
    above: Threshold = 0.0,
    window: Window = 60,
    minimum: Minimum = 20,
    renotify: Annotated[
        int | None, typer.Option("--renotify", metavar="MINUTES", help="Tell again while it fires.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What to call it.")] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Watch something; webhooks tell of it (`alert.firing`, `alert.resolved`)."""
    rule = {**_rule(metric, above, window, minimum), "renotifyMinutes": renotify, "name": name}
    with connect(base_url) as client:
        added = client.monitoring.add_alert(automation_ref(automation), rule)
    _print_alert(added, as_json=as_json)


@app.command("preview")
def preview(
    automation: AutomationName,
    *,
    metric: Metric,
    above: Threshold = 0.0,
    window: Window = 60,
    minimum: Minimum = 20,
    days: Annotated[int, typer.Option("--days", min=1, max=90, help="How far back to look.")] = 7,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Try a rule out on the past: when it would have fired."""
    with connect(base_url) as client:
        found = client.monitoring.preview_alert(
            automation_ref(automation), _rule(metric, above, window, minimum), days=days
        )
    if as_json:
        output.print_json(found)
        return
    told = [one for one in items(found, "points") if one["told"]]
    output.print_rows(
        ("when", "told", "value"), [(output.moment_cell(one["at"]), one["told"], one["value"]) for one in told]
    )
    output.say(f"It would have fired {formats.count(found['fired'], 'time')} in {formats.count(days, 'day')}.")


@app.command("remove")
def remove(
    automation: AutomationName,
    alert_id: Annotated[str, typer.Argument(metavar="ALERT", help="As `list` names it.")],
    *,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Remove an alert."""
    with connect(base_url) as client:
        removed = client.monitoring.remove_alert(automation_ref(automation), alert_id)
    _print_alert(removed, as_json=as_json)


def _rule(metric: str, above: float, window: int, minimum: int) -> dict[str, Any]:
    return {"metric": metric, "threshold": above, "windowMinutes": window, "minimum": minimum}


def _print_alert(alert: Json, *, as_json: bool) -> None:
    if as_json:
        output.print_json(alert)
        return
    names = ("id", "name", "metric", "threshold", "windowMinutes", "minimum", "renotifyMinutes", "state")
    output.print_fields({name: alert[name] for name in names})
